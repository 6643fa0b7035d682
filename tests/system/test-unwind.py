# SPDX-License-Identifier: Apache-2.0
"""More files than UnwindMemory= has room for, and files made to take it all: do others' stacks stay whole?

A program of the distribution, without frame pointers, works all the time; its stacks need the rows of libc and
of itself. Meanwhile an unprivileged user runs through files that nobody saw before: first many with the same
thousand functions, then such that each need a thousand rules of their own, which fill the table of rules. The
rows stay within the limit, what had to go or found no room is counted, the books are exact, and the
program's stacks are whole.

The short form has some hundred files and the least limit; --long has 3,000 and 5,000 files, and 8 MiB.
"""

import collections
import contextlib
import os
import shutil
import subprocess
import time

import cprofd
import harness
import pprof_file
import whole
from harness import Work

STRANGER = {"user": 65533, "group": 65533, "extra_groups": []}
MIB = 1 << 20
WHOLE = 0.99
SETTLE_S = 3
SLAB = MIB
FIXED_MIB = 12  # arrays of objects, pages and rules, as large as they may ever be
ARRAY_OF_MAPS = 12  # BPF_MAP_TYPE_ARRAY_OF_MAPS


def victim():
    """Work without end, by libraries without frame pointers."""
    program = shutil.which("xz")
    if not program:
        raise harness.Skip("xz is not installed: apt-get install xz-utils")
    return program, "-9e", "--threads=1", "--stdout", "/dev/zero"


def pool_bytes(held):
    """Of the maps that rows are in: (the arrays that are always there, the slabs, of which nobody has descriptors)."""
    fixed = slabs = 0
    for ident, (kind, sz, _) in held.items():
        if not whole.map_name(ident).startswith("cprof_unwind"):
            continue
        fixed += sz
        if kind == ARRAY_OF_MAPS:
            slabs += sum(row["value"] is not None for row in harness.bpftool("map", "dump", "id", ident))
    return fixed, slabs * SLAB


def stacks_of(spool, pid):
    """(complete, truncated, why) of all of a process that was written."""
    complete = truncated = 0
    why = collections.Counter()
    for path in spool.files():
        if f"-{pid}-" not in path.name:
            continue
        told = cprofd.comments(pprof_file.Profile(path))
        complete += int(told["complete"])
        truncated += int(told["truncated"])
        for part in filter(None, told.get("truncated_by", "").split(",")):
            name, _, cnt = part.partition(":")
            why[name] += int(cnt)
    return complete, truncated, dict(why)


class Crowd:
    """A daemon, the program that works, and the stranger's files."""

    def __init__(self, args, checks, tmp, stack):
        self.args, self.checks, self.tmp = args, checks, tmp
        self.limit = (8 if args.long else 2) * MIB
        self.files = tmp / "strange"
        self.files.mkdir()
        os.chown(self.files, STRANGER["user"], STRANGER["group"])
        self.daemon = stack.enter_context(whole.Daemon(args, tmp / "daemon", settings=[
            "Sampling.FrequencyHz=997", "Limits.CPU=100%", f"Limits.UnwindMemory={self.limit}",
            "Profiles.Window=1s", "Profiles.MaxUse=1G", "Profiles.MaxFiles=1000000"]))
        program = victim()
        self.work = stack.enter_context(subprocess.Popen(program, stdin=subprocess.DEVNULL,
                                                         stdout=subprocess.DEVNULL))
        stack.callback(self.work.kill)
        self.fixed = self.slabs = 0  # bytes, the most that was seen
        harness.wait_until(lambda: self.daemon.json("status")["spool"]["windows"] > 3, 60, "windows")

    def look(self):
        with contextlib.suppress(OSError, KeyError, TypeError):
            fixed, slabs = pool_bytes(whole.held_maps(self.daemon.roles()["sampler"]))
            self.fixed, self.slabs = max(self.fixed, fixed), max(self.slabs, slabs)

    def storm(self, name, count, seconds, unique):
        before = self.daemon.json("status")["counters"]
        with Work(self.args.workloads / "rulefiles", self.args.workloads / "librule-lib.so", self.files,
                  count, seconds, 3000000, int(unique), **STRANGER) as work:
            while not os.waitid(os.P_PID, work.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                self.look()
                time.sleep(0.5)
            loaded = work.finish()["loaded"]
        after = self.daemon.json("status")["counters"]
        grown = {key: after[key] - before[key] for key in
                 ("objects_announced", "rows_evicted", "rows_refused", "rows_limited")}
        self.checks.equal(f"{name}: files loaded", loaded, count)
        self.checks.at_least(f"{name}: files that were met", grown["objects_announced"], 0.9 * count)
        self.checks.at_least(f"{name}: files whose rows went, or found no room",
                             grown["rows_evicted"] + grown["rows_refused"], 0.1 * count)
        self.checks.note(f"{name}: {grown}")

    def check_end(self):
        checks, daemon = self.checks, self.daemon
        time.sleep(SETTLE_S)
        status = daemon.json("status")
        checks.equal("difference of the books", status["books"]["difference"], 0)
        checks.at_most("memory of the slabs that rows are in, MiB", self.slabs / MIB, self.limit / MIB)
        checks.at_least("of it used, MiB", self.slabs / MIB, self.limit / MIB / 2)
        checks.at_most("memory of the arrays beside them, MiB", self.fixed / MIB, FIXED_MIB)
        complete, truncated, why = stacks_of(cprofd.Spool(daemon.spool), self.work.pid)
        checks.note(f"{complete} whole stacks of the program that works, {truncated} cut: {why}")
        checks.at_least("whole stacks of the program that works", complete / max(complete + truncated, 1), WHOLE)


def crowded(args, checks, tmp):
    with contextlib.ExitStack() as stack:
        crowd = Crowd(args, checks, tmp, stack)
        crowd.storm("files with the same rules", *((3000, 60) if args.long else (400, 8)), False)
        crowd.storm("files with rules of their own", *((5000, 100) if args.long else (300, 8)), True)
        crowd.check_end()


def run(args, checks):
    harness.need("bpftool")
    with harness.scratch() as tmp:
        harness.play(args, checks, [crowded], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"})])
