# SPDX-License-Identifier: Apache-2.0
"""What a profiler costs, by the kernel's own accounts: ours as well as another one.

CPU time by the clocks of its processes, memory by their proportional share (Pss), and its BPF programs
and maps by the descriptors that its processes hold: /proc/PID/fdinfo says of a program how long it ran
(while kernel.bpf_stats_enabled) and of a map what memory it takes. So nothing of another profiler on
the same machine is counted, whoever started when.
"""

import contextlib
import pathlib
import re
import time

import harness
from harness import NSEC

# status tells what the launcher measures every 5 s.
OLD_S = 5
# The kernel reads its clock twice for each run that it measures, and a run of ours that returns at once
# (a switch from one task to another) is not worth two looks at ours.
RUN_BPF_NS = 500
MEMORY_PART, MEMORY_SLACK, LOOKERS_SLACK = 0.03, 128 << 10, 512 << 10


@contextlib.contextmanager
def bpf_stats():
    """The kernel measures BPF programs meanwhile."""
    switch = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    was = switch.read_text(encoding="utf-8")
    switch.write_text("1", encoding="utf-8")
    try:
        yield
    finally:
        switch.write_text(was, encoding="utf-8")


def _fdinfo(pid):
    """Each descriptor's lines, as a dictionary."""
    for fd in pathlib.Path(f"/proc/{pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            text = fd.read_text(encoding="utf-8")
            yield dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


ARRAY_OF_MAPS = 12  # BPF_MAP_TYPE_ARRAY_OF_MAPS


def maps_within(ident):
    """{id: bytes} of the maps that lie in a map of maps, of which nobody need have a descriptor."""
    found = {}
    for entry in harness.bpftool("map", "dump", "id", ident) or ():
        inner = entry.get("value", entry.get("inner_map_id"))
        if isinstance(inner, list):
            inner = int.from_bytes(bytes(int(byte, 16) for byte in inner), "little")
        shown = harness.bpftool("map", "show", "id", inner) if isinstance(inner, int) and inner else None
        if shown:
            found[str(inner)] = shown["bytes_memlock"]
    return found


class Bpf:
    """Programs and maps that processes hold descriptors of, each counted once."""

    def __init__(self, pids):
        programs, maps = {}, {}
        for pid in pids:
            for info in _fdinfo(pid):
                if "run_time_ns" in info:
                    programs[info["prog_id"]] = int(info["run_time_ns"]), int(info["run_cnt"])
                elif "map_id" in info and "memlock" in info:
                    maps[info["map_id"]] = int(info["memlock"])
                    if int(info["map_type"]) == ARRAY_OF_MAPS:
                        maps |= maps_within(info["map_id"])
        self.programs = {ident: ns for ident, (ns, _) in programs.items()}
        self.run_ns = sum(self.programs.values())
        self.runs = sum(runs for _, runs in programs.values())
        self.map_bytes = sum(maps.values())


def pss_bytes(pid):
    """The process's proportional share of memory, but for what it has mapped of BPF maps, which count by themselves."""
    kib, counts = 0, True
    for line in open(f"/proc/{pid}/smaps", encoding="utf-8"):
        if line.startswith("Pss:"):
            kib += counts * int(line.split()[1])
        elif not line.split(maxsplit=1)[0].endswith(":"):
            counts = "anon_inode:bpf-map" not in line
    return kib * 1024


class Roles:
    """The processes of a profiler: @root, and what descends from it."""

    def __init__(self, root):
        self.root = root
        self.pids = harness.roles_of(root)

    def cpu_ns(self):
        times = {}
        for pid in self.pids:
            with contextlib.suppress(OSError):
                times[pid] = harness.process_cpu_ns(pid)
        return times

    def pss(self):
        """{pid: bytes}"""
        sizes = {}
        for pid in self.pids:
            with contextlib.suppress(OSError):
                sizes[pid] = pss_bytes(pid)
        opener = next((p for p, comm in self.pids.items() if comm.startswith("cprofd-opener")), None)
        for pid, comm in harness.tree_of(self.root).items():
            with contextlib.suppress(OSError):
                if comm == harness.LOOKER and opener in sizes:
                    sizes[opener] += pss_bytes(pid)
        return sizes

    def wakeups(self):
        """{pid: times that its threads gave up the CPU to wait}"""
        counts = {}
        for pid in self.pids:
            with contextlib.suppress(OSError):
                counts[pid] = sum(
                    int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read_text(), re.M)[1])
                    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))
        return counts

    def by_comm(self, figures):
        """{comm: sum} of what stands there by pid."""
        sums = {}
        for pid, figure in figures.items():
            sums[self.pids[pid]] = sums.get(self.pids[pid], 0) + figure
        return sums

    def bpf(self):
        return Bpf(self.pids)


def check_status(checks, name, daemon, root):
    """What `cprofctl status` says beside what the kernel says, before it and after it. A look in 6 s."""
    roles = Roles(root)
    memory, begun = [], time.monotonic()
    cpu, bpf = roles.cpu_ns(), None
    while time.monotonic() < begun + OLD_S + 1 or not bpf:
        memory.append(roles.pss())
        bpf = roles.bpf()
        time.sleep(0.3)
    cost = daemon.json("status")["cost"]
    cpu_after, bpf_after = roles.cpu_ns(), roles.bpf()
    memory.append(roles.pss())
    checks.equal(f"{name}: the roles that status names", sorted(r["pid"] for r in cost["roles"].values()),
                 sorted(roles.pids))
    for role, said in cost["roles"].items():
        pid = said["pid"]
        told = said["cpu_s"] * NSEC
        # Of one that was started again status knows what the dead took, and their clocks are gone.
        checks.check(f"{name}: CPU of the {role}, ms", cpu[pid] <= told + 1 and
                     (told - 1 <= cpu_after[pid] or said["restarts"] > 0), f"{told / 1e6:.3f}",
                     f"its clock {OLD_S + 1} s before and now: {cpu[pid] / 1e6:.3f}, "
                     f"{cpu_after[pid] / 1e6:.3f}; {said['restarts']} restarts")
        low, high = min(m[pid] for m in memory), max(m[pid] for m in memory)
        # Who is there for a moment may have been when the daemon looked, and not when we did.
        slack = MEMORY_SLACK + MEMORY_PART * high + (LOOKERS_SLACK if role == "opener" else 0)
        checks.check(f"{name}: memory of the {role}, KiB", low - slack <= said["pss_bytes"] <= high + slack,
                     said["pss_bytes"] >> 10, f"Pss meanwhile {low >> 10} to {high >> 10}, "
                     f"+- {int(slack) >> 10}")
    checks.check(f"{name}: memory of maps", bpf.map_bytes <= cost["bpf_bytes"] <= bpf_after.map_bytes or
                 bpf_after.map_bytes <= cost["bpf_bytes"] <= bpf.map_bytes, cost["bpf_bytes"],
                 f"by their descriptors {bpf.map_bytes} before, {bpf_after.map_bytes} after")
    said = cost["bpf_s"] * NSEC
    checks.check(f"{name}: time in BPF, ms", bpf.run_ns - RUN_BPF_NS * bpf.runs <= said <= bpf_after.run_ns,
                 f"{said / 1e6:.2f}", f"the kernel's {bpf.run_ns / 1e6:.2f} to {bpf_after.run_ns / 1e6:.2f}, "
                 f"less {RUN_BPF_NS} ns at most for each of {bpf.runs} runs")
    return cost
