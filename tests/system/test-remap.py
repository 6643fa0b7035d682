# SPDX-License-Identifier: Apache-2.0
"""Where the walk of mappings is switched off, does /proc show the same?

One sampler walks, one never does (cprofd-sampler-remap), one finds out while it runs that it must not
(cprofd-sampler-astray-later); one opener asks the kernel, one reads the text of maps. For programs that
live, all must show the same functions; for those that do not, the books must still be exact, and what
could not be located counted.
"""

import contextlib
import os
import pathlib
import re
import signal
import time

import harness
from harness import Recorder, Work

SECONDS, HZ = 1, 997
LONG_SECONDS = 10
# name: (program, arguments, the function that leads).
PROGRAMS = {
    "c-pie": ("spin", (-1, 60), r"^hot3$"),
    "shared-library": ("solib", (-1, 60), r"^lib_hot$"),
    "c++": ("crunch-cc", (-1, 60), r"^shop::Stock<int, ?64>::tally"),
    "python": ("crunch.py", (-1, 60), r"^_PyEval_EvalFrameDefault"),
}
FEW = ("c-pie", "python")
PYTHON = "/usr/bin/python3"


class Bench(harness.Bench):
    def __init__(self, args, checks, tmp):
        super().__init__(args, checks, tmp)
        self.raws = {}  # by path: of the last recording's files

    def role(self, role, variant=""):
        name = f"cprofd-{role}" + (f"-{variant}" if variant else "")
        path = self.args.cprofctl.parents[2] / "daemon" / role / name
        if not path.exists():
            raise harness.Skip(f"{name} is not built")
        return ["--role", f"{role}={path}"]

    def program(self, name):
        if name.endswith(".py"):
            return [PYTHON, harness.HERE / "workloads" / name]
        return [self.args.workloads / name]

    def record(self, name, *options, statuses=(0,)):
        done = harness.record(self.args.cprofctl, "-o", f"{self.tmp}/{name}/", *options,
                              cwd=self.tmp)
        return done if self.good(name, done, statuses) else None

    def good(self, name, done, statuses=(0,)):
        if not harness.good(self.checks, name, done, statuses):
            return False
        self.checks.equal(f"{name}: the books' difference", done.books["difference"], 0)
        self.raws = {f["path"]: self.pprof.raw(f["path"])[0] for f in done.files}
        self.checks.equal(f"{name}: samples in files",
                          sum(raw.samples for raw in self.raws.values()), done.books["in_profiles"])
        return True

    def unlocated(self, done):
        """Of the user frames that /proc was asked about, the share that it could not tell."""
        lost = done.counters["frames_unlocated"]
        return lost / max(lost + done.counters["frames_remapped"], 1)


def same_functions(bench):
    """Programs that live, by each way: the same functions lead, as often."""
    ways = {
        "walk": [],
        "proc": bench.role("sampler", "remap"),
        "proc by text": bench.role("sampler", "remap") + bench.role("opener", "text"),
        "proc from some time on": bench.role("sampler", "astray-later"),
    }
    checks, rows, frames, depths = bench.checks, {}, {}, {}
    with contextlib.ExitStack() as stack:
        works = {name: stack.enter_context(Work(*bench.program(program), *args))
                 for name, (program, args, _) in PROGRAMS.items()}
        for way, options in ways.items():
            # The other two differ in who is asked, or when: two programs show that.
            asked = {n: w for n, w in works.items() if way in ("walk", "proc") or n in FEW}
            done = bench.record(way.replace(" ", "-"), *options, "--seconds",
                                LONG_SECONDS if bench.args.long else SECONDS, "--hz", HZ, "--pid",
                                ",".join(str(w.pid) for w in asked.values()))
            if not done:
                continue
            expected = "tree" if way == "walk" else "proc"
            checks.equal(f"{way}: who located", done.json["walk"], expected)
            checks.equal(f"{way}: something is degraded", bool(done.json["degraded"]),
                         way != "walk")
            frames[way] = done.json["frames"]
            if way.startswith("proc"):
                checks.at_least(f"{way}: frames remapped", done.counters["frames_remapped"], 10)
                # What the wrong walk told as nothing cannot be asked about before it was found out.
                checks.at_most(f"{way}: unlocated", bench.unlocated(done),
                               0.05 if "time" in way else 0.02)
            for name, work in asked.items():
                mine = [f for f in done.files if f["pid"] == work.pid]
                if not checks.check(f"{way}, {name}: has a file", bool(mine), len(mine)):
                    continue
                table, complaint = bench.pprof.top(mine[0]["path"])
                rows[way, name] = {n: flat for flat, _, n in table}
                checks.check(f"{way}, {name}: leads", bool(table) and not complaint and
                             bool(re.search(PROGRAMS[name][2], table[0][2])),
                             complaint or (table and table[0][2]), PROGRAMS[name][2])
                raw = bench.raws[mine[0]["path"]]
                depths[way, name] = depth(raw)
                checks.equal(f"{way}, {name}: its file says so", raw.comment("walk"),
                             None if way == "walk" else "proc")
    for name in PROGRAMS:
        compare(bench, rows, name)
        # Frame pointers alone lead there, and not as far; but addresses on the stack are taken for callers,
        # and /proc must find out which are none.
        if ("walk", name) in depths and ("proc", name) in depths:
            checks.at_most(f"{name}: mean depth, /proc against the walk", depths["proc", name],
                           1.15 * depths["walk", name] + 0.3)
            checks.at_least(f"{name}: mean depth by /proc", depths["proc", name], 1)
    if "walk" in frames and "proc" in frames:
        named = {w: f["symbolized"] / max(f["total"], 1) for w, f in frames.items()}
        checks.within("frames with names, /proc against the walk", named["proc"], named["walk"], 0.1)


def depth(raw):
    """Frames of a sample, on average."""
    return sum(len(locations) * values[0] for values, locations, _ in raw.rows) / max(raw.samples, 1)


def compare(bench, rows, name):
    """The leader's share of the process, each way against the walk."""
    shares, chance = {}, {}
    for (way, program), table in rows.items():
        if program == name and sum(table.values()):
            leader = max((n for n in table if re.search(PROGRAMS[name][2], n)), key=table.get,
                         default=None)
            total = sum(table.values())
            shares[way] = share = table.get(leader, 0) / total
            chance[way] = share * (1 - share) / (total * HZ / harness.NSEC)
    for way, share in shares.items():
        if way != "walk" and "walk" in shares:
            bench.checks.within(f"{name}: the leader's share, {way}", share, shares["walk"],
                                max(0.15, harness.sigmas(chance[way] + chance["walk"])))


def short_lived(bench):
    """Gone before anybody can ask: their samples stay, whose they are too, and the frames are counted."""
    path = bench.tmp / "brief.pb.gz"
    done = harness.record(bench.args.cprofctl, *bench.role("sampler", "remap"), "--hz", 999,
                          "-o", path, "--", bench.args.workloads / "brief", 40, 10, cwd=bench.tmp)
    if not bench.good("short-lived", done):
        return
    bench.checks.at_least("short-lived: frames unlocated", done.counters["frames_unlocated"], 1)
    raw, complaint = bench.pprof.raw(path)
    bench.checks.check("short-lived: pprof says nothing else", not complaint, complaint or "yes")
    bench.checks.at_least("short-lived: samples", raw.samples, 100)
    pids = {found[1] for _, _, labels in raw.rows
            if (found := re.search(r"pid:\[(\d+)\]", " ".join(labels)))}
    bench.checks.at_least("short-lived: processes that show", len(pids), 35)
    bench.checks.note(f"{bench.unlocated(done):.0%} of their frames could not be located")
    harness.attempts(bench.checks, 3, live_longer, bench, path)


def live_longer(checks, bench, path):
    """Those of 150 ms are asked about while they live."""
    done = harness.record(bench.args.cprofctl, *bench.role("sampler", "remap"), "--hz", 999,
                          "-o", path, "--", bench.args.workloads / "brief", 4, 150, cwd=bench.tmp)
    if bench.good("150 ms", done):
        rows, _ = bench.pprof.top(path)
        total = sum(flat for flat, _, _ in rows)
        unknown = sum(flat for flat, _, name in rows if name == "[unknown]")
        checks.noisy.at_most("150 ms: share of the time at unknown places", unknown / max(total, 1),
                             0.4)


def many_mappings(bench):
    """Processes of 60,000 mappings: what they cost is what is asked about, also by text."""
    program = bench.args.workloads / "manymaps"
    lib = bench.args.workloads / "libown-lib.so"
    if not program.exists() or not lib.exists():
        raise harness.Skip("no manymaps")
    with contextlib.ExitStack() as stack:
        works = [stack.enter_context(Work(program, lib, 60000, 60, 0.1)) for _ in range(4)]
        for work in works:
            harness.wait_until(lambda w=work: w.process.stdout.readline(), 20, "60,000 mappings")
        for way in ("", "text"):
            name = f"60,000 mappings{' by text' if way else ''}"
            done = bench.record(f"many{way}", *bench.role("sampler", "remap"),
                                *bench.role("opener", way), "--seconds", SECONDS, "--hz", 997,
                                "--pid", ",".join(str(w.pid) for w in works))
            if not done:
                continue
            bench.checks.at_least(f"{name}: remapped", done.counters["frames_remapped"], 50)
            bench.checks.at_most(f"{name}: unlocated", bench.unlocated(done), 0.05)
            bench.checks.at_most(f"{name}: CPU of all roles, s", done.json["cost"]["cpu_s"], 3)
            bench.checks.note(f"{name}: {done.json['cost']}, counters " + str(
                {k: v for k, v in done.counters.items() if k.startswith("frames_") and v}))


def opener_of(recorder):
    """The pid of the recording's opener."""
    def find():
        return [pid for pid, comm in harness.tree_of(recorder.process.pid).items()
                if comm.startswith("cprofd-opener")]
    return harness.wait_until(find, 10, "an opener")[0]


def opener_hangs_and_dies(bench):
    """Stopped, then killed: another one tells; and no sample is lost by it."""
    for name, number in (("hangs", signal.SIGSTOP), ("dies", signal.SIGKILL)):
        with Work(*bench.program("spin"), -1, 60) as work, Recorder(
                bench.args.cprofctl, *bench.role("sampler", "remap"), "--pid", work.pid, "--seconds",
                3, "-o", f"{bench.tmp}/{name}/", cwd=bench.tmp) as recorder:
            os.kill(opener_of(recorder), number)
            done = recorder.finish()
        if not bench.good(f"opener {name}", done):
            continue
        bench.checks.at_least(f"opener {name}: is replaced", done.counters["opener_lost"], 1)
        found = [f for f in done.files if f["pid"] == work.pid]
        rows, _ = bench.pprof.top(found[0]["path"]) if found else ([], "")
        bench.checks.check(f"opener {name}: leads all the same",
                           bool(rows) and rows[0][2] in ("hot3", "hot1"), rows and rows[0][2])


def exec_in_place(bench):
    """One process, one program after the other: none lends its mappings to another's frames."""
    script = bench.tmp / "in-place.py"
    script.write_text(f"""
import os, sys, time
left = int(sys.argv[1])
end = time.monotonic() + 0.06
while time.monotonic() < end:
    sum(range(1000))
if left:
    os.execv({str(bench.args.workloads / "spin-nopie")!r}, ["spin-nopie", "-1", "0.05"]) \\
        if left % 2 else os.execv(sys.executable, [sys.executable, {str(script)!r}, str(left - 1)])
""", encoding="utf-8")
    out = f"{bench.tmp}/in-place/"
    done = harness.record(bench.args.cprofctl, *bench.role("sampler", "remap"), "--hz", 999, "-o",
                          out, "--", PYTHON, script, 9, cwd=bench.tmp)
    if not bench.good("in place", done):
        return
    wrong = []
    for found in done.files:
        names = {name for _, _, name in bench.pprof.top(found["path"])[0]}
        spin, python = names & {"hot1", "hot3"}, {n for n in names if n.startswith(("_Py", "Py"))}
        if (found["comm"].startswith("python") and spin) or (found["comm"] == "spin-nopie" and python):
            wrong.append((found["comm"], sorted(spin | python)))
    bench.checks.equal("in place: functions of another program", wrong, [])


def code_swapped(bench):
    """Other code at the same address: from the next second or two on, samples are the new file's."""
    path = bench.tmp / "swap.pb.gz"
    done = harness.record(bench.args.cprofctl, *bench.role("sampler", "remap"), "--hz", 499, "-o",
                          path, "--", bench.args.workloads / "swapcode", 2.5, cwd=bench.tmp)
    if not bench.good("swapped", done):
        return
    rows, _ = bench.pprof.top(path)
    total = max(sum(flat for flat, _, _ in rows), 1)
    for name, least in (("first.bin", 0.4), ("second.bin", 0.04)):
        share = sum(flat for flat, _, n in rows if name in n) / total
        bench.checks.at_least(f"swapped: share of {name}", share, least)


def run(args, checks):
    harness.need(PYTHON)
    with harness.scratch() as tmp:
        bench = Bench(args, checks, pathlib.Path(tmp))
        begun = time.monotonic()
        harness.play(args, checks, (same_functions, short_lived, many_mappings, opener_hangs_and_dies,
                                    exec_in_place, code_swapped), bench)
        checks.note(f"{time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"})])
