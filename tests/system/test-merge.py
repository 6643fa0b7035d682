#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real profiles merged into one: what `go tool pprof` says of the many it says of the one.

pprof merges the files that it is given by rules of its own, so that it is a second opinion on every sum,
name and address.
"""

import json
import random
import re
import shlex
import subprocess
import sys

import harness
import pprof_file
from harness import Recorder, Work

FILES = 12
FILES_LONG = 60
SUMS = ("samples", "complete", "truncated", "missed", "lost", "cpu_true_ns")
FACTS = ("pid", "start", "exec", "comm", "exe", "uid", "hz", "event", "kinds", "boot", "version")

# Several libraries, the kernel and the vDSO, now more of this and now of that.
LOAD = """
import hashlib, os, re, time, zlib
parts = [lambda: zlib.compress(b'abc' * 50000), lambda: hashlib.sha512(b'x' * 2000000).digest(),
         lambda: [os.stat('/') for _ in range(5000)], lambda: sorted(map(str, range(50000))),
         lambda: [time.time() for _ in range(50000)], lambda: re.findall('a+b', 'aaaac' * 5000)]
turn = 0
while True:
    turn += 1
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        parts[turn % len(parts)]()
        parts[(turn * 7) % len(parts)]()
"""


class Bench(harness.Bench):
    def merge(self, name, out, files):
        """What merge-files prints; None when it failed."""
        done = subprocess.run([self.args.outside / "merge-files", out, *files], capture_output=True,
                              text=True, check=False)
        if not self.checks.check(f"{name}: merged", done.returncode == 0 and not done.stderr,
                                 done.stderr.strip() or "yes"):
            return None
        result = json.loads(done.stdout)
        self.checks.equal(f"{name}: files", result["files"], len(files))
        self.checks.equal(f"{name}: bytes", result["bytes"], out.stat().st_size)
        return result

    def same_top(self, name, merged, files, *options):
        ours, complaint = self.pprof.top(*options, merged)
        theirs, _ = self.pprof.top(*options, *files)
        self.checks.check(f"{name}: pprof has nothing to say", not complaint, complaint or "yes")
        self.checks.check(f"{name}: -top is that of all files", sorted(ours) == sorted(theirs),
                          f"{len(ours)} rows" if sorted(ours) == sorted(theirs) else
                          str(sorted(set(ours) ^ set(theirs))[:6]))
        self.checks.at_least(f"{name}: rows of -top", len(ours), 1)


def compare(bench, name, out, files):
    """Sums, places and comments of a merged file and its parts."""
    checks = bench.checks
    result = bench.merge(name, out, files)
    if not result:
        return None
    samples, nanoseconds, complaints = harness.sum_files(bench.pprof, files)
    raw, complaint = bench.pprof.raw(out)
    checks.check(f"{name}: pprof has nothing to say", not complaint and not complaints,
                 complaint or complaints or "yes")
    checks.equal(f"{name}: samples", raw.samples, samples)
    checks.equal(f"{name}: samples as told", result["samples"], samples)
    checks.equal(f"{name}: nanoseconds", raw.nanoseconds, nanoseconds)
    checks.equal(f"{name}: samples without a location", raw.without_location, 0)
    # Of a place where something was inlined further lines follow, without a number.
    places = len(re.findall(r"^\s*\d+: 0x", raw.locations, re.M))
    checks.equal(f"{name}: frames=", int(raw.comment("frames")), places)
    bench.same_top(name, out, files)
    return raw


def check_comments(bench, name, raw, parts):
    for key in SUMS:
        values = [part.comment(key) for part in parts]
        whole = None if None in values else str(sum(map(int, values)))
        bench.checks.equal(f"{name}: {key}=", raw.comment(key), whole)
    for key in FACTS:
        bench.checks.equal(f"{name}: {key}=", raw.comment(key), parts[0].comment(key))
    bench.checks.equal(f"{name}: windows=", raw.comment("windows"), str(len(parts)))
    frames, named = int(raw.comment("frames")), int(raw.comment("symbolized"))
    least = max(int(part.comment("symbolized")) for part in parts)
    bench.checks.check(f"{name}: symbolized=", least <= named <= frames, named,
                       f"{least} to {frames}")


def windows(bench):
    """One process, many short windows."""
    cnt = FILES_LONG if bench.args.long else FILES
    files = []
    with Work(sys.executable, "-c", LOAD) as work:
        for i in range(cnt):
            path = bench.tmp / f"window-{i}.pb.gz"
            done = harness.record(bench.args.cprofctl, "--pid", work.pid, "--seconds", "300ms",
                                  "--hz", "499", "-o", path, cwd=bench.tmp)
            if not harness.good(bench.checks, f"window {i}", done):
                return
            files.append(path)
    out = bench.tmp / "merged.pb.gz"
    raw = compare(bench, "windows", out, files)
    if not raw:
        return
    check_comments(bench, "windows", raw, [bench.pprof.raw(f)[0] for f in files])
    sizes = sum(f.stat().st_size for f in files)
    bench.checks.at_most("windows: size of its parts'", out.stat().st_size / sizes, 0.8)
    orders(bench, out, files)


def code(bench):
    """Addresses are given anew: the code is still found under them, at its link address and in a slot."""
    for program, function in (("spin-nopie", "hot"), ("solib", "lib_hot")):
        files = []
        with Work(bench.args.workloads / program) as work:
            for i in range(3):
                path = bench.tmp / f"{program}-{i}.pb.gz"
                done = harness.record(bench.args.cprofctl, "--pid", work.pid, "--seconds", "500ms",
                                      "-o", path, cwd=bench.tmp)
                if not harness.good(bench.checks, f"{program} {i}", done):
                    return
                files.append(path)
        out = bench.tmp / f"{program}.pb.gz"
        compare(bench, program, out, files)
        text, complaint = bench.pprof.run("-unit=ns", f"-disasm={function}", out)
        single, other = bench.pprof.run("-unit=ns", f"-disasm={function}", *files)
        ours, theirs = (sorted(bench.pprof.routine_ns(t)) for t in (text, single))
        bench.checks.equal(f"{program}: what pprof says", complaint, other)
        bench.checks.equal(f"{program}: -disasm", ours, theirs)
        # Not every pprof shows position-independent code.
        bench.checks.at_least(f"{program}: functions", len(ours), 1 if "nopie" in program else 0)


def stacks(path):
    """What a file holds, without ids and addresses."""
    profile = pprof_file.Profile(path)
    return sorted((s.values, sorted(s.labels.items()), profile.stack(s)) for s in profile.samples)


def orders(bench, out, files):
    """Another order, and in parts: the same, whatever the numbers of places are."""
    shuffled = random.Random(1).sample(files, len(files))
    other, again = bench.tmp / "shuffled.pb.gz", bench.tmp / "again.pb.gz"
    halves = [bench.tmp / "half-0.pb.gz", bench.tmp / "half-1.pb.gz"]
    bench.merge("shuffled", other, shuffled)
    for i, half in enumerate(halves):
        bench.merge(f"half {i}", half, files[i::2])
    bench.merge("halves", again, halves)
    whole = bench.pprof.raw(out)[0]
    for name, path in (("shuffled", other), ("halves", again)):
        raw = bench.pprof.raw(path)[0]
        bench.checks.check(f"{name}: the same comments", sorted(raw.comments) == sorted(whole.comments),
                           "yes" if sorted(raw.comments) == sorted(whole.comments) else
                           sorted(set(raw.comments) ^ set(whole.comments)))
        bench.checks.equal(f"{name}: rows", len(raw.rows), len(whole.rows))
        bench.same_top(name, path, [out])
        bench.checks.check(f"{name}: the same stacks", stacks(path) == stacks(out), len(stacks(out)))


ANEW = ("#cprofd windows=", "#cprofd frames=", "#cprofd symbolized=")


def facts(profile):
    """The comments, without what a merge changes in them: it sorts reasons, and counts anew."""
    found = [c for c in profile.comments if not c.startswith(ANEW)]
    return sorted("".join(sorted(c)) if "truncated_by=" in c else c for c in found)


def frames(profile):
    """(frames, those with names) as the comments have them."""
    return int(profile.comment("frames")), int(profile.comment("symbolized"))


def alone(bench, files):
    """A file merged with no other is the same: what is counted anew was counted right."""
    out = bench.tmp / "alone.pb.gz"
    differs = []
    for path in files:
        subprocess.run([bench.args.outside / "merge-files", out, path], check=True,
                       stdout=subprocess.DEVNULL)
        whole, part = pprof_file.Profile(out), pprof_file.Profile(path)
        if facts(part) != facts(whole):
            differs.append((path.name, sorted(set(facts(part)) ^ set(facts(whole)))))
        # Places that have a number only become one where their names are the same.
        if not all(map(int.__le__, frames(whole), frames(part))) or frames(whole)[0] != whole.places():
            differs.append((path.name, frames(part), frames(whole), whole.places()))
    bench.checks.check("alone: the same comments", not differs, differs[:2] or f"{len(files)} files")


def machine(bench):
    """Everything, twice: files of several processes keep their labels apart.

    Beside the short processes, one runs through both: on an idle machine no other need have a tick
    in each of two seconds."""
    folders = [bench.tmp / "all-0", bench.tmp / "all-1"]
    churn = "while :; do ls -R /usr/lib >/dev/null; cat /etc/passwd >/dev/null; done"
    brief = f"while :; do {shlex.quote(str(bench.args.workloads / 'burst'))} 20000; done"
    spin = bench.args.workloads / "spin"
    with Work("sh", "-c", churn), Work("sh", "-c", brief), Work(spin, -1, 60):
        for folder in folders:
            with Recorder(bench.args.cprofctl, "-a", "--seconds", "2", "-o", f"{folder}/",
                          cwd=bench.tmp) as recorder:
                if not harness.good(bench.checks, folder.name, recorder.finish()):
                    return
    alone(bench, [f for folder in folders for f in folder.iterdir()])
    by_name = [{f.name.split(".cpu.")[0]: f for f in folder.iterdir()} for folder in folders]
    common = sorted(by_name[0].keys() & by_name[1].keys())
    bench.checks.at_least("machine: names in both", len(common), 2)
    ended = [name for name in common if "-ended-" in name]
    bench.checks.at_least("machine: of ended processes", len(ended), 1)
    for name in ended[:3] + [n for n in common if n not in ended][:3]:
        files = [names[name] for names in by_name]
        raw = compare(bench, name, bench.tmp / "both.pb.gz", files)
        if raw and "-ended-" in name:
            cnt = sum(int(bench.pprof.raw(f)[0].comment("processes")) for f in files)
            bench.checks.equal(f"{name}: processes=", raw.comment("processes"), str(cnt))


def run(args, checks):
    harness.need("objdump")  # of pprof -disasm
    with harness.scratch() as tmp:
        harness.play(args, checks, (windows, code, machine), Bench(args, checks, tmp))


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"})])
