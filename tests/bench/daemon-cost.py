# SPDX-License-Identifier: Apache-2.0
"""What does it cost to have the daemon on for good? All of it beside the OpenTelemetry eBPF profiler.

Both run at the same time over the same loads, so that noise hits both alike: an idle machine, 300
processes that mostly sleep, and `make -j2` of this project's own sources. The daemon has the values
that it ships with (systemd/cprofd.conf, Nice= of the unit); only its directories are others.

CPU is what the kernel charged all processes and BPF programs of each, in stretches that together are
one window: each load has one window ended, named, encoded and synced in it. Memory is the
proportional share of the processes, and the maps. For the peer see peer.py; without --peer the
daemon is measured alone. Idle figures want an idle machine; ratios do not.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import signal
import statistics
import subprocess
import sys
import time

import cost
import peer
import accounts  # noqa: E402 - these two are where cost and peer look
import harness  # noqa: E402
from cprofd import Daemon  # noqa: E402
from harness import NSEC  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "systemd/cprofd.conf"
SERVICE = ROOT / "systemd/cprofd.service.in"
SETTLE_S, WARM_S = 12, 8
MIB = 1 << 20
# Where no more than this is busy, both profilers included, the daemon's roles wake no more than that.
IDLE_CPUS, IDLE_WAKEUPS = 0.1, 25


def shipped(key, path=CONFIG):
    """The value of a key as shipped: defaults stand behind a `#`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.lstrip("#").startswith(key + "="):
            return line.split("=", 1)[1]
    raise KeyError(key)


def idle(stack, args, tmp):
    """Nothing of ours."""


def sleepers(stack, args, tmp):
    cost.sleepers(stack, argparse.Namespace(workloads=args.workloads, seconds=args.seconds + 60))


def own_sources(args, place):
    """A Makefile that compiles this tree as its build does, but without a cache."""
    tree = args.cprofctl.parents[2]
    rules, objects = [], []
    for i, entry in enumerate(json.loads((tree / "compile_commands.json").read_text(encoding="utf-8"))):
        words = [w for w in shlex.split(entry["command"]) if w != "ccache"]
        if not entry["file"].startswith("../") or "-MQ" not in words:
            continue
        for option in ("-MQ", "-MF"):
            at = words.index(option)
            del words[at:at + 2]
        words.remove("-MD")
        objects.append(f"{place}/{i}.o")
        words[words.index("-o") + 1] = objects[-1]
        line = shlex.join(words).replace("$", "$$").replace("#", "\\#")
        rules.append(f"{objects[-1]}:\n\tcd {shlex.quote(entry['directory'])} && {line}\n")
    (place / "Makefile").write_text(f"all: {' '.join(objects)}\n" + "".join(rules), encoding="utf-8")


def build(stack, args, tmp):
    """Again and again, until it is killed."""
    harness.need("make", "cc")
    place = tmp / "objects"
    place.mkdir()
    own_sources(args, place)
    process = subprocess.Popen(
        ["sh", "-c", "while make -s -j2 > log 2>&1; do rm -f *.o; done; cat log >&2"],
        cwd=place, start_new_session=True)

    def stop():
        failed = process.poll()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if failed is not None:
            raise RuntimeError("make failed: is the build directory complete?")

    stack.callback(stop)


LOADS = {"idle": idle, "sleepers": sleepers, "build": build}


class Side:
    """One of the two, measured at the end of each stretch."""

    def __init__(self, name, root):
        self.name, self.root = name, root

    def begin(self):
        """Costs of a load: from here on."""
        self.names, self.known, self.woken, self.programs = {}, {}, {}, {}
        self.cpu, self.bpf, self.memory, self.times = [], [], [], []
        self.look()
        self.begun = self.by_name(self.known), self.by_name(self.woken)

    def look(self):
        """Clocks that can be read no more (of a role that ended) keep what they showed last."""
        roles = accounts.Roles(self.root)
        self.names.update(roles.pids)
        self.known.update(roles.cpu_ns())
        self.woken.update(roles.wakeups())
        bpf = roles.bpf()
        self.programs.update(bpf.programs)
        self.times.append(time.monotonic())
        self.cpu.append(sum(self.known.values()))
        self.bpf.append(sum(self.programs.values()))
        self.pss, self.maps = roles.by_comm(roles.pss()), bpf.map_bytes
        self.memory.append(sum(self.pss.values()) + self.maps)

    def by_name(self, figures):
        sums = {}
        for pid, figure in figures.items():
            sums[self.names[pid]] = sums.get(self.names[pid], 0) + figure
        return sums

    def end(self):
        """The figures; CPU in milliseconds for each second."""
        seconds = [b - a for a, b in zip(self.times, self.times[1:])]
        whole = sum(seconds)
        sums = [cpu + bpf for cpu, bpf in zip(self.cpu, self.bpf)]
        each = [(b - a) / 1e6 / s for a, b, s in zip(sums, sums[1:], seconds)]
        cpu, woken = self.by_name(self.known), self.by_name(self.woken)
        return {
            "processes": len(self.names),
            "ms_per_s": (sums[-1] - sums[0]) / 1e6 / whole,
            "median": statistics.median(each),
            "worst": max(each),
            "bpf": (self.bpf[-1] - self.bpf[0]) / 1e6 / whole,
            "roles": {name: (ns - self.begun[0].get(name, 0)) / 1e6 / whole for name, ns in cpu.items()},
            "wakeups": {name: (n - self.begun[1].get(name, 0)) / whole for name, n in woken.items()},
            "memory": statistics.median(self.memory),
            "memory_max": max(self.memory),
            "pss": self.pss,
            "maps": self.maps,
        }


def measure(args, tmp, load, sides):
    """Both over one load: {name of the side: figures}, and how busy the machine was, in CPUs."""
    with contextlib.ExitStack() as stack:
        LOADS[load](stack, args, tmp)
        time.sleep(WARM_S)
        clock = harness.cpu_clock()
        busy, begun = sum(clock.read()), time.monotonic()
        for side in sides:
            side.begin()
        for i in range(args.stretches):
            time.sleep(max(begun + (i + 1) * args.seconds / args.stretches - time.monotonic(), 0))
            for side in sides:
                side.look()
        busy = (sum(clock.read()) - busy) / NSEC / (time.monotonic() - begun)
        return {side.name: side.end() for side in sides}, busy


def show(load, figures, busy):
    print(f"{load}: {busy:.2f} of {os.cpu_count()} CPUs busy")
    print(f"  {'':10}{'CPU ms/s':>10}{'median':>9}{'worst':>9}{'in BPF':>9}{'MiB':>9}{'at most':>9}"
          f"{'in maps':>9}{'wake-ups/s':>12}")
    for name, f in figures.items():
        print(f"  {name:10}{f['ms_per_s']:10.2f}{f['median']:9.2f}{f['worst']:9.2f}{f['bpf']:9.2f}"
              f"{f['memory'] / MIB:9.2f}{f['memory_max'] / MIB:9.2f}{f['maps'] / MIB:9.2f}"
              f"{sum(f['wakeups'].values()):12.1f}")
    ours = figures["cprofd"]
    for comm, ms in sorted(ours["roles"].items(), key=lambda item: -item[1]):
        print(f"    {comm:18}{ms:8.2f} ms/s, {ours['pss'].get(comm, 0) / MIB:6.2f} MiB, "
              f"{ours['wakeups'][comm]:6.1f} wake-ups/s")
    if "peer" in figures:
        theirs = figures["peer"]
        print(f"  ours to the peer's: CPU {ours['ms_per_s'] / theirs['ms_per_s']:.3f}, median stretch "
              f"{ours['median'] / theirs['median']:.3f}, memory {ours['memory'] / theirs['memory']:.3f}",
              flush=True)


def may_use_cpu():
    """CPU= of the machine, but a twentieth of a CPU always (cprofd.conf(5)), in ms for each second."""
    return max(float(shipped("CPU").rstrip("%")) * 10 * os.cpu_count(), 50)


def may_use_memory():
    return float(shipped("Memory").rstrip("M")) * MIB


def judge(checks, load, figures, busy):
    ours = figures["cprofd"]
    for name, f in figures.items():
        checks.equal(f"{load}: processes of {name}", f["processes"], 5 if name == "cprofd" else 1)
    if load == "idle" and busy < IDLE_CPUS:
        checks.at_most("idle: wake-ups a second", sum(ours["wakeups"].values()), IDLE_WAKEUPS)
    checks.at_most(f"{load}: CPU within CPU=, ms/s", ours["ms_per_s"], may_use_cpu())
    checks.at_most(f"{load}: memory within Memory=, MiB", ours["memory_max"] / MIB, may_use_memory() / MIB)
    if "peer" in figures:
        theirs = figures["peer"]
        checks.at_most(f"{load}: CPU below the peer's, ms/s", ours["ms_per_s"], theirs["ms_per_s"])
        checks.at_most(f"{load}: the median stretch too, ms/s", ours["median"], theirs["median"])
        checks.at_most(f"{load}: memory below the peer's, MiB", ours["memory"] / MIB, theirs["memory"] / MIB)


def compare(args, checks, tmp, stack):
    daemon = stack.enter_context(Daemon(
        args, tmp, options=["--config", CONFIG], nice=int(shipped("Nice", SERVICE))))
    sides = [Side("cprofd", daemon.process.pid)]
    if args.peer:
        other = stack.enter_context(peer.Peer(args))
        sides.append(Side("peer", other.process.pid))
    time.sleep(SETTLE_S)
    for side in sides:
        roles = accounts.Roles(side.root)
        if not roles.pss():
            raise RuntimeError(f"{side.name} does not run")
        print(f"{side.name}: {sum(roles.cpu_ns().values()) / NSEC:.2f} s of CPU in its first {SETTLE_S} s")
    for load in [args.load] if args.load else LOADS:
        figures, busy = measure(args, tmp, load, sides)
        show(load, figures, busy)
        judge(checks, load, figures, busy)
    accounts.check_status(checks, "status", daemon, daemon.process.pid)
    status = daemon.json("status")
    checks.equal("status: samples that are in no account", status["books"]["difference"], 0)
    checks.equal("status: degraded", status.get("degraded", []), [])


def run(args, checks):
    if bool(args.peer) != bool(args.sink):
        raise harness.Skip("--peer goes with --sink (see peer.py)")
    with accounts.bpf_stats(), harness.scratch() as tmp, contextlib.ExitStack() as stack:
        compare(args, checks, pathlib.Path(tmp), stack)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    harness.main(run, __doc__, [
        (("--peer",), {"type": harness.absolute}),
        (("--sink",), {"type": harness.absolute}),
        (("--load",), {"choices": [*LOADS], "help": "only this one"}),
        (("--seconds",), {"type": float, "default": 60, "help": "of each load: a multiple of Window="}),
        (("--stretches",), {"type": int, "default": 4}),
    ])
