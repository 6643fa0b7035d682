# SPDX-License-Identifier: Apache-2.0
"""Short processes under two profilers at once: ours, and the OpenTelemetry eBPF profiler.

The load is tests/system/test-short.py's: execstorm writes down what the kernel charged each process.
Of both is said how much of that CPU time they delivered, how many of the processes they saw, how many
user frames came with a name, and what they cost. The peer is not ours to ship: --peer is its binary
(ebpf-profiler), --sink a program that listens on the address given, counts what is exported to it
(OTLP) and prints {"samples", "pids": {pid: samples}, "frames", "named"} when it is told to end.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

import accounts  # noqa: E402
import harness  # noqa: E402
from harness import NSEC, BpfView, Recorder, Work  # noqa: E402

ADDRESS = "127.0.0.1:11911"
HZ = 99
SETTLE_S, REPORT_S = 8, 8


def load_module(name):
    """test-short.py: its name is no identifier."""
    import importlib.util  # pylint: disable=import-outside-toplevel
    spec = importlib.util.spec_from_file_location(name, HERE.parent / "system" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Peer:
    """The peer and its sink: `with Peer(...) as peer: ...; seen = peer.finish()`."""

    def __init__(self, args):
        self.sink = subprocess.Popen([args.sink, ADDRESS], stdout=subprocess.PIPE)
        time.sleep(0.5)
        self.process = subprocess.Popen(
            [args.peer, "-collection-agent", ADDRESS, "-disable-tls", "-samples-per-second",
             str(HZ)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def account(self):
        return accounts.Roles(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.process, self.sink):
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def cpu_ns(self):
        return harness.process_cpu_ns(self.process.pid)

    def finish(self):
        time.sleep(REPORT_S)  # it exports every 5 s
        self.process.send_signal(signal.SIGTERM)
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        self.all_s = usage.ru_utime + usage.ru_stime
        self.sink.send_signal(signal.SIGTERM)
        out, _ = self.sink.communicate(timeout=20)
        return json.loads(out)


def compare(args, tmp, what, rate, low_us, high_us):
    short = load_module("test-short")
    log = tmp / f"{what}.log"
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(Peer(args))
        time.sleep(SETTLE_S)
        if peer.process.poll() is not None:
            raise RuntimeError(f"the peer ended with status {peer.process.returncode}")
        view = stack.enter_context(BpfView(args.outside))
        recorder = stack.enter_context(Recorder(
            args.cprofctl, "-a", "--seconds", args.seconds + 2, "-o", f"{tmp}/{what}/", cwd=tmp))
        view.wait_for_samples(recorder)
        window = peer.cpu_ns(), peer.account.bpf().run_ns
        storm = stack.enter_context(Work(
            args.workloads / "execstorm", rate, low_us, high_us, args.seconds, log,
            args.workloads / "burst", args.workloads / "burst-static"))
        storm.finish()
        window_ns = peer.cpu_ns() - window[0]
        bpf_ns = peer.account.bpf().run_ns - window[1]
        done = recorder.finish()
        other = peer.finish()
    truth = short.read_truth(log)
    total = sum(truth.values())
    ours = short.Seen([f["path"] for f in done.files], truth)
    pids = {str(pid) for pid, _ in truth}
    their_samples = sum(n for pid, n in other["pids"].items() if pid in pids)
    their_processes = sum(1 for pid in other["pids"] if pid in pids)
    print(f"{what}: {len(truth)} processes, {total / NSEC:.1f} s of CPU time in {args.seconds} s")
    print(f"  {'':12}{'delivered':>10}{'processes':>11}{'named':>8}{'CPU s':>8}{'BPF s':>8}"
          f"{'us a sample':>13}")
    named = ours.user_named + ours.stripped_named
    frames = max(ours.user_frames + ours.stripped_frames, 1)
    cost = done.json["cost"]
    spent = (cost["cpu_s"] + cost["bpf_s"]) * 1e6 / max(done.books["runs"], 1)
    print(f"  {'cprofd':12}{ours.ns / total:10.1%}{len(ours.processes):11}{named / frames:8.1%}"
          f"{cost['cpu_s']:8.2f}{cost['bpf_s']:8.2f}{spent:13.0f}  (its whole life)")
    spent = (window_ns + bpf_ns) / 1000 / max(other["samples"], 1)
    print(f"  {'peer':12}{their_samples * NSEC / HZ / total:10.1%}{their_processes:11}"
          f"{other['named'] / max(other['frames'], 1):8.1%}{window_ns / NSEC:8.2f}"
          f"{bpf_ns / NSEC:8.2f}{spent:13.0f}  (while the load ran; whole life {peer.all_s:.2f} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cprofctl", required=True, type=harness.absolute)
    parser.add_argument("--workloads", required=True, type=harness.absolute)
    parser.add_argument("--outside", required=True, type=harness.absolute)
    parser.add_argument("--peer", type=harness.absolute)
    parser.add_argument("--sink", type=harness.absolute)
    parser.add_argument("--seconds", type=int, default=30)
    args = parser.parse_args()
    if not (args.peer and args.sink and args.peer.exists() and args.sink.exists()):
        print("SKIP: no peer: give --peer and --sink (see the head of this file)")
        sys.exit(harness.SKIP)
    with accounts.bpf_stats(), harness.scratch() as tmp:
        compare(args, tmp, "100 a second", 100, 5000, 15000)
        compare(args, tmp, "1000 a second", 1000, 500, 1000)


if __name__ == "__main__":
    main()
