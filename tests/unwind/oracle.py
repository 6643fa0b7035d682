# SPDX-License-Identifier: Apache-2.0
"""Our walk held against libdw's, frame by frame, over stacks of live programs.

The programs of stack_programs.py run one after the other and are recorded with their memory
(`cprofctl record --raw --with-memory`); `oracle` then unwinds each stack twice, by our walk and our rows, and
by libdw from the ELF files. Where the two are not the same it must be for a reason that is listed here.
--long goes on until there are 100,000 stacks (--stacks).
"""

import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import harness  # noqa: E402
import stack_programs  # noqa: E402

SHORT = ("cxx", "shapes", "debug_frame", "tools")
SHORT_PROGRAMS = ("C++, recursion 100", "C, alloca", "C, signal on an alternate stack", "C, only .debug_frame, alloca",
                  "openssl speed aes-256-gcm", "xz")
LONG_STACKS = 100_000
TRIES = 30
# Where the two are known to part, by the oracle's words: which of the two is right, and why.
EXPLAINED = (
    (r"\(unknown to libdw\)|\(NO_ROWS\)", "the file was not read before the recording ended: neither has what it takes"),
    (r"ours by its frame pointer$", "code without rows, or whose rows had not come: its frame pointer may be its caller's"),
    (r" (__)?clone3? in ", "nothing says how clone() is undone behind its system call, where one of the two that return "
     "has another stack: libdw follows rbp, which is the caller's own"),
    (r"^libdw ends in __restore_rt in ", "the pc is behind the system call, the last instruction of __restore_rt: libdw looks "
     "there for a rule, and there is none"),
    (r"^ours ends in .* \((GAP|FP_\w+)\), libdw goes on to what is no code", "libdw follows a frame pointer that is none, "
     "and does not look where it leads"),
    (r"^ours ends in .*\bgo-\S+ \(ROOT\)", "Go: a thread's own stack begins there, or its goroutine may run elsewhere by now; "
     ".debug_frame knows of one stack"),
    (r"^ours ends in .*\bgo-\S+ \((FP_FAULT|UNSUPPORTED)(, memory not kept)?\)", "Go: ours goes on on another stack, of which nothing is kept; "
     ".debug_frame knows of one stack"),
    (r"\bgo-\S+-stripped\b", "Go, stripped: libdw has frame pointers alone, and so loses callers in prologues and leaves"),
    (r"^(libdw ends in|other caller of) (\S+ in )?go-", "Go: .debug_frame says nothing of signals, nor of a stack that is left"),
    (r"^ours ends in libcrypto\S* \(NO_CODE\), libdw goes on to what is no code", "OpenSSL 3.0's x25519 says rsp+168 at a ret "
     "where it is rsp+8: ours sees that this leads to no code, and says so"),
    (r"^ours ends in .* \(FP_FAULT, memory not kept\), libdw goes on$", "a register that an epilogue has restored lies in the "
     "page below rsp's, which is not kept"),
)


class Tally:
    def __init__(self):
        self.sums, self.kinds = {}, {}

    def add(self, text):
        *kinds, last = text.splitlines()
        words = last.split()
        for name, value in zip(words[::2], words[1::2]):
            self.sums[name] = self.sums.get(name, 0) + int(value)
        for line in kinds:
            cnt, kind, example = line.split("\t")
            have, _ = self.kinds.get(kind, (0, ""))
            self.kinds[kind] = (have + int(cnt), example)

    def merge(self, other):
        for name, value in other.sums.items():
            self.sums[name] = self.sums.get(name, 0) + value
        for kind, (cnt, example) in other.kinds.items():
            self.kinds[kind] = (self.kinds.get(kind, (0, ""))[0] + cnt, example)


def why(kind):
    for pattern, text in EXPLAINED:
        if re.search(pattern, kind):
            return text
    return None


def compare(args, program, pid, tmp):
    """One recording: what the oracle says of its stacks."""
    raw = (args.keep or tmp) / (re.sub(r"\W+", "-", program.name) + ".raw")
    env = {name: value for name, value in os.environ.items() if name != "DEBUGINFOD_URLS"}
    done = subprocess.run(
        [args.cprofctl, "--quiet", "record", "--pid", str(pid), *(["--children"] if program.children else []),
         "--seconds", args.seconds, "--hz", str(args.hz), "--raw", raw, "--with-memory", "-o", tmp / "x.pb.gz"],
        capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 3:
        return Tally()
    if done.returncode:
        raise RuntimeError(f"{program.name}: {done.stderr.strip()[-500:]}")
    tally = Tally()
    done = subprocess.run([args.oracle, raw], capture_output=True, text=True, check=True, timeout=600, env=env)
    tally.add(done.stdout)
    if not args.keep:
        raw.unlink()
    return tally


def measure(args, program, least, tmp):
    tally = Tally()
    with open(program.stdin, "rb") as stdin, \
            subprocess.Popen([str(word) for word in program.argv], stdin=stdin,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(0.3)
            for _ in range(TRIES):
                if process.poll() is not None or tally.sums.get("stacks", 0) >= least:
                    break
                tally.merge(compare(args, program, process.pid, tmp))
        finally:
            process.kill()
    return tally


def judge(checks, program, tally):
    sums = tally.sums
    unexplained = {kind: found for kind, found in tally.kinds.items() if not why(kind)}
    checks.check(f"{program.name}: stacks that are another for libdw", not unexplained and sums.get("stacks", 0) > 0,
                 f"{sum(cnt for cnt, _ in unexplained.values())} of {sums.get('stacks', 0)}, "
                 f"{sums.get('frames', 0)} frames equal")
    for kind, (cnt, example) in sorted(tally.kinds.items(), key=lambda item: -item[1][0]):
        checks.note(f"{cnt}: {kind}: {why(kind) or 'NOT EXPLAINED: ' + example}")


def run(args, checks):
    if not args.oracle.exists():
        raise harness.Skip("no oracle: it is built where libdw is")
    only = args.only.split(",") if args.only else None if args.long else SHORT
    out = args.cprofctl.parents[2] / "tests/unwind/stacks-programs"
    total = Tally()
    with harness.scratch() as tmp:
        found = [program for program in stack_programs.programs(out, args.go_cache, only)
                 if only is not SHORT or program.name in SHORT_PROGRAMS]
        least = args.stacks // max(1, sum(not program.missing for program in found))
        for program in found:
            if program.missing:
                checks.note(f"SKIP {program.name}: {program.missing}")
                continue
            tally = measure(args, program, least if args.long else 1, tmp)
            judge(checks, program, tally)
            total.merge(tally)
    checks.at_least("stacks", total.sums.get("stacks", 0), args.stacks * 0.9 if args.long and not args.only else 1)
    checks.note(" ".join(f"{name} {value}" for name, value in total.sums.items()))


if __name__ == "__main__":
    harness.main(run, __doc__, [
        (["--oracle"], {"type": harness.absolute, "required": True}),
        (["--long"], {"action": "store_true"}), (["--stacks"], {"type": int, "default": LONG_STACKS}),
        (["--seconds"], {"default": "500ms"}), (["--hz"], {"type": int, "default": 1999}),
        (["--keep"], {"type": harness.absolute, "help": "where the recordings stay"}),
        (["--go-cache"], {"type": pathlib.Path})])
