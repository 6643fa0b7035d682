# SPDX-License-Identifier: Apache-2.0
"""A machine with 200 processes of as many files, which nobody has seen before the daemon starts: its first window
lies there with names two seconds after it ended, and what comes later costs no parsing.

The programs are copies with bytes of their own, so each is a file to open and to read: C, C++, Rust, Go, static and
not, with libraries of their own, a table of 50,000 names, and interpreters at work in many system libraries. One
after the other has a turn on a CPU, which leaves the other one to the machine.

How long it took is told without the time for which a role was ready to run and others had the CPUs: the kernel keeps
it (schedstat of each thread), so the bound is the same on a machine at work. The profiles are in memory, for how
long a disk takes is another test's.
"""

import collections
import contextlib
import dataclasses
import os
import multiprocessing
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import harness
import pprof_file
import real_daemon
from harness import NSEC

sys.dont_write_bytecode = True

PROCESSES = 200
TURN_S = 0.02  # 200 of them are four seconds: each is sampled in each window
WINDOW_S = 10
WINDOWS = 4
IN_TIME_S = 2
LATER_CPU, LATER_TABLES = 0.1, 0.2
NAMED = 0.99
SAMPLED = 120  # where the machine is at work, not everybody has its turn in a window
FOREVER = 3600

PYTHON = {
    "libcrypto": "import hashlib\ndef work(): hashlib.sha512(data).digest()",
    "libz": "import zlib\ndef work(): zlib.compress(data)",
    "liblzma": "import lzma\ndef work(): lzma.compress(data[:4096])",
    "libbz2": "import bz2\ndef work(): bz2.compress(data)",
    "libexpat": "import xml.etree.ElementTree as t\ntext = '<a>' + '<b c=\"d\">e</b>' * 2000 + '</a>'\n"
                "def work(): t.fromstring(text)",
    "libsqlite3": "import sqlite3\nd = sqlite3.connect(':memory:')\n"
                  "def work(): d.execute('with recursive t(n) as (select 1 union all select n+1 from t "
                  "where n < 2000) select sum(n) from t').fetchall()",
    "decimal": "import decimal\ndef work(): decimal.Decimal(2).sqrt(decimal.Context(prec=400))",
    "json": "import json\nv = json.dumps(list(range(3000)))\ndef work(): json.loads(v)",
    "interpreter": "def work(): sum(i * i for i in range(3000))",
}
SCRIPT = "import os, sys\ndata = os.urandom(65536)\n{}\nwhile True: work()\n"


@dataclasses.dataclass
class Kind:
    """A program that is copied with its libraries, and how it is started."""

    file: str
    argv: tuple
    libraries: tuple = ()


KINDS = (Kind("crunch-cc", (-1, FOREVER)), Kind("crunch-rs", (-1, FOREVER)), Kind("crunch-go", (-1, FOREVER)),
         Kind("spin", (-1, FOREVER)), Kind("spin-static", (-1, FOREVER)), Kind("spin-nopie", (-1, FOREVER)),
         Kind("solib", (-1, FOREVER), ("libhot.so",)), Kind("hotprog", (FOREVER,)), Kind("own-many", (7, 10**15)))


def copy(source, target, number):
    """A file that was never seen: what is behind its end nobody reads, but it is there."""
    shutil.copy(source, target)
    with open(target, "ab") as f:
        f.write(f"copy {number}".encode())


class Machine:
    """200 processes that take turns: `with Machine(...) as m: ...`."""

    def __init__(self, args, tmp):
        self.processes = []
        self.place = tmp / "programs"
        self.place.mkdir()
        kinds = [k for k in KINDS if (args.workloads / k.file).exists()]
        for number in range(PROCESSES):
            if number % 10 == 0:
                self.start_script(number, list(PYTHON)[number // 10 % len(PYTHON)])
            else:
                self.start_copy(args, number, kinds[number % len(kinds)])
        self.turns = multiprocessing.Process(target=self.take_turns)

    def start(self, argv, **kwargs):
        """Before others of a machine at work, so that a turn is a turn; after the daemon."""
        process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=lambda: os.nice(-5), **kwargs)
        self.processes.append(process)

    def folder(self, number):
        path = self.place / str(number)
        path.mkdir()
        return path

    def start_copy(self, args, number, kind):
        place = self.folder(number)
        for file in (kind.file, *kind.libraries):
            copy(args.workloads / file, place / file, number)
        self.start([place / kind.file, *kind.argv], env={**os.environ, "LD_LIBRARY_PATH": str(place)})
        os.kill(self.processes[-1].pid, signal.SIGSTOP)

    def start_script(self, number, what):
        """Stops when it has imported what it needs: that is not to be done in turns of milliseconds."""
        program = self.folder(number) / "python3"
        copy(os.path.realpath(sys.executable), program, number)
        body = PYTHON[what] + "\nwork()\nos.kill(os.getpid(), 19)"
        self.start([program, "-c", SCRIPT.format(body)])

    def take_turns(self):
        """For ever, in a process of its own: it is not to wait for who looks at the daemon."""
        os.nice(-10)
        while True:
            for process in self.processes:
                os.kill(process.pid, signal.SIGCONT)
                time.sleep(TURN_S)
                os.kill(process.pid, signal.SIGSTOP)

    def are_ready(self):
        def state(pid):
            return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
        return all(state(p.pid) == "T" for p in self.processes)

    def __enter__(self):
        try:
            harness.wait_until(self.are_ready, 60, "200 programs at rest")
        except RuntimeError:
            self.__exit__()
            raise
        self.turns.start()
        return self

    def __exit__(self, *_):
        if self.turns.pid:
            self.turns.kill()
            self.turns.join()
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def kept_waiting_ns(pids):
    """How long all threads of these were ready to run and did not."""
    total = 0
    for pid in pids:
        for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(path.read_text(encoding="ascii").split()[1])
    return total


@dataclasses.dataclass
class Window:
    """Times are CLOCK_BOOTTIME; @waited: of (time, how long roles had waited for CPUs); @cpu_ns: the symbolizer's, so far."""

    end_ns: int
    there_ns: int
    waited: list
    cpu_ns: int
    counters: dict
    profiles: list

    @property
    def late_s(self):
        return (self.there_ns - self.end_ns) / NSEC

    @property
    def waited_s(self):
        """From its end until it was there."""
        before = [ns for at, ns in self.waited if at <= self.end_ns] or [self.waited[0][1]]
        return (self.waited[-1][1] - before[-1]) / NSEC


def next_window(daemon, known, roles):
    """The window that is committed next; @known: the files before it, and then with it."""
    waited = collections.deque(maxlen=6000)
    begun, last_ns = time.monotonic(), real_daemon.last_end_ns(daemon.profiles)
    while (end_ns := real_daemon.last_end_ns(daemon.profiles)) == last_ns:
        if time.monotonic() > begun + 6 * WINDOW_S:
            raise RuntimeError(f"no window: {daemon.said()[-500:]}")
        waited.append((time.clock_gettime_ns(time.CLOCK_BOOTTIME), kept_waiting_ns(roles.values())))
        time.sleep(0.02)
    there_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    waited.append((there_ns, kept_waiting_ns(roles.values())))
    cpu_ns = harness.process_cpu_ns(roles["symbolizer"])
    fresh = set(real_daemon.visible(daemon.profiles)) - known
    known |= fresh
    return Window(end_ns, there_ns, list(waited), cpu_ns, daemon.status()["counters"],
                  [pprof_file.Profile(daemon.profiles / path) for path in sorted(fresh)])


def named(window):
    """(frames in the copies of our programs, which have all symbols, by name or its want, processes, files)"""
    frames = collections.Counter()
    pids, files = set(), set()
    for profile in window.profiles:
        for sample in profile.samples:
            pids.add(profile.owner(sample)[0])
            for location in sample.locations:
                file = profile.mapping(location)
                if not file.startswith("/"):
                    continue
                files.add(file)
                if "/programs/" in file and not file.endswith("/python3"):
                    name = (profile.names(location) or ["[none]"])[0]
                    frames[f"{name} of {os.path.basename(file)}" if name.startswith("[") else "named"] += 1
    return frames, pids, files


def check_first(trial, window):
    frames, pids, files = named(window)
    nameless = {name: cnt for name, cnt in frames.items() if name != "named"}
    trial.note(f"it was there {window.late_s:.2f} s after its end; roles waited for CPUs for {window.waited_s:.2f} s of it")
    trial.noisy.at_least(f"the first window: processes sampled, of {PROCESSES}", len(pids), SAMPLED)
    trial.noisy.at_least("the first window: files sampled, of each process one of its own", len(files), SAMPLED)
    trial.check("the first window: frames with a name, where the file holds one", sum(nameless.values()) <=
                (1 - NAMED) * frames["named"], frames["named"], f"all but a hundredth; others: {nameless}")
    trial.noisy.at_most("the first window: s from its end until it is there", window.late_s - window.waited_s, IN_TIME_S)


def check_later(trial, windows):
    """Others begin on a machine at work, and theirs is read when they do: the quietest window counts."""
    first, costs, tables = windows[0], [], []
    for before, after in zip(windows, windows[1:]):
        told = {name: after.counters[name] - before.counters[name] for name in
                ("objects_announced", "objects_named", "lines_opened", "tables_evicted")}
        costs.append((after.cpu_ns - before.cpu_ns) / first.cpu_ns)
        tables.append(told["objects_named"] / first.counters["objects_named"])
        trial.note(f"a later window: {costs[-1]:.2%} of the first one's CPU time of the symbolizer; {told}")
        trial.noisy.at_most("a later window: s from its end until it is there", after.late_s - after.waited_s, IN_TIME_S)
    trial.noisy.at_most("a later window: CPU time of the symbolizer, of the first one's", min(costs), LATER_CPU)
    trial.noisy.at_most("a later window: tables of names made, of the first one's", min(tables), LATER_TABLES)


def check_roles(trial, daemon, roles):
    """One that began again counts and reads from its beginning: the figures are of nothing."""
    now = {name: daemon.role(name) for name in real_daemon.ROLES}
    if not trial.noisy.check("roles are the same as at first", now == roles, now, f"must be {roles}"):
        trial.note(daemon.said()[-500:])


def measure(trial, args):
    with harness.scratch() as tmp, tempfile.TemporaryDirectory(prefix="cprof-test-", dir="/dev/shm") as memory:
        os.chmod(memory, 0o755)
        # What it may cost is another test's: who is short of CPU time puts names off, and says so.
        settings = {"Profiles.Window": f"{WINDOW_S}s", "Sampling.Include": f"exe:{tmp}/programs/*",
                    "Limits.CPU": "100%"}
        with Machine(args, tmp), real_daemon.Daemon(args, tmp, f"{memory}/profiles", settings) as daemon:
            roles = {name: daemon.role(name) for name in real_daemon.ROLES}
            daemon.status()  # who asks for it is a process too
            known, windows = set(), []
            for _ in range(WINDOWS):
                windows.append(next_window(daemon, known, roles))
            check_first(trial, windows[0])
            check_later(trial, windows)
            check_roles(trial, daemon, roles)


def attempt(trial, args):
    """A role that is gone is another one's fault where somebody has the whole machine hang meanwhile."""
    try:
        measure(trial, args)
    except (RuntimeError, OSError) as error:
        trial.noisy.check("the test could go on", False, repr(error))


def run(args, checks):
    if not os.access("/dev/shm", os.W_OK):
        raise harness.Skip("no /dev/shm")
    harness.attempts(checks, 3, attempt, args)


if __name__ == "__main__":
    harness.main(run, __doc__)
