#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cprofctl top` beside `go tool pprof -top` on the same files: the same text. And bad files.

What is not compared: the marks "(inline)" and "(partial-inline)" behind names, which cprofctl leaves
out, and a profile's comments that do not begin with '#'.
"""

import argparse
import datetime
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from http_daemon import Daemon, answer  # noqa: E402

CPROFCTL = ""
PPROF = None
TYPES = {"cpu": [("samples", "count"), ("cpu", "nanoseconds")],
         "heap": [("alloc_objects", "count"), ("alloc_space", "bytes"),
                  ("inuse_objects", "count"), ("inuse_space", "bytes")],
         "slow": [("delay", "microseconds")], "pages": [("resident", "pages")]}


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


class Profile:
    """Random, and all that pprof's table depends on: recursion, inlining, functions without a name,
    equal sums, values that vanish in rounding, several types."""

    def __init__(self, seed, kind="cpu", samples=60, default=None, scale=10_000_000):
        self.rng = random.Random(seed)
        self.strings = {"": 0}
        self.types = TYPES[kind]
        out = b"".join(field(1, field(1, self.text(t)) + field(2, self.text(u)))
                       for t, u in self.types)
        out += b"".join(self.sample(scale) for _ in range(samples))
        for i, path in enumerate(("/usr/bin/prog", "/usr/lib/libx.so.1"), 1):
            out += field(3, field(1, i) + field(2, i << 20) + field(3, (i + 1) << 20)
                         + field(5, self.text(path)) + field(6, self.text(f"{seed:032x}{i:08x}"))
                         + field(7, 1))
        out += b"".join(self.location(i) for i in range(1, 41))
        for i in range(1, 31):
            out += field(5, field(1, i) + field(2, self.text(f"f{i % 28}")))
        out += field(9, 1_700_000_000_000_000_000 + seed) + field(10, 1_234_567_890)
        out += field(12, 10_000_000)
        if default:
            out += field(14, self.text(default))
        out += b"".join(field(6, s.encode()) for s in self.strings)
        self.bytes = gzip.compress(out)

    def text(self, s):
        return self.strings.setdefault(s, len(self.strings))

    def location(self, i):
        lines = [self.rng.randrange(1, 31) for _ in range(self.rng.choice((0, 1, 1, 1, 2, 3)))]
        return field(4, field(1, i) + field(2, i % 2 + 1) + field(3, (i % 2 + 1 << 20) + i * 16)
                     + b"".join(field(4, field(1, n)) for n in lines))

    def sample(self, scale):
        ids = [min(40, int(self.rng.expovariate(0.1)) + 1)
               for _ in range(self.rng.randrange(1, 9))]
        values = [0 if self.rng.random() < 0.1 else
                  int(self.rng.choice((1, 2, 5, 0.001)) * (scale if i % 2 or len(self.types) == 1 else 1))
                  for i in range(len(self.types))]
        return field(2, field(1, b"".join(map(varint, ids)))
                     + field(2, b"".join(map(varint, values))))


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="test-top-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def top(self, *args, **kwargs):
        return subprocess.run([CPROFCTL, "top", *map(str, args)], capture_output=True, text=True,
                              check=False, cwd=self.dir, env=dict(os.environ, TZ="UTC"),
                              **{"stdin": subprocess.DEVNULL, **kwargs})

    def write(self, name, profile):
        path = self.dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(profile if isinstance(profile, bytes) else profile.bytes)
        return path

    def assert_line(self, done, text, status=1):
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], r"^cprofctl: top: .+; .+")
        self.assertIn(text, lines[0])
        self.assertEqual(done.returncode, status)


class AsPprof(Case):
    def compare(self, files, *options):
        ours = self.top(*options, *files)
        self.assertEqual((ours.returncode, ours.stderr), (0, ""))
        theirs, complaint = PPROF.run("-top", *(o.replace("--", "-", 1) for o in options), *files)
        self.assertEqual(complaint, "")
        theirs = re.sub(r" \((partial-)?inline\)$", "", theirs, flags=re.MULTILINE)
        self.assertEqual(ours.stdout, theirs)
        return ours.stdout

    def test_random_profiles(self):
        for seed in range(8):
            for kind, types in TYPES.items():
                with self.subTest(f"{kind} {seed}"):
                    path = self.write("p.pb.gz", Profile(seed, kind, scale=10 ** (seed + 1)))
                    self.compare([path])
                    for i, (name, _) in enumerate(types):
                        self.assertEqual(self.compare([path], f"--sample_index={name}"),
                                         self.top("--sample-index", i, path).stdout)

    def test_options(self):
        path = self.write("p.pb.gz", Profile(1, samples=400))
        whole = self.compare([path], "--nodefraction=0")
        for options in (["--cum"], ["--nodecount=7"], ["--nodefraction=0.1"],
                        ["--cum", "--nodecount=3", "--nodefraction=0.02"], ["--nodefraction=1"]):
            with self.subTest(options):
                self.assertNotEqual(self.compare([path], *options), whole)
        self.assertEqual(self.compare([path], "--nodecount=1000", "--nodefraction=0"), whole)

    def test_several(self):
        """As one: sums, the earliest time, all durations."""
        paths = [self.write(f"{i}.pb.gz", Profile(i)) for i in range(5)]
        self.assertIn("Duration: 6.17s", self.compare(paths))

    def test_default_type(self):
        path = self.write("p.pb.gz", Profile(3, "heap", default="alloc_space"))
        self.assertIn("Type: alloc_space", self.compare([path]))

    def test_inuse(self):
        """A name of newer profiles finds the type of older ones."""
        path = self.write("p.pb.gz", Profile(3, "slow"))
        self.assertIn("Type: delay", self.compare([path], "--sample_index=inuse_delay"))

    def test_negative(self):
        """A difference of two profiles, as pprof writes it."""
        base, path = self.write("a.pb.gz", Profile(1)), self.write("b.pb.gz", Profile(2))
        diff = self.dir / "d.pb.gz"
        _, complaint = PPROF.run("-proto", f"-output={diff}", f"-base={base}", path)
        self.assertEqual(complaint, "")
        self.assertIn(" -", self.compare([diff], "--nodefraction=0"))


class Sources(Case):
    def setUp(self):
        super().setUp()
        self.file = self.write("p.pb.gz", Profile(7))
        self.text = self.top(self.file).stdout
        self.assertIn("Showing nodes", self.text)

    def test_stdin(self):
        with open(self.file, "rb") as f:
            self.assertEqual(self.top("-", stdin=f).stdout, self.text)
        piped = subprocess.run(["bash", "-c", 'exec "$0" top <(cat p.pb.gz)', CPROFCTL],
                               capture_output=True, text=True, check=True, cwd=self.dir,
                               env=dict(os.environ, TZ="UTC"))
        self.assertEqual(piped.stdout, self.text)

    def test_directory(self):
        """All profiles below, and nothing else."""
        self.write("d/a.pb.gz", Profile(1))
        self.write("d/b.pb", gzip.decompress(Profile(2).bytes))
        (self.dir / "d/x").mkdir()
        other = self.dir / "d/x/c.pprof"
        other.write_bytes(Profile(3).bytes)
        self.write("d/README", b"not a profile")
        self.write("d/.half.pb.gz", b"not a profile")
        (self.dir / "d/loop").symlink_to(".")
        os.mkfifo(self.dir / "d/fifo.pb.gz")
        done = self.top("d")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, self.top("d/a.pb.gz", "d/b.pb", other).stdout)

    def test_options_behind(self):
        self.assertEqual(self.top(self.file, "--cum").stdout, self.top("--cum", self.file).stdout)
        (self.dir / "--cum").write_bytes(self.file.read_bytes())
        self.assertEqual(self.top("--", "--cum").stdout, self.text)

    def test_json(self):
        done = json.loads(self.top("--json", "--nodecount=2", self.file).stdout)
        self.assertEqual((done["type"], done["unit"], done["files"]), ("cpu", "nanoseconds", 1))
        self.assertEqual(len(done["top"]), 2)
        rows, _ = PPROF.top(self.file)
        self.assertEqual([(r["flat"], r["cum"], r["function"]) for r in done["top"]],
                         [(flat, cum, re.sub(r" \((partial-)?inline\)$", "", name))
                          for flat, cum, name in rows[:2]])
        self.assertEqual(done["rows"] + done["dropped"], len(rows))

    def test_bad(self):
        """One line for each, status 1, and the good ones are shown."""
        good = self.file.read_bytes()
        self.write("text.pb.gz", b"no profile at all")
        self.write("cut.pb.gz", good[:len(good) // 2])
        self.write("empty.pb.gz", b"")
        (self.dir / "none").mkdir()
        for name, text in (("text.pb.gz", "not a profile"), ("cut.pb.gz", "not a profile"),
                           ("missing", "No such file"), ("none", "no profiles in this directory"),
                           ("/proc/self/mem", "Input/output error"),
                           ("x\033[2Jy", "No such file")):
            with self.subTest(name):
                done = self.top(name, self.file)
                self.assert_line(done, text)
                self.assertEqual(done.stdout, self.text)
                self.assertNotIn("\033", done.stderr)
                alone = self.top(name)
                self.assert_line(alone, text)
                self.assertEqual(alone.stdout, "")
        self.assert_line(self.top("empty.pb.gz"), "not a profile")

    def test_other_type(self):
        heap = self.write("heap.pb.gz", Profile(1, "heap"))
        done = self.top(self.file, heap)
        self.assert_line(done, "alloc_objects, alloc_space, inuse_objects, inuse_space")
        self.assertEqual(done.stdout, self.text)
        self.assert_line(self.top("--sample-index", "wall", self.file),
                         "no sample type wall; it has: samples, cpu")

    def test_no_samples(self):
        path = self.write("none.pb.gz", Profile(1, samples=0))
        self.assert_line(self.top(path), "no samples", 3)

    def test_wrong_usage(self):
        for args in (["--nodecount", "-1"], ["--nodefraction", "2"], ["--nodefraction", "nan"],
                     ["--nodefraction", "0x1"], ["--sample-index", ""], ["--nothing"]):
            done = self.top(*args, self.file)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
            self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_plain_user(self):
        """Without a SOURCE it needs root, and says so."""
        if os.geteuid() == 0:
            done = self.top(user=65534, group=65534)
        else:
            done = self.top()
        self.assert_line(done, "without a SOURCE it records the machine for 5 s: no daemon")


class Stored(Case):
    """Without a SOURCE: what a daemon says it has, read from its directory."""

    def setUp(self):
        super().setUp()
        self.socket, self.spool = self.dir / "cprofd.sock", self.dir / "spool"
        self.day = self.spool / "2026-01-31"
        self.day.mkdir(parents=True)

    def daemon(self, paths, directory=None, raw=None):
        """Lists @paths, or says @raw."""
        files = [{"path": str(path), "kind": "cpu"} for path in paths]
        raw = raw or answer({"directory": str(directory or self.spool), "files": files})
        daemon = Daemon(self.socket, lambda conn, target: conn.sendall(raw))
        self.addCleanup(daemon.close)
        self.addCleanup(self.socket.unlink, missing_ok=True)
        return daemon

    def stored(self, *options):
        """No recording comes about here: nobody listens for that."""
        return self.top("--socket", self.socket, "--cprofd", "/nonexistent", *options, timeout=30)

    def file(self, name, seed=1):
        return self.write(f"spool/2026-01-31/{name}", Profile(seed))

    def test_shown(self):
        files = [self.file(f"{seed}.pb.gz", seed) for seed in (1, 2)]
        daemon = self.daemon([*(f.relative_to(self.spool) for f in files), "2026-01-31/gone.pb.gz"])
        done = self.stored("--nodecount=9")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        asked = re.fullmatch(r"/ls\?kind=cpu&since=(\S+Z)", daemon.targets[0])[1]
        ago = time.time() - datetime.datetime.fromisoformat(asked.replace("Z", "+00:00")).timestamp()
        self.assertTrue(600 <= ago < 630, ago)
        named = self.top("--nodecount=9", *files).stdout
        self.assertEqual(done.stdout.partition("Showing")[2], named.partition("Showing")[2])
        self.assertIn(f"Stored: 2 profiles in {self.spool}, Total samples = ", done.stdout)
        self.assertNotIn("File:", done.stdout)
        self.assertNotIn("Duration:", done.stdout)
        self.assertEqual(json.loads(self.stored("--json").stdout)["files"], 2)

    def test_only_files_below(self):
        """A front that was taken over leads root nowhere."""
        good = self.file("good.pb.gz")
        self.write("secret.pb.gz", Profile(2))
        os.mkfifo(self.day / "fifo.pb.gz")
        (self.day / "link.pb.gz").symlink_to(good)
        (self.spool / "day").symlink_to(self.day)
        alone = self.top("--json", good).stdout
        for path in ("../secret.pb.gz", self.dir / "secret.pb.gz", "2026-01-31/fifo.pb.gz", "2026-01-31",
                     "2026-01-31/link.pb.gz", "day/good.pb.gz", ""):
            with self.subTest(path):
                daemon = self.daemon([path, "2026-01-31/good.pb.gz"])
                done = self.stored("--json")
                if path == "":
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                else:
                    self.assert_line(done, f"{self.spool}/{path}: ")
                self.assertEqual(done.stdout, alone)
                daemon.close()
                self.socket.unlink()

    def test_nothing_stored(self):
        for paths in ([], ["2026-01-31/gone.pb.gz"]):
            with self.subTest(paths):
                self.setUp()
                self.daemon(paths)
                done = self.stored()
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                said = done.stderr.splitlines()
                self.assertEqual(len(said), 2, said)
                self.assertIn("has stored nothing of the last 10 minutes; recording 5 s", said[0])
                self.assertIn("without a SOURCE it records the machine", said[1])

    def test_not_to_be_had(self):
        """Whoever may not read them, and whoever has no daemon, gets a recording: here, its error."""
        sentence = "only root and the group cprofd may"
        for raw, directory in ((answer(sentence.encode(), "403 Forbidden", "text/plain"), None),
                               (None, "/nonexistent"), (None, None)):
            with self.subTest(f"{raw} {directory}"):
                self.setUp()
                if raw or directory:
                    self.daemon(["x"], directory, raw)
                self.assert_line(self.stored(), "without a SOURCE it records the machine")

    def test_bad_daemon(self):
        for raw, said in ((answer(b"out of memory\n", "500 Oops", "text/plain"), "the daemon failed: out of memory"),
                          (answer([]), "it is no JSON object"), (b"hello\n", "that is no HTTP")):
            with self.subTest(said):
                self.setUp()
                self.daemon([], raw=raw)
                self.assert_line(self.stored(), said)


def main():
    global CPROFCTL, PPROF
    parser = argparse.ArgumentParser()
    parser.add_argument("--cprofctl", required=True)
    args, rest = parser.parse_known_args()
    CPROFCTL = os.path.abspath(args.cprofctl)
    with harness.scratch() as tmp:
        try:
            PPROF = harness.Pprof(tmp)
        except harness.Skip as skip:
            print(f"SKIP: {skip}")
            sys.exit(77)
        program = unittest.main(argv=[sys.argv[0], *rest], exit=False)
    sys.exit(not program.result.wasSuccessful())


main()
