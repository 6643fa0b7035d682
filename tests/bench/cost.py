# SPDX-License-Identifier: Apache-2.0
"""What does a sample cost? All roles and BPF beside `perf record -a -F 99 -g` with `perf script`.

Both record the same machine under the same load at the same time, one run for each load: a CPU-bound
one, short processes, 300 processes that mostly sleep. Start-up is what is spent until three seconds
after the first tick: programs loaded, the tables of names of the kernel and of what runs already made.
Steady state is everything after it, the files included. perf's own time in
the interrupt is charged to whom it interrupted and is not in its figures; ours is. perf script's text
is what its reader needs: names.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import accounts  # noqa: E402
import harness  # noqa: E402
from harness import NSEC, Recorder, Work  # noqa: E402

HZ = 99
START_S = 3


def cpu_bound(stack, args):
    """A busy CPU, a CPU with a rhythm, an interpreter, a C++ program."""
    for argv in ((args.workloads / "spin", 0, args.seconds + 30),
                 (args.workloads / "rhythm", 4000, 6000, args.seconds + 30, 1),
                 (sys.executable, harness.HERE / "workloads/crunch.py", -1, args.seconds + 30),
                 (args.workloads / "crunch-cc", -1, args.seconds + 30)):
        if os.path.exists(argv[0]):
            stack.enter_context(Work(*argv))


def short(stack, args):
    """100 processes a second, each 5 to 30 ms."""
    stack.enter_context(Work(args.workloads / "execstorm", 100, 5000, 30000, args.seconds + 30,
                             "/dev/null", args.workloads / "burst", args.workloads / "burst-static"))


def sleepers(stack, args):
    """300 processes with large libraries, that mostly sleep."""
    names = ("libLLVM-14.so.1", "libcrypto.so.3", "libstdc++.so.6", "libglib-2.0.so.0", "libgnutls.so.30",
             "libclang-cpp.so.14", "libperl.so.5.36", "libxml2.so.2", "libsqlite3.so.0",
             "libicui18n.so.72", "libicuuc.so.72")
    stack.enter_context(Work(args.workloads / "sleepers", 300, args.seconds + 30, *names))
    time.sleep(3)


LOADS = {"cpu": cpu_bound, "short": short, "sleepers": sleepers}


class Perf:
    """`perf record -a -F 99 -g` for some seconds, then `perf script`: CPU seconds and samples."""

    def __init__(self, path, seconds):
        self.path = path
        self.process = subprocess.Popen(
            ["perf", "record", "-q", "-a", "-F", str(HZ), "-g", "-e", "cpu-clock", "-o", str(path),
             "--", "sleep", str(seconds)], stderr=subprocess.DEVNULL)

    def cpu_ns(self):
        return harness.process_cpu_ns(self.process.pid)

    def finish(self):
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        self.record_s = usage.ru_utime + usage.ru_stime
        self.pss_peak = usage.ru_maxrss * 1024
        script = subprocess.Popen(["perf", "script", "-i", str(self.path)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(script.pid, 0)
        script.returncode = 0
        self.script_s = usage.ru_utime + usage.ru_stime
        text = subprocess.run(["perf", "script", "-i", str(self.path), "-F", "pid", "-G"],
                              capture_output=True, text=True, check=False).stdout
        self.samples = len(text.split())
        return self


class Peak:
    """The memory of all roles and maps, looked at twice a second."""

    def __init__(self, roles, view):
        self.roles, self.view, self.seen = roles, view, []

    def look(self):
        self.seen.append(sum(self.roles.pss().values()) + sum(self.view.map_bytes().values()))

    def rest(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.5)


def measure(args, tmp, name):
    """One load in one run; a dictionary of figures."""
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(harness.BpfView(args.outside))
        LOADS[name](stack, args)
        perf = Perf(tmp / f"{name}.data", args.seconds)
        recorder = stack.enter_context(Recorder(
            args.cprofctl, "-a", "--seconds", args.seconds, "-o", f"{tmp}/{name}/", cwd=tmp))
        view.wait_for_samples(recorder)
        roles = accounts.Roles(recorder.process.pid)
        loaded = roles.cpu_ns()
        peak = Peak(roles, view)
        peak.rest(START_S)
        roles = peak.roles = accounts.Roles(recorder.process.pid)
        start, bpf = roles.cpu_ns(), view.counters()
        peak.rest(args.seconds - START_S - 1.5)
        pss, maps, cpu = roles.by_comm(roles.pss()), view.map_bytes(), roles.cpu_ns()
        perf.finish()
        done = recorder.finish()
    if done.status or not done.json:
        sys.exit(f"cprofctl failed: {done.stderr.strip()}")
    return {
        "load": name,
        "loaded_ns": sum(loaded.values()),
        "start_ns": sum(start.values()) + bpf["bpf_ns"],
        "start_samples": bpf["runs"],
        "roles_ns": {roles.pids[pid]: ns - start.get(pid, 0) for pid, ns in cpu.items()},
        "cost": done.json["cost"],
        "samples": done.books["runs"],
        "files": len(done.files),
        "pss": pss,
        "maps": maps,
        "memory": sorted(peak.seen),
        "perf": perf,
    }


def per_sample(ns, samples):
    return f"{ns / max(samples, 1) / 1000:10.1f} us"


def show(m):
    perf, cost = m["perf"], m["cost"]
    samples = m["samples"] - m["start_samples"]
    whole = (cost["cpu_s"] + cost["bpf_s"]) * NSEC
    steady = whole - m["start_ns"]
    perf_whole = (perf.record_s + perf.script_s) * NSEC
    print(f"{m['load']}: {samples} samples, {m['files']} files; perf {perf.samples} samples")
    print(f"  {'until the first tick':28} {m['loaded_ns'] / NSEC:8.3f} s")
    print(f"  {'start-up, names included':28} {m['start_ns'] / NSEC:8.3f} s")
    for comm, ns in sorted(m["roles_ns"].items(), key=lambda item: -item[1]):
        print(f"  {comm + ', recording':28} {ns / NSEC:8.3f} s {per_sample(ns, samples)} a sample")
    print(f"  {'BPF programs, all the time':28} {cost['bpf_s']:8.3f} s "
          f"{per_sample(cost['bpf_s'] * NSEC, m['samples'])}")
    print(f"  {'all, after start-up':28} {steady / NSEC:8.3f} s {per_sample(steady, samples)}")
    print(f"  {'perf record':28} {perf.record_s:8.3f} s")
    print(f"  {'perf record + script':28} {perf_whole / NSEC:8.3f} s "
          f"{per_sample(perf_whole, perf.samples)}")
    ratio = (steady / max(samples, 1)) / (perf_whole / max(perf.samples, 1))
    print(f"  {'ours to perf, a sample':28} {ratio:8.2f}")
    memory = m["memory"]
    print(f"  {'memory, all roles and maps':28} {memory[len(memory) // 2] / 2**20:8.2f} MiB, "
          f"at most {memory[-1] / 2**20:.2f} MiB; perf at most {perf.pss_peak / 2**20:.2f} MiB")
    for comm, size in sorted(m["pss"].items(), key=lambda item: -item[1]):
        print(f"    {comm:28} {size / 2**20:8.2f} MiB PSS")
    for name, size in sorted(m["maps"].items(), key=lambda item: -item[1])[:4]:
        print(f"    map {name:24} {size / 2**20:8.2f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cprofctl", required=True, type=harness.absolute)
    parser.add_argument("--workloads", required=True, type=harness.absolute)
    parser.add_argument("--outside", required=True, type=harness.absolute)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--load", choices=[*LOADS], help="only this one")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        harness.need("perf", "bpftool")
        if os.geteuid() != 0 or not os.path.exists(args.cprofctl):
            raise harness.Skip("needs root and a built cprofctl")
        for name in [args.load] if args.load else LOADS:
            with harness.scratch() as tmp:
                measured = measure(args, tmp, name)
            if args.json:
                measured["perf"] = vars(measured["perf"])
                print(json.dumps(measured, default=str))
            else:
                show(measured)
    except harness.Skip as skip:
        print(f"SKIP: {skip}")
        sys.exit(harness.SKIP)


if __name__ == "__main__":
    main()
