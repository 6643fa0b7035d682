# SPDX-License-Identifier: Apache-2.0
"""Does the walk of mappings agree with the kernel's own search, and is a wrong walk found out?

The sampler's variants are its own sources with other figures: one compares at every sample, two walk
beside the slots of the tree. What those say must be what their samples show: no located frame from a
walk that is wrong, and the books exact all the same.
"""

import collections
import contextlib
import os

import harness
import pprof_file
from harness import Recorder, Work

SAYS = "trees of mappings are not walked"


def variant(args, name):
    path = args.cprofctl.parents[2] / "daemon" / "sampler" / f"cprofd-sampler-{name}"
    if not path.exists():
        raise harness.Skip(f"{path.name} is not built")
    return ["--role", f"sampler={path}"]


def record(args, checks, tmp, name, *options, works=()):
    """A recording of the machine while @works run; None when it did not go well."""
    with contextlib.ExitStack() as stack:
        for argv in works:
            stack.enter_context(Work(*argv))
        recorder = stack.enter_context(
            Recorder(args.cprofctl, "-a", "-o", f"{tmp}/{name}/", *options, cwd=tmp))
        done = recorder.finish()
    if not harness.good(checks, name, done):
        return None
    checks.equal(f"{name}: the books' difference", done.books["difference"], 0)
    return done


def compared(args, checks, tmp):
    """Every sample of two storms of mappings, at both CPUs."""
    wanted, seconds, hz = (100000, 40, 9999) if args.long else (3000, 4, 1999)
    done = record(args, checks, tmp, "compared", *variant(args, "checking"), "--seconds", seconds,
                  "--hz", hz, works=[(args.workloads / "mapstorm", seconds + 30)] * 2)
    if not done:
        return
    counters = done.counters
    checks.at_least("compared: with the kernel's own search", counters["walk_checked"], wanted)
    checks.equal("compared: of these different", counters["walk_differs"], 0)
    checks.equal("compared: the walk stays on", done.json["walk"], "tree")
    # Both happen while the mappings change: what cannot be compared is walked all the same.
    walks = counters["walk_checked"] + counters["walk_unchecked"]
    checks.at_most("compared: walks that failed, of all that were compared or could not be",
                   counters["walk_failed"] / max(walks, 1), 0.001)
    checks.note(f"{counters['walk_unchecked']} could not be compared (locked), "
                f"{counters['walk_retry']} walks tried again, {counters['runs']} samples")


def in_operation(args, checks, tmp):
    """As shipped: one in 1,024 on each CPU, if it has a user's mappings. The spinners' all have."""
    done = record(args, checks, tmp, "in operation", "--seconds", 3, "--hz", 3999,
                  works=[(args.workloads / "spin", cpu, 60) for cpu in (0, 1)])
    if done:
        looked = done.counters["walk_checked"] + done.counters["walk_unchecked"]
        runs = done.books["runs"]
        turns = runs / 1024
        share = sum(f["samples"] for f in done.files if f["comm"] == "spin") / runs
        checks.note(f"{looked} comparisons, {turns:.1f} turns, {share:.0%} of the samples the spinners'")
        checks.at_least("in operation: comparisons", looked,
                        turns * share - 2 - harness.sigmas(turns * share * (1 - share)))
        checks.at_most("in operation: comparisons, one in 1,024", looked, turns + os.cpu_count())
        checks.equal("in operation: different", done.counters["walk_differs"], 0)
        checks.equal("in operation: nothing to say", done.json["degraded"], [])


def wrong(args, checks, tmp, name, found_at, compared_cnt):
    done = record(args, checks, tmp, name, *variant(args, name), "--seconds", 3,
                  works=[(args.workloads / "spin", 0, 60)])
    if not done:
        return
    checks.equal(f"{name}: the walk", done.json["walk"], "proc")
    said = [line for line in done.json["degraded"] if SAYS in line]
    checks.check(f"{name}: it is said once, and why", len(said) == 1 and found_at in said[0],
                 said or done.json["degraded"], f"a line with '{found_at}'")
    checks.check(f"{name}: and on stderr", SAYS in done.stderr, done.stderr.strip()[:200])
    # Each CPU may be in the middle of its first comparison.
    checks.check(f"{name}: comparisons that differed", done.counters["walk_differs"] in compared_cnt,
                 done.counters["walk_differs"], f"one of {list(compared_cnt)}")


def wrong_from_the_start(args, checks, tmp):
    wrong(args, checks, tmp, "astray", "/proc/self/maps", [0])


def wrong_later(args, checks, tmp):
    wrong(args, checks, tmp, "astray-later", "the kernel's own search", range(1, 65))


def swapped(args, checks, tmp):
    """What is remembered of a mapping ends with it: each file's code has its own caller."""
    path, turns = f"{tmp}/swapped.pb.gz", 4000 if args.long else 250
    done = harness.record(args.cprofctl, "--hz", 1999, "-o", path, "--", args.workloads / "swapcode",
                          0.004, turns, cwd=tmp)
    if not harness.good(checks, "swapped", done):
        return
    cnt = collections.Counter()
    profile = pprof_file.Profile(path)
    for sample in profile.samples:
        stack = profile.stack(sample)
        for code in ("first", "second"):
            if any(f"{code}.bin" in frame for frame in stack):
                # At its first instruction there is no frame yet, and its caller is left out.
                for caller in ("first", "second"):
                    cnt[code, caller] += sample.values[0] if f"run_{caller}" in stack else 0
    for code, other in (("first", "second"), ("second", "first")):
        checks.at_least(f"swapped: in the {code} file's code", cnt[code, code], turns)
        checks.equal(f"swapped: in the {code} file's code, called as the other's", cnt[code, other], 0)


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (compared, in_operation, wrong_from_the_start, wrong_later, swapped),
                     args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"})])
