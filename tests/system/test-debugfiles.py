# SPDX-License-Identifier: Apache-2.0
"""Stacks of a program whose unwinding information is in a file of its own, made with the real tools.

The program has no C library, so it runs in any root. Where its debug file is looked for, and whose it must
be, is the test of the opener; this one sees the whole way: stacks that reach their root with the file, and
that do not with one that is another program's.
"""

import os
import re
import subprocess
import time

import harness
from harness import Recorder, Work

# In .text there has to be more than what each program of the C library has without information.
SOURCE = """
volatile unsigned sink;
__asm__(".text; .skip 4000, 0x90");
__attribute__((noipa)) void bottom(void) { for (unsigned i = 0; i < 100000; i++) sink += i; }
__attribute__((noipa)) void descend(int n)
{
	volatile char room[40];
	room[n % 40] = 1;
	if (n > 0) descend(n - 1); else bottom();
	sink += room[n % 40];
}
void _start(void) { for (;;) descend(DEPTH); }
"""
FLAGS = ["-O2", "-g", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables",
         "-nostdlib", "-static", "-Wl,--build-id=sha1"]


def tool(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


def make(directory, name, depth=20):
    """The program without what it knows, and the file with that; its build id."""
    path, debug = directory / name, directory / f"{name}.debug"
    source = directory / f"{name}.c"
    source.write_text(SOURCE.replace("DEPTH", str(depth)), encoding="ascii")
    tool("gcc", *FLAGS, "-o", path, source)
    tool("objcopy", "--only-keep-debug", path, debug)
    tool("objcopy", "--strip-all", "--remove-section=.debug_frame", f"--add-gnu-debuglink={debug}", path)
    notes = subprocess.run(["readelf", "-n", path], check=True, capture_output=True, text=True).stdout
    return path, debug, re.search(r"Build ID: ([0-9a-f]+)", notes)[1]


def record(args, checks, tmp, name, argv, **popen):
    """(share of the stacks that reach their root, counters)"""
    with Work(*argv, **popen) as work:
        time.sleep(0.2)
        with Recorder(args.cprofctl, "--pid", work.pid, "--seconds", 3, "--hz", 199, "-o",
                      f"{tmp}/{name}.pb.gz", cwd=tmp) as recorder:
            done = recorder.finish()
    if not harness.good(checks, name, done):
        return None, None
    complete, cut = (done.counters[f"stacks_{kind}"] for kind in ("complete", "truncated"))
    checks.note(f"{name}: {complete} stacks reach their root, {cut} do not")
    return complete / max(1, complete + cut), done.counters


def by_name(args, checks, tmp):
    path, debug, _ = make(tmp, "named")
    tool("objcopy", "--remove-section=.note.gnu.build-id", path)
    (tmp / ".debug").mkdir()
    debug.rename(tmp / ".debug" / debug.name)
    share, counters = record(args, checks, tmp, "by name", [path])
    if counters:
        checks.at_least("by name: stacks that reach their root", share, 0.3)
        checks.equal("by name: debug files used", counters["debug_files"], 1)


def by_build_id(args, checks, tmp):
    """Below the root that the process has, as in a container."""
    path, debug, ident = make(tmp, "numbered")
    inside = tmp / "usr/lib/debug/.build-id" / ident[:2]
    inside.mkdir(parents=True)
    debug.rename(inside / f"{ident[2:]}.debug")
    share, counters = record(args, checks, tmp, "by build id", [f"/{path.name}"],
                             preexec_fn=lambda: os.chroot(tmp))
    if counters:
        checks.at_least("by build id: stacks that reach their root", share, 0.3)
        checks.equal("by build id: debug files used", counters["debug_files"], 1)


def not_its_own(args, checks, tmp):
    """Another program's where its own would be, and its own made by a user who has no right to."""
    path, debug, _ = make(tmp, "wronged")
    _, other, _ = make(tmp, "another", depth=7)
    (tmp / ".debug").mkdir(exist_ok=True)
    debug.rename(tmp / ".debug" / debug.name)
    os.chown(tmp / ".debug" / debug.name, 65533, 65533)
    other.rename(debug)
    share, counters = record(args, checks, tmp, "not its own", [path])
    if counters:
        checks.equal("not its own: stacks that reach their root", share, 0)
        checks.equal("not its own: debug files used", counters["debug_files"], 0)


def run(args, checks):
    harness.need("gcc", "objcopy", "readelf")
    with harness.scratch() as tmp:
        harness.play(args, checks, (by_name, by_build_id, not_its_own), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__)
