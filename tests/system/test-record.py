# SPDX-License-Identifier: Apache-2.0
"""Does `go tool pprof` open what `record` wrote, and does it show the truth?

For each language and kind of executable: a profile by --pid, of the machine and of a command. pprof
must not say a word, the expected function must lead, -disasm and -weblist must find the code, and a
function that takes three times as long as another must show three times as much.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import time

import harness
from harness import Skip, Work

HZ = 99
SECONDS = 2
# name: (program, the function that must lead, what -disasm is asked for, and -weblist too).
# pprof's expressions are not anchored: with addresses its names begin with the address. Its -weblist
# looks functions up by the name in DWARF, which for C++ and Rust is not the qualified name.
LANGUAGES = {
    "c-pie": ("spin", r"^hot3$", "hot3", True),
    "c-nopie": ("spin-nopie", r"^hot3$", "hot3", True),
    "c-static": ("spin-static", r"^hot3$", "hot3", True),
    "shared-library": ("solib", r"^lib_hot$", "lib_hot", True),
    "c++": ("crunch-cc", r"^shop::Stock<int, ?64>::tally", "tally", False),
    "rust": ("crunch-rs", r"till::Sum<.*>::tally|till::Sum::tally", "tally", False),
    "go": ("crunch-go", r"^main\.\(\*till\)\.tally$", "tally", True),
    # Debian's interpreter has no symbol table for a disassembler.
    "python": ("crunch.py", r"^_PyEval_EvalFrameDefault", None, False),
}


class Bench(harness.Bench):
    def __init__(self, args, checks, tmp):
        super().__init__(args, checks, tmp)
        self.can_pie = self.shows_pie()
        self.programs = {}
        for name, (program, *expected) in LANGUAGES.items():
            argv = self.argv(program)
            if argv:
                self.programs[name] = (argv, *expected)
            else:
                checks.note(f"SKIP {name}: {program} was not built (no compiler for it)")

    def shows_pie(self):
        """Whether this pprof can disassemble Go's own profile of a PIE."""
        program, path = self.args.workloads / "selfprof", self.tmp / "selfprof.pb.gz"
        if not program.exists() or subprocess.run([program, path], check=False).returncode:
            return True
        out, _ = self.pprof.run("-unit=ns", "-disasm=tally", path)
        if not self.pprof.routine_ns(out):
            self.checks.note("SKIP -disasm and -weblist of PIE and shared libraries: this go tool "
                             "pprof cannot show Go's own profile of a PIE either")
            return False
        return True

    def argv(self, program):
        if program.endswith(".py"):
            return [python(), harness.HERE / "workloads" / program]
        path = self.args.workloads / program
        return [path] if path.exists() else None

    def leads(self, name, path, leader):
        """pprof opens the file without a word and @leader is at the top. Its ns."""
        rows, complaint = self.pprof.top(path)
        self.checks.check(f"{name}: pprof -top says nothing else", not complaint,
                          complaint or "yes")
        first = rows[0][2] if rows else "(no rows)"
        self.checks.check(f"{name}: leads", bool(re.search(leader, first)), first, leader)
        return rows

    def file_of(self, name, done, pid=None):
        """The one file with most samples of a process (of all, without a pid)."""
        files = [f for f in done.files if pid is None or f["pid"] == pid]
        if not self.checks.check(f"{name}: has a file", bool(files), len(files), "at least 1"):
            return None
        return max(files, key=lambda f: f["samples"])


def python():
    """An interpreter that is an ELF file of its own name, not a version manager's script."""
    debian = shutil.which("python3", path="/usr/bin:/bin")
    return debian or sys.executable


def by_pid(bench):
    """record --pid, one after the other."""
    for name, (argv, leader, code, source) in bench.programs.items():
        with Work(*argv, -1, 60) as work:
            begun = time.monotonic()
            done = harness.record(bench.args.cprofctl, "--pid", work.pid, "--seconds", SECONDS,
                                  "-o", f"{bench.tmp}/pid-{name}/", cwd=bench.tmp)
            # Beginning and end take their time too, and more on a machine at work.
            used = harness.process_cpu_ns(work.pid) * SECONDS / (time.monotonic() - begun)
            if not harness.good(bench.checks, f"--pid {name}", done):
                continue
            found = bench.file_of(f"--pid {name}", done, work.pid)
            if found:
                bench.leads(f"--pid {name}", found["path"], leader)
                look_at_code(bench, name, argv[0], found["path"], code, source)
                bench.checks.at_least(f"--pid {name}: ns, of what it used in such a time",
                                      found["nanoseconds"] / used, 0.5)


def machine(bench):
    """record -a with all of them at once: a file each, and no file that pprof does not like."""
    with contextlib.ExitStack() as stack:
        works = {name: stack.enter_context(Work(*argv, -1, 60))
                 for name, (argv, *_) in bench.programs.items()}
        done = harness.record(bench.args.cprofctl, "-a", "--seconds", 5, "-o", f"{bench.tmp}/all/",
                              cwd=bench.tmp)
    if not harness.good(bench.checks, "-a", done):
        return
    for name, work in works.items():
        found = bench.file_of(f"-a {name}", done, work.pid)
        if found:
            bench.leads(f"-a {name}", found["path"], bench.programs[name][1])
    for found in done.files:
        raw, complaint = bench.pprof.raw(found["path"])
        _, top_complaint = bench.pprof.top(found["path"])
        if complaint or top_complaint or raw.without_location:
            bench.checks.check(f"-a {found['path']}: pprof says nothing else", False,
                               complaint or top_complaint or "a sample without location")
    bench.checks.check("-a: files that pprof opened", bool(done.files), len(done.files))


def commands(bench):
    """record -- cmd."""
    for name, (argv, leader, *_) in bench.programs.items():
        path = bench.tmp / f"cmd-{name}.pb.gz"
        done = harness.record(bench.args.cprofctl, "-o", path, "--", *argv, -1, SECONDS,
                              cwd=bench.tmp)
        if not harness.good(bench.checks, f"-- {name}", done):
            continue
        bench.leads(f"-- {name}", path, leader)
        raw, _ = bench.pprof.raw(path)
        bench.checks.at_least(f"-- {name}: samples", raw.samples, HZ * SECONDS / 10)
    status = harness.record(bench.args.cprofctl, "-o", bench.tmp / "seven.pb.gz", "--", "sh", "-c",
                            "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 7",
                            cwd=bench.tmp)
    bench.checks.equal("--: the command's exit status becomes ours", status.status, 7)


def is_pie(program):
    """Whether its code is loaded at another address than its file says (ET_DYN, elf(5))."""
    with open(program, "rb") as f:
        return f.read(18)[16] == 3


def look_at_code(bench, name, program, path, code, source=True):
    """-disasm and -weblist find the leading function's instructions and its source."""
    if not code or (is_pie(program) and not bench.can_pie):
        return
    rows, _ = bench.pprof.top(path)
    flat = rows[0][0] if rows else 0
    out, complaint = bench.pprof.run("-unit=ns", f"-disasm={code}", path)
    routines = bench.pprof.routine_ns(out)
    bench.checks.check(f"{name}: -disasm says nothing else", not complaint, complaint or "yes")
    shown = max((ns for _, ns in routines), default=0)
    bench.checks.at_least(f"{name}: -disasm shows the function's ns on instructions",
                          shown / max(flat, 1), 0.95)
    if not source:
        return
    html, complaint = bench.pprof.weblist(f"-weblist={code}", path)
    bench.checks.check(f"{name}: -weblist says nothing else", not complaint, complaint or "yes")
    live = re.findall(r"class=livesrc>\s*(\d+)ns", html)
    bench.checks.at_least(f"{name}: -weblist shows the function's ns on source lines",
                          sum(map(int, live)) / max(flat, 1), 0.95)


def ratio(bench):
    """hot3 takes three times as long as hot1."""
    seconds, hz = 60 if bench.args.long else 10, 997
    path = bench.tmp / "ratio.pb.gz"
    with Work(bench.args.workloads / "spin", 0, 90) as work:
        done = harness.record(bench.args.cprofctl, "--pid", work.pid, "--seconds", seconds, "--hz",
                              hz, "-o", path, cwd=bench.tmp)
        truth = work.finish(stop=True)
    if not harness.good(bench.checks, "ratio", done):
        return
    flat = {name: ns for ns, _, name in bench.pprof.top(path)[0]}
    hot3, hot1 = flat.get("hot3", 0), flat.get("hot1", 0)
    if not bench.checks.check("ratio: both functions are there", hot3 > 0 and hot1 > 0,
                              f"hot3 {hot3}, hot1 {hot1}"):
        return
    n3, n1 = hot3 * hz / harness.NSEC, hot1 * hz / harness.NSEC
    bench.checks.within("ratio: the program's own clock", truth["hot3_ns"] / truth["hot1_ns"], 3.0,
                        0.05)
    bench.checks.within("ratio: hot3 over hot1", hot3 / hot1, 3.0,
                        harness.sigmas(9 * (1 / n3 + 1 / n1)))


def brief(bench):
    """Processes of 20 ms, gone before anybody can look: named all the same."""
    path = bench.tmp / "brief.pb.gz"
    done = harness.record(bench.args.cprofctl, "-o", path, "--", bench.args.workloads / "brief",
                          100, 20, cwd=bench.tmp)
    if not harness.good(bench.checks, "brief", done):
        return
    rows = bench.leads("brief", path, r"^brief_work$|clock_gettime|vdso")
    raw, _ = bench.pprof.raw(path)
    cum = max((cum for _, cum, name in rows if name == "brief_work"), default=0)
    bench.checks.at_least("brief: share of the time under brief_work, by name",
                          cum / max(raw.nanoseconds, 1), 0.7)


def pipeline(bench):
    """A shell pipeline: every program of it has samples and a name."""
    script = harness.HERE / "workloads" / "pipeline.sh"
    out = f"{bench.tmp}/pipeline/"
    done = harness.record(bench.args.cprofctl, "--hz", 499, "-o", out, "--", "sh", script, 3000000,
                          cwd=bench.tmp)
    if not harness.good(bench.checks, "pipeline", done):
        return
    comms = {f["comm"] for f in done.files}
    for expected in (r"^seq$", r"awk", r"^sort$", r"^md5sum$"):
        bench.checks.check(f"pipeline: a file of {expected}",
                           any(re.search(expected, c) for c in comms), sorted(comms))
    for found in done.files:
        rows, complaint = bench.pprof.top(found["path"])
        bench.checks.check(f"pipeline: pprof opens {found['comm']}", bool(rows) and not complaint,
                           complaint or f"leads {rows[0][2] if rows else None}")
    merged = bench.tmp / "pipeline.pb.gz"
    done = harness.record(bench.args.cprofctl, "--hz", 499, "-o", merged, "--", "sh", script,
                          1000000, cwd=bench.tmp)
    if harness.good(bench.checks, "pipeline in one file", done):
        tags, complaint = bench.pprof.run("-tags", merged)
        bench.checks.check("pipeline in one file: labels name its programs",
                           not complaint and "awk" in tags and "sort" in tags,
                           complaint or " ".join(tags.split())[:160])


def gzip_with_symbols(cache):
    """Debian's gzip, built here with symbols from its source package, once per build directory."""
    built = cache / "gzip-1.12" / "gzip"
    if built.exists():
        return built
    harness.need("apt-get", "make", "gcc")
    cache.mkdir(parents=True, exist_ok=True)
    lists = cache / "sources"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (cache / "parts").mkdir(exist_ok=True)
    (cache / "parts/src.sources").write_text(
        "Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n", encoding="utf-8")
    apt = ["apt-get", "-qq", "-o", "Dir::Etc::SourceList=/dev/null", "-o",
           f"Dir::Etc::SourceParts={cache}/parts", "-o", f"Dir::State::Lists={lists}", "-o",
           f"Dir::Cache={cache}", "-o", "APT::Sandbox::User=root"]
    steps = [
        [*apt, "update"],
        [*apt, "source", "--download-only", "gzip"],
        ["sh", "-c", "tar xf gzip_1.12.orig.tar.xz"],
        ["sh", "-c", "cd gzip-1.12 && ./configure -q CFLAGS='-O2 -g -fno-omit-frame-pointer' && "
         "make -s"],
    ]
    for step in steps:
        done = subprocess.run(step, cwd=cache, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skip(f"{' '.join(step[-2:])}: {done.stderr.strip()[-200:]}")
    return built


def gzip(bench):
    """A gzip built with symbols: a real program's compressor leads."""
    try:
        program = gzip_with_symbols(bench.args.cache)
    except Skip as skip:
        bench.checks.note(f"SKIP gzip: {skip}")
        return
    data = bench.tmp / "data"
    with open(data, "w", encoding="utf-8") as f:
        for i in range(1200000):
            f.write(f"{i * 2654435761 % 1000003} line of text {i % 977}\n")
    path = bench.tmp / "gzip.pb.gz"
    with open(bench.tmp / "data.gz", "wb"):
        done = harness.record(bench.args.cprofctl, "-o", path, "--", program, "-k", "-f", data,
                              cwd=bench.tmp)
    if not harness.good(bench.checks, "gzip", done):
        return
    bench.leads("gzip", path, r"^(longest_match|deflate|fill_window|compress_block|ct_tally)")
    look_at_code(bench, "gzip", program, path, "longest_match|deflate")


def run(args, checks):
    harness.need("objdump")  # of pprof -disasm
    with harness.scratch() as tmp:
        bench = Bench(args, checks, tmp)
        harness.play(args, checks, (by_pid, machine, commands, ratio, brief, pipeline, gzip), bench)


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"}),
                                (["--cache"], {"type": harness.absolute,
                                               "default": "/tmp/cprof-test-cache"})])
