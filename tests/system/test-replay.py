#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A recording and its replay: the same profiles, byte for byte, made by a user who may do nothing, from
a file that tells no address and no memory of what was recorded; and files that are no such thing.

The programs are copied to a directory of their own, as another machine would have them.
"""

import gzip
import os
import pathlib
import random
import shutil
import stat
import struct
import subprocess
import sys
import time

import harness
from harness import Recorder, Work

NOBODY = 65534
KERNEL = 0xFFFF800000000000
HEAD = 24  # bytes of a raw file before its first chunk
CHUNK = struct.Struct("<IIQQ")
OBJECT = 2  # chunks of this type hold build ids, which are any bytes
BUILD_ID = slice(32, 64)
SECRET = "kept-to-myself-%08x" % random.getrandbits(32)

# Spins in code that it made itself, called by address, with a secret in its arguments and environment.
JIT = """
import ctypes, mmap
code = bytes.fromhex("554889e5" "b900e1f505" "ffc9" "75fc" "5dc3")
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                 prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
place = ctypes.addressof(ctypes.c_char.from_buffer(page))
run = ctypes.CFUNCTYPE(None)(place)
print(place, flush=True)
while True:
    run()
"""


class Bench:
    def __init__(self, args, checks, tmp):
        self.args = args
        self.checks = checks
        self.tmp = tmp
        self.cnt = 0
        self.programs = tmp / "elsewhere"
        self.programs.mkdir()
        daemon = args.cprofctl.parent.parent.parent / "daemon"
        for role, name in (("launcher", "cprofd"), ("sampler", "cprofd-sampler")):
            shutil.copy(daemon / role / name, self.programs)

    def folder(self):
        self.cnt += 1
        path = self.tmp / str(self.cnt)
        path.mkdir()
        path.chmod(0o777)
        return path

    def replay(self, raw, out, cwd="/"):
        """By somebody without any right."""
        return subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all",
             "--bounding-set=-all", "--no-new-privs", self.programs / "cprofd", "--replay", raw,
             "-o", out], cwd=cwd, env={}, capture_output=True, text=True, timeout=60, check=False)


def inflated(directory):
    """By name, or in order for the one file whose name has a word that only the user knew."""
    return {path.name: gzip.decompress(path.read_bytes()) for path in sorted(directory.iterdir())}


def compare(bench, name, raw, original, least):
    """@original: the directory of the profiles."""
    checks = bench.checks
    raw.chmod(0o644)
    again = bench.folder()
    done = bench.replay(raw, again)
    checks.equal(f"{name}: exit status of the replay", done.returncode, 0)
    checks.check(f"{name}: one line on stdout, none on stderr",
                 done.stdout.count("\n") == 1 and not done.stderr, done.stdout.strip() + done.stderr)
    ours, theirs = inflated(original), inflated(again)
    if len(ours) == 1:
        ours, theirs = list(ours.values()), list(theirs.values())
    else:
        checks.equal(f"{name}: names of files that differ", sorted(set(theirs) ^ set(ours)), [])
    checks.equal(f"{name}: profiles that differ", theirs if len(theirs) != len(ours) else
                 [i for i in (ours if isinstance(ours, dict) else range(len(ours)))
                  if ours[i] != theirs[i]], [])
    checks.at_least(f"{name}: profiles", len(ours), least)
    pprof = harness.Pprof(bench.tmp)
    for directory in (original, again):
        texts = [pprof.run("-raw", path)[0] for path in sorted(directory.iterdir())[:8]]
        if directory is original:
            first = texts
    checks.check(f"{name}: pprof -raw says the same of both", first == texts and all(texts),
                 f"{sum(map(len, texts))} bytes of text")


def values(data):
    """All 64-bit words that stand for something: not the checks of chunks, no build ids."""
    at = HEAD
    while at < len(data):
        kind, _, size, _ = CHUNK.unpack_from(data, at)
        at += CHUNK.size
        part = bytearray(data[at:at + size])
        entry = 0
        while kind == OBJECT and entry < size:
            part[entry + BUILD_ID.start:entry + BUILD_ID.stop] = bytes(32)
            entry += struct.unpack_from("<I", part, entry)[0]
        for shift in (0, 4):
            end = shift + (len(part) - shift) // 8 * 8
            for (value,) in struct.iter_unpack("<Q", part[shift:end]):
                yield value, shift
        at += size


def mappings(pid):
    found = []
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        start, end = (int(word, 16) for word in line.split()[0].split("-"))
        found.append((start, end))
    return found


def tells_nothing(bench, name, raw, ranges, secrets):
    """@ranges: where the target's memory was. Those of ET_EXEC files are the file's own affair."""
    data = raw.read_bytes()
    placed = [(a, b) for a, b in ranges if a >= 1 << 32]
    kernel = [hex(v) for v, shift in values(data) if v >= KERNEL and not shift]
    runtime = [hex(v) for v, _ in values(data) if any(a <= v < b for a, b in placed)]
    bench.checks.equal(f"{name}: kernel addresses among {len(data) // 8} words", kernel, [])
    bench.checks.equal(f"{name}: addresses of {len(placed)} mappings", runtime, [])
    bench.checks.equal(f"{name}: what lay on the stack",
                       [s for s in secrets if s.encode() in data], [])


def machine(bench):
    """Everything, while there is a bit of everything."""
    out = bench.folder()
    with Work(bench.args.workloads / "spin", -1, 20) as spin, \
         Work("sh", "-c", "while :; do /bin/true; done"):
        ranges = mappings(spin.pid) + mappings("self") + mappings(os.getppid())
        done = harness.record(bench.args.cprofctl, "-a", "--seconds", 2, "--raw", out / "x.raw",
                              "-o", out / "profiles")
    if harness.good(bench.checks, "machine", done):
        bench.checks.equal("machine: raw_lost", done.counters["raw_lost"], 0)
        bench.checks.equal("machine: the raw file is no profile",
                           [f["path"] for f in done.files if "raw" in f["path"]], [])
        compare(bench, "machine", out / "x.raw", out / "profiles", 3)
        tells_nothing(bench, "machine", out / "x.raw", ranges, [])


def command(bench):
    """C, Python, short processes, and much kernel, all in one file."""
    out = bench.folder()
    spin = bench.args.workloads / "spin"
    script = (f"{spin} -1 0.4; {sys.executable} -c 'for i in range(300000): str(i)';"
              "dd if=/dev/zero of=/dev/null bs=1M count=6000 2>/dev/null;"
              "for i in 1 2 3 4 5 6 7 8 9; do ls -R /usr/share/doc >/dev/null; done")
    (out / "profiles").mkdir()
    done = harness.record(bench.args.cprofctl, "--raw", out / "x.raw", "-o",
                          out / "profiles" / "x.pb.gz", "--", "sh", "-c", script,
                          env={**os.environ, "SECRET": SECRET})
    if harness.good(bench.checks, "command", done):
        compare(bench, "command", out / "x.raw", out / "profiles", 1)
        tells_nothing(bench, "command", out / "x.raw", [], [SECRET])


def brief(bench):
    """Processes that share files, each event of another kind."""
    out = bench.folder()
    done = harness.record(bench.args.cprofctl, "--raw", out / "x.raw", "-o", f"{out}/profiles/",
                          "--event", "page-faults/2", "--", "sh", "-c",
                          "for i in 1 2 3 4 5 6 7 8 9; do /bin/ls / /usr >/dev/null; done")
    if harness.good(bench.checks, "brief", done):
        compare(bench, "brief", out / "x.raw", out / "profiles", 2)


def own_code(bench):
    """Code that has no file, and what lies on the stack of it."""
    out = bench.folder()
    with Work("/usr/bin/python3", "-c", JIT, SECRET, env={"SECRET": SECRET}) as jit:
        place = int(jit.process.stdout.readline())
        with Recorder(bench.args.cprofctl, "--pid", jit.pid, "--seconds", 1, "--raw", out / "x.raw",
                      "-o", f"{out}/profiles/") as recorder:
            ranges = mappings(jit.pid)
            done = recorder.finish()
    if not harness.good(bench.checks, "own code", done):
        return
    pprof = harness.Pprof(bench.tmp)
    text = pprof.run("-raw", *(out / "profiles").iterdir())[0]
    bench.checks.check("own code: it was sampled", "[jit]" in text, "[jit]" in text)
    bench.checks.check("own code: in the ranges that are looked for",
                       any(a <= place < b for a, b in ranges), hex(place))
    compare(bench, "own code", out / "x.raw", out / "profiles", 1)
    tells_nothing(bench, "own code", out / "x.raw", ranges, [SECRET])


def with_memory(bench):
    """Memory of the process, because root asked for it: said, for root alone, and enough to walk again."""
    checks, out = bench.checks, bench.folder()
    words = ("--seconds", 2, "--hz", 199, "--raw", out / "x.raw", "--with-memory", "-o", f"{out}/profiles/")
    with Work(bench.args.workloads / "spin", -1, 20, env={"SECRET": SECRET}) as spin:
        done = harness.record(bench.args.cprofctl, "--pid", spin.pid, *words)
        shutil.copy(bench.args.cprofctl, bench.programs)
        denied = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", bench.programs / "cprofctl",
             "record", "--pid", str(spin.pid), *map(str, words)], capture_output=True, text=True, check=False)
    checks.check("with memory: for root alone", denied.returncode == 1 and "root alone" in denied.stderr,
                 denied.stderr.strip())
    if not harness.good(checks, "with memory", done):
        return
    checks.check("with memory: whose it is", f"({spin.pid})" in done.stderr and "x.raw" in done.stderr,
                 done.stderr.strip())
    checks.equal("with memory: mode of the file", oct(stat.S_IMODE((out / "x.raw").stat().st_mode)), "0o600")
    checks.equal("with memory: lost", (done.counters["raw_memory_lost"], done.counters["kept_full"]), (0, 0))
    checks.check("with memory: what lay on the stack", SECRET.encode() in (out / "x.raw").read_bytes(), "there")
    cases = bench.args.cprofctl.parents[2] / "tests/unwind/cases"
    again = subprocess.run([cases, out / "x.raw"], capture_output=True, text=True, check=False)
    checks.check("with memory: walked again as the kernel did", "; 0 differ;" in again.stdout, again.stdout.strip()[-300:])
    compare(bench, "with memory", out / "x.raw", out / "profiles", 1)


def refused(bench, name, raw, says):
    """One clear line, status 1, at once, and nothing is written."""
    out = bench.folder()
    begun = time.monotonic()
    done = bench.replay(raw, out)
    lines = done.stderr.splitlines()
    good = (done.returncode == 1 and not done.stdout and len(lines) == 1
            and any(word in done.stderr for word in says.split("|"))
            and not list(out.iterdir()) and time.monotonic() - begun < 20)
    if not good:
        bench.checks.check(f"refused: {name}", False, (done.returncode, done.stdout, lines))
    return good


def borders(data):
    at = HEAD
    while at < len(data):
        yield at
        at += CHUNK.size + CHUNK.unpack_from(data, at)[2]


def bad_files(bench):
    out = bench.folder()
    done = harness.record(bench.args.cprofctl, "--raw", out / "good.raw", "-o", out / "x.pb.gz", "--",
                          bench.args.workloads / "spin", -1, 0.3)
    if not harness.good(bench.checks, "bad files", done):
        return
    data = (out / "good.raw").read_bytes()
    rng = random.Random(7)
    noise = lambda cnt: bytes(rng.getrandbits(8) for _ in range(cnt))  # noqa: E731
    cases = {f"cut at {at}": (data[:at], "it is cut") for at in borders(data)}
    for at in rng.sample(range(HEAD, len(data)), 20):
        cases[f"cut at {at}, by chance"] = (data[:at], "it is cut")
    for at in rng.sample(range(HEAD, len(data)), 20):
        # A length that is damaged may point behind the end.
        cases[f"another byte at {at}"] = (data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1:],
                                          "is damaged|is cut")
    cases |= {"empty": (b"", "is no replay file"), "noise": (noise(4096), "is no replay file"),
              "noise behind the head": (data[:HEAD] + noise(4096), "is damaged"),
              "a profile": ((out / "x.pb.gz").read_bytes(), "is no replay file"),
              "another version": (data[:8] + b"\x07" + data[9:], "version 7"),
              "other records": (data[:16] + b"\x07" + data[17:], "version 7"),
              "another byte order": (data[:12] + data[15:11:-1] + data[16:], "byte order"),
              "twice": (data + data, "behind its end")}
    raw = out / "bad.raw"
    good = 0
    for name, (content, says) in cases.items():
        raw.write_bytes(content)
        raw.chmod(0o644)
        good += refused(bench, name, raw, says)
    bench.checks.equal("bad files: refused in one line", good, len(cases))

    os.mkfifo(out / "fifo")
    (out / "fifo").chmod(0o644)
    refused_all = [refused(bench, "a FIFO", out / "fifo", "no regular file"),
                   refused(bench, "a directory", out, "no regular file"),
                   refused(bench, "nothing", out / "none", "cannot open"),
                   refused(bench, "not ours to read", out / "good.raw", "cannot open")]
    bench.checks.equal("bad files: FIFO, directory, none, not ours", refused_all, [True] * 4)


def writing(bench):
    """The raw file belongs to the caller; one that cannot be written is said before any sample."""
    out = bench.folder()
    (out / "x.raw").write_text("old")
    spin = [bench.args.workloads / "spin", "-1", "0.2"]
    done = harness.record(bench.args.cprofctl, "--raw", out / "x.raw", "-o", out / "x.pb.gz", "--",
                          *spin)
    harness.good(bench.checks, "writing", done)
    data = (out / "x.raw").read_bytes()
    bench.checks.check("writing: what the user named is replaced", data.startswith(b"cprofraw"),
                       data[:8])
    bench.checks.equal("writing: for nobody else to change",
                       stat.S_IMODE((out / "x.raw").stat().st_mode) & 0o137, 0)
    bench.checks.equal("writing: nothing else is left", sorted(p.name for p in out.iterdir()),
                       ["x.pb.gz", "x.raw"])
    # A device of our own: the machine needs its /dev/null, whatever is wrong with us.
    device = out / "null"
    os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    for place, says in ((out / "none" / "x", "No such file"), (device, "choose another")):
        done = harness.record(bench.args.cprofctl, "--raw", place, "-o", out / "y.pb.gz", "--", *spin)
        bench.checks.check(f"writing: {place} is refused before it begins",
                           done.status == 1 and "record: " in done.stderr and says in done.stderr
                           and not (out / "y.pb.gz").exists(), done.stderr.strip())
    bench.checks.check("writing: a device stays one", device.is_char_device(), "yes")


def run(args, checks):
    harness.need("setpriv")
    with harness.scratch() as tmp:
        harness.play(args, checks, [machine, command, brief, own_code, with_memory, bad_files, writing],
                     Bench(args, checks, tmp))


if __name__ == "__main__":
    harness.main(run, __doc__)
