# SPDX-License-Identifier: Apache-2.0
"""What does it cost to name the places of one window? Beside `perf script` with inlined functions, and llvm-symbolizer.

Over the mixed load (stack_loads.py) the daemon begins and `perf record -a -g` runs for as long as its first window.
Cold is that first window, of files that this daemon never saw; warm the second one. Ours is the CPU time of sampler,
opener and symbolizer less that of a twin that runs beside it with Symbolize=no: that one, too, makes unwinding rows
and profiles. perf's is that of `perf script` less that of `perf script -F ip` that finds no symbols (a place without
any is its --symfs; else it reads them all the same); it remembers nothing, so it stands for both windows. llvm-symbolizer
is given what our first window has in files, each place once. All files were read before, so none waits for a disk.

Medians count. Figures want an idle machine: what else begins meanwhile is in both windows of ours.
"""

import os
import pathlib
import statistics
import struct
import subprocess
import sys
import time

from stack_loads import Mix

import harness  # noqa: E402 - it and the rest are where stack_loads looks
import pprof_file  # noqa: E402
import real_daemon  # noqa: E402
from harness import NSEC  # noqa: E402

HZ = 99
LEAD_S = 5  # the programs of the load begin, which is another load
COLD, WARM = 1 / 10, 1 / 100
LLVM = ("llvm-symbolizer", "llvm-symbolizer-14")
COLUMNS = ("perf script", "of it without names", "perf: names", "llvm-symbolizer", "cprofd cold", "cprofd warm")


def cpu_of(argv, stdin=subprocess.DEVNULL):
    """Seconds of CPU time of a program and those that it started."""
    process = subprocess.Popen([str(word) for word in argv], stdin=stdin, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def executable_parts(path):
    """[(offset, address, bytes)] of an ELF file's code; what is none has none."""
    with open(path, "rb") as f:
        head = f.read(64)
        if head[:5] != b"\x7fELF\x02":
            return []
        offset, = struct.unpack_from("<Q", head, 32)
        size, cnt = struct.unpack_from("<HH", head, 54)
        f.seek(offset)
        table = f.read(size * cnt)
    entries = [struct.unpack_from("<IIQQQQ", table, i * size) for i in range(cnt)]
    return [(off, addr, sz) for kind, flags, off, addr, _, sz in entries if kind == 1 and flags & 1]


def places_of(profiles):
    """{(path, address)} of all places in files that are there."""
    found, parts = set(), {}
    for profile in profiles:
        for location in profile.locations():
            path = profile.mapping(location)
            if not path.startswith("/") or not os.path.isfile(path):
                continue
            if path not in parts:
                parts[path] = executable_parts(path)
            at = profile.file_offset(location)
            found |= {(path, addr + at - off) for off, addr, sz in parts[path] if off <= at < off + sz}
    return found


class Side:
    """A daemon, and the CPU time of its roles at the end of each of its windows."""

    def __init__(self, args, tmp, name, symbolize):
        self.place = tmp / name
        self.place.mkdir()
        # What it may cost is another bench's: who is short of CPU time puts names off.
        self.daemon = real_daemon.Daemon(args, self.place, settings={
            "Sampling.FrequencyHz": HZ, "Profiles.Window": f"{args.seconds}s", "Limits.CPU": "100%",
            "Symbols.Symbolize": symbolize})
        self.ends, self.files = [], []

    def __enter__(self):
        self.daemon.__enter__()
        self.roles = {name: self.daemon.role(name) for name in ("sampler", "opener", "symbolizer")}
        return self

    def __exit__(self, *args):
        self.daemon.__exit__(*args)

    def look(self):
        """After each window that was committed meanwhile."""
        end_ns = real_daemon.last_end_ns(self.daemon.profiles)
        if end_ns == (self.ends[-1][0] if self.ends else 0):
            return
        self.ends.append((end_ns, {name: harness.process_cpu_ns(pid) / NSEC for name, pid in self.roles.items()}))
        known = set().union(*self.files)
        self.files.append(set(real_daemon.visible(self.daemon.profiles)) - known)

    def spent(self, window):
        """{role: seconds}: of the first window all since they began."""
        before = self.ends[window - 1][1] if window else dict.fromkeys(self.roles, 0)
        return {name: s - before[name] for name, s in self.ends[window][1].items()}

    def profiles(self, window):
        return [pprof_file.Profile(self.daemon.profiles / path) for path in sorted(self.files[window])]


def ours(named, twin, window):
    """(seconds, as text by role)"""
    spent, bare = named.spent(window), twin.spent(window)
    text = ", ".join(f"{name} {s:.3f} (without names {bare[name]:.3f})" for name, s in spent.items())
    return sum(spent.values()) - sum(bare.values()), text


def read_files(load):
    """What is in files comes from memory, for all alike."""
    load.look()
    load.map_files()
    for path in load.files.values():
        try:
            with open(path, "rb") as f:
                while f.read(1 << 20):
                    pass
        except OSError:
            continue


def sample(args, tmp, load):
    """(named, twin), which saw two windows each, and perf's file of the first."""
    data = tmp / "perf.data"
    with Side(args, tmp, "named", "yes") as named, Side(args, tmp, "twin", "no") as twin:
        perf = subprocess.Popen(["perf", "record", "-q", "-a", "-g", "-F", str(HZ), "-e", "cpu-clock", "-o", data, "--",
                                 "sleep", str(args.seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 2 * args.seconds + 60
        while min(len(named.ends), len(twin.ends)) < 2:
            if time.monotonic() > end or load.processes[0].poll() is not None:
                raise RuntimeError(f"no two windows: {named.daemon.said()[-300:]}")
            for side in (named, twin):
                side.look()
            time.sleep(0.05)
        perf.wait(60)
        profiles = named.profiles(0)
    return named, twin, data, profiles


def repetition(args, tmp, checks):
    with Mix(args, tmp) as load:
        load.prepare()
        load.begin()
        time.sleep(LEAD_S)
        read_files(load)
        named, twin, data, profiles = sample(args, tmp, load)
        load.end()
        whole = cpu_of(["perf", "script", "-i", data, "--inline"])
        bare = cpu_of(["perf", "script", "-i", data, "-F", "ip", "--symfs", named.place, "--kallsyms", "/dev/null"])
        asked = tmp / "places"
        places = sorted(places_of(profiles))
        asked.write_text("".join(f'"{path}" 0x{addr:x}\n' for path, addr in places), encoding="utf-8")
        with open(asked, "rb") as stdin:
            llvm = cpu_of([args.llvm, "--inlines"], stdin)
    cold, warm = ours(named, twin, 0), ours(named, twin, 1)
    checks.note(f"{len(places)} places in {len({path for path, _ in places})} files")
    checks.note(f"cold, s: {cold[1]}")
    checks.note(f"warm, s: {warm[1]}")
    figures = dict(zip(COLUMNS, (whole, bare, whole - bare, llvm, cold[0], warm[0])))
    checks.note(", ".join(f"{name} {s:.3f} s" for name, s in figures.items()))
    return figures | {"places": len(places)}


def markdown(figures, args):
    perf = figures["perf: names"]
    lines = [f"Median of {args.repetitions}, windows of {args.seconds} s, {figures['places']:.0f} places in files.", "",
             "| | CPU time | Of perf's |", "|---|---|---|"]
    lines += [f"| {name} | {figures[name]:.3f} s | {figures[name] / perf:.2%} |" 
              for name in COLUMNS]
    return "\n".join(lines) + "\n"


def run(args, checks):
    harness.need("perf")
    found = [tool for tool in LLVM if harness.shutil.which(tool)]
    if not found:
        raise harness.Skip("no llvm-symbolizer")
    args.llvm = found[0]
    runs = []
    for _ in range(args.repetitions):
        with harness.scratch() as tmp:
            runs.append(repetition(args, tmp, checks))
    figures = {name: statistics.median(r[name] for r in runs) for name in runs[0]}
    perf = figures["perf: names"]
    checks.at_least("places in files", figures["places"], 100)
    checks.at_most("cold: CPU time, of perf's", figures["cprofd cold"] / perf, COLD)
    checks.at_most("warm: CPU time, of perf's", figures["cprofd warm"] / perf, WARM)
    text = markdown(figures, args)
    print(text)
    if args.markdown:
        pathlib.Path(args.markdown).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    harness.main(run, __doc__, [
        (("--seconds",), {"type": int, "default": 60, "help": "of a window"}),
        (("--repetitions",), {"type": int, "default": 3}),
        (("--markdown",), {"help": "write the table here"}),
    ])
