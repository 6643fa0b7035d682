# SPDX-License-Identifier: Apache-2.0
"""Names for what is no plain ELF file on disk: the vDSO, code made at run time, BPF programs, files
that were deleted or replaced under a running program.

Every profile is read by `go tool pprof -top`, which must not say a word besides.
"""

import os
import pathlib
import re
import sys

import harness
from harness import Work

sys.dont_write_bytecode = True


class Bench:
    """Where the parts of this test find their things."""

    def __init__(self, args, checks, tmp):
        self.args = args
        self.checks = checks
        self.tmp = tmp
        self.pprof = harness.Pprof(tmp)
        self.outputs = 0

    def workload(self, name):
        path = self.args.workloads / name
        if not path.exists():
            raise harness.Skip(f"{name} was not built")
        return path

    def record(self, name, *what, seconds=2, hz=199):
        """A recording into one file; (recording, {function: cumulative ns}, total ns)."""
        self.outputs += 1
        path = self.tmp / f"{self.outputs}.pb.gz"
        done = harness.record(self.args.cprofctl, *what, "--seconds", seconds, "--hz", hz,
                              "-o", path)
        return done, *self.read(name, done, path)

    def read(self, name, done, path):
        """({function: (flat ns, cum ns)}, total ns) of a recording's one file."""
        if not harness.good(self.checks, name, done):
            raise RuntimeError("no profile")
        rows, complaint = self.pprof.top(path)
        self.checks.check(f"{name}: pprof -top says nothing else", not complaint,
                          complaint or "yes")
        return {row[2]: row[:2] for row in rows}, sum(row[0] for row in rows) or 1

    def has_flat(self, name, rows, total, function, least):
        """A function whose name matches has at least this share."""
        flat = sum(row[0] for text, row in rows.items() if re.search(function, text))
        return self.checks.at_least(f"{name}: share of {function}", flat / total, least)


def part_vdso(b):
    with Work(b.workload("askclock"), 60) as work:
        _, rows, total = b.record("vdso", "--pid", work.pid)
    b.has_flat("vdso", rows, total, r"^__vdso_clock_gettime$", 0.5)
    b.checks.equal("vdso: frames without a name", [r for r in rows if r == "[vdso]"], [])


def run(args, checks):
    with harness.scratch() as tmp:
        bench = Bench(args, checks, tmp)
        harness.play(args, checks, [part_vdso], bench)


harness.main(run, __doc__, [(("--long",), {"action": "store_true", "help": "no difference"})])
