# SPDX-License-Identifier: Apache-2.0
"""`cprofctl check` and `cprofctl top` with the real thing: this machine, and one where names fail.

The machine that runs these tests can be profiled, or all the others would fail as well.
"""

import json
import re
import subprocess

import harness
from harness import Work


def ctl(args, *words, cwd=None):
    return subprocess.run([str(args.cprofctl), *map(str, words)], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL, cwd=cwd, timeout=60)


def this_machine(args, checks, tmp):
    done = ctl(args, "--json", "check")
    checks.equal("check: exit status", done.returncode, 0)
    out = json.loads(done.stdout)
    lines = {line["name"]: line for line in out["checks"]}
    checks.equal("check: nothing failed", [n for n, line in lines.items() if line["result"] == "FAIL"],
                 [])
    online = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout
    checks.equal("check: CPUs with an event", out["cpus"], int(online))
    for name in ("sampler", "events", "samples", "books", "walk"):
        checks.check(f"check: {name}", lines.get(name, {}).get("result") == "ok",
                     lines.get(name, {}).get("text", "no line"))
    # A machine that is very busy gives names late, and time is told late: warnings, no more.
    for name in ("names", "time"):
        checks.check(f"check: {name}", lines[name]["result"] in ("ok", "warn"), lines[name]["text"])


def no_names(args, checks, tmp):
    """With a symbolizer that dies the samples and the books are right, and names are what fails."""
    done = ctl(args, "check", "--role", f"symbolizer={args.outside / 'bad-symbolizer-dies'}")
    checks.equal("no names: exit status", done.returncode, 1)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    checks.check("no names: they alone fail, and it says what to do",
                 len(failed) == 1 and bool(re.match(r"FAIL  names .+; .+", failed[0])),
                 " | ".join(failed))


def files(args, checks, tmp):
    """A recording of the machine, as pprof shows it, each and all together."""
    with Work(args.workloads / "spin", -1, 4):
        done = harness.record(args.cprofctl, "-a", "--seconds", 2, "-o", f"{tmp / 'all'}/", cwd=tmp)
    if not harness.good(checks, "top", done):
        return
    pprof = harness.Pprof(tmp)
    paths = sorted(f["path"] for f in done.files)
    for name, what, given in (("directory", paths, [tmp / "all"]), ("file", paths[:1], paths[:1])):
        for options in ([], ["-cum"], ["-sample_index=samples", "-nodecount=5"]):
            theirs, complaint = pprof.run("-top", *options, *what)
            ours = subprocess.run([args.cprofctl, "top", *(f"-{o}" for o in options), *given],
                                  capture_output=True, text=True, check=False,
                                  env=dict(pprof.env), cwd=tmp)
            # Which rows were inlined everywhere is told by edges between functions, which ours does not make yet.
            theirs = re.sub(r" \((partial-)?inline\)$", "", theirs, flags=re.M)
            checks.check(f"top: {name} {' '.join(options)}: as pprof",
                         not complaint and ours.stdout == theirs,
                         f"{len(theirs.splitlines())} lines" if ours.stdout == theirs
                         else ours.stdout[:300] + theirs[:300] + complaint)


def live(args, checks, tmp):
    """Without a source it is the machine, now."""
    with Work(args.workloads / "spin", -1, 8) as work:
        done = ctl(args, "top", cwd=tmp)
        work.process.kill()
    checks.equal("top of the machine: exit status", done.returncode, 0)
    checks.check("top of the machine: what spins is there", " hot3\n" in done.stdout,
                 done.stdout[:200])
    checks.equal("top of the machine: files left behind", [p.name for p in tmp.glob("*.gz")], [])


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (this_machine, no_names, files, live), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__)
