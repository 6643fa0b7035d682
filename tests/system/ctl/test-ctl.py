#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofctl against a cprofd with faults: what it says, what it keeps, what it returns."""

import argparse
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import stat
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

FAKE = pathlib.Path(__file__).resolve().parent / "fake-cprofd.py"
CPROFCTL = ""
NAME = re.compile(r"^fake-\d+-1234-1\.cpu\.000001-000002(~\d+)?\.pb\.gz$")


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="test-ctl-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def argv(self, *args, fault="none", before=()):
        return [CPROFCTL, *before, "record", "--cprofd", str(FAKE), "--role", f"fault={fault}",
                *map(str, args)]

    def record(self, *args, fault="none", before=(), **kwargs):
        kwargs = {"cwd": self.dir, "capture_output": True, "text": True, "timeout": 60,
                  "stdin": subprocess.DEVNULL, **kwargs}
        return subprocess.run(self.argv(*args, fault=fault, before=before), check=False, **kwargs)

    def start(self, *args, fault="none", **kwargs):
        p = subprocess.Popen(self.argv(*args, fault=fault), cwd=self.dir, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        return p

    def files(self, where="."):
        return sorted(f.name for f in (self.dir / where).iterdir())

    def wait_for(self, path):
        for _ in range(400):
            if path.exists() and path.read_text():
                return
            time.sleep(0.05)
        self.fail(f"{path} did not come")

    def assert_line(self, done, text, status=1):
        """One line for the fault, with what, why and next."""
        lines = [line for line in done.stderr.splitlines() if text in line]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], r"^cprofctl: record: .+; .+")
        self.assertNotIn("\033", done.stderr)
        self.assertEqual(done.returncode, status, done.stderr)


class Usage(Case):
    def run_ctl(self, *args):
        return subprocess.run([CPROFCTL, *args], capture_output=True, text=True, check=False)

    def test_help(self):
        for args in (["--help"], ["help"], ["record", "--help"], ["help", "record"],
                     ["--help", "record"], ["record", "-h"], ["version", "--help"]):
            done = self.run_ctl(*args)
            self.assertEqual(done.returncode, 0, args)
            self.assertIn("Examples:", done.stdout)
            self.assertNotIn("--cprofd", done.stdout)
            self.assertEqual(done.stderr, "")

    def test_version(self):
        for args in (["version"], ["--version"]):
            done = self.run_ctl(*args)
            self.assertRegex(done.stdout, r"^cprofctl \d+\.\d+\.\d+\n$")
        self.assertIn("version", json.loads(self.run_ctl("--json", "version").stdout))

    def test_wrong(self):
        for args in ([], ["nothing"], ["--nothing"], ["record"], ["record", "-a", "--hz", "0"],
                     ["help", "nothing"], ["version", "a"], ["record", "-a", "--pid", "1"]):
            done = self.run_ctl(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertEqual(done.stdout, "")

    def test_meant(self):
        for args, said in ((["recrod"], "'recrod', but there is record; "), (["xyzzy"], "'xyzzy'; "),
                           (["help", "statu"], "'statu', but there is status; "),
                           (["record", "--secs", "1"], "--secs; "),
                           (["record", "--second", "1"], "--second, but there is --seconds; "),
                           (["record", "--jsno"], "--jsno, but there is --json; "),
                           (["top", "--node", "1"], "--node, but there is --nodecount; ")):
            done = self.run_ctl(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(said, done.stderr)

    def test_full_output(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([CPROFCTL, "version"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)

    def test_no_process(self):
        with subprocess.Popen(["true"]) as gone:
            pass
        done = self.record("--pid", gone.pid)
        self.assert_line(done, f"no process {gone.pid}; see ps -e")

    def test_thread(self):
        tids, ready = [], threading.Event()

        def body():
            tids.append(threading.get_native_id())
            ready.wait()

        thread = threading.Thread(target=body)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ready.set)
        while not tids:
            time.sleep(0.01)
        done = self.record("--pid", tids[0])
        self.assert_line(done, f"{tids[0]} is a thread of process {os.getpid()}; use --pid")

    def test_not_root(self):
        done = self.record("-a", user=65534)
        self.assert_line(done, "no daemon is running and this is not root; start cprofd or run it "
                               "with sudo")

    def test_no_daemon(self):
        done = subprocess.run([CPROFCTL, "--socket", self.dir / "x.sock", "record", "-a"],
                              capture_output=True, text=True, check=False)
        self.assert_line(done, "cannot reach a daemon")

    def test_no_cprofd(self):
        done = subprocess.run([CPROFCTL, "record", "-a", "--cprofd", self.dir / "none"],
                              capture_output=True, text=True, check=False, cwd=self.dir)
        self.assert_line(done, "cannot start")
        self.assertEqual(self.files(), [])


class Good(Case):
    def test_pid(self):
        done = self.record("--pid", os.getpid(), "--seconds", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.files()), 1)
        self.assertRegex(self.files()[0], NAME)
        self.assertIn("5 samples, 0 missed, 0 lost; 100.0% of stacks reached their root, 90.0% of "
                      "frames have names; our own cost: ", done.stdout)
        self.assertIn("      50ms   100%   100%       50ms   100%  hot_function", done.stdout)
        self.assertIn(f"next: {CPROFCTL} top {self.files()[0]}\n", done.stdout)
        self.assertNotIn("\033", done.stdout)

    def test_json(self):
        done = self.record("--pid", os.getpid(), "--seconds=1s", "--hz", 50, before=["--json"])
        out = json.loads(done.stdout)
        self.assertEqual(out["hz"], 50)
        self.assertEqual(out["ended_by"], "time")
        self.assertEqual(out["seconds"], 1)
        self.assertEqual(out["books"]["in_profiles"], 5)
        self.assertEqual(out["books"]["difference"], 0)
        self.assertEqual(set(out["books"]), {
            "produced", "runs", "missed", "delivered", "dropped", "in_profiles", "open_window",
            "discarded", "difference"})
        self.assertIn("drop_ring_full", out["books"]["dropped"])
        self.assertIn("discard_client", out["books"]["discarded"])
        self.assertEqual(out["counters"]["bpf_ns"], 12_000_000)
        self.assertEqual(out["stacks"], {"complete": 5, "truncated": 0})
        self.assertEqual(out["frames"], {"total": 10, "symbolized": 9})
        # An interpreter started: that is CPU time which wait4() must have brought.
        self.assertGreater(out["cost"]["cpu_s"], 0.005)
        self.assertEqual(out["cost"]["bpf_s"], 0.012)
        self.assertEqual(out["top"], [{"function": "hot_function", "flat": 50_000_000,
                                       "cum": 50_000_000}])
        self.assertEqual(out["files"], [{
            "path": self.files()[0], "kind": "process", "processes": 1, "pid": os.getpid(), "start": 1234, "exec": 1, "comm": "fake",
            "samples": 5, "nanoseconds": 50_000_000}])

    def test_all(self):
        done = self.record("-a", "--seconds", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        made, = self.files()
        self.assertRegex(made, r"^cprofd-profiles-\d{8}-\d{6}$")
        self.assertEqual((self.dir / made).stat().st_mode & 0o7777, 0o700)
        self.assertEqual(len(self.files(made)), 3)
        for name in self.files(made):
            self.assertRegex(name, NAME)

    def test_two_pids(self):
        done = self.record("--pid", f"{os.getpid()},{os.getppid()}", "-o", "d", "--seconds=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.files("d")), 2)

    def test_existing_file_is_kept(self):
        for _ in range(2):
            self.assertEqual(self.record("--pid", os.getpid(), "--seconds=1").returncode, 0)
        self.assertEqual(len(self.files()), 2)
        self.assertEqual(sum("~1" in name for name in self.files()), 1)

    def test_given_file_is_replaced(self):
        (self.dir / "f").write_text("old")
        done = self.record("--pid", os.getpid(), "--seconds=1", "-o", "f", fault="twice")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(), ["f", "f~1"])
        self.assertEqual((self.dir / "f").read_bytes(), (self.dir / "f~1").read_bytes())

    def test_ctrl_c(self):
        p = self.start("--pid", os.getpid(), "--seconds=5m", "--role", f"note={self.dir / 'note'}")
        self.wait_for(self.dir / "note.started")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(30), 0, p.stderr.read())
        self.assertEqual(len(self.files()), 3)

    def test_ctrl_c_twice(self):
        p = self.start("--pid", os.getpid(), "--seconds=1", "--role", f"note={self.dir / 'note'}",
                       fault="slow")
        self.wait_for(self.dir / "note.started")
        for _ in range(400):
            if any(NAME.match(name) for name in self.files()):
                break
            time.sleep(0.05)
        begun = time.monotonic()
        # Of two that come before one was read there is but one.
        while p.poll() is None:
            self.assertLess(time.monotonic() - begun, 20)
            p.send_signal(signal.SIGINT)
            time.sleep(0.2)
        self.assertEqual(p.returncode, 1)
        self.assertIn("interrupted twice; profiles already received are kept", p.stderr.read())
        self.assertEqual(sum(bool(NAME.match(name)) for name in self.files()), 1)

    def test_ignored_signal(self):
        """nohup: what was ignored stays so."""
        p = self.start("--pid", os.getpid(), "--seconds=2",
                       preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        time.sleep(1)
        p.send_signal(signal.SIGHUP)
        begun = time.monotonic()
        self.assertEqual(p.wait(30), 0)
        self.assertGreater(time.monotonic() - begun, 0.5)

    def test_process_that_exits(self):
        note = self.dir / "note"
        with subprocess.Popen(["sleep", "60"]) as target:
            p = self.start("--pid", target.pid, "--seconds=5m", "--role", f"note={note}")
            self.wait_for(self.dir / "note.started")
            target.kill()
            self.assertEqual(p.wait(20), 0)
        self.assertIn(f"process {target.pid} has exited; what was sampled of it is kept",
                      p.stderr.read())
        self.assertEqual(sum(bool(NAME.match(name)) for name in self.files()), 1)

    def test_surroundings(self):
        """cprofd gets descriptors 0 to 3, its own process group, and nothing of ours."""
        stray = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(stray, True)
        self.addCleanup(os.close, stray)
        self.record("--pid", os.getpid(), "--seconds=1", "--role", f"note={self.dir / 'note'}",
                    close_fds=False)
        note = json.loads((self.dir / "note").read_text())
        self.assertEqual(note["fds"], [0, 1, 2, 3])
        self.assertEqual(note["stdin"], "/dev/null")
        self.assertEqual(note["pgid"], note["pid"])
        self.assertEqual(note["argv"][0], "--session")
        self.assertNotIn("--verbose", note["argv"])

    def test_verbose(self):
        done = self.record("--pid", os.getpid(), "--seconds=1", "--role",
                           f"note={self.dir / 'note'}", before=("-v",))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--verbose", json.loads((self.dir / "note").read_text())["argv"])

    def test_progress(self):
        """On a terminal one line that is rewritten, and gone at the end."""
        done = self.on_terminal("--pid", os.getpid(), "--seconds=2")
        self.assertIn("\rrecording 0 s of 2 s: 5 samples, 0 lost, 1 process\033[K", done)
        self.assertIn("\rwriting the profiles of 1 process\033[K", done)
        self.assertTrue(done.rstrip().endswith("\r\033[K"), repr(done[-80:]))
        self.assertEqual(self.on_terminal("--pid", os.getpid(), "--seconds=1", "-q"), "")

    def test_narrow(self):
        """The line is cut where the terminal ends: one that wraps could not be written over."""
        done = self.on_terminal("--pid", os.getpid(), "--seconds=2", columns=20)
        self.assertIn("\rrecording 0 s of 2 \033[K", done)

    def on_terminal(self, *args, columns=0):
        """What arrives on stderr when that is a terminal."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        p = subprocess.Popen(self.argv(*args), cwd=self.dir, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        got = b""
        while select.select([ours], [], [], 20)[0]:
            try:
                more = os.read(ours, 4096)
            except OSError:
                break
            got += more
        p.wait()
        os.close(ours)
        return got.decode()

    def test_stays(self):
        begun = time.monotonic()
        done = self.record("--pid", os.getpid(), "--seconds=1", fault="stays")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(time.monotonic() - begun, 15)


class Command(Case):
    def test_status(self):
        for script, status in (("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)):
            done = self.record("-q", "--", "sh", "-c", script)
            self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(len(self.files()), 3)
        for name in self.files():
            self.assertRegex(name, r"^sh-\d+\.cpu\.000001-000002\.pb\.gz$")

    def test_streams(self):
        done = self.record("-q", "--", "sh", "-c", "cat; echo err >&2; echo $MARK", stdin=None,
                           input="in\n", env=dict(os.environ, MARK="mark"))
        self.assertEqual(done.stdout, "in\nmark\n")
        self.assertEqual(done.stderr, "err\n")

    def test_report(self):
        """Stdout is the command's; our report goes to stderr, an object that was asked for not."""
        done = self.record("--", "echo", "out")
        self.assertEqual(done.stdout, "out\n")
        self.assertIn("5 samples, 0 missed, 0 lost", done.stderr)
        self.assertIn("hot_function", done.stderr)
        done = self.record("--json", "--", "echo", "out")
        self.assertEqual(done.stdout.splitlines()[0], "out")
        self.assertIn("books", json.loads(done.stdout.splitlines()[1]))
        self.assertEqual(done.stderr, "")

    def test_surroundings(self):
        """The command gets what it would have got without us."""
        script = ("import os, signal; print(sorted(os.listdir('/proc/self/fd'))[:-1], "
                  "signal.pthread_sigmask(signal.SIG_BLOCK, []), "
                  "signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1))")
        bare = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL, cwd=self.dir)
        ours = self.record("-q", "--", sys.executable, "-c", script)
        self.assertEqual(ours.stdout, bare.stdout)

    def test_cannot_run(self):
        (self.dir / "plain").write_text("no program")
        for name, status, why in (("/none", 127, "No such file or directory"),
                                  ("no-such-program-anywhere", 127, "No such file or directory"),
                                  ("./plain", 126, "Permission denied")):
            done = self.record("--", name)
            self.assert_line(done, f"cannot run {name}: {why}", status)
        self.assertEqual(self.files(), ["plain"])

    def test_directory(self):
        done = self.record("-o", "d/", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.files("d")), 1)
        self.assertRegex(self.files("d")[0], NAME)

    def test_not_run_without_sampler(self):
        for fault in ("exits", "refuses", "early_end"):
            done = self.record("--", "touch", "ran", fault=fault)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(self.files(), [])

    def test_sampler_dies(self):
        """The command runs on; its status wins unless it is 0."""
        for script, status in (("sleep 0.5; exit 0", 1), ("sleep 0.5; exit 7", 7)):
            done = self.record("--", "sh", "-c", script, fault="dies")
            self.assert_line(done, "the sampler died; profiles already received are kept", status)

    def test_no_samples(self):
        done = self.record("--", "true", fault="no_samples")
        self.assert_line(done, "no samples", 0)

    def test_all_lost(self):
        """The command's status wins unless it is 0."""
        for script, status in (("exit 0", 1), ("exit 7", 7)):
            done = self.record("--", "sh", "-c", script, fault="all_lost")
            self.assert_line(done, "all 42 samples were lost", status)
            self.assertNotIn("used no CPU", done.stderr)

    def test_ends_before_the_command(self):
        done = self.record("--seconds=1", "--", "sh", "-c", "sleep 1; exit 5", fault="ends_early")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertEqual(len(self.files()), 1)

    def test_sampler_goes_before_the_command(self):
        """Once the recording is over nothing of it stays, however long the command runs."""
        note, go = self.dir / "note", self.dir / "go"
        for fault, status in (("ends_early", 5), ("garbage", 5)):
            with self.subTest(fault):
                for path in (note, go):
                    path.unlink(missing_ok=True)
                p = self.start("--json", "--role", f"note={note}", "--", "sh", "-c",
                               "until [ -e go ]; do sleep 0.1; done; exit 5", fault=fault)
                self.wait_for(note)
                fake = pathlib.Path(f"/proc/{json.loads(note.read_text())['pid']}")
                for _ in range(400):
                    if not fake.exists():
                        break
                    time.sleep(0.05)
                gone, running = not fake.exists(), p.poll() is None
                go.write_text("")
                out = json.loads(p.communicate(timeout=20)[0])
                self.assertEqual(p.returncode, status)
                self.assertTrue(running)
                self.assertTrue(gone, "cprofd is still there")
                if "cost" in out:
                    self.assertGreater(out["cost"]["cpu_s"], 0)
                self.assertEqual("cost" in out, fault == "ends_early")

    def test_ctrl_c(self):
        """From the terminal it reaches the command by itself; we wait and keep what there is."""
        p = self.start("--", "sh", "-c", "trap 'echo got; exit 3' INT; echo up; "
                       "while :; do sleep 0.1; done", start_new_session=True)
        self.assertEqual(p.stdout.readline(), "up\n")
        os.killpg(p.pid, signal.SIGINT)
        self.assertEqual(p.wait(20), 3)
        self.assertEqual(len(self.files()), 1)

    def test_term_is_passed_on(self):
        p = self.start("-q", "--", "sh", "-c", "trap 'exit 4' TERM; echo up; "
                       "while :; do sleep 0.1; done")
        self.assertEqual(p.stdout.readline(), "up\n")
        p.terminate()
        self.assertEqual(p.wait(20), 4)
        self.assertEqual(len(self.files()), 1)

    @staticmethod
    def is_gone(pid):
        try:
            return " Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True

    def test_killed(self):
        """When we are killed, cprofd goes and the command is left alone."""
        note = self.dir / "note"
        p = self.start("--role", f"note={note}", "--", "sh", "-c", "echo $$; sleep 2; touch alive")
        p.stdout.readline()
        fake = json.loads(note.read_text())["pid"]
        p.kill()
        p.wait()
        for _ in range(400):
            if self.is_gone(fake):
                break
            time.sleep(0.05)
        else:
            self.fail("cprofd is still there")
        for _ in range(400):
            if (self.dir / "alive").exists():
                return
            time.sleep(0.05)
        self.fail("the command was killed with us")


class Check(Case):
    """What `check` makes of a sampler with faults; the machine's own lines are other tests'."""

    def check(self, *before, fault="none", colour=False):
        argv = [CPROFCTL, *before, "check", "--cprofd", str(FAKE), "--role", f"fault={fault}"]
        return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=self.dir)

    def line(self, done, name):
        found = [line for line in done.stdout.splitlines() if line[6:16].strip() == name]
        self.assertEqual(len(found), 1, done.stdout)
        return found[0]

    def test_lines(self):
        done = self.check(fault="many")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        for name in ("kernel", "rights", "sampler", "samples", "books", "names", "walk"):
            self.assertRegex(self.line(done, name), "^ok ")
        self.assertNotIn("\033", done.stdout)
        self.assertIn("next: cprofctl record -a", done.stdout)
        self.assertEqual(self.check("-q", fault="many").stdout, "")

    def test_json(self):
        out = json.loads(self.check("--json", fault="many").stdout)
        self.assertEqual((out["failed"], out["cpus"]), (0, 2))
        self.assertIn({"name": "sampler", "result": "ok",
                       "text": "cprofd runs, its programs are in the kernel"}, out["checks"])

    def test_faults(self):
        for fault, name, text in (
                ("refuses", "sampler", "cannot load the BPF program: Operation not permitted"),
                ("exits", "sampler", "cprofd ended before the recording did"),
                ("dies", "sampler", "cprofd ended before the recording did"),
                ("garbage", "sampler", "cprofd does not keep the protocol"),
                ("not_a_profile", "sampler", "a profile that cannot be used"),
                ("no_samples", "samples", "0 of a process that used"),
                ("all_lost", "samples", "42 were lost: the sample ring had no room"),
                ("unbalanced", "books", "7 samples are unaccounted for"),
                ("nameless", "names", "none of 10 frames has a name")):
            with self.subTest(fault):
                done = self.check(fault=fault)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertRegex(self.line(done, name), "^FAIL .+; .+")
                self.assertIn(text, self.line(done, name))
                self.assertIn("each says what to do", done.stdout)

    def test_degraded(self):
        """It works, but less well."""
        done = self.check(fault="degraded")
        for name in ("walk", "note"):
            self.assertRegex(self.line(done, name), "^warn .+; .+")

    def test_plain_user(self):
        done = subprocess.run([CPROFCTL, "check"], capture_output=True, text=True, check=False,
                              user=65534, group=65534, extra_groups=[])
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertRegex(self.line(done, "rights"), "^FAIL .*not root; run it with sudo")
        self.assertRegex(self.line(done, "sampling"), "^skip ")

    def test_usage(self):
        for args in (["--nothing"], ["extra"]):
            done = subprocess.run([CPROFCTL, "check", *args], capture_output=True, text=True,
                                  check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""))


class ThroughDaemon(Case):
    """`record` where a daemon answers: it is asked, and no cprofd is started."""

    def setUp(self):
        super().setUp()
        self.dir.chmod(0o777)
        self.sock = self.dir / "run" / "cprofd.sock"
        self.sock.parent.mkdir()

    def daemon(self, fault="none"):
        path = self.sock.parent / "session.sock"
        p = subprocess.Popen([sys.executable, FAKE, "--listen", path, "--role", f"fault={fault}"])
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        for _ in range(400):
            if path.exists() and path.stat().st_mode & 0o777 == 0o666:
                return p
            time.sleep(0.05)
        self.fail("the daemon did not come")

    def http(self, version):
        """The daemon's other socket, where it tells its version."""
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(self.sock))
        sock.listen(8)
        self.addCleanup(sock.close)
        body = json.dumps({"version": version}).encode()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with sock.accept()[0] as conn:
                        conn.recv(4096)
                        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        threading.Thread(target=serve, daemon=True).start()

    def through(self, *args, command="record", **kwargs):
        """A private cprofd could not be started here."""
        argv = [CPROFCTL, "--socket", str(self.sock), command, "--cprofd", "/nonexistent",
                *map(str, args)]
        return subprocess.run(argv, check=False, **{
            "cwd": self.dir, "capture_output": True, "text": True, "timeout": 90,
            "stdin": subprocess.DEVNULL, **kwargs})

    def recorded(self):
        return [name for name in self.files() if name != "run"]

    def test_good(self):
        self.daemon()
        done = self.through("--pid", os.getpid(), "--seconds=1")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(self.recorded()), 1)
        # What a daemon costs is not what this recording costs.
        self.assertIn("5 samples, 0 missed, 0 lost; 100.0% of stacks reached their root, 90.0% of "
                      "frames have names; our own cost: 12ms in BPF\n", done.stdout)
        out = json.loads(self.through("--json", "-a", "--seconds=1").stdout)
        self.assertIsNone(out["cost"]["cpu_s"])
        self.assertEqual(self.through("--", "sh", "-c", "exit 7").returncode, 7)

    def test_plain_user(self):
        """Who may sample nothing by themselves get files of their own."""
        self.daemon()
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        with subprocess.Popen(["sleep", "60"], **nobody) as target:
            self.addCleanup(target.kill)
            done = self.through("--pid", target.pid, "--seconds=1", **nobody)
            target.kill()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual((self.dir / self.recorded()[0]).stat().st_uid, 65534)
        done = self.through("-q", "--", "id", "-u", **nobody)
        self.assertEqual((done.returncode, done.stdout), (0, "65534\n"))

    def test_not_permitted(self):
        self.daemon("not_permitted")
        done = self.through("--pid", 1, user=65534, group=65534, extra_groups=[])
        self.assert_line(done, "process 1 is of another user: only root and the group cprofd may record "
                               "it; ask to become a member")
        self.assertEqual(self.recorded(), [])

    def test_idle_of_others(self):
        """A longer recording would not help who may not see them."""
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        self.daemon("no_samples")
        done = self.through("--pid", 1, "--seconds=1", **nobody)
        self.assert_line(done, "idle for the whole time; and of processes that are not yours only root", 3)
        with subprocess.Popen(["sleep", "60"], **nobody) as own:
            self.addCleanup(own.kill)
            done = self.through("--pid", own.pid, "--seconds=1", **nobody)
            own.kill()
        self.assert_line(done, "the process was idle for the whole time; try a longer --seconds", 3)

    def test_forbidden(self):
        """Samples of others are withheld: no loss, no idleness, and no success where they were named."""
        said = ("40 samples are of other users' processes, which you may not see; run it with sudo, or "
                "become a member of the daemon's group, cprofd")
        pid = ("--pid", os.getpid(), "--seconds=1")
        self.daemon("forbidden")
        done = self.through(*pid)
        self.assert_line(done, said)
        self.assertNotIn("idle", done.stderr)
        self.assert_line(self.through("-a", "--seconds=1"), "no samples of your own processes: they were "
                         "idle; run it with sudo", 3)
        done = self.through(command="top")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("top: no samples of your own processes; run it with sudo", done.stderr)
        self.setUp()
        self.daemon("some_forbidden")
        done = self.through(*pid)
        self.assert_line(done, said, 0)
        self.assertIn("5 samples, 0 missed, 0 lost, 40 of other users not shown; 100.0% of", done.stdout)
        self.assertEqual(self.through("-a", "--seconds=1").stderr, "")

    def test_socket_not_permitted(self):
        self.daemon()
        (self.sock.parent / "session.sock").chmod(0o600)
        done = self.through("-a", user=65534, group=65534, extra_groups=[])
        self.assert_line(done, f"cannot speak to the daemon of {self.sock}: Permission denied; run it "
                               "with sudo")

    def test_hangs(self):
        """Neither the command nor we wait for ever."""
        self.daemon("hangs")
        begun = time.monotonic()
        done = self.through("--", "touch", "ran")
        self.assert_line(done, f"the daemon of {self.sock} does not answer; see journalctl -u cprofd, or "
                               "systemctl restart cprofd")
        self.assertLess(time.monotonic() - begun, 40)
        self.assertEqual(self.recorded(), [])
        done = self.through(command="top")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^cprofctl: top: the daemon of .* does not answer; see journalctl")

    def test_stopped(self):
        """One that does not even take the connection: it waits in the queue."""
        self.daemon().send_signal(signal.SIGSTOP)
        self.assert_line(self.through("-a"), "does not answer; see journalctl -u cprofd")

    def test_full_queue(self):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.bind(str(self.sock.parent / "session.sock"))
        sock.listen(0)
        self.addCleanup(sock.close)
        for _ in range(4):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.addCleanup(s.close)
            s.setblocking(False)
            try:
                s.connect(str(self.sock.parent / "session.sock"))
            except BlockingIOError:
                break
        self.assert_line(self.through("-a"), "takes no connection: its queue is full; try again")

    def test_other_version(self):
        """It hangs up, or answers what we do not know; its other socket tells its version."""
        version = subprocess.run([CPROFCTL, "version"], capture_output=True, text=True,
                                 check=True).stdout.split()[1]
        nonsense = ("the daemon does not keep the protocol: Bad message; are cprofctl and cprofd of one "
                    "version?")
        for fault, said in (("hangs_up", "the daemon hung up before the recording began; see journalctl"),
                            ("old_version", nonsense), ("not_understood", nonsense)):
            for other, expected in ((None, said), (version, said),
                                    ("0.0.1", f"the daemon is of version 0.0.1 and this is cprofctl {version}, "
                                              "which it does not understand; systemctl restart cprofd")):
                with self.subTest(f"{fault} {other}"):
                    self.setUp()
                    self.daemon(fault)
                    if other:
                        self.http(other)
                    self.assert_line(self.through("--", "touch", "ran"), expected)
                    self.assertEqual(self.recorded(), [])
                    if other == "0.0.1":
                        self.http_again(other)
                        self.assertIn("is of version 0.0.1", self.through(command="top").stderr)

    def http_again(self, version):
        self.sock.unlink()
        self.http(version)

    def test_dies(self):
        self.daemon("dies")
        done = self.through("--pid", os.getpid(), "--seconds=1")
        self.assert_line(done, "the sampler died; profiles already received are kept")

    def test_other_pids(self):
        """From another pid namespace: its numbers are other processes there."""
        self.daemon()
        argv = ["unshare", "--pid", "--fork", "--mount-proc", CPROFCTL, "--socket", str(self.sock)]
        for args in (["--pid", "1"], ["--", "true"]):
            done = subprocess.run([*argv, "record", *args], capture_output=True, text=True, check=False,
                                  cwd=self.dir)
            self.assert_line(done, "is outside of this pid namespace and knows processes by other numbers")
        done = subprocess.run([*argv, "record", "-a", "--seconds=1"], capture_output=True, text=True,
                              check=False, cwd=self.dir)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    # It gets its mode when somebody listens.
    LISTENS = "until [ \"$(stat -c %a /run/cprofd/session.sock 2>&1)\" = 666 ]; do sleep 0.05; done"

    def at_usual_place(self, script, **kwargs):
        """Runs a shell with a /run of its own, in which @script may make sockets."""
        whole = f"mount -t tmpfs none /run && mkdir /run/cprofd && {script}"
        return subprocess.run(["unshare", "--mount", "sh", "-c", whole], capture_output=True, text=True,
                              check=False, cwd=self.dir, timeout=60, **kwargs)

    def test_falls_back(self):
        """Nobody listens, or its numbers are of another namespace: root gets a cprofd of its own."""
        stale = ("python3 -c 'import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)"
                 ".bind(\"/run/cprofd/session.sock\")' && ")
        listening = (f"{sys.executable} {FAKE} --listen /run/cprofd/session.sock --role fault=hangs & "
                     f"{self.LISTENS}; unshare --pid --fork --mount-proc ")
        own = f"{CPROFCTL} record --cprofd {FAKE} --seconds=1 --pid "
        for script in ("", stale, listening):
            with self.subTest(script):
                pid = 1 if script == listening else os.getpid()
                done = self.at_usual_place(f"{script}{own}{pid}; r=$?; kill $! 2>/dev/null; exit $r")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("5 samples", done.stdout)

    def test_usual_place(self):
        """A daemon there is used without being named, and a cprofd of our own is not."""
        done = self.at_usual_place(f"{sys.executable} {FAKE} --listen /run/cprofd/session.sock & "
                                   f"kill=$!; {self.LISTENS}; "
                                   f"{CPROFCTL} record --cprofd /nonexistent --seconds=1 -a; r=$?; "
                                   "kill $kill; exit $r")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("5 samples, 0 missed".replace("5", "15"), done.stdout)


class Faults(Case):
    def pid(self, fault, *args):
        return self.record("--pid", os.getpid(), "--seconds=1", *args, fault=fault)

    def test_ends_before_it_began(self):
        self.assert_line(self.pid("exits"), "cprofd ended before the recording began")

    def test_refuses(self):
        self.assert_line(self.pid("refuses"), "record: cannot load the BPF program: Operation not "
                                              "permitted; run it as root")

    def test_breaks_off(self):
        self.assert_line(self.pid("breaks_off"), "lost a CPU")

    def test_dies(self):
        self.assert_line(self.pid("dies"), "the sampler died; profiles already received are kept")
        self.assertEqual(self.files(), [])

    def test_dies_between(self):
        done = self.pid("dies_between")
        self.assert_line(done, "the sampler died; profiles already received are kept")
        self.assertEqual(len(self.files()), 1)
        self.assertIn("hot_function", done.stdout)

    def test_dies_between_json(self):
        done = self.record("--json", "--pid", os.getpid(), "--seconds=1", fault="dies_between")
        out = json.loads(done.stdout)
        self.assertEqual(out["ended_by"], "failure")
        self.assertNotIn("books", out)
        self.assertEqual(len(out["files"]), 1)

    def test_protocol(self):
        for fault in ("garbage", "huge", "stray_descriptor", "old_version", "two_descriptors",
                      "no_descriptor"):
            with self.subTest(fault):
                self.assert_line(self.pid(fault), "cprofd does not keep the protocol: Bad message")
                self.assertEqual(self.files(), [])

    def test_out_of_turn(self):
        self.assert_line(self.pid("early_end"), "cprofd sent a message out of turn")

    def test_unsealed(self):
        self.assert_line(self.pid("unsealed"), "cprofd sent a profile that cannot be used")
        self.assertEqual(len(self.files()), 1)

    def test_wrong_size(self):
        self.assert_line(self.pid("wrong_size"), "cprofd sent a profile that cannot be used")
        self.assertEqual(self.files(), [])

    def test_not_a_profile(self):
        self.assert_line(self.pid("not_a_profile"), "cannot be summed up: Bad message")

    def test_unbalanced(self):
        self.assert_line(self.pid("unbalanced"), "THE BOOKS DO NOT BALANCE: 7 samples", 1)
        for script, status in (("exit 0", 1), ("exit 7", 7)):
            done = self.record("--", "sh", "-c", script, fault="unbalanced")
            self.assert_line(done, "THE BOOKS DO NOT BALANCE", status)

    def test_degraded(self):
        """What the sampler notes is warned of at once, and stands in the JSON object."""
        text = "the walk of mappings is switched off: it differs; names may be missing"
        done = self.pid("degraded")
        self.assert_line(done, text, 0)
        out = json.loads(self.record("--json", "--pid", os.getpid(), "--seconds=1",
                                     fault="degraded").stdout)
        self.assertEqual((out["degraded"], out["walk"]), ([text], "proc"))
        out = json.loads(self.record("--json", "--pid", os.getpid(), "--seconds=1").stdout)
        self.assertEqual((out["degraded"], out["walk"]), ([], "tree"))

    def test_no_samples(self):
        self.assert_line(self.pid("no_samples"), "no samples: the process was idle for the whole "
                                                 "time", 3)
        self.assertEqual(self.files(), [])
        done = self.record("-a", "--seconds=1", fault="no_samples")
        self.assert_line(done, "no samples: the machine was idle", 3)
        self.assertEqual(self.files(), [])

    def test_all_lost(self):
        """What was lost is no idleness."""
        said = ("all 42 samples were lost: the sample ring had no room: too little CPU for cprofd, or too "
                "many samples (drop_ring_full 40, "
                "discard_memory 2); try a larger --ring")
        for args in ((), ("-a",)):
            done = self.record(*(args or ("--pid", os.getpid())), "--seconds=1", fault="all_lost")
            self.assert_line(done, said)
            self.assertNotIn("idle", done.stderr)
            self.assertIn("0 samples, 0 missed, 42 lost", done.stdout)
            self.assertEqual(self.files(), [])
        done = self.record("--json", "-a", "--seconds=1", fault="all_lost")
        self.assert_line(done, said)
        self.assertEqual(json.loads(done.stdout)["books"]["dropped"]["drop_ring_full"], 40)

    def test_profile_lost(self):
        for fault, name in (("profile_lost", "discard_client"),
                            ("profile_not_encoded", "discard_encode")):
            with self.subTest(fault):
                done = self.pid(fault)
                self.assert_line(done, "7 samples are in no file: samples of a profile that")
                self.assertIn(f"({name} 7)", done.stderr)
                self.assertIn("hot_function", done.stdout)

    def test_some_dropped(self):
        """A part of the samples: the accounting says it, and the profile stands."""
        done = self.pid("some_dropped")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("5 samples, 0 missed, 3 lost", done.stdout)

    def test_odd_comm(self):
        done = self.pid("odd_comm", "-o", "d/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.files("d")), 1)
        self.assertRegex(self.files("d")[0], r"^_?[.\w-]*etc_pass_wd-\d+-1234-1\.cpu\.")

    def test_output_cannot_be_written(self):
        (self.dir / "file").write_text("")
        # A device of our own: the machine needs its /dev/null, whatever is wrong with us.
        device = self.dir / "null"
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        for args in (("-o", "none/f"), ("-o", device), ("-o", "file/")):
            with self.subTest(args):
                note = self.dir / "note"
                done = self.record("--pid", os.getpid(), *args, "--role", f"note={note}")
                self.assert_line(done, "choose another place with -o")
                self.assertFalse(note.exists(), "the sampler was started")
        self.assertTrue(device.is_char_device(), "the device was replaced")
        done = self.record("-a", "-o", "file")
        self.assert_line(done, "is no directory")

    def test_disk_full(self):
        """A write that fails late is said, leaves nothing behind, and the others are tried."""
        full = self.dir / "full"
        full.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", full],
                          check=False).returncode:
            self.skipTest("cannot mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", full], check=False)
        done = self.record("-a", "--seconds=1", "-o", full)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("No space left on device; make room or choose"), 1)
        self.assertEqual(len(self.files("full")), 2)
        self.assertNotIn(".tmp", "".join(self.files("full")))


def names_of(suite):
    return [name for test in suite for name in
            (names_of(test) if isinstance(test, unittest.TestSuite) else [test.id()])]


def run_one(name):
    test = name.removeprefix("__main__.")
    done = subprocess.run([sys.executable, __file__, "--cprofctl", CPROFCTL, "-v", test],
                          capture_output=True, text=True, check=False)
    if done.returncode or "skipped" in done.stderr:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def run_all():
    """Most of the tests wait for somebody who is silent: several do so at a time."""
    names = names_of(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        good = list(pool.map(run_one, names))
    print(f"{sum(good)} of {len(good)} passed")
    return 0 if good and all(good) else 1


def main():
    global CPROFCTL
    parser = argparse.ArgumentParser()
    parser.add_argument("--cprofctl", required=True)
    args, rest = parser.parse_known_args()
    CPROFCTL = os.path.abspath(args.cprofctl)
    if os.geteuid() != 0:
        print("SKIP: a private cprofd needs root")
        sys.exit(77)
    # A shell's background job is born with these ignored, and so would be all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not rest:
        sys.exit(run_all())
    unittest.main(argv=[sys.argv[0], *rest])


main()
