# SPDX-License-Identifier: Apache-2.0
"""The whole profiler, and files that are other ones by the time that they are looked at.

A user has mapped, at one place by turns, a library of others and a file of his own that looks the same. The times of
the library are changed all the while, so that it is announced again and again and each time can be answered with the wrong one.
Where code of each lies is known, and so is each sample's right name. Another user cuts his library while it is
read. Neither costs anybody a name, nor the books a sample. (The opener and the symbolizer alone, very many times:
roles/test_swaps.py and roles/test_cuts.py.)
"""

import collections
import contextlib
import os
import subprocess

import harness
import pprof_file
from harness import Recorder, Work

USER = 54321
SOURCE = """
	.text
	.skip {skip}, 0x90
	.globl {name}
	.type {name}, @function
{name}:	push %rbp
	mov %rsp, %rbp
	mov %rdi, %rax
1:	imul %rdi, %rax
	dec %rdi
	jnz 1b
	pop %rbp
	ret
	.size {name}, . - {name}
	.globl {name}_rest
	.type {name}_rest, @function
{name}_rest:
	.skip 8192 - {skip}, 0x90
	.size {name}_rest, . - {name}_rest
	.section .note.GNU-stack, "", @progbits
"""
SIZE = 65536
NONE = ("", "[unknown file]")


class Library:
    """With one function that works, at an offset that no other has, and all else in another one."""

    def __init__(self, tmp, name, skip, uid=0):
        self.path, self.name = tmp / f"{name}.so", name
        source = tmp / f"{name}.s"
        source.write_text(SOURCE.format(name=name, skip=skip), encoding="ascii")
        subprocess.run(["gcc", "-nostdlib", "-shared", "-Wl,-z,noseparate-code", "-Wl,--build-id=none", "-o", self.path,
                        source], check=True)
        text = subprocess.run(["nm", self.path], check=True, capture_output=True, text=True).stdout
        at = {line.split()[2]: int(line.split()[0], 16) for line in text.splitlines()}
        self.offset, self.end = at[name], at[f"{name}_rest"]
        os.truncate(self.path, SIZE)
        os.chown(self.path, uid, uid)
        self.path.chmod(0o755)


class Touched(harness.Meanwhile):
    """A file whose times change: to the kernel it is another one each time."""

    def __init__(self, path):
        super().__init__()
        self.path, self.times = path, 0

    def _run(self):
        while not self.over.wait(0.02):
            os.utime(self.path, ns=(0, 0))
            self.times += 1


def as_user(uid):
    return {"user": uid, "group": uid, "extra_groups": []}


def runs(stack, args, first, second, **popen):
    """A process in the code of these two by turns."""
    work = stack.enter_context(Work(args.workloads / "swaps", "run", first.path, second.path, hex(first.offset),
                                    hex(second.offset), **popen))
    if not work.process.stdout.readline().startswith(b"swaps"):
        raise RuntimeError("it does not run")
    return work.pid


def named(tmp, done, pids, libraries):
    """{(pid, library): {innermost name: samples}} by where the samples are in the file."""
    found = collections.defaultdict(collections.Counter)
    for file in done.files:
        if file["pid"] not in pids:
            continue
        profile = pprof_file.Profile(tmp / file["path"])
        for sample in profile.samples:
            if not sample.locations:
                continue
            offset = profile.file_offset(sample.locations[0])
            for library in libraries:
                if library.offset <= offset < library.end:
                    name = (profile.names(sample.locations[0]) or [""])[0]
                    found[file["pid"], library.name][name] += sample.values[0]
    return found


def record(args, checks, tmp, what, seconds, hz):
    out = tmp / what
    with Recorder(args.cprofctl, "-a", "--seconds", seconds, "--hz", hz, "-o", f"{out}/", cwd=tmp) as recorder:
        done = recorder.finish()
    if not harness.good(checks, what, done):
        raise RuntimeError("no recording")
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)
    return done


def swapped(args, checks, tmp):
    theirs, mine = Library(tmp, "victim", 512), Library(tmp, "attacker", 4096, USER)
    os.utime(mine.path, ns=(0, 0))
    with contextlib.ExitStack() as stack:
        attacker = runs(stack, args, theirs, mine, **as_user(USER))
        victim = runs(stack, args, theirs, theirs)
        touched = stack.enter_context(Touched(theirs.path))
        done = record(args, checks, tmp, "swapped", 120 if args.long else 10, 499)
    found = named(tmp, done, (attacker, victim), (theirs, mine))
    told = {who: done.counters[who] for who in ("objects_announced", "objects_changed", "objects_gone")}
    checks.note(f"the library was another one {touched.times} times: {told}")
    checks.at_least("swapped: mappings that were not any more what was announced", told["objects_changed"], 5)
    for who, pid, libraries in (("the attacker", attacker, (theirs, mine)), ("the victim", victim, (theirs,))):
        for library in libraries:
            names = found[pid, library.name]
            checks.note(f"{who} in {library.name}: {dict(names)}")
            checks.at_least(f"swapped: samples of {who} in {library.name} with its name", names[library.name], 5)
            checks.equal(f"swapped: other names of {library.name}'s place in {who}",
                         [name for name in names if name != library.name and name not in NONE], [])


def cut(args, checks, tmp):
    """He can be hurt himself: his process may end by SIGBUS, and his names are his own affair."""
    good, bad = Library(tmp, "victim", 512), Library(tmp, "attacker", 4096, USER)
    with contextlib.ExitStack() as stack:
        victim = runs(stack, args, good, good)
        attacker = runs(stack, args, bad, bad, **as_user(USER))
        for pause_us in (2000, 20000):
            other = Library(tmp, f"cut_{pause_us}", 4096, USER)
            runs(stack, args, other, other, **as_user(USER))
            # Its code stays.
            stack.enter_context(Work(args.workloads / "swaps", "cut", other.path, pause_us, 16384, **as_user(USER)))
        done = record(args, checks, tmp, "cut", 60 if args.long else 8, 499)
    found = named(tmp, done, (attacker, victim), (good, bad))
    told = {what: done.counters[what] for what in ("objects_announced", "objects_changed", "objects_bad")}
    checks.note(f"of all files: {told}")
    checks.at_least("cut: files that were announced, and other ones by then", told["objects_changed"], 5)
    checks.equal("cut: symbolizers lost", done.counters["symbolizer_lost"], 0)
    for pid, library in ((victim, good), (attacker, bad)):
        names = found[pid, library.name]
        checks.at_least(f"cut: samples in {library.name}", sum(names.values()), 5)
        checks.at_least("cut: of them those with their name, share", names[library.name] / max(1, sum(names.values())), 0.9)


def run(args, checks):
    harness.need("gcc", "nm")
    for part in (swapped, cut):
        with harness.scratch() as tmp:
            harness.play(args, checks, [part], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true", "help": "the whole counts"})])
