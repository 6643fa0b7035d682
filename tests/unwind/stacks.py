# SPDX-License-Identifier: Apache-2.0
"""Which user stacks reach their root, by program and by reason.

Programs of all kinds of frames run one after the other under a daemon of the build tree. Each is
recorded until its files' unwinding information is there (how soon that is is another test's matter), and
then once more for the table. Where what a stack must be is known, every whole stack is compared
with it, so that no stack is called whole that is not. Of each stack it is looked up whether all the code that
it was seen in has unwinding information (informed.c): of those nearly all must be whole.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import harness  # noqa: E402
import pprof_file  # noqa: E402
import stack_programs  # noqa: E402
import whole  # noqa: E402

HZ = 499
WARM_S, WARM_CNT = 1, 20
TRIES = 4
SHARE = 0.999  # of the stacks reach their root


class Row:
    """What was seen of one program."""

    def __init__(self, program):
        self.program = program
        self.samples = self.whole = 0
        self.informed = self.informed_whole = 0
        self.unexplained = collections.Counter()
        self.reasons, self.ends, self.wrong = {}, collections.Counter(), collections.Counter()
        self.exact = 0

    def read(self, profile):
        self.samples = int(profile.comment("samples") or 0)
        self.whole = int(profile.comment("complete") or 0)
        reasons = profile.comment("truncated_by") or ""
        self.reasons = {name: int(cnt) for name, _, cnt in
                        (part.partition(":") for part in reasons.split(",") if part)}
        for sample in profile.samples:
            self.look(profile, sample)

    def weigh(self, lines):
        """What informed.c says: only what has information and is no whole stack is to be explained."""
        for line in lines.splitlines():
            informed, complete, end, samples, place = line.split(" ", 4)
            if informed == "1":
                self.informed += int(samples)
                self.informed_whole += int(samples) * int(complete)
                if complete == "0":
                    self.unexplained[f"{end.lower()} at {place}"] += int(samples)

    def look(self, profile, sample):
        """One stack: does it end as threads end, and is it what it must be?"""
        names = profile.stack(sample)[::-1]
        place = profile.mapping(sample.locations[-1]) if sample.locations else "nowhere"
        self.ends[" > ".join(names[:3]) + f" in {os.path.basename(place)}"] += sample.values[0]
        text = " > ".join(names)
        if not self.program.exact or self.program.bottom not in text:
            return
        if re.match(self.program.exact + r"( > |$)", text):
            self.exact += sample.values[0]
        else:
            self.wrong[text] += sample.values[0]

    def as_it_must(self):
        """No stack that counts as whole lacks or has too much: who differs is among the others."""
        others = self.samples - self.whole if self.program.whole else 0
        allowed = others + self.program.loose * self.samples
        return self.exact > 0 and sum(self.wrong.values()) <= allowed

    @property
    def share(self):
        return self.whole / self.samples if self.samples else 0.0

    def informed_enough(self):
        """A program that has information for all its code must not be judged by some of its stacks."""
        return self.samples > 0 and (self.informed >= self.program.covered * self.samples or
                                     not self.program.whole)

    @property
    def informed_share(self):
        return self.informed_whole / self.informed if self.informed else 1.0

    def reasons_text(self):
        return ", ".join(f"{name} {cnt}" for name, cnt in
                         sorted(self.reasons.items(), key=lambda item: -item[1]))

    def as_json(self):
        return {"program": self.program.name, "skipped": self.program.missing, "samples": self.samples,
                "complete": self.whole, "informed": self.informed, "informed_complete": self.informed_whole,
                "unexplained": self.unexplained.most_common(5), "truncated_by": self.reasons, "must": self.program.whole,
                "exact": self.exact, "wrong": self.wrong.most_common(5), "ends": self.ends.most_common(8)}


def record(daemon, program, pid, seconds, path, *options):
    """The profile; None where there were no samples."""
    done = daemon.ctl("record", "--pid", pid, *(["--children"] if program.children else []),
                      "--seconds", seconds, "--hz", HZ, "-o", path, *options)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{program.name}: {done.stderr.strip()[-500:]}")
    return pprof_file.Profile(path) if done.returncode == 0 else None


def warm(daemon, program, pid):
    """Until nothing waits for rows: a machine that is busy lets the symbolizer wait."""
    for _ in range(WARM_CNT):
        profile = record(daemon, program, pid, WARM_S, daemon.tmp / "warm.pb.gz")
        if profile and "no_rows" not in (profile.comment("truncated_by") or ""):
            return


def record_informed(args, daemon, program, pid, path):
    """The profile, with all rows: on a busy machine the symbolizer may be replaced, and has to read again."""
    for _ in range(TRIES):
        profile = record(daemon, program, pid, args.seconds, path, "--raw", path.with_suffix(".raw"))
        if profile and "no_rows" not in (profile.comment("truncated_by") or ""):
            break
        warm(daemon, program, pid)
    return profile


def measure(args, daemon, program):
    """The row of a program; started and stopped here."""
    row = Row(program)
    if program.missing:
        return row
    path = pathlib.Path(args.keep or daemon.tmp).resolve() / (re.sub(r"\W+", "-", program.name) + ".pb.gz")
    with open(program.stdin, "rb") as stdin, \
            subprocess.Popen([str(word) for word in program.argv], stdin=stdin,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(0.5)
            warm(daemon, program, process.pid)
            if process.poll() is not None:
                program.missing = f"it ended with {process.returncode}"
            elif profile := record_informed(args, daemon, program, process.pid, path):
                row.read(profile)
                row.weigh(subprocess.run([args.informed, path.with_suffix(".raw")], capture_output=True,
                                         text=True, check=True).stdout)
        finally:
            process.kill()
    return row


def judge(checks, row):
    program = row.program
    if program.missing:
        checks.note(f"SKIP {program.name}: {program.missing}")
        return
    value = f"{row.share:.3%} of {row.samples}  {row.reasons_text()}"
    checks.check(f"{program.name}: stacks of code with information at their root",
                 row.informed_share >= SHARE and row.informed_enough(),
                 f"{row.informed_share:.3%} of {row.informed}; of all {value}", f"at least {SHARE:.1%}")
    for text, cnt in row.unexplained.most_common(5):
        checks.note(f"has information, {cnt}: {text}")
    if not program.whole:
        checks.note(f"{program.name}: {program.says}")
    if program.exact:
        checks.check(f"{program.name}: each stack is what it must be", row.as_it_must(),
                     f"{row.exact}, {sum(row.wrong.values())} not")
        for text, cnt in row.wrong.most_common(3):
            checks.note(f"wrong, {cnt}: {text[:200]}")
    if row.whole < row.samples:
        for text, cnt in row.ends.most_common(5):
            checks.note(f"ends, {cnt}: {text[:200]}")


def markdown(rows):
    """The page of the documentation."""
    lines = ["# Which stacks are whole", "",
             "Rows of `tests/unwind/stacks --markdown FILE`; of Go's versions with `--go-cache DIR`. A stack is whole when it",
             "reached the outermost frame of its thread; the reasons are those of [profile.md](formats/profile.md). Programs in",
             "*italics* run code without unwinding information. *Informed* are the stacks all of whose frames, as far as they",
             "were reached, lie in code that has some: entries that libdw finds, Go's text, the vDSO.",
             "", "| Program | Samples | Whole | Why not | Informed | Whole of them | Why not |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        name = row.program.name if row.program.whole else f"*{row.program.name}* ({row.program.says})"
        if row.program.missing:
            lines.append(f"| {name} | not run | | {row.program.missing.replace('|', '/')} | | | |")
        else:
            share = f"{row.informed_share:.2%}" if row.informed else ""
            why = ", ".join(f"{text} {cnt}" for text, cnt in row.unexplained.most_common(3))
            lines.append(f"| {name} | {row.samples} | {row.share:.2%} | {row.reasons_text()} | {row.informed} | {share} | {why} |")
    return "\n".join(lines) + "\n"


def run(args, checks):
    only = args.only.split(",") if args.only else None
    out = args.cprofctl.parents[2] / "tests/unwind/stacks-programs"
    rows = []
    with harness.scratch() as tmp, whole.Daemon(args, tmp / "daemon") as daemon:
        for program in stack_programs.programs(out, args.go_cache, only):
            rows.append(measure(args, daemon, program))
            judge(checks, rows[-1])
    if args.json:
        print(json.dumps([row.as_json() for row in rows], indent=1))
    if args.markdown:
        pathlib.Path(args.markdown).write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    harness.main(run, __doc__, [
        (["--seconds"], {"type": int, "default": 3}), (["--json"], {"action": "store_true"}),
        (["--informed"], {"type": harness.absolute, "required": True, "help": "the build tree's"}),
        (["--markdown"], {"help": "write the table here"}), (["--keep"], {"help": "where the profiles stay"}),
        (["--go-cache"], {"type": pathlib.Path, "help": "all of Go's toolchains, of this cache"})])
