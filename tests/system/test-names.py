# SPDX-License-Identifier: Apache-2.0
"""Names for what is no plain ELF file on disk: the vDSO, code made at run time (perf maps, jitdumps),
BPF programs, files that were deleted or replaced under a running program.

Every profile is read by `go tool pprof -top`, which must not say a word besides.
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import harness
import pprof_file
from harness import Work

sys.dont_write_bytecode = True


class Bench(harness.Bench):
    def __init__(self, args, checks, tmp):
        super().__init__(args, checks, tmp)
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


def part_demangled(b):
    for program, function in (("crunch-cc", r"^shop::Stock<int, ?64>::tally"),
                              ("crunch-rs", r"till::Sum")):
        with Work(b.workload(program), 60) as work:
            _, rows, total = b.record(program, "--pid", work.pid, seconds=1)
        b.has_flat(program, rows, total, function, 0.3)


def wait_for_map(pid):
    return harness.wait_until(lambda: os.path.exists(f"/tmp/perf-{pid}.map"), 10, "perf map")


def remove_map(pid):
    path = pathlib.Path(f"/tmp/perf-{pid}.map")
    if path.is_symlink() or path.exists():
        path.unlink()


def part_node(b):
    harness.need("node")
    with Work("node", "--perf-basic-prof", "--no-logfile-per-isolate", "--logfile=/dev/null",
              "--interpreted-frames-native-stack", harness.HERE / "workloads/hot.js", 60) as work:
        try:
            wait_for_map(work.pid)
            _, rows, total = b.record("node", "--pid", work.pid)
        finally:
            remove_map(work.pid)
    b.has_flat("node", rows, total, r"\bjsHot ", 0.8)
    b.checks.check("node: its caller has a name", any("jsDriver" in r for r in rows),
                   [r for r in rows if "js" in r][:4])


# Run first, it makes the compilers' last word on the hot function leave the writer's buffer.
FLUSHED = """jsDriver(0.5);
for (let i = 0; i < 200; i++) Function(`return ${i}; // ${"x".repeat(100)}`)();
"""


def part_jitdump(b):
    """Node's file for perf, with lines: V8 20 writes those of modules right."""
    harness.need("node")
    where = b.tmp / "jitdump"
    where.mkdir()
    hot = (harness.HERE / "workloads/hot.js").read_text(encoding="utf-8")
    (where / "hot.mjs").write_text(hot.replace("console.log", FLUSHED + "console.log"), encoding="utf-8")
    with Work("node", "--perf-prof", "--no-logfile-per-isolate", "--logfile=/dev/null",
              "--interpreted-frames-native-stack", "hot.mjs", 60, cwd=where) as work:
        harness.wait_until((where / f"jit-{work.pid}.dump").exists, 10, "jitdump")
        done, rows, total = b.record("jitdump", "--pid", work.pid)
    b.has_flat("jitdump", rows, total, r"\bjsHot ", 0.8)
    b.checks.check("jitdump: its caller has a name", any("jsDriver" in r for r in rows),
                   [r for r in rows if "js" in r][:4])
    b.checks.at_least("jitdump: perf_maps_read", done.counters["perf_maps_read"], 1)
    lines, _ = b.pprof.top("-lines", done.files[0]["path"])
    # for (let i = 0; i < n; i++) ...
    b.has_flat("jitdump", {row[2]: row[:2] for row in lines}, total, r"\bjsHot .* \S*/hot\.mjs:5$", 0.6)


def part_java(b):
    harness.need("java", "jcmd")
    with Work("java", "-XX:+PreserveFramePointer", "-XX:+UnlockDiagnosticVMOptions",
              "-XX:+DumpPerfMapAtExit", harness.HERE / "workloads/Hot.java", 60) as work:
        try:
            work.process.stdout.readline()
            with harness.BpfView(b.args.outside) as view, harness.Recorder(
                    b.args.cprofctl, "--pid", work.pid, "--seconds", 60, "--hz", 199,
                    "-o", b.tmp / "java.pb.gz") as recorder:
                # While the recording goes on: what had no name gets one.
                view.wait_for_samples(recorder)
                harness.wait_for_cpu([work.pid], 1)
                subprocess.run(["jcmd", str(work.pid), "Compiler.perfmap"], check=True,
                               stdout=subprocess.DEVNULL)
                harness.wait_for_cpu([work.pid], 1.5)
                recorder.stop()
                done = recorder.finish()
        finally:
            work.process.kill()
            remove_map(work.pid)
    rows, total = b.read("java", done, b.tmp / "java.pb.gz")
    b.has_flat("java", rows, total, r"\bHot.javaHot\b", 0.6)


def part_bpf(b):
    program = b.workload("hotprog")
    probe = subprocess.run([program, "0"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise harness.Skip(f"no BPF program can be run: {probe.stderr.strip()}")
    path = b.tmp / "bpf.pb.gz"
    command = f"sleep 0.5; {program} 1.2; sleep 0.3; {program} 1.2"
    done = harness.record(b.args.cprofctl, "--hz", 199, "-o", path, "--", "sh", "-c", command)
    rows, total = b.read("bpf", done, path)
    b.has_flat("bpf", rows, total, r"^bpf_prog_[0-9a-f]{16}_hot_filter\b", 0.8)
    # The kernel told of them. A record may be lost where others load programs, too.
    b.checks.at_most("bpf: times all of the kernel's names were read again",
                     done.counters["kernel_reloads"], 1)


def lines_marked(path, word):
    """Of a source, the lines whose comment has the word."""
    text = path.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(text, 1) if f"/* {word}" in line}


def part_bpf_lines(b):
    """File and line of each function of a BPF program that clang left lines in; of one without, its name."""
    program, source = b.workload("linedprog"), harness.HERE / "workloads/lined.bpf.c"
    command = [program, b.workload("lined.bpf.o")]
    probe = subprocess.run([*command, "0"], capture_output=True, text=True, check=False)
    if probe.returncode:
        raise harness.Skip(f"no BPF program can be run: {probe.stderr.strip()}")
    path = b.tmp / "bpf-lines.pb.gz"
    with Work(*command, "60") as work:  # lines are known while the program is there
        done = harness.record(b.args.cprofctl, "--hz", 199, "--pid", work.pid, "--seconds", 2, "-o", path)
    if not harness.good(b.checks, "bpf lines", done):
        return
    profile = pprof_file.Profile(path)
    found = [profile.lines(location)[0] for location in profile.locations() if profile.lines(location)]
    for function, lines, start in (("lined_hot", "hot: ", "hot: begins"), ("lined_main", "main: ", "main: calls")):
        mine = [line for line in found if re.search(rf"^bpf_prog_[0-9a-f]{{16}}_{function}\b", line.name)]
        b.checks.check(f"bpf lines: places of {function}", bool(mine), str(len(mine)))
        b.checks.equal(f"bpf lines: files of {function}", {pathlib.Path(line.file).name for line in mine}, {source.name})
        b.checks.equal(f"bpf lines: lines that are not {function}'s",
                       {line.line for line in mine} - lines_marked(source, lines), set())
        b.checks.equal(f"bpf lines: where {function} begins, the first line with code",
                       {line.start_line for line in mine} - lines_marked(source, start), set())
    rows, _ = b.pprof.top("-lines", path)
    total = sum(row[0] for row in rows) or 1
    body = [rf"lined\.bpf\.c:{line}$" for line in lines_marked(source, "hot: body") | lines_marked(source, "hot: loop")]
    b.has_flat("bpf lines", {row[2]: row[:2] for row in rows}, total, "|".join(body), 0.9)


def part_replaced(b):
    """Both versions of one path at once, the older deleted; then the newer one deleted too."""
    path = b.tmp / "program"
    shutil.copy(b.workload("spin"), path)
    with Work(path, -1, 60) as old:
        new = b.tmp / "program.new"
        shutil.copy(b.workload("askclock"), new)
        new.rename(path)
        with Work(path, 60) as young:
            path.unlink()
            out = b.tmp / "replaced"
            done = harness.record(b.args.cprofctl, "--pid", f"{old.pid},{young.pid}", "--seconds",
                                  2, "--hz", 199, "-o", f"{out}/")
    if not harness.good(b.checks, "replaced", done):
        return
    for name, pid, right, wrong in (("replaced, old", old.pid, r"^hot3$", r"^ask_clock$"),
                                    ("replaced, new", young.pid, r"^__vdso_clock_gettime$",
                                     r"^hot[13]$")):
        files = [f["path"] for f in done.files if f["pid"] == pid]
        rows, total = b.read(name, done, files[0])
        b.has_flat(name, rows, total, right, 0.4)
        b.checks.equal(f"{name}: names of the other", [r for r in rows if re.search(wrong, r)], [])


MAPS = ("good", "prefixed", "overlap", "none", "fifo", "link", "foreign", "junk", "giant", "lines")
NAMED = {"good", "prefixed", "overlap", "giant", "lines"}


def write_map(kind, pid, address):
    path = pathlib.Path(f"/tmp/perf-{pid}.map")
    line = f"{address:x} 10 code_of_{kind}\n"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        target = path.with_suffix(".target")
        target.write_text(line)
        path.symlink_to(target)
    elif kind == "prefixed":
        path.write_text(f"0x{address:x} 0x10 code_of_{kind}\r\n")
    elif kind == "overlap":
        path.write_text(f"{address - 4096:x} 2000 older\n{line}")
    elif kind == "junk":
        path.write_bytes(b"\x00\xff no map at all\n1000\n" * 100)
    elif kind == "lines":
        path.write_text("".join(f"{4096 + i:x} 1 f\n" for i in range(1100000)) + line)
    elif kind != "none":
        path.write_text(line)
    if kind == "giant":
        os.truncate(path, 4 << 30)
        with open(path, "a", encoding="ascii") as f:
            f.write("\n" + line)
    if kind == "foreign":
        os.chown(path, 12345, 12345)


def part_maps(b):
    """Good perf maps and bad ones, of one program that has one function of its own making."""
    works, addresses = {}, {}
    with contextlib.ExitStack() as stack:
        for kind in MAPS:
            work = stack.enter_context(Work("nice", b.workload("runcode"), 60))
            works[kind] = work.pid
            addresses[kind] = int(work.process.stdout.readline(), 16)
            stack.callback(remove_map, work.pid)
            stack.callback(pathlib.Path(f"/tmp/perf-{work.pid}.target").unlink, missing_ok=True)
            write_map(kind, work.pid, addresses[kind])
        done = harness.record(b.args.cprofctl, "--pid", ",".join(map(str, works.values())),
                              "--seconds", 4, "--hz", 199, "-o", f"{b.tmp}/maps/")
    if not harness.good(b.checks, "maps", done):
        return
    for kind, pid in works.items():
        files = [f["path"] for f in done.files if f["pid"] == pid]
        rows, total = b.read(f"map {kind}", done, files[0])
        b.has_flat(f"map {kind}", rows, total,
                   f"^code_of_{kind}$" if kind in NAMED else r"^\[jit\]$", 0.6)
        raw, _ = b.pprof.run("-raw", files[0])
        b.checks.check(f"map {kind}: no runtime address", f"{addresses[kind] >> 12:x}" not in raw,
                       "none")
    c = done.counters
    b.checks.equal("maps: perf_maps_refused", c["perf_maps_refused"], 3)
    b.checks.at_least("maps: perf_maps_cut", c["perf_maps_cut"], 2)
    b.checks.at_least("maps: perf_maps_bad", c["perf_maps_bad"], 1)
    b.checks.equal("maps: roles lost", c["symbolizer_lost"] + c["opener_lost"], 0)
    b.checks.at_most("maps: seconds", done.seconds, 30)


def unmounts(where):
    return subprocess.run(["umount", where], capture_output=True, check=False).returncode == 0


def part_lets_go(b):
    """While a recording goes on: the space of a deleted file comes back, and umount works."""
    where = b.tmp / "mount"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "cprof-test", where], check=True)
    try:
        before = os.statvfs(where).f_bfree
        shutil.copy(b.workload("spin"), where / "program")
        with harness.BpfView(b.args.outside) as view, harness.Recorder(
                b.args.cprofctl, "-a", "--seconds", 60, "-o", b.tmp / "go") as recorder:
            view.wait_for_samples(recorder)
            with Work(where / "program", -1, 60) as work:
                harness.wait_for_cpu([work.pid], 1)
                (where / "program").unlink()
                b.checks.check("lets go: the file is in use", os.statvfs(where).f_bfree < before,
                               "yes")
                work.finish(stop=True)
            harness.wait_until(lambda: os.statvfs(where).f_bfree == before, 15, "the file's space")
            b.checks.check("lets go: space comes back", True, "yes")
            harness.wait_until(lambda: unmounts(where), 15, "umount")
            b.checks.check("lets go: umount while recording", recorder.process.poll() is None, "yes")
            recorder.stop()
            done = recorder.finish()
        harness.good(b.checks, "lets go", done)
        b.checks.check("lets go: the program was sampled",
                       any(f["comm"] == "program" for f in done.files), "yes")
    finally:
        subprocess.run(["umount", "-l", where], capture_output=True, check=False)


def run(args, checks):
    with harness.scratch() as tmp:
        bench = Bench(args, checks, tmp)
        harness.play(args, checks, [part_vdso, part_demangled, part_node, part_jitdump, part_java, part_bpf, part_bpf_lines,
                                    part_replaced, part_maps, part_lets_go], bench)


harness.main(run, __doc__)
