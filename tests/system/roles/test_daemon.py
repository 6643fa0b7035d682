#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofd as the daemon, with scripts in the place of roles and a test in the place of systemd: what it
tells it and when, whom it starts again, and how it ends."""

import contextlib
import fcntl
import grp
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import crew
import fuse
import wire
from crew import PYTHON, TIMEOUT, alive

CPROFD = sys.argv.pop(1) if len(sys.argv) > 1 else None
ROLES = {"sampler": 61180, "opener": 61181, "symbolizer": 61182, "front": 61183}
GROUP = grp.getgrnam("games").gr_gid  # everywhere, and nobody's


class Manager:
    """The other end of $NOTIFY_SOCKET: all that was said, with the time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.said = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        with contextlib.suppress(OSError):
            while True:
                text = self.socket.recv(4096).decode()
                self.said += [(time.monotonic(), line) for line in text.splitlines()]

    def times(self, start):
        return [at for at, line in list(self.said) if line.startswith(start)]

    def status(self):
        return next((line[7:] for _, line in reversed(self.said) if line.startswith("STATUS=")), None)

    def wait(self, start, count=1, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = self.times(start)
            if len(found) >= count:
                return found[count - 1]
            time.sleep(0.01)
        raise AssertionError(f"no {count} {start} in {self.said}")


class Daemon(crew.Crew):
    roles = tuple(ROLES)

    def __init__(self, modes=None, options=(), prefix=(), watchdog_s=None, **config):
        super().__init__(modes)
        (self.dir / "orders").mkdir()
        (self.dir / "orders").chmod(0o777)
        self.manager = Manager(self.dir / "notify")
        self.socket = self.dir / "run" / "cprofd.sock"
        self.profiles = self.dir / "state" / "cprofd" / "profiles"
        self.config = self.dir / "cprofd.conf"
        self.configure(**config)
        environ = {"NOTIFY_SOCKET": str(self.dir / "notify"), "SECRET": "x"}
        if watchdog_s:
            environ["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        self.args = [CPROFD, "--config", str(self.config), *self.role_options, *options]
        self.spawn([*prefix, *self.args], environ)

    def configure(self, hz=99, directory=None, extra=""):
        self.config.write_text(
            f"[Sampling]\nFrequencyHz={hz}\n[Profiles]\nDirectory={directory or self.profiles}\n"
            f"[Control]\nSocket={self.socket}\nGroup=games\n{extra}\n")

    def wait_problem(self):
        """Why the reload failed, once the sampler is told."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            said = [e["problem"] for e in self.events("sampler", event="roles")]
            if any(said):
                return said[-1]
            time.sleep(0.01)
        raise AssertionError("the sampler was not told")

    def reload(self, **config):
        self.configure(**config)
        os.kill(self.pid, signal.SIGHUP)

    def order(self, role, text, count=1):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(text.encode(), str(self.dir / "orders" / f"{role}-{self.role_pid(role, count)}"))

    def wait_start(self):
        deadline = time.monotonic() + TIMEOUT
        while not self.manager.times("READY=1"):
            if not alive(self.pid) or time.monotonic() > deadline:
                raise AssertionError(f"never ready; log: {self.log()}")
            time.sleep(0.01)

    def wait_log(self, text):
        deadline = time.monotonic() + TIMEOUT + 5
        while text not in self.log():
            if time.monotonic() > deadline:
                raise AssertionError(f"no {text!r} in {self.log()}")
            time.sleep(0.01)


class DaemonCase(unittest.TestCase):
    def launch(self, *args, ready=True, **kwargs):
        daemon = Daemon(*args, **kwargs)
        self.addCleanup(daemon.close)
        if ready:
            daemon.wait_start()
            for other in ROLES.keys() - {"sampler"}:
                daemon.wait_event("sampler", event="hello", via=other)
        return daemon

    def ends(self, daemon, status, within=TIMEOUT):
        begun = time.monotonic()
        self.assertEqual(daemon.wait(), status, daemon.log())
        self.assertLess(time.monotonic() - begun, within, daemon.log())
        self.assertEqual(daemon.left(), [])

    def stops(self, daemon, within=1.5):
        os.kill(daemon.pid, signal.SIGTERM)
        self.ends(daemon, 0, within)

    def refuses(self, daemon, *texts):
        """It ended with one line that says why, and was never ready."""
        self.ends(daemon, 1)
        self.assertEqual(len(daemon.log().splitlines()), 1, daemon.log())
        for text in texts:
            self.assertIn(text, daemon.log())
        self.assertEqual(daemon.manager.times("READY=1"), [])


class StartTest(DaemonCase):
    def test_what_roles_are_given(self):
        daemon = self.launch()
        events = [e for e in daemon.events("sampler") if e["event"] in ("config", "spool", "peer")]
        self.assertEqual([e["event"] for e in events[:2]], ["config", "spool"])
        self.assertEqual({e["of"] for e in events[2:]}, ROLES.keys() - {"sampler"})
        for role in ("sampler", "front"):
            got = daemon.wait_event(role, event="config")
            self.assertEqual((got["hz"], got["gid"]), (99, GROUP))
            self.assertEqual(got["directory"], str(daemon.profiles))
            spool = daemon.wait_event(role, event="spool")
            self.assertEqual((spool["path"], spool["mode"]), (str(daemon.profiles), 0o750))
            self.assertEqual(spool["written"], role == "sampler")
        self.assertEqual([e["at"] for e in daemon.events("front", event="listen")],
                         [str(daemon.socket), str(daemon.dir / "run" / "session.sock")])
        self.assertEqual([e["kind"] for e in daemon.events("front", event="listen")], [0, 1])
        self.assertEqual(daemon.events("opener", event="config"), [])
        self.assertEqual(len(daemon.events("symbolizer", event="config")), 1)
        self.assertEqual({e["of"] for e in daemon.events("front", event="peer")}, {"sampler"})
        self.stops(daemon)

    def test_who_roles_are(self):
        daemon = self.launch()
        for role, uid in ROLES.items():
            status = daemon.wait_event(role, event="start")["status"]
            self.assertEqual(status["Uid"].split(), [str(uid)] * 4)
            self.assertEqual(status["Gid"].split(), [str(GROUP if role in ("sampler", "front") else uid)] * 4)
        front = daemon.wait_event("front", event="start")["status"]
        for field in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(front[field], 16), 0)
        own = pathlib.Path(f"/proc/{daemon.pid}/status").read_text(encoding="utf-8")
        kept = int(own.split("CapBnd:")[1].split()[0], 16)
        self.assertEqual(kept & (1 << 12 | 1), 0, "NET_ADMIN or CHOWN were kept")
        self.stops(daemon)

    def test_what_is_made(self):
        daemon = self.launch()
        for path in (daemon.socket, daemon.dir / "run" / "session.sock"):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o666)
        st = daemon.profiles.stat()
        self.assertEqual((st.st_uid, st.st_gid, st.st_mode & 0o7777),
                         (ROLES["sampler"], GROUP, 0o750))
        self.stops(daemon)
        self.assertFalse(daemon.socket.exists())
        self.assertFalse((daemon.dir / "run" / "session.sock").exists())
        self.assertEqual(daemon.log().splitlines(),
                         [f"cprofd: sampling at 99 Hz, profiles in {daemon.profiles}"])

    def test_option_beats_file(self):
        daemon = self.launch(options=["-o", "Sampling.FrequencyHz=19"])
        self.assertEqual(daemon.wait_event("sampler", event="config")["hz"], 19)
        self.assertEqual(daemon.manager.status(), "sampling at 19 Hz")
        self.stops(daemon)

    def test_ready_is_honest(self):
        daemon = self.launch({"sampler": "mute"}, ready=False)
        daemon.wait_event("front", event="listen")
        time.sleep(0.5)
        self.assertEqual(daemon.manager.times("READY=1"), [])
        self.assertEqual(daemon.manager.status(), "starting")
        daemon.order("sampler", "control " + wire.state(wire.SAMPLING).hex())
        daemon.manager.wait("READY=1")
        self.stops(daemon)
        self.assertEqual(len(daemon.manager.times("READY=1")), 1)
        self.assertEqual(len(daemon.manager.times("STOPPING=1")), 1)

    def test_sampler_cannot(self):
        why = "no BTF: /sys/kernel/btf/vmlinux is missing; use a kernel with CONFIG_DEBUG_INFO_BTF"
        daemon = self.launch({"sampler": "failed:" + why}, ready=False)
        self.refuses(daemon, why)
        self.assertIn(why, [line[7:] for _, line in daemon.manager.said if line.startswith("STATUS=")])

    def test_sampler_dies_before(self):
        daemon = self.launch({"sampler": "dies"}, ready=False)
        self.ends(daemon, 1)
        self.assertEqual(len(daemon.events("sampler", event="start")), 5)
        self.assertEqual(daemon.manager.times("READY=1"), [])
        self.assertIn("exited with status 1, for the 5th time", daemon.log())
        self.assertLessEqual(len(daemon.log().splitlines()), 2)

    def test_second(self):
        first = self.launch()
        done = subprocess.run(first.args, capture_output=True, text=True, timeout=TIMEOUT,
                              check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("another cprofd runs", done.stderr)
        self.assertTrue(first.socket.exists(), "the first one's socket was taken away")
        (first.dir / "run" / "cprofd.lock").unlink()  # now the socket alone tells
        done = subprocess.run(first.args, capture_output=True, text=True, timeout=TIMEOUT,
                              check=False)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn("another cprofd answers", done.stderr)
        self.stops(first)

    def test_after_a_kill(self):
        first = self.launch()
        os.kill(first.pid, signal.SIGKILL)
        self.assertEqual(first.wait(), -signal.SIGKILL)
        self.assertTrue(first.socket.exists())
        first.spawn(first.args, {"NOTIFY_SOCKET": str(first.dir / "notify")})
        first.manager.wait("READY=1", 2)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(str(first.socket))
        self.stops(first)

    def test_sockets_of_systemd(self):
        with tempfile.TemporaryDirectory() as place, \
                socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as session, \
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as http:
            for sock, name in ((session, "s"), (http, "h")):
                sock.bind(f"{place}/{name}")
                sock.listen()
            script = (f"import os\nos.dup2({session.fileno()}, 3)\nos.dup2({http.fileno()}, 4)\n"
                      "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()))\n"
                      "import sys\nos.execv(sys.argv[1], sys.argv[1:])")
            session.set_inheritable(True)
            http.set_inheritable(True)
            daemon = self.launch(prefix=[PYTHON, "-c", script])
            self.assertEqual([e["at"] for e in daemon.events("front", event="listen")],
                             [f"{place}/h", f"{place}/s"])
            self.assertFalse(daemon.socket.exists())
            self.stops(daemon)
            self.assertTrue(os.path.exists(f"{place}/h"), "systemd's socket was removed")


class RefusalTest(DaemonCase):
    def refuse(self, *texts, **kwargs):
        self.refuses(self.launch(ready=False, **kwargs), *texts)

    @contextlib.contextmanager
    def place(self):
        with tempfile.TemporaryDirectory(prefix="cprof-test-") as name:
            yield pathlib.Path(name)

    def test_directory(self):
        with self.place() as place:
            (place / "real").mkdir()
            (place / "link").symlink_to("real")
            (place / "file").touch()
            (place / "ours").mkdir()
            (place / "ours" / "letter").touch()
            self.refuse("a link or no directory", directory=place / "link")
            self.refuse("a link or no directory", directory=place / "file")
            self.refuse("Not a directory", directory=place / "file" / "profiles")
            self.refuse("not empty, and user 0's", directory=place / "ours")
            self.assertEqual((place / "ours").stat().st_uid, 0)

    def test_garbage_in_it(self):
        """What lies there is the spool's to judge; `lost+found` is the file system's."""
        with self.place() as place:
            (place / "fresh" / "lost+found").mkdir(parents=True)
            self.stops(self.launch(directory=place / "fresh"))
            for name in (".new-try", ".new-1", "2027-01-01", ".state", ".quarantine"):
                os.mkfifo(place / "fresh" / f"{name}-fifo")
                (place / "fresh" / name / "below").mkdir(parents=True)
            self.stops(self.launch(directory=place / "fresh"))
            self.assertTrue((place / "fresh" / ".new-try" / "below").is_dir())

    def test_one_writes(self):
        """The sampler of a daemon that was killed may take a while to die; another daemon's does not."""
        with self.place() as place:
            self.stops(self.launch(directory=place / "profiles"))
            fd = os.open(place / "profiles", os.O_RDONLY)
            fcntl.flock(fd, fcntl.LOCK_EX)
            begun = time.monotonic()
            self.refuse("another cprofd writes to it", directory=place / "profiles")
            self.assertTrue(4 < time.monotonic() - begun < 7)
            threading.Timer(1.5, os.close, (fd,)).start()
            begun = time.monotonic()
            daemon = self.launch(directory=place / "profiles")
            self.assertGreater(time.monotonic() - begun, 1.4)
            own = os.open(place / "profiles", os.O_RDONLY)
            self.addCleanup(os.close, own)
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is left for the sampler
            self.stops(daemon)

    def test_file_system(self):
        with self.place() as place:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
            try:
                with (place / "filler").open("wb") as f, contextlib.suppress(OSError):
                    while True:
                        os.write(f.fileno(), bytes(4096))
                self.refuse("No space left", directory=place / "profiles")
                (place / "filler").unlink()
                subprocess.run(["mount", "-o", "remount,ro", place], check=True)
                self.refuse("Read-only", directory=place / "profiles")
                self.refuse("Read-only", directory=place / "more" / "profiles")
            finally:
                subprocess.run(["umount", place], check=True)

    def test_full_of_profiles(self):
        """What is there can go, so a start on a full disk is no failure then."""
        with self.place() as place:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
            try:
                first = self.launch(directory=place / "profiles")
                self.stops(first)
                with (place / "filler").open("wb") as f, contextlib.suppress(OSError):
                    while True:
                        os.write(f.fileno(), bytes(4096))
                second = self.launch(directory=place / "profiles")
                self.assertIn("older profiles will go", second.log())
                self.stops(second)
            finally:
                subprocess.run(["umount", place], check=True)

    def test_configuration(self):
        self.refuse("cprofd.conf:2:", hz="many")

    def test_rights(self):
        self.refuse("CAP_PERFMON", prefix=["/usr/bin/setpriv", "--bounding-set", "-perfmon"])
        self.refuse("not started as root",
                    prefix=["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups"])

    def test_missing_program(self):
        self.refuse("/nonexistent", options=["--role=front=/nonexistent"])

    def check_it(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(text)
            f.flush()
            return subprocess.run([CPROFD, "--check", "--config", f.name], capture_output=True,
                                  text=True, timeout=TIMEOUT, check=False)

    def test_check(self):
        done = self.check_it("[Sampling]\nFrequencyHz=99\n")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(done.stdout.splitlines()), 1)
        done = self.check_it("[Sampling]\nFrequencyHz=x\n[Profiles]\nWindow=never\n")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(len(done.stderr.splitlines()), 2, done.stderr)
        self.assertIn(".conf:2: ", done.stderr)
        self.assertIn(".conf:4: ", done.stderr)


class RunTest(DaemonCase):
    def test_watchdog(self):
        daemon = self.launch(watchdog_s=0.8)
        daemon.manager.wait("WATCHDOG=1", 3)
        time.sleep(2)  # so that it is the last word which counts
        old = daemon.role_pid("sampler")
        os.kill(old, signal.SIGSTOP)
        stopped = time.monotonic()
        time.sleep(1)
        fed = len(daemon.manager.times("WATCHDOG=1"))
        new = daemon.wait_event("sampler", 2, event="start")
        waited = new["time"] - stopped
        self.assertTrue(9 < waited < 15, waited)
        late = [at for at in daemon.manager.times("WATCHDOG=1")[fed:] if at < new["time"]]
        self.assertEqual(late, [], "it was fed although nothing was done")
        self.assertFalse(alive(old))
        self.assertIn("the sampler made no progress for 10 s", daemon.log())
        daemon.manager.wait("WATCHDOG=1", fed + 2)
        daemon.wait_event("front", event="hello", text=f"sampler {new['pid']}")
        self.assertEqual(len(daemon.events("front", event="start")), 1)
        self.assertEqual(len(daemon.manager.times("READY=1")), 1)
        self.stops(daemon)

    def test_silent_for_want_of_a_cpu(self):
        """It is busy and hardly ever runs: it is not replaced for that, but not waited for without end either."""
        daemon = self.launch()
        daemon.order("sampler", "starve")
        begun = time.monotonic()
        time.sleep(14)
        self.assertEqual(len(daemon.events("sampler", event="start")), 1)
        took = daemon.wait_event("sampler", 2, event="start")["time"] - begun
        self.assertTrue(20 < took < 32, took)
        self.stops(daemon)

    def test_fed_by_progress_alone(self):
        daemon = self.launch({"sampler": "idle"}, watchdog_s=0.8)
        time.sleep(1.5)
        self.assertEqual(daemon.manager.times("WATCHDOG=1"), [])
        daemon.order("sampler", "progress on")
        daemon.manager.wait("WATCHDOG=1", 2)
        self.stops(daemon)

    def test_fed_while_the_sampler_is_dead(self):
        """It dies again and again: systemd is not to take the launcher for hung."""
        daemon = self.launch(watchdog_s=0.8)
        daemon.script("sampler", "dies")
        os.kill(daemon.role_pid("sampler"), signal.SIGKILL)
        daemon.wait_event("sampler", 4, event="start")
        fed = len(daemon.manager.times("WATCHDOG=1"))
        daemon.manager.wait("WATCHDOG=1", fed + 1, timeout=20)
        self.assertTrue(daemon.manager.status().startswith("not sampling"))
        daemon.script("sampler", "")
        daemon.manager.wait("STATUS=sampling", 2)
        self.stops(daemon)

    def test_idle_from_the_start(self):
        daemon = self.launch({"sampler": "idle"})
        begun = time.monotonic()
        daemon.wait_log("the sampler made no progress for 10 s")
        self.assertTrue(8 < time.monotonic() - begun < 15)
        daemon.role_pid("sampler", 2)
        self.stops(daemon)

    def test_sampler_dies(self):
        daemon = self.launch()
        opener = daemon.role_pid("opener")
        for count in range(2, 5):
            os.kill(daemon.role_pid("sampler", count - 1), signal.SIGKILL)
            new = daemon.role_pid("sampler", count)
            for other in ROLES.keys() - {"sampler"}:
                daemon.wait_event(other, event="hello", text=f"sampler {new}")
            daemon.wait_event("sampler", event="config", pid=new)
        # What it was asked by the old one must not reach the new one.
        self.assertFalse(alive(opener))
        for role in ("front", "symbolizer"):
            self.assertEqual(len(daemon.events(role, event="start")), 1)
        self.assertEqual(len(daemon.manager.times("READY=1")), 1)
        lines = [line for line in daemon.log().splitlines() if "SIGKILL" in line]
        self.assertEqual(len(lines), 1, daemon.log())
        self.assertEqual(daemon.manager.status(), "sampling at 99 Hz")
        self.stops(daemon)

    def test_sampler_dies_while_the_opener_pauses(self):
        """What an opener sent and the symbolizer did not read yet is not for the next sampler."""
        daemon = self.launch({"opener": "exit"}, ready=False)
        # The next start is two seconds away, farther than all that comes now.
        daemon.wait_event("opener", 7, event="start")
        time.sleep(0.3)
        os.kill(daemon.role_pid("sampler"), signal.SIGKILL)
        daemon.wait_event("symbolizer", 2, event="hello", via="sampler")
        self.assertEqual(len(daemon.events("opener", event="start")), 7)
        peers = [e["of"] for e in daemon.events("symbolizer", event="peer")]
        self.assertEqual(peers[-2:], ["opener", "sampler"])
        self.assertEqual(peers.count("opener"), 8)
        self.stops(daemon)

    def test_sampler_says_no_later(self):
        daemon = self.launch()
        daemon.order("sampler", "control " + wire.state(wire.NOT_SAMPLING, "no memory").hex())
        daemon.manager.wait("STATUS=not sampling: the sampler is started again: no memory")
        self.assertTrue(alive(daemon.role_pid("sampler")))
        daemon.order("sampler", "control " + wire.state(wire.SAMPLING).hex())
        daemon.manager.wait("STATUS=sampling", 2)
        self.stops(daemon)

    def test_degraded(self):
        daemon = self.launch()
        daemon.order("sampler", "control " + wire.state(wire.DEGRADED, "the walk is off").hex())
        daemon.manager.wait("STATUS=degraded: the walk is off")
        self.assertEqual(daemon.log().count("the walk is off"), 1)
        self.stops(daemon)

    def test_protocol(self):
        for mode, role in (("state-storm", "sampler"), ("garbage", "front"), ("garbage", "opener")):
            with self.subTest(mode=mode, role=role):
                daemon = self.launch({role: mode}, ready=False)
                daemon.role_pid(role, 3)
                self.assertIn(f"the {role} broke the protocol", daemon.log())
                os.kill(daemon.pid, signal.SIGTERM)
                daemon.wait()
        for role in ("front", "opener", "symbolizer"):  # not theirs to say
            daemon = self.launch()
            daemon.order(role, "control " + wire.message(wire.PROGRESS).hex())
            daemon.wait_log(f"the {role} broke the protocol")
            self.stops(daemon)

    def test_log_in_a_storm(self):
        daemon = self.launch({"symbolizer": "exit"}, ready=False)
        daemon.role_pid("symbolizer", 6)
        lines = [line for line in daemon.log().splitlines() if "the symbolizer" in line]
        self.assertEqual(len(lines), 1, daemon.log())
        self.stops(daemon)

    @unittest.skipUnless("--long" in sys.argv, "takes half a minute")
    def test_slower(self):
        daemon = self.launch({"symbolizer": "exit"}, ready=False)
        daemon.manager.wait("STATUS=degraded: the symbolizer ends again and again", timeout=60)
        time.sleep(5)
        self.assertEqual(len(daemon.events("symbolizer", event="start")), 20)
        daemon.role_pid("symbolizer", 20)
        deadline = time.monotonic() + 65
        while len(daemon.events("symbolizer", event="start")) < 21:
            self.assertLess(time.monotonic(), deadline, "it was given up")
            time.sleep(0.2)
        self.stops(daemon)

    def test_costs(self):
        daemon = self.launch()
        daemon.order("symbolizer", "burn 0.3")
        daemon.wait_event("symbolizer", event="burnt")
        os.kill(daemon.role_pid("symbolizer"), signal.SIGKILL)
        daemon.role_pid("symbolizer", 2)
        seen = len(daemon.events("sampler", event="roles"))
        costs = daemon.wait_event("sampler", seen + 1, event="roles")["costs"]
        self.assertEqual(costs.keys(), ROLES.keys() | {"launcher"})
        for role, (cpu_ns, pss, pid, restarts) in costs.items():
            own = daemon.pid if role == "launcher" else daemon.role_pid(role, 1 + restarts)
            self.assertEqual(pid, own)
            self.assertEqual(restarts, role == "symbolizer")
            self.assertTrue(0 < cpu_ns < 5e9, cpu_ns)
            real = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
            real = int(real.split("\nPss:")[1].split()[0]) * 1024
            self.assertTrue(real / 2 < pss < real * 2, (role, pss, real))
        self.assertGreater(costs["symbolizer"][0], 3e8)
        self.stops(daemon)


class ReloadTest(DaemonCase):
    def test_reload(self):
        daemon = self.launch()
        before = time.monotonic()
        daemon.reload(hz=49)
        for role in ("sampler", "front"):
            self.assertEqual(daemon.wait_event(role, 2, event="config")["hz"], 49)
        daemon.manager.wait("READY=1", 2)
        said = [line for _, line in daemon.manager.said]
        at = said.index("RELOADING=1")
        usec = int(said[at + 1].removeprefix("MONOTONIC_USEC="))
        self.assertTrue(before <= usec / 1e6 <= time.monotonic())
        self.assertLess(at, len(said) - 1 - said[::-1].index("READY=1"))
        daemon.manager.wait("STATUS=sampling at 49 Hz")
        self.stops(daemon)

    def test_broken_file(self):
        daemon = self.launch(hz=77)
        daemon.reload(hz="many")
        daemon.manager.wait("READY=1", 2)
        daemon.manager.wait("STATUS=sampling at 77 Hz; not reloaded: ")
        self.assertIn("cprofd.conf:2: ", daemon.log())
        self.assertIn("it stays as it was", daemon.log())
        self.assertIn("cprofd.conf:2: ", daemon.wait_problem())
        for role in ("sampler", "front"):
            self.assertEqual(len(daemon.events(role, event="config")), 1)
        # The one that is started now gets what was in force.
        os.kill(daemon.role_pid("sampler"), signal.SIGKILL)
        self.assertEqual(daemon.wait_event("sampler", 2, event="config")["hz"], 77)
        daemon.manager.wait("STATUS=sampling", 3)
        # Who was not there is told, too.
        told = len(daemon.events("sampler", event="roles"))
        self.assertIn("cprofd.conf:2: ", daemon.wait_event("sampler", told + 1, event="roles")["problem"])
        daemon.reload(hz=50)
        daemon.manager.wait("STATUS=sampling at 50 Hz")
        told = len(daemon.events("sampler", event="roles"))
        self.assertEqual(daemon.wait_event("sampler", told + 1, event="roles")["problem"], "")
        self.assertEqual(daemon.manager.status(), "sampling at 50 Hz")
        self.stops(daemon)

    def test_nobody_answers(self):
        daemon = self.launch({"sampler": "keeps"})
        begun = time.monotonic()
        daemon.reload(hz=49)
        took = daemon.manager.wait("READY=1", 2) - begun
        self.assertTrue(4 < took < 10, took)
        self.assertIn("did not answer", daemon.manager.status())
        self.assertIn("did not answer", daemon.wait_problem())
        self.stops(daemon)

    def test_not_in_force(self):
        daemon = self.launch({"sampler": "keeps"})
        daemon.reload(hz=49)
        daemon.wait_event("sampler", 2, event="config")
        daemon.order("sampler", "control " + wire.state(wire.RELOADED, "no such event").hex())
        daemon.manager.wait("READY=1", 2)
        daemon.manager.wait("STATUS=sampling at 49 Hz; not reloaded: no such event")
        self.assertEqual(daemon.log().count("no such event"), 1)
        # It came from the sampler, which need not be told.
        told = len(daemon.events("sampler", event="roles"))
        self.assertEqual(daemon.wait_event("sampler", told + 1, event="roles")["problem"], "")
        self.assertNotIn("is in force", daemon.log())
        self.stops(daemon)

    def test_fixed_keys(self):
        daemon = self.launch()
        daemon.reload(hz=49, directory=daemon.dir / "elsewhere")
        got = daemon.wait_event("sampler", 2, event="config")
        self.assertEqual((got["hz"], got["directory"]), (49, str(daemon.profiles)))
        self.assertIn("until the next start", daemon.log())
        self.assertFalse((daemon.dir / "elsewhere").exists())
        self.stops(daemon)


class StopTest(DaemonCase):
    def test_sampler_finishes_first(self):
        daemon = self.launch()
        for number in (signal.SIGTERM,):
            os.kill(daemon.pid, number)
        daemon.wait_event("sampler", event="stop")
        self.ends(daemon, 0, 1.5)

    def test_sampler_that_does_not_stop(self):
        daemon = self.launch({"sampler": "stubborn"})
        begun = time.monotonic()
        os.kill(daemon.pid, signal.SIGTERM)
        daemon.wait_event("sampler", event="stop")
        time.sleep(2)
        self.assertTrue(alive(daemon.role_pid("sampler")))
        self.ends(daemon, 1)
        self.assertLess(time.monotonic() - begun, 4.5)
        self.assertIn("did not stop within 3 s", daemon.log())

    def test_hung_opener(self):
        """In D state, and a sampler that does not stop either: all is over within 5 s."""
        mount = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        mount.chmod(0o755)
        self.addCleanup(mount.rmdir)
        taken, swallowed = os.pipe()
        self.addCleanup(os.close, taken)
        self.addCleanup(os.close, swallowed)
        with fuse.mounted(mount, os.stat("/bin/true"), swallowed):
            daemon = self.launch({"opener": f"hang:{mount}/a", "sampler": "stubborn"}, ready=False)
            hung = daemon.wait_event("opener", event="hang")["pid"]
            os.read(taken, 1)
            daemon.manager.wait("READY=1")
            begun = time.monotonic()
            os.kill(daemon.pid, signal.SIGTERM)
            self.assertEqual(daemon.wait(), 1)
            self.assertLess(time.monotonic() - begun, 5)
            self.assertTrue(alive(hung), "it could be killed: this tests nothing")
            self.assertIn("hangs in the kernel", daemon.log())
        deadline = time.monotonic() + TIMEOUT
        while daemon.left() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(daemon.left(), [])

    def test_between_two_samplers(self):
        daemon = self.launch({"sampler": "exit"}, ready=False)
        daemon.role_pid("sampler", 4)
        time.sleep(0.1)
        os.kill(daemon.pid, signal.SIGTERM)
        self.assertIn(daemon.wait(), (0, 1), daemon.log())
        self.assertEqual(daemon.left(), [])


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIP: starting roles needs root")
        sys.exit(77)
    for program in (PYTHON, "/usr/bin/setpriv"):
        if not shutil.which(program):
            print(f"SKIP: no {program}")
            sys.exit(77)
    unittest.main(argv=[a for a in sys.argv if a != "--long"], verbosity=2)
