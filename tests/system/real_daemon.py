# SPDX-License-Identifier: Apache-2.0
"""The whole daemon of the build tree with places of its own: started, killed, started again, asked.

There is no systemd: READY, STATUS and WATCHDOG come to a socket of the test's, and whoever kills the
launcher starts it again by hand. The directory of profiles is read as anybody may read it.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import cprofd
import harness

ROLES = ("sampler", "opener", "symbolizer", "front")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Notices:
    """What is told to $NOTIFY_SOCKET."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.ready, self.status, self.watchdog = 0, "", []

    def take(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                for line in self.socket.recv(4096).decode().splitlines():
                    self.ready += line == "READY=1"
                    if line == "WATCHDOG=1":
                        self.watchdog.append(time.monotonic())
                    if line.startswith("STATUS="):
                        self.status = line.removeprefix("STATUS=")
        return self


class Daemon(cprofd.Asked):
    """`with Daemon(args, tmp) as d:` it is ready; @settings are Section.Key: value."""

    def __init__(self, args, tmp, profiles=None, settings=(), options=(), watchdog_s=0):
        self.build, self.tmp = args.cprofctl.parents[2], pathlib.Path(tmp)
        self.cprofctl = args.cprofctl
        self.profiles = pathlib.Path(profiles or self.tmp / "profiles")
        self.socket = self.tmp / "run" / "cprofd.sock"
        self.notices = Notices(self.tmp / "notify")
        settings = {"Profiles.Window": "1s", "Profiles.KeepFree": "0%", "Control.Group": "root",
                    "Profiles.Directory": self.profiles, "Control.Socket": self.socket, **dict(settings)}
        self.command = cprofd.command(self.build, [f"{key}={value}" for key, value in settings.items()], options)
        self.environ = {**os.environ, "NOTIFY_SOCKET": str(self.tmp / "notify")}
        if watchdog_s:
            self.environ["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        self.log = open(self.tmp / "log", "ab")
        self.process = None

    def __enter__(self):
        self.start_s = self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.kill()
        self.log.close()
        self.notices.socket.close()

    def spawn(self):
        # With the precedence that the service has.
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stderr=self.log, env=self.environ, preexec_fn=lambda: os.nice(-10))

    def start(self, timeout=60):
        """Seconds until READY."""
        begun, before = time.monotonic(), self.notices.take().ready
        self.spawn()
        while self.notices.take().ready == before:
            if self.process.poll() is not None or time.monotonic() > begun + timeout:
                raise RuntimeError(f"never ready: {self.said()[-500:]}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def roles(self):
        """{comm: pid}; a role that was just started has not its name yet."""
        if self.process.poll() is not None:
            return {}
        return {comm: pid for pid, comm in harness.tree_of(self.process.pid).items()
                if pid != self.process.pid}

    def role(self, name, other_than=None, timeout=60):
        """Its pid."""
        comm = f"cprofd-{name}"[:15]
        return harness.wait_until(lambda: self.roles().get(comm) not in (None, other_than) and
                                  self.roles().get(comm), timeout, f"a {comm}; {self.said()[-300:]}")

    def kill(self, pids=None):
        """The launcher alone; the roles see it and go. Their pids, which take a moment to find."""
        pids = pids or list(self.roles().values())
        self.process.kill()
        self.process.wait()
        return pids

    def stop(self, timeout=20):
        """(exit status, seconds)"""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout), time.monotonic() - begun

    def status(self, timeout=30):
        """The answer; whoever is between two lives is asked again."""
        def answer():
            done = self.ctl("--json", "status")
            return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None
        return harness.wait_until(answer, timeout, f"status; {self.said()[-300:]}")

    def wait_status(self, what, condition, timeout=40):
        """The first status of which @condition is true."""
        status, end = self.status(), time.monotonic() + timeout
        while not condition(status):
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: not within {timeout} s: {status['degraded']} {status['spool']}")
            time.sleep(0.05)
            status = self.status()
        return status

    def wait_windows(self, more, timeout=30):
        """So many more are committed."""
        first = self.status()["spool"]["windows"]
        return self.wait_status(f"{more} more windows", lambda s: s["spool"]["windows"] >= first + more,
                                timeout)


def listing(daemon):
    """The files of `cprofctl ls`."""
    done = daemon.ctl("--json", "ls")
    return json.loads(done.stdout)["files"] if done.stdout else []


def visible(profiles):
    """{path below: stat} of what readers see; nothing is followed."""
    found = {}
    root = str(profiles)
    for day in sorted(_directories(root, 10)):
        for hour in _directories(os.path.join(root, day), 2):
            with contextlib.suppress(OSError), os.scandir(os.path.join(root, day, hour)) as entries:
                for e in entries:
                    if e.name.endswith(".pb.gz"):
                        with contextlib.suppress(OSError):
                            found[f"{day}/{hour}/{e.name}"] = e.stat(follow_symlinks=False)
    return found


def _directories(path, length):
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        return [e.name for e in entries if len(e.name) == length and e.name[0].isdigit() and
                e.is_dir(follow_symlinks=False)]
    return []


def litter(profiles):
    return sorted(n for n in os.listdir(profiles) if n.startswith((".new", ".window")))


def last_end_ns(directory):
    """Of the last committed window, CLOCK_BOOTTIME, by .state; 0: there is none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = (pathlib.Path(directory) / ".state").read_text(encoding="ascii").splitlines()
        return int(lines[2].removeprefix("end "))
    return 0
