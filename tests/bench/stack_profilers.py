# SPDX-License-Identifier: Apache-2.0
"""The profilers that are compared (stacks-cost.py), each to the same figures and stacks.

Each runs in a control group of its own, what makes its output readable too, so that the kernel counts all of
its CPU time. Daemons are counted from the load's begin until its last sample is delivered, perf from its begin to
the end of `perf script`: it is started with the load.
"""

import collections
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import time

import peer
from stack_loads import Group

import accounts  # noqa: E402 - it and the rest are where peer looks
import harness  # noqa: E402
import pprof_file  # noqa: E402
from cprofd import Daemon, Spool  # noqa: E402

HZ, WINDOW_S = 99, 120
LATE_S = 4  # by which a load may end later than it should
ROOT = pathlib.Path(__file__).resolve().parents[2]
# The outermost function of a thread, or the one before it where that has no name.
OUTERMOST = re.compile(r"_start|__libc_start\w*|_dl_start\w*|(__)?clone3?|start_thread|thread_start"
                       r"|runtime\.(goexit|mstart|mcall|rt0_go|systemstack|morestack)\b.*")
LIBC = re.compile(r"libc[.-]|ld-musl")


@dataclasses.dataclass
class Frame:
    """@name: None where the profiler delivers none."""

    name: str
    file: str
    addr: int = 0


def is_rooted(frames, at_root):
    """Of a user stack, innermost first: does it reach the outermost frame? @at_root(frame): is it one?

    Where threads begin in a stripped libc there are no names: its two outermost frames, under another
    file's, count as that. It favours who ends in libc by mistake.
    """
    if any(at_root(frame) for frame in frames[-2:]):
        return True
    in_libc = [bool(LIBC.match(os.path.basename(frame.file))) for frame in frames[-3:]]
    return in_libc == [False, True, True]


def named_root(frame):
    return bool(frame.name and OUTERMOST.fullmatch(frame.name.partition("@")[0]))


class Roots:
    """By the files themselves, for profilers that deliver addresses only: where outermost functions lie."""

    ENTRY_SIZE = 64

    def __init__(self, files):
        self.files, self.ranges = files, {}

    def of(self, name):
        if name not in self.ranges:
            self.ranges[name] = self.read(self.files[name]) if name in self.files else []
        return self.ranges[name]

    def read(self, path):
        head = subprocess.run(["readelf", "-hW", path], capture_output=True, text=True, check=False).stdout
        entry = re.search(r"Entry point address:\s*0x([0-9a-f]+)", head)
        found = [(int(entry[1], 16), self.ENTRY_SIZE)] if entry else []
        symbols = subprocess.run(["readelf", "-sW", path], capture_output=True, text=True, check=False).stdout
        for line in symbols.splitlines():
            words = line.split()
            if len(words) == 8 and words[3] == "FUNC" and OUTERMOST.fullmatch(words[7].partition("@")[0]):
                found.append((int(words[1], 16), int(words[2], 0)))
        return found

    def holds(self, frame):
        return named_root(frame) or any(
            start <= frame.addr <= start + size for start, size in self.of(os.path.basename(frame.file)))


class Seen:
    """What a profiler delivered of a load's processes."""

    def __init__(self, load, at_root=named_root):
        self.load, self.at_root = load, at_root
        self.samples = self.with_user = self.rooted = self.native = self.native_rooted = 0
        self.frames = self.named = self.all_named = 0
        self.pids = collections.Counter()
        self.ends = collections.Counter()

    def add(self, pid, count, frames):
        """@frames: the user's, innermost first."""
        if pid not in self.load.pids:
            return
        self.samples += count
        self.pids[pid] += count
        if not frames:
            return
        rooted = is_rooted(frames, self.at_root)
        named = sum(1 for frame in frames if frame.name)
        self.with_user += count
        self.rooted += count * rooted
        self.frames += count * len(frames)
        self.named += count * named
        self.all_named += count * (named == len(frames))
        if pid not in self.load.other:
            self.native += count
            self.native_rooted += count * rooted
        if not rooted:
            self.ends[" < ".join(f"{f.name or '?'} ({os.path.basename(f.file)})" for f in frames[-3:])] += count


class Profiler:
    """start(), await_turn() before the load, mark() at its begin, look() during it, finish(load) after it: the figures."""

    hz = HZ

    def __init__(self, args, tmp):
        self.args, self.tmp = args, tmp
        self.group = Group(self.name)
        self.memory, self.maps = [], 0
        self.runs = self.run_ns = self.bpf_ns = 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.group.__exit__(*args)

    def await_turn(self, seconds):
        """Until a load of so long may begin."""

    def mark(self):
        self.begun_ns, self.before = self.group.cpu_ns(), self.bpf()

    def bpf(self):
        return accounts.Bpf(self.group.pids())

    def look(self):
        self.maps = self.bpf().map_bytes
        pss = 0
        for pid in self.group.pids():
            try:
                pss += accounts.pss_bytes(pid)
            except OSError:
                continue
        self.memory.append(pss + self.maps)

    def account(self):
        """What ran in BPF since mark(); before its programs are gone."""
        after = self.bpf()
        self.bpf_ns = after.run_ns - self.before.run_ns
        self.runs = after.runs - self.before.runs


class Ours(Profiler):
    name = "cprofd"

    def start(self):
        config = ROOT / "systemd/cprofd.conf"
        place = self.tmp / self.name
        place.mkdir()
        # What else is told than what is shipped: places, and the rate where it is what is compared.
        self.daemon = Daemon(self.args, place, [f"Sampling.FrequencyHz={self.hz}"], options=["--config", config],
                             nice=int(self.args.shipped("Nice", ROOT / "systemd/cprofd.service.in")))
        self.daemon.__enter__()
        for pid in harness.tree_of(self.daemon.process.pid):
            self.group.add(pid)

    def books(self):
        return self.daemon.json("status")["books"]

    def ticks(self):
        """(ns, runs) of the program that samples."""
        ran = runs = 0
        for pid in self.group.pids():
            for info in accounts._fdinfo(pid):  # pylint: disable=protected-access
                if info.get("prog_type", "").strip() == "7":  # BPF_PROG_TYPE_PERF_EVENT
                    ran, runs = max((ran, runs), (int(info["run_time_ns"]), int(info["run_cnt"])))
        return ran, runs

    def await_turn(self, seconds):
        """The load ends shortly before a window does: what it costs to write it counts, an idle time before does not."""
        for _ in range(2):
            left = self.daemon.json("status")["window"]["next_s"]
            spare = left - seconds - LATE_S
            time.sleep(spare if spare > 0 else left + 0.5)
            if spare > 0:
                return

    def mark(self):
        self.runs_before, self.ticks_before = self.books()["runs"], self.ticks()
        super().mark()

    def finish(self, load):
        self.account()
        ran, runs = self.ticks()
        self.run_ns = (ran - self.ticks_before[0]) / max(runs - self.ticks_before[1], 1)
        books = self.books()
        self.samples = books["runs"] - self.runs_before
        self.lost = harness.total(books["dropped"]) + harness.total(books["discarded"])
        self.wait_for_window(time.time_ns())
        self.cpu_ns = self.group.cpu_ns() - self.begun_ns
        self.daemon.stop()
        self.seen = Seen(load)
        self.complete = 0
        for _, profile in Spool(self.daemon.spool).read():
            self.read(profile)
        if self.args.keep_log:
            print(self.daemon.said())
        self.daemon.__exit__()

    def wait_for_window(self, end_ns):
        """Until a window that ends after that is written, as windows are: a stop has no time for names."""
        known = set()

        def is_there():
            new = {path.name.rsplit(".", 3)[-3]: path for path in Spool(self.daemon.spool).files()}
            fresh = [path for key, path in new.items() if key not in known]
            known.update(new)
            return any(p.time_ns + p.duration_ns >= end_ns for p in map(pprof_file.Profile, fresh))

        harness.wait_until(is_there, WINDOW_S, "the window's profiles")

    def read(self, profile):
        for sample in profile.samples:
            frames = []
            for location in sample.locations:
                place = profile.mapping(location)
                if place.startswith("[kernel"):
                    continue
                for name in profile.names(location):
                    if name != "[no stack]":
                        frames.append(Frame(None if name.startswith("[") else name, place))
            self.seen.add(profile.owner(sample)[0], sample.values[0], frames)


class OursAt19(Ours):
    """Of what it costs nothing is judged."""

    name, hz = "cprofd-19", 19

    def await_turn(self, seconds):
        pass

    def wait_for_window(self, end_ns):
        pass


class Perf(Profiler):
    stacks = ()

    def start(self):
        """With the load, in mark()."""
        self.data = self.tmp / f"{self.name}.data"

    def mark(self):
        super().mark()
        self.process = self.group.popen(
            ["perf", "record", "-q", "-a", "-F", HZ, "-e", "cpu-clock", *self.stacks, "-k", "CLOCK_MONOTONIC",
             "-o", self.data])
        harness.wait_until(lambda: self.data.exists() and self.data.stat().st_size, 60, "perf's file")
        time.sleep(1)

    def finish(self, load):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        text = self.tmp / f"{self.name}.txt"
        with open(text, "wb") as out:
            self.group.popen(["perf", "script", "--no-inline", "-i", self.data, "-F", "pid,ip,sym,dso"],
                             stdout=out).wait()
        self.cpu_ns = self.group.cpu_ns() - self.begun_ns
        self.seen, self.samples = Seen(load), 0
        with open(text, encoding="utf-8", errors="replace") as lines:
            self.read(lines)
        self.data.unlink()
        text.unlink()

    FRAME = re.compile(r"\s+([0-9a-f]+) (.*) \((.*)\)$")

    def read(self, lines):
        pid, frames = None, []
        for line in lines:
            line = line.rstrip("\n")
            if not line:
                continue
            if found := self.FRAME.match(line):
                ip = int(found[1], 16)
                if ip < 1 << 63:
                    name = found[2].partition("+0x")[0]
                    frames.append(Frame(None if name == "[unknown]" else name, found[3], ip))
                continue
            if pid is not None:
                self.seen.add(pid, 1, frames)
            pid, frames = int(line.split()[0]), []
            self.samples += 1
        if pid is not None:
            self.seen.add(pid, 1, frames)


class PerfFramePointers(Perf):
    name, stacks = "perf -g", ("-g",)


class PerfDwarf(Perf):
    name, stacks = "perf dwarf", ("--call-graph", "dwarf")


class Otel(Profiler):
    name = "otel"

    def start(self):
        self.peer = peer.Peer(self.args)
        self.group.add(self.peer.process.pid)

    def mark(self):
        if self.peer.process.poll() is not None:
            raise RuntimeError(f"the peer ended with status {self.peer.process.returncode}")
        self.peer.sink.send_signal(signal.SIGUSR1)
        super().mark()

    def finish(self, load):
        time.sleep(peer.REPORT_S)
        self.account()
        self.cpu_ns = self.group.cpu_ns() - self.begun_ns
        said = self.peer.finish()
        if "stacks" not in said:
            raise harness.Skip("the sink does not tell stacks: tests/bench/otlp-sink does")
        self.samples = said["after"]
        self.seen = Seen(load, Roots(load.files).holds)
        for stack in said["stacks"]:
            frames = [Frame(name or None, file, addr) for kind, name, file, addr in stack["frames"]
                      if kind != "kernel"]
            self.seen.add(stack["pid"], stack["n"], frames)

    def __exit__(self, *args):
        if hasattr(self, "peer"):
            self.peer.__exit__(*args)
        super().__exit__(*args)
