# SPDX-License-Identifier: Apache-2.0
"""Short processes: is all of their CPU time there, and everybody's name?

execstorm starts programs at a rate and writes down what the kernel charged each: that is the truth.
A recording of the whole machine beside it must hold 99 % of that time, every process that had a
tick, its command and executable, and names for the frames of its program.
"""

import contextlib
import functools
import math
import os
import subprocess
import time

import harness
import pprof_file
from harness import NSEC, BpfView, Recorder, Work

HZ = 99
PROGRAMS = ("burst", "burst-static")


def read_truth(path):
    """{(pid, start ticks): CPU ns}"""
    truth = {}
    for line in open(path, encoding="utf-8"):
        pid, start, cpu_us, _ = line.split()
        key = int(pid), int(start)
        truth[key] = truth.get(key, 0) + int(cpu_us) * 1000
    return truth


@functools.cache
def has_symbols(path):
    """Not stripped: of such a file every function has a name to be found."""
    if not os.path.exists(path):
        return True  # the vDSO, or something that should be a file
    done = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=False)
    return ".symtab" in done.stdout


class Seen:
    """What the files say of the load's processes."""

    def __init__(self, paths, truth):
        self.ns, self.samples, self.user_frames, self.user_named = 0, 0, 0, 0
        self.stripped_frames, self.stripped_named = 0, 0
        self.with_comm, self.with_exe, self.processes = 0, 0, set()
        for path in paths:
            file = pprof_file.Profile(path)
            for sample in file.samples:
                owner = file.owner(sample)
                if owner[:2] in truth:
                    self._add(file, sample, owner)

    def _add(self, file, sample, owner):
        count, ns = sample.values
        self.ns += ns
        self.samples += count
        self.processes.add(owner[:2])
        comm = sample.labels.get("comm") or file.comment("comm")
        self.with_comm += count if comm else 0
        exe = file.comment("exe") or file.strings[file.mappings.get(1, 0)]
        self.with_exe += count if exe.startswith("/") else 0
        for location in sample.locations:
            mapping = file.mapping(location)
            named = 0 if file.names(location)[0].startswith("[") else count
            if mapping.startswith("[kernel"):
                continue
            if has_symbols(mapping):
                self.user_frames += count
                self.user_named += named
            else:
                self.stripped_frames += count
                self.stripped_named += named


def expected_deviation(truth_ns, window_ns, hz):
    """Of the share that a load of this size gets of the machine's samples (one standard deviation)."""
    capacity = window_ns * os.cpu_count()
    share = min(truth_ns / capacity, 1)
    return math.sqrt(max(share * (1 - share), 0.01) * capacity / NSEC * hz) * NSEC / hz / truth_ns


def check_seen(checks, what, done, truth, seen, hz):
    noisy, total = checks.noisy, sum(truth.values())
    sigma = expected_deviation(total, done.json["seconds"] * NSEC, hz)
    checks.note(f"{len(truth)} processes, {total / NSEC:.2f} s of CPU time, {seen.samples} samples of "
                f"{len(seen.processes)} processes; one standard deviation is {sigma:.2%}")
    noisy.at_least(f"{what}: CPU time delivered (and five standard deviations)",
                   seen.ns / total, 0.99 - 5 * sigma)
    noisy.at_most(f"{what}: and no more than there was", seen.ns / total, 1.01 + 5 * sigma)
    checks.at_least(f"{what}: samples with a command", seen.with_comm / seen.samples, 0.99)
    checks.at_least(f"{what}: samples with an executable", seen.with_exe / seen.samples, 0.99)
    noisy.at_least(f"{what}: user frames with a name, where the file has symbols",
                   seen.user_named / seen.user_frames, 0.95)
    checks.note(f"of {seen.user_frames} such frames, and of {seen.stripped_frames} in stripped libraries "
                f"{seen.stripped_named}")
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)
    # A process with a tick appears: all runs are in files, and ticks that did not run are few (some are
    # due in process 1, in which this kernel runs no program): a hundredth, and what chance adds to it.
    produced = done.books["produced"]
    noisy.at_most(f"{what}: ticks that never reached us, of all",
                  (done.books["missed"] + harness.total(done.books["dropped"])) / produced,
                  0.01 + harness.sigmas(0.01 / produced))


def storm(checks, args, tmp, what, rate, low_us, high_us, hz):
    seconds = 60 if args.long else 12
    log = tmp / f"{what}.log"
    log.unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(BpfView(args.outside))
        recorder = stack.enter_context(Recorder(
            args.cprofctl, "-a", "--seconds", seconds + 120, "--hz", hz, "-o", f"{tmp}/{what}/",
            cwd=tmp))
        view.wait_for_samples(recorder)
        if args.beside:
            stack.enter_context(Work("sh", "-c", f"exec {args.beside}"))
        storm_of = stack.enter_context(Work(
            args.workloads / "execstorm", rate, low_us, high_us, seconds, log,
            *(args.workloads / name for name in PROGRAMS)))
        outcome = storm_of.finish()
        time.sleep(1.5)  # it must see that they are gone
        recorder.stop()
        done = recorder.finish()
    if not harness.good(checks, what, done):
        return
    truth = read_truth(log)
    checks.note(f"{outcome['count']} processes in {outcome['seconds']} s")
    checks.equal(f"{what}: processes in the storm's own log", len(truth), outcome["count"])
    check_seen(checks, what, done, truth, Seen([f["path"] for f in done.files], truth), hz)


def hundred(args, checks, tmp):
    harness.attempts(checks, 1 if args.long else 3, storm, args, tmp, "100 a second", 100, 5000, 15000, HZ)


def thousand(args, checks, tmp):
    harness.attempts(checks, 1 if args.long else 3, storm, args, tmp, "1000 a second", 1000, 500, 1000, HZ)


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (hundred, thousand), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [
        (("--long",), {"action": "store_true"}),
        (("--beside",), {"help": "another load to run meanwhile: a command for sh"}),
    ])
