# SPDX-License-Identifier: Apache-2.0
"""Do the samples stand for the time that the kernel charged?

Every workload is started after the first tick and ends before the recording does, so that what the
kernel charged it in its whole life is the truth for its profile, with no edge of a window between.
"""

import math
import os
import shutil
import subprocess
import time

import harness
from harness import NSEC, Recorder, Work, sigmas

HZ = 99
# After the workloads' end: the recording must see that they are gone.
TAIL = 1.5
# (busy, sleep) in microseconds: periods of 1 to 50 ms, duty of 10 to 90 %, and those that beat with
# 99 Hz: nanosleep adds some 0.1 ms, so that a "10 ms" rhythm lasts 1/99 s.
RHYTHMS = [
    (3000, 7000), (5000, 5000), (1000, 9000), (9000, 1000),
    (2000, 3000), (500, 500), (900, 100), (100, 900),
    (10000, 10000), (2000, 18000), (18000, 2000), (12000, 18000),
    (25000, 25000), (5000, 45000), (45000, 5000), (15000, 25000),
    (1500, 3500), (7000, 8000), (4000, 1000), (20000, 20100),
]
SHORT_RHYTHMS = [(3000, 7000), (5000, 5000), (9000, 1000), (20000, 20100)]


def finished(recorder):
    """The recording, ended now: the workloads may have begun, and so ended, late."""
    time.sleep(TAIL)
    recorder.stop()
    return recorder.finish()


class Account:
    """One look at what BPF counted and what the kernel charged, for each CPU, at one time."""

    def __init__(self, view):
        clock = harness.cpu_clock()
        before, start = clock.read(), time.monotonic_ns()
        self.cpus = view.counters_by_cpu()
        after, end = clock.read(), time.monotonic_ns()
        self.time = (start + end) // 2
        self.busy = [(a + b) / 2 for a, b in zip(before, after)]
        # The counters are of some time in between.
        self.span = (end - start) / 2


def spinners(checks, args):
    """Two pinned spinners: each CPU's nanoseconds are the kernel's, within 1 %."""
    seconds = 60 if args.long else 12
    with harness.scratch() as tmp, harness.BpfView(args.outside) as view, \
            Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "-o", f"{tmp}/out/",
                     cwd=tmp) as recorder:
        view.wait_for_samples(recorder)
        hidden = harness.process_cpu_ns(1)
        with Work(args.workloads / "spin", 0, seconds) as a, \
                Work(args.workloads / "spin", 1, seconds) as b:
            time.sleep(0.5)
            first = Account(view)
            time.sleep(seconds - 1.5)
            last = Account(view)
            truths = [(cpu, work.pid, work.finish()["rusage_ns"]) for cpu, work in ((0, a), (1, b))]
        hidden = harness.process_cpu_ns(1) - hidden
        done = finished(recorder)
        if not harness.good(checks, "spinners", done):
            return
    # Some machines keep BPF programs from running in their first process: whoever runs next is given
    # its time.
    hidden = 0 if done.of_pid(1)[0] > 0 else hidden / NSEC / seconds
    for cpu, pid, truth in truths:
        samples, nanoseconds = done.of_pid(pid)
        share = min(truth / NSEC / seconds, 1.0)
        # What others took of the CPU makes the rest a sample of it, with a sample's error.
        bound = max(0.01, sigmas((1 - share) / max(samples, 1)) + hidden)
        checks.noisy.within(f"spinner on CPU {cpu}: ns of its profile over the kernel's",
                      nanoseconds / truth, 1.0, bound)
        checks.note(f"{samples} samples, {nanoseconds / NSEC:.3f} s, kernel {truth / NSEC:.3f} s; "
                    f"others had {100 * (1 - share):.1f} % of the CPU, "
                    f"{100 * hidden:.1f} % of one unseen in process 1")
    for cpu in (0, 1):
        ours = last.cpus[cpu]["weight_ns"] - first.cpus[cpu]["weight_ns"]
        busy = last.busy[cpu] - first.busy[cpu]
        # Two looks, each good to the time it took, and to one tick where the account counts ticks.
        grain = 2 * harness.cpu_clock().grain_ns + first.span + last.span
        checks.noisy.within(f"CPU {cpu}: ns of all samples over the kernel's account of the CPU",
                            ours / busy, 1.0, 0.01 + grain / busy)


class Perf:
    """`perf record -F 99` over the same time, to show its own error; nothing where it is absent."""

    def __init__(self, path, seconds):
        self.path = path
        command = ["perf", "record", "-q", "-a", "-F", str(HZ), "-e", "cpu-clock", "-o", str(path),
                   "--", "sleep", str(seconds)]
        self.process = subprocess.Popen(command if shutil.which("perf") else ["true"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()

    def samples(self):
        self.process.wait()
        if not self.path.exists():
            return {}
        text = subprocess.run(["perf", "script", "-i", str(self.path), "-F", "pid"],
                              capture_output=True, text=True, check=False).stdout
        counts = {}
        for word in text.split():
            counts[int(word)] = counts.get(int(word), 0) + 1
        return counts


def rhythm_pair(args, checks, pair, seconds):
    """[(busy, idle, samples, ns, truth, perf's samples)] of two programs at once, one per CPU."""
    with harness.scratch() as tmp, harness.BpfView(args.outside) as view, \
            Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "-o", f"{tmp}/out/",
                     cwd=tmp) as recorder:
        view.wait_for_samples(recorder)
        with Perf(tmp / "perf.data", seconds + 1) as perf:
            time.sleep(0.3)
            works = [Work(args.workloads / "rhythm", busy, idle, seconds, cpu)
                     for cpu, (busy, idle) in enumerate(pair)]
            truths = [(w.pid, w.finish()["rusage_ns"]) for w in works]
            seen = perf.samples()
        done = finished(recorder)
        if not harness.good(checks, f"rhythms {pair}", done):
            return []
    return [(*lengths, *done.of_pid(pid), truth, seen.get(pid, 0) if seen else None)
            for lengths, (pid, truth) in zip(pair, truths)]


def rhythms(checks, args):
    """Programs that work and sleep: within three standard errors, on average within 2 %.

    The short run has too few programs to let one of them miss: there it is five, and for the mean, too."""
    programs, seconds = (RHYTHMS, 60) if args.long else (SHORT_RHYTHMS, 8)
    rows = []
    for i in range(0, len(programs), 2):
        rows += rhythm_pair(args, checks, programs[i:i + 2], seconds)
    inside, deviations, variance, errors = 0, [], 0.0, 3 if args.long else 5
    for busy, idle, samples, nanoseconds, truth, perf in rows:
        deviation = nanoseconds / truth - 1
        error = 1 / math.sqrt(max(samples, 1))
        inside += abs(deviation) <= errors * error
        deviations.append(deviation)
        variance += NSEC / (truth * HZ)
        theirs = "(absent)"
        if perf is not None:
            theirs = f"{(perf / HZ * NSEC / truth - 1) * 100:+.2f} %"
        checks.note(f"{busy / 1000:5.1f} ms in {(busy + idle) / 1000:5.1f} ms: {samples} samples, "
                    f"off by {deviation * 100:+.2f} % (standard error: {100 * error:.2f} %); "
                    f"perf -F {HZ} off by {theirs}")
    if not rows:
        return
    mean = sum(deviations) / len(rows)
    checks.noisy.at_least(f"rhythms within {errors} standard errors, of {len(rows)}", inside,
                          math.ceil(len(rows) * 0.95))
    # A short run cannot know its mean to 2 %.
    bound = 0.02 if args.long else max(0.02, sigmas(variance) / len(rows))
    checks.noisy.at_most("rhythms: mean deviation", abs(mean), bound)


def due_ticks(lines, start, end, hz):
    """Ticks due on a busy CPU: whole periods between two draws, since a draw restarts the timer."""
    draws = sorted(tuple(int(w) for w in line.split()) for line in lines)
    if not draws:
        return (end - start) * hz / NSEC
    due = 0.0
    for i, (since, period) in enumerate(draws):
        until = draws[i + 1][0] if i + 1 < len(draws) else end
        begin, finish = max(since, start), min(until, end)
        if finish <= begin:
            continue
        # The draws at the edges are cut by us, not by the timer.
        whole = begin == since and finish == until
        due += (finish - begin) // period if whole else (finish - begin) / period
    return due


def storm(checks, args):
    """bpf() map updates keep ticks from us: missed is what was due and did not run, within 2 %."""
    seconds = 60 if args.long else 12
    cpu = 1
    with harness.scratch() as tmp, harness.BpfView(args.outside) as view, \
            Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "-o", f"{tmp}/out/",
                     cwd=tmp) as recorder:
        view.wait_for_samples(recorder)
        watch = []
        if view.rate_map() is not None:
            watch = [args.outside / "watch-rate", str(view.rate_map()), str(cpu)]
        watcher = subprocess.Popen(watch or ["true"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        with Work(args.workloads / "bpfstorm", cpu, seconds) as work:
            time.sleep(0.5)
            first = Account(view)
            time.sleep(seconds - 1.5)
            last = Account(view)
            share = min(work.finish()["rusage_ns"] / NSEC / seconds, 1)
        draws = watcher.communicate()[0].splitlines()
        done = finished(recorder)
        if not harness.good(checks, "storm", done):
            return
    runs, missed = (last.cpus[cpu][n] - first.cpus[cpu][n] for n in ("runs", "missed"))
    due = due_ticks(draws, first.time, last.time, HZ)
    due *= min(1.0, (last.busy[cpu] - first.busy[cpu]) / (last.time - first.time))
    checks.note(f"CPU {cpu}: {due:.1f} ticks due by {len(draws)} draws, {runs} ran, "
                f"{missed} missed")
    checks.note(f"the storm had {share:.0%} of the CPU")
    checks.noisy.at_least("storm: share of ticks that did not run (the storm is one)",
                          (due - runs) / due, 0.1 * share)
    # Two looks at the counters, each good to one tick and the time it took.
    checks.noisy.within("storm: missed against ticks due less runs", missed, due - runs,
                        max(0.02 * (due - runs), 2) + (first.span + last.span) * HZ / NSEC)


def mix(checks, args):
    """Busy and idle in all lengths: missed raises no false alarm."""
    seconds = 60 if args.long else 12
    with harness.scratch() as tmp, harness.BpfView(args.outside) as view, \
            Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "-o", f"{tmp}/out/",
                     cwd=tmp) as recorder:
        view.wait_for_samples(recorder)
        works = [Work(args.workloads / "mixidle", cpu + 1, seconds, cpu) for cpu in (0, 1)]
        # bpftool's own calls keep ticks away: only what lies between two looks is counted.
        time.sleep(0.5)
        first, hidden, stolen = Account(view), harness.process_cpu_ns(1), harness.steal_ns()
        time.sleep(seconds - 1.5)
        last, hidden = Account(view), harness.process_cpu_ns(1) - hidden
        stolen = harness.steal_ns() - stolen  # ticks due meanwhile are truly missed
        truths = [(w.pid, w.finish()["rusage_ns"]) for w in works]
        done = finished(recorder)
        if not harness.good(checks, "mix", done):
            return
    runs, missed = (sum(b[n] - a[n] for a, b in zip(first.cpus, last.cpus))
                    for n in ("runs", "missed"))
    checks.note(f"{missed} missed of {runs + missed} due; in the whole recording "
                f"{done.books['missed']} of {done.books['produced']}")
    # Some machines keep BPF programs from running in their first process: ticks due while it runs
    # are truly missed, not false alarms.
    if done.of_pid(1)[0] > 0:
        hidden = 0
    true_missed = (hidden + stolen) * HZ / 1e9
    checks.note(f"{hidden * HZ / 1e9:.1f} of them due while process 1 ran, which shows no sample, and "
                f"{stolen * HZ / 1e9:.1f} while the host gave us no CPU")
    checks.noisy.at_most("mix of busy and idle: share of false missed",
                   max(missed - true_missed, 0) / max(runs + missed, 1), 0.005)
    for pid, truth in truths:
        samples, nanoseconds = done.of_pid(pid)
        checks.noisy.within("mix of busy and idle: ns over the kernel's", nanoseconds / truth, 1.0,
                            sigmas(1 / max(samples, 1)))


def run(args, checks):
    if harness.cpu_clock().note:
        checks.note(harness.cpu_clock().note)
    cnt = 1 if args.long else 3
    for measure in (spinners, rhythms, storm, mix):
        def part(measure=measure):
            harness.attempts(checks, cnt, measure, args)
        part.__name__ = measure.__name__
        harness.play(args, checks, [part])


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"})])
