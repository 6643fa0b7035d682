# SPDX-License-Identifier: Apache-2.0
"""The loads under which profilers of stacks are compared (stacks-cost.py), and what CPU time each took.

A load runs in a control group of its own, by which the kernel counts all of its CPU time. It is there before
the profilers where that is what it is about, and it is stopped, not ended, when the time is over: its
end is no part of it, and who names files afterwards still finds them.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system"), str(HERE.parent / "unwind")]

import harness  # noqa: E402
import stack_programs  # noqa: E402

LIBRARIES = ("libLLVM-14.so.1", "libcrypto.so.3", "libstdc++.so.6", "libglib-2.0.so.0", "libgnutls.so.30",
             "libclang-cpp.so.14", "libperl.so.5.36", "libxml2.so.2", "libsqlite3.so.0",
             "libicui18n.so.72", "libicuuc.so.72")
DEBUG = pathlib.Path("/usr/lib/debug")
SLEEPERS = 300
# Of the mix: one program of each kind.
MIX = ("Rust, release", "python3, Debian's", "node", "Java, as shipped", "openssl speed aes-256-cbc",
       "openssl speed sha256", "xz", "gzip")
COMPILED_LATER = ("node", "java")  # code of theirs has no unwinding information


class Group:
    """A control group: what runs in it, and its CPU time."""

    def __init__(self, name):
        mounts = [line.split() for line in open("/proc/self/mounts", encoding="utf-8")]
        roots = [m[1] for m in mounts if m[2] == "cgroup2"]
        self.unified = bool(roots)
        roots += [m[1] for m in mounts if m[2] == "cgroup" and "cpuacct" in m[3].split(",")]
        if not roots:
            raise harness.Skip("no control groups are mounted")
        self.path = pathlib.Path(roots[0]) / f"cprof-bench-{os.getpid()}-{name}"
        try:
            self.path.mkdir()
        except OSError as error:
            raise harness.Skip(f"no control group {self.path}: {error}") from error

    def add(self, pid):
        with contextlib.suppress(ProcessLookupError):
            (self.path / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def pids(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text(encoding="ascii").split()]

    def popen(self, argv, **kwargs):
        return subprocess.Popen([str(word) for word in argv], preexec_fn=lambda: self.add(os.getpid()),
                                **{"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | kwargs)

    def cpu_ns(self):
        if not self.unified:
            return int((self.path / "cpuacct.usage").read_text(encoding="ascii"))
        text = (self.path / "cpu.stat").read_text(encoding="ascii")
        return int(re.search(r"^usage_usec (\d+)", text, re.M)[1]) * 1000

    def signal(self, number):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """
        What is in it ends. Of those that it does not know by name nobody takes the status but init; one that is
        on its way out is listed no more, and keeps the group all the same.
        """
        for _ in range(100):
            self.signal(signal.SIGKILL)
            with contextlib.suppress(OSError):
                self.path.rmdir()
                break
            time.sleep(0.1)


class Load:
    """`with Load(...) as load: load.begin(); ...; load.rest(seconds); load.end()`; then truth_ns and pids."""

    name = title = ""
    hz_share = 1.0

    def __init__(self, args, tmp):
        self.args, self.tmp = args, tmp
        self.group = Group(self.name)
        self.processes = []
        self.pids = {}  # CPU time by process, as it was last seen
        self.other = set()  # those of code that is made while they run
        self.files = {}  # {name of a file: path}, of code that they have mapped

    def start(self, argv, **kwargs):
        self.processes.append(self.group.popen(argv, stdout=kwargs.pop("stdout", subprocess.DEVNULL), **kwargs))
        return self.processes[-1]

    def prepare(self):
        """What is there before the profilers."""

    def work(self):
        """It works from here on."""

    def begin(self):
        self.begun_ns = self.group.cpu_ns()
        self.work()

    def look(self):
        for pid in self.group.pids():
            with contextlib.suppress(OSError):
                self.pids[pid] = harness.process_cpu_ns(pid)

    def map_files(self):
        for pid in list(self.pids):
            with contextlib.suppress(OSError):
                for line in open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace"):
                    words = line.split(maxsplit=5)
                    if len(words) == 6 and words[1][2] == "x" and words[5][0] == "/":
                        path = words[5].strip()
                        self.files[os.path.basename(path)] = path

    def end(self):
        self.group.signal(signal.SIGSTOP)
        time.sleep(0.05)
        self.look()
        self.map_files()
        self.truth_ns = self.group.cpu_ns() - self.begun_ns

    def warm(self, seconds=3):
        """Its files come from memory: who is the first to read them would pay for the disk."""
        self.prepare()
        self.begin()
        time.sleep(seconds)
        self.look()
        self.map_files()
        for path in (*self.files.values(), *(p for p in DEBUG.rglob("*") if p.is_file())):
            with contextlib.suppress(OSError):
                pathlib.Path(path).read_bytes()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        for process in self.processes:
            process.kill()
        self.group.__exit__(*args)
        for process in self.processes:
            process.wait()


def compiled_deep(args):
    """Its path; compiled where it is older than its source."""
    source, path = HERE / "deep.cc", args.cprofctl.parents[2] / "tests/bench/deep"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_mtime <= source.stat().st_mtime:
        stack_programs.run(["g++", "-O2", "-fomit-frame-pointer", "-pthread", "-o", path, source])
    return path


class Deep(Load):
    name, title = "W1", "deep C++ without frame pointers"

    def prepare(self):
        """A compiler at work would be one more load, with files of its own to read."""
        self.program = compiled_deep(self.args)

    def work(self):
        self.start([self.program, 2])


class Short(Load):
    name, title = "W2", "100 processes/s of 5 to 30 ms"

    def work(self):
        w = self.args.workloads
        self.programs = w / "burst", w / "burst-static"
        self.storm = self.start([w / "execstorm", 100, 5000, 30000, self.args.seconds,
                                 self.tmp / "storm.log", *self.programs])

    def end(self):
        """It ends by itself; the log has what each was charged."""
        self.storm.wait(self.args.seconds + 60)
        self.truth_ns = 0
        self.pids = {}
        for line in open(self.tmp / "storm.log", encoding="utf-8"):
            pid, _, cpu_us, _ = line.split()
            self.pids[int(pid)] = self.pids.get(int(pid), 0) + int(cpu_us) * 1000
        self.truth_ns = sum(self.pids.values())
        self.files |= {p.name: str(p) for p in self.programs}


class Mix(Load):
    name, title = "W3", "python, node, Go, Java, Rust, xz, gzip, openssl at once"

    def prepare(self):
        """Only made: they start with the load."""
        out = self.args.cprofctl.parents[2] / "tests/bench/programs"
        found = {p.name: p for p in stack_programs.programs(
            out, None, ("rust", "scripts", "tools", "go_installed"))}
        go = [name for name in found if re.fullmatch(r"Go [\d.]+", name)][:1]
        self.programs = [found[name] for name in (*MIX, *go) if name in found and not found[name].missing]
        missing = {*MIX, "Go"} - {p.name for p in self.programs} - ({"Go"} if go else set())
        if missing:
            raise harness.Skip(f"the mix lacks {', '.join(sorted(missing))}")

    def work(self):
        for program in self.programs:
            with open(program.stdin, "rb") as stdin:
                process = self.start(program.argv, stdin=stdin)
            if os.path.basename(program.argv[0]) in COMPILED_LATER:
                self.other.add(process.pid)


class Sleepers(Load):
    name, title = "W4", "300 mostly idle processes, 20 of them bursty"

    def prepare(self):
        self.start([self.args.workloads / "sleepers", SLEEPERS, self.args.seconds + 600, *LIBRARIES])
        harness.wait_until(lambda: len(self.group.pids()) > SLEEPERS, 60, "the sleepers")
        self.group.signal(signal.SIGSTOP)

    def begin(self):
        self.look()
        before = dict(self.pids)
        super().begin()
        self.before = before

    def work(self):
        self.group.signal(signal.SIGCONT)

    def end(self):
        super().end()
        self.pids = {pid: ns - self.before.get(pid, 0) for pid, ns in self.pids.items()}


LOADS = (Deep, Short, Mix, Sleepers)
