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


def reasons(profile):
    text = profile.comment("truncated_by") or ""
    return {name: int(cnt) for name, _, cnt in (part.partition(":") for part in text.split(",") if part)}


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
    counters, why = done.counters, reasons(pprof_file.Profile(path))
    waited, failed = counters["stacks_waited"], counters["waits_failed"] + counters["waits_limited"]
    checks.note(f"{waited} waited for, {failed} not; {why}")
    checks.equal("absent: the books' difference", done.books["difference"], 0)
    with open("/proc/kallsyms", encoding="ascii") as symbols:
        can = any(line.split()[2] == CALLS_BACK for line in symbols)
    if can:
        checks.at_least("absent: stacks waited for", waited, 5)
        checks.at_most("absent: stacks not waited for", failed, max(2, waited // 20))
    else:
        checks.equal("absent: stacks waited for", waited, 0)
        checks.at_least("absent: stacks that say so", why.get("not_resident", 0), 5)


def run(args, checks):
    with harness.scratch() as tmp:
        waits(args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__)
