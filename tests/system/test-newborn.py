# SPDX-License-Identifier: Apache-2.0
"""Programs that nobody saw before, and that live for some hundredths of a second: are their stacks whole?

Each is a copy of its own of a program without frame pointers, so that its unwinding information comes
after its first samples. What was kept of these is walked when it is there: every sample has the whole
chain of calls, by name.
"""

import contextlib
import os
import pathlib
import time

import harness
import pprof_file
from harness import Recorder

HZ = 499
RUNGS = [f"rung_{n}" for n in range(1, 12)] + ["main"]


class Newborn:
    """What the files say of one of them."""

    def __init__(self):
        self.samples = self.named = self.whole = 0

    def add(self, file, sample, name):
        count = sample.values[0]
        places = [(file.mapping(at), file.names(at)[0]) for at in sample.locations]
        user = [(where, what) for where, what in places if not where.startswith("[kernel")]
        if not user:
            return  # it was being made, or taken down
        self.samples += count
        own = [what for where, what in user if os.path.basename(where).startswith("only_")]
        # A file that was gone has no path either.
        known = own if own else [where for where, _ in user]
        self.named += count * all(not word.startswith("[") for word in known)
        self.whole += count * self.is_whole(user, own, name)

    @staticmethod
    def is_whole(user, own, name):
        """From the outermost frame on; and below it the chain, where that is what ran."""
        if user[-1][1] != "_start":
            return os.path.basename(user[-1][0]).startswith("ld-")  # it is being linked
        chain = [what for what in own if what.startswith(("only_", "rung_"))]
        tail = own[own.index(chain[0]):-1] if chain else []
        return not tail or tail == ([name] + RUNGS)[-len(tail):]


def read(paths):
    """{(name, pid, start): Newborn}"""
    found = {}
    for path in paths:
        file = pprof_file.Profile(path)
        for sample in file.samples:
            name = sample.labels.get("comm") or file.comment("comm") or pathlib.Path(path).name.split("-")[0]
            if name.startswith("only_"):
                key = (name, *file.owner(sample)[:2])
                found.setdefault(key, Newborn()).add(file, sample, name)
    return {key: n for key, n in found.items() if n.samples}


def first_stacks(checks, args, tmp):
    count = 10000 if args.long else 100
    out, copies = tmp / f"first-{time.monotonic_ns()}", tmp / "copies"
    copies.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        recorder = stack.enter_context(Recorder(
            args.cprofctl, "--hz", HZ, "-o", f"{out}/", "--", args.workloads / "newborn", copies, count,
            5, 30 if args.long else 15, 7000 if args.long else 15, cwd=tmp, timeout=7200))
        done = recorder.finish()
    if not harness.good(checks, "newborn", done):
        return
    checks.equal("newborn: difference of the books", done.books["difference"], 0)
    counters = done.counters
    seen = read([f["path"] for f in done.files])
    opened = [n for n in seen.values() if n.named == n.samples]
    whole = [n for n in opened if n.whole == n.samples]
    checks.note(f"{len(seen)} of {count} at most were sampled; of {len(opened)} the program has names, of "
                f"{len(whole)} of these all stacks are whole; {counters['objects_gone']} files were gone "
                f"before they could be opened")
    checks.note(", ".join(f"{name} {counters[name]}" for name in (
        "stacks_kept", "kept_limited", "kept_full", "kept_dropped", "stacks_mended")))
    checks.at_least("newborn: stacks that were mended", counters["stacks_mended"], len(opened) / 4)
    checks.equal("newborn: of all in the books complete or not",
                 done.json["stacks"]["complete"] + done.json["stacks"]["truncated"],
                 done.books["in_profiles"])
    checks.noisy.at_least("newborn: sampled", len(seen), 0.9 * count if args.long else 5)
    # A program may be gone before anybody had time to open its file, if the machine has none.
    checks.noisy.at_least("newborn: with whole stacks and names, of all sampled",
                          len(whole) / max(len(seen), 1), 0.99 if args.long else 0.3)
    checks.noisy.at_least("newborn: with whole stacks, of those with names",
                          len(whole) / max(len(opened), 1), 0.99 if args.long else 0.97)


def all_at_once(args, checks, tmp):
    harness.attempts(checks, 1 if args.long else 3, first_stacks, args, tmp)


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (all_at_once,), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"})])
