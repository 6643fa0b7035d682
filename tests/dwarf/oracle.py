#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names and lines held against llvm-symbolizer's, frame by frame, over the code of programs of all kinds.

Each program is compiled in one of the forms that debugging information comes in; `dwarf-dump` and
llvm-symbolizer are then asked for the same addresses all over its text. Where the two are not the same it must
be for a reason that is listed here. The short form takes one address in many; --long takes enough for more than
50,000.
"""

import argparse
import bisect
import json
import os
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
LONG = 50_000
SHOWN = 5


def llvm_tool(name):
    """Debian's package of one version has names with it."""
    return next((n for n in (name, name + "-14") if shutil.which(n)), name)


class Form:
    """A way to build a program: what is asked about it, and by which address file."""

    def __init__(self, name, *commands, ask="program", short=True, dump=(), llvm=None):
        self.name, self.commands, self.ask, self.short = name, commands, ask, short
        self.dump, self.llvm = dump, llvm


def c_form(name, flags, *more, compiler="gcc", source="", **kinds):
    sources = f"{PROGRAMS}/shapes.{source or 'c'} {PROGRAMS}/other.{source or 'c'}"
    return Form(name, f"{compiler} {flags} -o program {sources}", *more, **kinds)


def cc_form(name, flags, *more, **kinds):
    return c_form(name, "-std=c++17 " + flags, *more, compiler=kinds.pop("compiler", "g++"), source="cc", **kinds)


def forms():
    yield c_form("C", "-O2 -g")
    yield c_form("C, not optimized", "-O0 -g", short=False)
    for version in (2, 3, 4, 5):
        yield c_form(f"C, version {version}", f"-O2 -gdwarf-{version} -gstrict-dwarf", short=version == 4)
    yield c_form("C, 64-bit", "-O2 -g -gdwarf64")
    yield c_form("C, zlib", "-O2 -g -gz=zlib")
    yield c_form("C, zlib of old", "-O2 -g -gz=zlib-gnu")
    # LLVM 14 does not know it.
    yield c_form("C, zstd", "-O2 -g -Wl,--compress-debug-sections=zstd", "objcopy --decompress-debug-sections program twin",
                 llvm="twin")
    # LLVM 14 lets ranges of a split unit of one section count from 0, not from where the unit begins (DWARF 5, 2.17.3).
    yield c_form("C, split", "-O2 -g -gsplit-dwarf", f"gcc -O2 -g -o twin {PROGRAMS}/shapes.c {PROGRAMS}/other.c",
                 llvm="twin")
    yield c_form("C, split, version 4", "-O2 -gdwarf-4 -gsplit-dwarf -ffunction-sections")
    yield cc_form("C++, split", "-O2 -g -gsplit-dwarf -ffunction-sections")
    yield cc_form("C++, package", "-O2 -g -gsplit-dwarf", f"{llvm_tool('llvm-dwp')} -e program -o program.dwp", "rm *.dwo")
    yield cc_form("C++, package, version 4", "-O2 -gdwarf-4 -gsplit-dwarf",
                  f"{llvm_tool('llvm-dwp')} -e program -o program.dwp",
                  "rm *.dwo", short=False)
    # LLVM 14 reads no supplements: it is asked about what dwz had not seen.
    yield c_form("C, dwz, two", "-O2 -g", "cp program other", "cp program twin", "dwz -m common.dwz program other", llvm="twin",
                 short=False)
    yield cc_form("C++, dwz", "-O2 -g", "dwz program", short=False)
    yield cc_form("C++, dwz, two", "-O2 -g", "cp program other", "cp program twin", "dwz -m common.dwz program other", llvm="twin")
    yield cc_form("C++, debug file", "-O2 -g", "objcopy --only-keep-debug program program.debug",
                  "objcopy --strip-all program stripped", ask="program.debug")
    yield c_form("C, not PIE, sections", "-O2 -g -no-pie -ffunction-sections -Wl,--gc-sections")
    yield c_form("C, LTO", "-O2 -g -flto")
    yield cc_form("C++", "-O2 -g")
    yield cc_form("C++, zlib", "-O2 -g -gz=zlib", short=False)
    yield cc_form("C++, zstd", "-O2 -g -Wl,--compress-debug-sections=zstd",
                  "objcopy --decompress-debug-sections program twin", llvm="twin", short=False)
    yield cc_form("C++, version 4", "-O2 -gdwarf-4", short=False)
    yield cc_form("C++, version 4, types apart", "-O2 -gdwarf-4 -fdebug-types-section", short=False)
    yield cc_form("C++, types apart", "-O2 -gdwarf-5 -fdebug-types-section", short=False)
    yield cc_form("C++, LTO", "-O2 -g -flto -flto-partition=max")
    yield cc_form("C++, sections", "-O3 -g -ffunction-sections -Wl,--gc-sections", short=False)
    clang = "clang-14 -Wl,--no-as-needed -lstdc++ -lm"
    yield cc_form("C++, clang", "-O2 -g -gdwarf-5", compiler=clang)
    yield cc_form("C++, clang, version 4", "-O2 -gdwarf-4", compiler=clang, short=False)
    yield cc_form("C++, clang, split", "-O2 -g -gdwarf-5 -gsplit-dwarf", compiler=clang, short=False)
    yield cc_form("C++, clang, lld, sections", "-O2 -g -ffunction-sections -fuse-ld=lld -Wl,--gc-sections",
                  compiler=clang, short=False)
    yield Form("Rust", f"rustc -C opt-level=2 -g -o program {PROGRAMS}/shapes.rs")
    yield Form("Rust, v0", f"rustc -C opt-level=3 -g -C symbol-mangling-version=v0 -o program {PROGRAMS}/shapes.rs",
               short=False)
    yield Form("Go", f"go build -o program {PROGRAMS}/shapes.go")
    yield Form("Go, PIE", f"go build -buildmode=pie -ldflags=-compressdwarf=false -o program {PROGRAMS}/shapes.go",
               short=False)


# Where the two are known to part: (what form, what ours says, what theirs says), and which is right and why.
EXPLAINED = ()


def text_of(program):
    """(start, end) of .text, and of what else has code"""
    out = subprocess.run(["readelf", "-SW", program], check=True, capture_output=True, text=True).stdout
    found = []
    for line in out.splitlines():
        m = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+PROGBITS\s+(\S+)\s+\S+\s+(\S+)\s+\S+\s+AX", line)
        if m and m[1].startswith(".text"):
            found.append((int(m[2], 16), int(m[2], 16) + int(m[3], 16)))
    return found


def addresses(program, wanted):
    spans = text_of(program)
    step = max(1, sum(end - start for start, end in spans) // wanted)
    if step % 2 == 0:
        step += 1
    return [addr for start, end in spans for addr in range(start, end, step)]


class Frame:
    def __init__(self, name, linkage, file, line, column, start):
        self.name, self.linkage, self.file = name, linkage, file
        self.line, self.column, self.start = line, column, start

    def __str__(self):
        return f"{self.name or '?'} {self.file}:{self.line}:{self.column} start {self.start}"


def ours(args, form, tmp, addrs):
    run = subprocess.run([args.dump, *form.dump, form.ask], input="\n".join(map(hex, addrs)), capture_output=True,
                         text=True, cwd=tmp, errors="surrogateescape")
    if run.returncode != 0:
        sys.exit(f"{form.name}: dwarf-dump: {run.stderr}")
    found, frames = {}, None
    for line in run.stdout.splitlines():
        if line.startswith("= "):
            _, addr, _ = line.split()
            frames = found[int(addr, 16)] = []
            continue
        name, linkage, file, *numbers = line.split("\t")
        frames.append(Frame(name, linkage, file, *map(int, numbers)))
    return found, run.stderr.strip()


def llvm(args, form, tmp, addrs, how):
    run = subprocess.run([args.symbolizer, "--inlines", "--output-style=JSON", "--no-demangle", f"--functions={how}",
                          f"--obj={form.llvm or form.ask}"], input="\n".join(map(hex, addrs)) + "\n", capture_output=True, text=True,
                         cwd=tmp)
    found = {}
    for line in run.stdout.splitlines():
        # Older versions give a list where addresses are arguments.
        answer = json.loads(line)
        found[int(answer["Address"], 16)] = [
            Frame(s["FunctionName"], s["FunctionName"], posixpath.normpath(s["FileName"]) if s["FileName"] else "",
                  s["Line"], s["Column"], s["StartLine"]) for s in answer.get("Symbol", [])]
    return found


def same(a, b):
    return (a.name, a.file, a.line, a.column, a.start) == (b.name, b.file, b.line, b.column, b.start)


def difference(mine, theirs, linkage):
    """None, or what is not the same, in words."""
    # Without debugging information there it answers by the symbol table.
    if not mine:
        return None if not theirs or (len(theirs) == 1 and not theirs[0].file) else "ours has none"
    if len(mine) != len(theirs):
        return f"{len(mine)} frames, theirs {len(theirs)}"
    for i, (a, b) in enumerate(zip(mine, theirs)):
        if not same(a, b):
            return f"frame {i}: {a}, theirs {b}"
    # The outermost name may be the symbol table's, which has suffixes.
    for i, (a, b) in enumerate(zip(mine[:-1], (linkage or [])[:-1])):
        if (a.linkage or a.name) != b.name:
            return f"linkage {i}: {a.linkage or a.name}, theirs {b.name}"
    return None


def build(form, tmp):
    for command in form.commands:
        if not shutil.which(command.split()[0]):
            return f"there is no {command.split()[0]}"
        env = {**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "LC_ALL": "C"}
        run = subprocess.run(["sh", "-c", command], cwd=tmp, env=env, capture_output=True, text=True,
                             timeout=120)
        if run.returncode != 0:
            return f"{command}: {run.stderr[:500]}"
    return None


def why(form, found):
    return next((text for name, pattern, text in EXPLAINED if re.search(name, form) and re.search(pattern, found)), None)


def compare(args, form, tmp):
    """(addresses, frames, inlined frames, differences that are not explained)"""
    problem = build(form, tmp)
    if problem:
        print(f"{form.name}: not built: {problem}")
        return None
    addrs = addresses(os.path.join(tmp, "program"), args.each)
    mine, spent = ours(args, form, tmp, addrs)
    theirs = llvm(args, form, tmp, addrs, "short")
    linkage = llvm(args, form, tmp, addrs[::4], "linkage")
    explained, bad, named = {}, [], 0
    for addr in addrs:
        found = difference(mine[addr], theirs[addr], linkage.get(addr))
        named += any(f.name for f in mine[addr])
        if found and why(form.name, found):
            explained[why(form.name, found)] = explained.get(why(form.name, found), 0) + 1
        elif found:
            bad.append(f"  {addr:x}: {found}")
    frames = sum(map(len, mine.values()))
    inlined = sum(max(0, len(f) - 1) for f in mine.values())
    print(f"{form.name}: {len(addrs)} addresses, {named} named, {frames} frames, {inlined} of them inlined, "
          f"{len(bad)} differ; {spent}")
    for text, cnt in explained.items():
        print(f"  {cnt} times: {text}")
    print("\n".join(bad[:args.shown]))
    return len(addrs), named, inlined, len(bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--symbolizer", default=llvm_tool("llvm-symbolizer"))
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--each", type=int, help="addresses of a program, about")
    parser.add_argument("--only", default="", help="of forms whose name has this")
    parser.add_argument("--shown", type=int, default=SHOWN)
    args = parser.parse_args()
    args.dump = os.path.abspath(args.dump)
    args.each = args.each or (4000 if args.long else 700)
    if not shutil.which(args.symbolizer):
        print(f"SKIP: there is no {args.symbolizer}")
        return 77
    sums, failed = [0, 0, 0, 0], 0
    for form in forms():
        if args.only not in form.name or not (form.short or args.long or args.only):
            continue
        with tempfile.TemporaryDirectory(prefix="cprofd-dwarf-") as tmp:
            result = compare(args, form, tmp)
        if result is None:
            failed += 1
            continue
        sums = [a + b for a, b in zip(sums, result)]
    print(f"{sums[0]} addresses, {sums[1]} named, {sums[2]} inlined frames, {sums[3]} differ, {failed} not built")
    if args.long and not args.only and sums[0] < LONG:
        print(f"{LONG} addresses were to be compared")
        return 1
    return 1 if sums[3] or failed or sums[2] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
