# SPDX-License-Identifier: Apache-2.0
"""What does a sample cost? All roles and BPF beside `perf record -a -F 99 -g` with `perf script`.

Both record the same machine under the same load at the same time. Steady state is the difference of
two readings while the recording runs (CPU time of each role's process by its own clock, the
BPF programs' time by their own counter); whole life has loading, naming and writing in it. perf's
own time in the interrupt is charged to whom it interrupted and is not in its figures; ours is.
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

import harness  # noqa: E402
from harness import NSEC, Recorder, Work  # noqa: E402

HZ = 99


def load(stack, workloads, seconds):
    """A busy CPU, a CPU with a rhythm, an interpreter, and short-lived processes."""
    for argv in ((workloads / "spin", 0, seconds), (workloads / "rhythm", 4000, 6000, seconds, 1),
                 (sys.executable, harness.HERE / "workloads/crunch.py", -1, seconds),
                 (workloads / "forkstorm", 200, seconds),
                 (workloads / "crunch-cc", -1, seconds)):
        if os.path.exists(argv[0]):
            stack.enter_context(Work(*argv))


class Roles:
    """The processes of one recording."""

    def __init__(self, root):
        self.pids = {pid: comm for pid, comm in harness.tree_of(root).items()
                     if comm.startswith("cprof")}

    def cpu_ns(self):
        times = {}
        for pid in self.pids:
            with contextlib.suppress(OSError):
                times[pid] = harness.process_cpu_ns(pid)
        return times

    def pss(self):
        """{comm: bytes}, summed over the processes of a role."""
        sizes = {}
        for pid, comm in self.pids.items():
            with contextlib.suppress(OSError):
                for line in open(f"/proc/{pid}/smaps_rollup", encoding="utf-8"):
                    if line.startswith("Pss:"):
                        sizes[comm] = sizes.get(comm, 0) + int(line.split()[1]) * 1024
        return sizes


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


def measure(args, tmp):
    """Everything in one run; a dictionary of figures."""
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(harness.BpfView(args.outside))
        load(stack, args.workloads, args.seconds + 30)
        recorder = stack.enter_context(Recorder(
            args.cprofctl, "-a", "--seconds", args.seconds + 6, "-o", f"{tmp}/out/", cwd=tmp))
        view.wait_for_samples(recorder)
        time.sleep(2)  # what was there before is being named
        perf = Perf(tmp / "perf.data", args.seconds)
        roles = Roles(recorder.process.pid)
        cpu, bpf, perf_cpu = roles.cpu_ns(), view.counters(), perf.cpu_ns()
        time.sleep(args.seconds - 2)
        cpu_end, bpf_end, perf_end = roles.cpu_ns(), view.counters(), perf.cpu_ns()
        pss, maps = roles.pss(), view.map_bytes()
        perf.finish()
        done = recorder.finish()
    if done.status or not done.json:
        sys.exit(f"cprofctl failed: {done.stderr.strip()}")
    spent = {comm: 0 for comm in roles.pids.values()}
    for pid, comm in roles.pids.items():
        spent[comm] += cpu_end.get(pid, cpu.get(pid, 0)) - cpu.get(pid, 0)
    return {
        "samples": bpf_end["runs"] - bpf["runs"],
        "roles_ns": spent,
        "bpf_ns": bpf_end["bpf_ns"] - bpf["bpf_ns"],
        "seconds": args.seconds - 2,
        "cost": done.json["cost"],
        "all_samples": done.books["runs"],
        "files": len(done.files),
        "pss": pss,
        "maps": maps,
        "perf_steady_ns": perf_end - perf_cpu,
        "perf": perf,
    }


def per_sample(ns, samples):
    return f"{ns / max(samples, 1) / 1000:10.1f} us"


def show(m):
    perf, samples = m["perf"], m["samples"]
    roles = sum(m["roles_ns"].values())
    print(f"steady state, {m['seconds']} s, {samples} samples")
    for comm, ns in sorted(m["roles_ns"].items(), key=lambda item: -item[1]):
        print(f"  {comm:28} {ns / NSEC:8.3f} s {per_sample(ns, samples)} a sample")
    print(f"  {'BPF programs':28} {m['bpf_ns'] / NSEC:8.3f} s {per_sample(m['bpf_ns'], samples)}")
    print(f"  {'all roles and BPF':28} {(roles + m['bpf_ns']) / NSEC:8.3f} s "
          f"{per_sample(roles + m['bpf_ns'], samples)}")
    print(f"  {'perf record (no kernel side)':28} {m['perf_steady_ns'] / NSEC:8.3f} s "
          f"{per_sample(m['perf_steady_ns'], samples)}")
    whole = (m["cost"]["cpu_s"] + m["cost"]["bpf_s"]) * NSEC
    perf_whole = (perf.record_s + perf.script_s) * NSEC
    print(f"whole life: {m['all_samples']} samples, {m['files']} files; "
          f"perf {perf.samples} samples")
    print(f"  {'all roles and BPF':28} {whole / NSEC:8.3f} s {per_sample(whole, m['all_samples'])}")
    print(f"  {'perf record':28} {perf.record_s:8.3f} s")
    print(f"  {'perf script':28} {perf.script_s:8.3f} s")
    print(f"  {'perf record + script':28} {perf_whole / NSEC:8.3f} s "
          f"{per_sample(perf_whole, perf.samples)}")
    print("memory")
    for comm, size in sorted(m["pss"].items(), key=lambda item: -item[1]):
        print(f"  {comm:28} {size / 2**20:8.2f} MiB PSS")
    for name, size in sorted(m["maps"].items(), key=lambda item: -item[1])[:6]:
        print(f"  map {name:24} {size / 2**20:8.2f} MiB")
    together = sum(m["pss"].values()) + sum(m["maps"].values())
    print(f"  {'all roles and maps':28} {together / 2**20:8.2f} MiB")
    print(f"  {'perf record (peak RSS)':28} {perf.pss_peak / 2**20:8.2f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cprofctl", required=True, type=harness.absolute)
    parser.add_argument("--workloads", required=True, type=harness.absolute)
    parser.add_argument("--outside", required=True, type=harness.absolute)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        harness.need("perf", "bpftool")
        if os.geteuid() != 0 or not os.path.exists(args.cprofctl):
            raise harness.Skip("needs root and a built cprofctl")
        with harness.scratch() as tmp:
            measured = measure(args, tmp)
    except harness.Skip as skip:
        print(f"SKIP: {skip}")
        sys.exit(harness.SKIP)
    if args.json:
        measured["perf"] = vars(measured["perf"])
        print(json.dumps(measured, default=str))
    else:
        show(measured)


if __name__ == "__main__":
    main()
