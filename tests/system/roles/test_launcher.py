#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofd, the launcher, with scripts in the place of roles: wiring, restarts, and that nothing of it
is left behind, however it ends."""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import crew
import fuse
import namespaces
import wire
from crew import PYTHON, TIMEOUT, alive

CPROFD, OPENER = (sys.argv.pop(1) for _ in range(2)) if len(sys.argv) > 2 else (None, None)
IDS = {"sampler": 61180, "opener": 61181, "symbolizer": 61182}
# Where kernel.perf_event_paranoid is above 2 some kernels ask for CAP_SYS_ADMIN.
with open("/proc/sys/kernel/perf_event_paranoid", encoding="utf-8") as paranoid:
    ADMIN = 1 << 21 if int(paranoid.read()) > 2 else 0
CAPS = {"sampler": 1 << 39 | 1 << 38 | ADMIN, "opener": 1 << 19 | 1 << 2 | 1 << 40, "symbolizer": 0}


class Launcher(crew.Crew):
    """cprofd --session."""

    roles = tuple(IDS)

    def __init__(self, modes=None, programs=None, prefix=()):
        super().__init__(modes, programs)
        self.client, theirs = wire.pair()
        self.client.settimeout(TIMEOUT)
        self.spawn([*prefix, CPROFD, "--session", "--session-fd=5", *self.role_options],
                   {"SECRET": "x"}, [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 5)])
        theirs.close()

    def wait_ready(self):
        """All have met all their neighbours."""
        for role, other in (("sampler", "opener"), ("sampler", "symbolizer"), ("opener", "sampler"),
                            ("opener", "symbolizer"), ("symbolizer", "sampler"),
                            ("symbolizer", "opener")):
            self.wait_event(role, event="hello", via=other)
        return self

    def order(self, text):
        self.client.send(text.encode())

    def close(self):
        super().close()
        self.client.close()


class LauncherTest(unittest.TestCase):
    def launch(self, modes=None, programs=None, prefix=(), ready=True):
        launcher = Launcher(modes, programs, prefix)
        self.addCleanup(launcher.close)
        return launcher.wait_ready() if ready else launcher

    def ends(self, launcher, status, within=TIMEOUT):
        begun = time.monotonic()
        self.assertEqual(launcher.wait(), status, launcher.log())
        self.assertLess(time.monotonic() - begun, within)
        self.assertEqual(launcher.left(), [])

    def test_wiring(self):
        launcher = self.launch()
        for role in IDS:
            for hello in launcher.events(role, event="hello"):
                said, pid = hello["text"].split()
                self.assertEqual(said, hello["via"])
                self.assertEqual(int(pid), launcher.role_pid(said))
        self.assertEqual(len(launcher.events(event="hello")), 6)
        launcher.wait_event("sampler", event="peer", of="client")
        self.assertEqual(len(launcher.events(event="peer", of="client")), 1)
        first = launcher.wait_event("symbolizer", event="kallsyms")["first"]
        self.assertGreater(int(first.split()[0], 16), 0, "addresses are hidden")
        self.assertEqual(len(launcher.events(event="kallsyms")), 1)
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)
        self.assertEqual(launcher.log(), "")

    def test_what_a_role_starts_with(self):
        launcher = self.launch()
        for role, uid in IDS.items():
            with self.subTest(role):
                start = launcher.wait_event(role, event="start")
                status, fds = start["status"], start["fds"]
                self.assertEqual(status["Uid"].split(), [str(uid)] * 4)
                self.assertEqual(status["Gid"].split(), [str(uid)] * 4)
                self.assertEqual(status["Groups"].strip(), "")
                for field in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
                    self.assertEqual(int(status[field], 16), CAPS[role], field)
                self.assertEqual(status["NoNewPrivs"], "1")
                self.assertEqual(int(status["SigBlk"], 16), 0)
                self.assertEqual(start["pgid"], start["pid"])
                self.assertEqual(set(start["environ"]) - {"LC_CTYPE"}, {"PATH", "LANG"})
                self.assertEqual(fds.pop("0"), "/dev/null")
                self.assertEqual({fds.pop("1"), fds.pop("2")}, {str(launcher.log_path)})
                self.assertTrue(fds.pop("3").startswith("socket:"))
                # Only a script is left the descriptor that its interpreter reads it from.
                self.assertEqual(set(fds.values()) - {str(launcher.dir / f"fake-{role}")}, set())

    def test_what_the_launcher_keeps(self):
        launcher = self.launch()
        status = pathlib.Path(f"/proc/{launcher.pid}/status").read_text(encoding="utf-8")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        # Plus KILL, SETGID, SETUID, SETPCAP, SYSLOG.
        expected = sum(CAPS.values()) | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 34
        for field in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(fields[field], 16), expected, field)

    def test_where_the_uids_are_not_mapped(self):
        """In a user namespace with root alone, roles are root, and nothing but that."""
        launcher = self.launch(prefix=[PYTHON, namespaces.__file__])
        for role in IDS:
            status = launcher.wait_event(role, event="start")["status"]
            self.assertEqual(status["Uid"].split(), ["0"] * 4)
            self.assertEqual(int(status["CapEff"], 16), CAPS[role])
            self.assertEqual(int(status["CapBnd"], 16), CAPS[role])
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)

    def test_restart(self):
        launcher = self.launch()
        for role, neighbours in (("opener", ("sampler", "symbolizer")),
                                 ("symbolizer", ("sampler", "opener"))):
            with self.subTest(role):
                old = launcher.role_pid(role)
                os.kill(old, signal.SIGKILL)
                new = launcher.role_pid(role, 2)
                self.assertNotEqual(old, new)
                for other in neighbours:
                    launcher.wait_event(other, event="hello", text=f"{role} {new}")
                    launcher.wait_event(role, 1, pid=new, event="hello", via=other)
                    launcher.wait_event(other, event="lost", of=role)
        self.assertEqual(len(launcher.events("symbolizer", event="kallsyms")), 2)
        self.assertEqual(len(launcher.log().splitlines()), 2, launcher.log())
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)

    def test_pauses_grow(self):
        launcher = self.launch({"symbolizer": "exit"}, ready=False)
        launcher.role_pid("symbolizer", 3)
        time.sleep(2)
        # 50 + 100 + ... + 1600 ms: the seventh start comes after more than three seconds.
        self.assertLessEqual(len(launcher.events("symbolizer", event="start")), 7)
        self.assertGreaterEqual(len(launcher.events("symbolizer", event="start")), 5)
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)

    @unittest.skipUnless("--long" in sys.argv, "takes half a minute")
    def test_given_up(self):
        launcher = self.launch({"symbolizer": "exit"}, ready=False)
        deadline = time.monotonic() + 60
        while "given up" not in launcher.log() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(3)
        self.assertEqual(len(launcher.events("symbolizer", event="start")), 20)
        self.assertEqual(len(launcher.log().splitlines()), 20)
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)

    def test_replaced_on_demand(self):
        launcher = self.launch()
        old = launcher.role_pid("opener")
        os.kill(old, signal.SIGSTOP)
        launcher.order("control " + wire.peer(wire.OPENER).hex())
        new = launcher.role_pid("opener", 2)
        self.assertFalse(alive(old))
        launcher.wait_event("sampler", event="hello", text=f"opener {new}")
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)

    def test_only_the_sampler_may_ask_for_that(self):
        for number in (wire.SAMPLER, wire.CLIENT, 0, 2**32 - 1):
            with self.subTest(number):
                launcher = self.launch()
                launcher.order("control " + wire.peer(number).hex())
                self.ends(launcher, 1, 2.5)

    def test_sampler_dies(self):
        for how, text in (("kill", "SIGKILL"), ("exit 3", "status 3")):
            with self.subTest(how):
                launcher = self.launch()
                if how == "kill":
                    os.kill(launcher.role_pid("sampler"), signal.SIGKILL)
                else:
                    launcher.order(how)
                self.ends(launcher, 1, 1.5)
                self.assertEqual(len(launcher.log().splitlines()), 1)
                self.assertIn(text, launcher.log())

    def test_launcher_dies(self):
        launcher = self.launch()
        os.kill(launcher.pid, signal.SIGKILL)
        self.assertEqual(launcher.wait(), -signal.SIGKILL)
        deadline = time.monotonic() + TIMEOUT
        while launcher.left() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(launcher.left(), [])

    def test_client_goes(self):
        launcher = self.launch()
        launcher.client.close()
        launcher.wait_event("sampler", event="lost", of="client")

    def test_garbage_from_a_role(self):
        for mode in ("garbage", "ready-storm"):
            with self.subTest(mode):
                launcher = self.launch({"symbolizer": mode}, ready=False)
                launcher.role_pid("symbolizer", 3)
                self.assertIn("broke the protocol", launcher.log())
                launcher.wait_event("sampler", event="hello", via="opener")
                self.assertEqual(len(launcher.events("opener", event="start")), 1)
                launcher.order("exit 0")
                self.ends(launcher, 0, 1.5)

    def test_garbage_from_the_sampler(self):
        launcher = self.launch()
        launcher.order("control ffffffffffffffffffffffffffffffff")
        self.ends(launcher, 1, 2.5)

    def test_hung_opener_does_not_stop_the_end(self):
        launcher = self.launch()
        os.kill(launcher.role_pid("opener"), signal.SIGSTOP)
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)

    def test_opener_that_cannot_be_killed(self):
        """In D state: it is abandoned, and only so many are; the end waits two seconds, no more."""
        mount = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        mount.chmod(0o755)
        self.addCleanup(mount.rmdir)
        taken, swallowed = os.pipe()
        self.addCleanup(os.close, taken)
        self.addCleanup(os.close, swallowed)
        with fuse.mounted(mount, os.stat("/bin/true"), swallowed):
            launcher = self.launch({"opener": f"hang:{mount}/a"}, ready=False)
            for count in range(1, 5):
                hung = launcher.wait_event("opener", count, event="hang")["pid"]
                self.assertTrue(select.select([taken], [], [], TIMEOUT)[0], "it opened nothing")
                os.read(taken, 1)
                launcher.order("control " + wire.peer(wire.OPENER).hex())
            time.sleep(1)
            self.assertEqual(len(launcher.events("opener", event="start")), 4)
            self.assertTrue(alive(hung), "it could be killed: this tests nothing")
            launcher.order("exit 0")
            begun = time.monotonic()
            self.assertEqual(launcher.wait(), 0, launcher.log())
            self.assertLess(time.monotonic() - begun, 4)
            self.assertIn("hangs in the kernel", launcher.log())
        deadline = time.monotonic() + TIMEOUT
        while launcher.left() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(launcher.left(), [])

    def test_signal_asks_the_sampler(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                launcher = self.launch()
                os.kill(launcher.pid, number)
                launcher.wait_event("sampler", event="stop")
                self.ends(launcher, 0, 1.5)

    def test_sampler_that_does_not_stop(self):
        launcher = self.launch({"sampler": "stubborn"})
        os.kill(launcher.pid, signal.SIGTERM)
        launcher.wait_event("sampler", event="stop")
        time.sleep(3)
        self.assertTrue(alive(launcher.role_pid("sampler")))
        self.ends(launcher, 1, 4)

    def test_opener_has_the_rights_it_needs(self):
        """The real one, as its own user: a private file of one user, mapped by another's process."""
        launcher = self.launch({"sampler": "quiet"}, {"opener": OPENER}, ready=False)
        launcher.wait_event("sampler", event="peer", of="opener")
        private = launcher.dir / "private"
        shutil.copy("/bin/sleep", private)
        os.chown(private, 12345, 12345)
        private.chmod(0o700)
        with subprocess.Popen([private, "60"], user=12345, group=12345, extra_groups=[]) as process:
            try:
                time.sleep(0.1)
                launcher.order("opener " + wire.open_request(5, wire.key_of(private), process.pid, 0,
                                                             0, 12345).hex())
                answer = launcher.wait_event("sampler", event="answer")
            finally:
                process.kill()
        self.assertEqual(wire.opened(bytes.fromhex(answer["message"])), (5, wire.OK, str(private)))
        got = launcher.wait_event("symbolizer", event="answer")
        self.assertEqual(got["ino"], private.stat().st_ino)
        launcher.order("exit 0")
        self.ends(launcher, 0, 1.5)


class CommandLineTest(unittest.TestCase):
    def run_it(self, *args):
        return subprocess.run([CPROFD, *args], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=TIMEOUT, check=False)

    def test_help_and_version(self):
        for option, text in (("--help", "--session-fd N"), ("--version", "cprofd ")):
            done = self.run_it(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(text, done.stdout)

    def test_wrong_usage(self):
        for args in (("--nonsense",), ("x",), ("--session-fd",), ("--session-fd=x",),
                     ("--session-fd=1",), ("--session=1",), ("--role=nobody=/bin/true",),
                     ("--role=sampler",), ("--session",), ("--session", "--session-fd=99"),
                     ("--session", "--check"), ("--session", "-o", "Sampling.FrequencyHz=1"),
                     ("--session", "--replay=x"), ("--replay=x", "--config=y"), ("--output=x",),
                     ("-o",), ("---o", "x"), ("--config=",)):
            with self.subTest(args):
                done = self.run_it(*args)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertTrue(done.stderr.startswith("cprofd: "), done.stderr)

    def test_program_that_is_not_there(self):
        mine, theirs = wire.pair()
        with mine, theirs:
            done = subprocess.run([CPROFD, "--session", f"--session-fd={theirs.fileno()}",
                                   "--role=opener=/nonexistent"], capture_output=True, text=True,
                                  timeout=TIMEOUT, check=False, pass_fds=[theirs.fileno()])
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIP: starting roles needs root")
        sys.exit(77)
    if not os.path.exists(PYTHON):
        print(f"SKIP: no {PYTHON}, which every user can run")
        sys.exit(77)
    unittest.main(argv=[a for a in sys.argv if a != "--long"], verbosity=2)
