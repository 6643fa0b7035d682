# SPDX-License-Identifier: Apache-2.0
"""Stacks and names of programs whose debugging information is in a file of its own, made with the real tools.

The program has no C library, so it runs in any root. Where its debug file is looked for, and whose it must
be, is the test of the opener; this one sees the whole way: stacks that reach their root with the file, and
that do not with one that is another program's; static functions that have names by the file's symbols, or by those
that the program itself carries compressed.
"""

import os
import re
import subprocess
import time

import harness
import pprof_file
from harness import Recorder, Work

# In .text there has to be more than what each program of the C library has without information.
SOURCE = """
volatile unsigned sink;
__asm__(".text; .skip 4000, 0x90");
__attribute__((noipa)) static void bottom(void) { for (unsigned i = 0; i < 100000; i++) sink += i; }
__attribute__((noipa)) static void descend(int n)
{
	volatile char room[40];
	room[n % 40] = 1;
	if (n > 0) descend(n - 1); else bottom();
	sink += room[n % 40];
}
void _start(void) { for (;;) descend(DEPTH); }
"""
FLAGS = ["-O2", "-g", "-fomit-frame-pointer", "-nostdlib", "-static", "-Wl,--build-id=sha1"]
BLIND = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
# By hand as find-debuginfo does it: the functions that .dynsym has not, and nothing else.
FEDORA = """
nm -D {0} --format=posix --defined-only | awk '{{print $1}}' | sort > {0}.dynsyms
nm {0} --format=posix --defined-only | awk '$2 ~ /[TtD]/ {{print $1}}' | sort > {0}.funcsyms
comm -13 {0}.dynsyms {0}.funcsyms > {0}.keep
objcopy --only-keep-debug {0} {0}.whole
objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols={0}.keep {0}.whole {0}.mini
strip --strip-all {0}
xz {0}.mini
objcopy --add-section .gnu_debugdata={0}.mini.xz {0}
"""


def tool(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


def build(directory, name, *flags, depth=20, start="void _start(void)"):
    path, source = directory / name, directory / f"{name}.c"
    text = SOURCE.replace("DEPTH", str(depth)).replace("void _start(void)", start)
    source.write_text(text, encoding="ascii")
    tool("gcc", *flags, "-o", path, source)
    return path


def make(directory, name, *flags, depth=20):
    """The program without what it knows, and the file with that; its build id."""
    path, debug = build(directory, name, *FLAGS, *flags, depth=depth), directory / f"{name}.debug"
    tool("objcopy", "--only-keep-debug", path, debug)
    tool("objcopy", "--strip-all", "--remove-section=.debug_frame", f"--add-gnu-debuglink={debug}", path)
    notes = subprocess.run(["readelf", "-n", path], check=True, capture_output=True, text=True).stdout
    return path, debug, re.search(r"Build ID: ([0-9a-f]+)", notes)[1]


def share_named(path, *names):
    """Of the time, that in stacks with one of these functions innermost, and all below it named."""
    profile = pprof_file.Profile(path)
    good = total = 0
    for sample in profile.samples:
        stack = profile.stack(sample)
        total += sample.values[1]
        if stack and stack[0] in names and len(stack) == len(sample.locations):
            good += sample.values[1]
    return good / max(1, total)


def record(args, checks, tmp, name, argv, **popen):
    """(share of the stacks that reach their root, share of the time with the names of static functions, counters)"""
    path = f"{tmp}/{name}.pb.gz"
    with Work(*argv, **popen) as work:
        time.sleep(0.2)
        with Recorder(args.cprofctl, "--pid", work.pid, "--seconds", 3, "--hz", 199, "-o", path, cwd=tmp) as recorder:
            done = recorder.finish()
    if not harness.good(checks, name, done):
        raise RuntimeError("no profile")
    complete, cut = (done.counters[f"stacks_{kind}"] for kind in ("complete", "truncated"))
    checks.note(f"{name}: {complete} stacks reach their root, {cut} do not")
    return complete / max(1, complete + cut), share_named(path, "bottom", "descend"), done.counters


def judge(checks, name, shares, counters, files, names):
    """With debug files used for stacks, and for names."""
    checks.at_least(f"{name}: stacks that reach their root", shares[0], 0.3)
    checks.at_least(f"{name}: time in stacks with names", shares[1], 0.9)
    checks.equal(f"{name}: debug files used for stacks", counters["debug_files"], files)
    # What is dynamic has a C library, too, whose debug files may be installed here.
    checks.at_least(f"{name}: debug files used for names", counters["debug_names"], names)


def by_name(args, checks, tmp):
    path, debug, _ = make(tmp, "named", *BLIND)
    tool("objcopy", "--remove-section=.note.gnu.build-id", path)
    (tmp / ".debug").mkdir()
    debug.rename(tmp / ".debug" / debug.name)
    *shares, counters = record(args, checks, tmp, "by name", [path])
    judge(checks, "by name", shares, counters, 1, 1)


def by_build_id(args, checks, tmp):
    """Below the root that the process has, as in a container."""
    path, debug, ident = make(tmp, "numbered", *BLIND)
    inside = tmp / "usr/lib/debug/.build-id" / ident[:2]
    inside.mkdir(parents=True, exist_ok=True)
    debug.rename(inside / f"{ident[2:]}.debug")
    *shares, counters = record(args, checks, tmp, "by build id", [f"/{path.name}"],
                               preexec_fn=lambda: os.chroot(tmp))
    judge(checks, "by build id", shares, counters, 1, 1)


def stripped(args, checks, tmp):
    """As distributions build: how to unwind is in the program itself, its symbols are not."""
    path, debug, ident = make(tmp, "stripped")
    inside = tmp / "usr/lib/debug/.build-id" / ident[:2]
    inside.mkdir(parents=True, exist_ok=True)
    debug.rename(inside / f"{ident[2:]}.debug")
    *shares, counters = record(args, checks, tmp, "stripped", [f"/{path.name}"], preexec_fn=lambda: os.chroot(tmp))
    judge(checks, "stripped", shares, counters, 0, 1)


def compressed(args, checks, tmp):
    """What Fedora leaves a program: .dynsym has the function that others may call, the rest is compressed."""
    harness.need("xz", "comm", "awk")
    path = build(tmp, "compressed", "-O2", "-g", "-rdynamic", "-Wl,--build-id=sha1", start="int main(void)")
    subprocess.run(["bash", "-euc", FEDORA.format(path)], check=True, capture_output=True)
    symbols = subprocess.run(["nm", path], capture_output=True, text=True).stderr
    checks.check("compressed: nm sees no symbols", "no symbols" in symbols, symbols.strip())
    *shares, counters = record(args, checks, tmp, "compressed", [path])
    judge(checks, "compressed", shares, counters, 0, 0)


def exported(args, checks, tmp):
    """Names that .dynsym gave before the debug file was read are asked for again."""
    path = build(tmp, "exported", "-O2", "-g", "-rdynamic", "-Wl,--build-id=sha1", start="int main(void)")
    debug = tmp / ".debug" / "exported.debug"
    debug.parent.mkdir(exist_ok=True)
    tool("objcopy", "--only-keep-debug", path, debug)
    tool("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", path)
    *shares, counters = record(args, checks, tmp, "exported", [path])
    judge(checks, "exported", shares, counters, 0, 1)


def not_its_own(args, checks, tmp):
    """Another program's where its own would be, and its own made by a user who has no right to."""
    path, debug, _ = make(tmp, "wronged", *BLIND)
    _, other, _ = make(tmp, "another", *BLIND, depth=7)
    (tmp / ".debug").mkdir(exist_ok=True)
    debug.rename(tmp / ".debug" / debug.name)
    os.chown(tmp / ".debug" / debug.name, 65533, 65533)
    other.rename(debug)
    whole, named, counters = record(args, checks, tmp, "not its own", [path])
    checks.equal("not its own: stacks that reach their root", whole, 0)
    checks.equal("not its own: time in stacks with names", named, 0)
    for kind in ("files", "names"):
        checks.equal(f"not its own: debug {kind} used", counters[f"debug_{kind}"], 0)


def run(args, checks):
    harness.need("gcc", "objcopy", "readelf")
    with harness.scratch() as tmp:
        harness.play(args, checks, (by_name, by_build_id, stripped, compressed, exported, not_its_own), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__)
