# SPDX-License-Identifier: Apache-2.0
"""Stacks whose pages are not in memory: waited for where the kernel can call back, and told of elsewhere.

The program's thread gives the pages of its stack back to the file that they are of, but for the lowest, over
and over: a tick that comes then cannot read on.
"""

import pathlib
import sys

import harness
import pprof_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unwind"))

import stack_programs  # noqa: E402

CALLS_BACK = "bpf_task_work_schedule_resume_impl"
# At the usual rate: more than a hundred a second on each CPU are not waited for.
SECONDS, HZ = 5, 99
DEPTH = 21  # calls of with_absent, in tests/unwind/programs/shapes.c


def reasons(profile):
    text = profile.comment("truncated_by") or ""
    return {name: int(cnt) for name, _, cnt in (part.partition(":") for part in text.split(",") if part)}


def exact(profile):
    """(samples at work in the program's lowest function, those whose callers are all there, and no other)"""
    at_work = right = 0
    for sample in profile.samples:
        names = [profile.names(at)[0] for at in sample.locations]
        if "bottom" not in names:
            continue
        callers = names[names.index("bottom") + 1:]
        at_work += sample.values[0]
        right += sample.values[0] * (callers[:DEPTH + 1] == ["with_absent"] * DEPTH + ["in_absent"])
    return at_work, right


def waits(args, checks, tmp):
    path = tmp / "absent.pb.gz"
    try:
        program = stack_programs.compiled(tmp, "shapes", stack_programs.CC, "shapes.c")
    except stack_programs.Missing as missing:
        raise harness.Skip(str(missing)) from missing
    with harness.Work(program, "absent") as work:
        done = harness.record(args.cprofctl, "--pid", work.process.pid, "--seconds", SECONDS, "--hz", HZ, "-o", path, cwd=tmp)
    if not harness.good(checks, "absent", done):
        return
    profile = pprof_file.Profile(path)
    counters, why = done.counters, reasons(profile)
    waited, failed = counters["stacks_waited"], counters["waits_failed"] + counters["waits_limited"]
    checks.note(f"{waited} waited for, {failed} not; {why}")
    checks.equal("absent: the books' difference", done.books["difference"], 0)
    with open("/proc/kallsyms", encoding="ascii") as symbols:
        can = any(line.split()[2] == CALLS_BACK for line in symbols)
    if can:
        checks.at_least("absent: stacks waited for", waited, 5)
        checks.at_most("absent: stacks not waited for", failed, max(2, waited // 20))
        at_work, right = exact(profile)
        checks.at_least("absent: stacks that are exactly what was called", right, at_work - sum(why.values()))
        checks.at_most("absent: stacks that end with not_resident", why.get("not_resident", 0), failed)
    else:
        checks.equal("absent: stacks waited for", waited, 0)
        checks.at_least("absent: stacks that say so", why.get("not_resident", 0), 5)


def run(args, checks):
    with harness.scratch() as tmp:
        waits(args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__)
