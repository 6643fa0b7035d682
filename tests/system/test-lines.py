# SPDX-License-Identifier: Apache-2.0
"""Files, lines and inlined functions of sampled places, held against what other programs say of them.

Programs of three languages, built in the ways that people build them, are sampled while they run. Of each place
in their code the profile tells frames, the innermost first; llvm-symbolizer, or for Go `go tool addr2line`, is asked
about the same address. Where the two are not the same it is told, and is a failure.
"""

import json
import os
import posixpath
import re
import shutil
import struct
import subprocess

import harness
import pprof_file

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "lined")
SECONDS, LONG_SECONDS, HZ = 3, 60, 999
PLACES = 150  # of the program itself: less were no test
CXX = ["g++", "-std=c++17", "-O2", "-g"]
SHOWN = 5


def debug_file(program):
    """The program is stripped, and its debug file lies beside it; it is still whole as {twin}."""
    return [[*program[:-2], "{twin}", program[-1]], ["objcopy", "--only-keep-debug", "{twin}", "{out}.debug"],
            ["objcopy", "--strip-all", "--add-gnu-debuglink={out}.debug", "{twin}", "{out}"]]


def split(*flags):
    """What is said of the code is in {out}.dwo, but for the lines."""
    return [[*CXX, *flags, "-gsplit-dwarf", "-c", "-o", "{out}.o", "{source}"], ["g++", "-o", "{out}", "{out}.o"]]


def package(tool, *flags):
    """All of it in one file, and the single ones are gone."""
    return [*split(*flags), [tool, "-e", "{out}", "-o", "{out}.dwp"], ["mv", "{out}.dwo", "{out}.gone"]]


def supplement():
    """Two programs that dwz had share what they have in common; of a third, as they were before, llvm-symbolizer is asked."""
    return [[*CXX, "-o", "{out}", "{source}"], ["cp", "{out}", "{twin}"], ["cp", "{out}", "{out}.other"],
            ["dwz", "-m", "{out}.dwz", "{out}", "{out}.other"]]


def programs(long):
    """(name, commands that make {out}, who is asked about what)"""
    cc, rs, go = (os.path.join(SOURCES, "lined." + ext) for ext in ("cc", "rs", "go"))
    stripped = ["go", "build", "-buildmode=pie", "-ldflags=-s -w", "-o", "{out}", go]
    # Go puts the same code at the same places whether or not symbols go with it.
    whole = ["go", "build", "-buildmode=pie", "-o", "{twin}", go]
    yield "C++", [[*CXX, "-o", "{out}", cc]], "llvm {out}"
    yield "C++, LTO, zlib", [[*CXX, "-flto", "-gz=zlib", "-o", "{out}", cc]], "llvm {out}"
    # LLVM 14 does not know zstd.
    yield "C++, zstd", [[*CXX, "-o", "{twin}", cc], ["objcopy", "--compress-debug-sections=zstd", "{twin}", "{out}"]], "llvm {twin}"
    yield "C++, debug file", debug_file([*CXX, "-o", "{out}", cc]), "llvm {twin}"
    yield "Rust", [["rustc", "-O", "-g", "-o", "{out}", rs]], "llvm {out}"
    yield "C++, split DWARF", split(), "llvm {out}"
    yield "C++, split DWARF, package", package("llvm-dwp"), "llvm {out}"
    yield "C++, dwz", supplement(), "llvm {twin}"
    yield "Go", [["go", "build", "-o", "{out}", go]], "go {out}"
    yield "Go, stripped, PIE", [stripped, whole], "go {twin}"
    if long:
        yield "C++, DWARF 4, no PIE", [[*CXX, "-gdwarf-4", "-no-pie", "-o", "{out}", cc]], "llvm {out}"
        yield "C++, sections", [[*CXX, "-ffunction-sections", "-Wl,--gc-sections", "-o", "{out}", cc]], "llvm {out}"
        yield "C++, split DWARF 4, zlib", split("-gdwarf-4", "-gz=zlib"), "llvm {out}"
        yield "C++, split DWARF 4, package", package("dwp", "-gdwarf-4"), "llvm {out}"
        yield "C++ by clang", [["clang++-14", *CXX[1:], "-o", "{out}", cc]], "llvm {out}"
        yield "Rust, v0 names", [["rustc", "-O", "-g", "-Csymbol-mangling-version=v0", "-o", "{out}", rs]], "llvm {out}"


class Segments:
    """From offsets in an ELF file to addresses."""

    def __init__(self, path):
        with open(path, "rb") as f:
            head = f.read(64)
            offset, = struct.unpack_from("<Q", head, 32)
            size, count = struct.unpack_from("<HH", head, 54)
            f.seek(offset)
            table = f.read(size * count)
        entries = [struct.unpack_from("<IIQQQQ", table, i * size) for i in range(count)]
        self.loads = [(off, vaddr, filesz) for kind, flags, off, vaddr, _, filesz in entries if kind == 1 and flags & 1]

    def address(self, offset):
        return next(vaddr + offset - off for off, vaddr, filesz in self.loads if off <= offset < off + filesz)


def llvm(tool, path, addresses):
    """[[(linkage name, file, line)]] of each, innermost first."""
    asked = "".join(f"0x{a:x}\n" for a in addresses)
    done = subprocess.run([tool, f"--obj={path}", "--inlines", "--no-demangle", "--output-style=JSON"],
                          input=asked, capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        frames = json.loads(line).get("Symbol", [])
        found.append([(f["FunctionName"], posixpath.normpath(f["FileName"]) if f["FileName"] else "", f["Line"])
                      for f in frames])
    return found


def addr2line(path, addresses):
    """The same by Go's own tool, of the innermost frame alone."""
    done = subprocess.run(["go", "tool", "addr2line", path], input="".join(f"0x{a:x}\n" for a in addresses),
                          capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    return [[(name, *place.rsplit(":", 1))] for name, place in zip(said[::2], said[1::2])]


def told(profile, location):
    return [(line.system_name, posixpath.normpath(line.file) if line.file else "", line.line)
            for line in profile.lines(location)]


def same(ours, theirs, asked):
    if asked == "llvm":
        return ours == theirs
    return ours and theirs and ours[0][1:] == (theirs[0][1], int(theirs[0][2] if theirs[0][2].isdigit() else 0))


def symbols(path):
    """{name: address}"""
    said = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    return {words[2]: words[0] for words in map(str.split, said.splitlines()) if len(words) == 3}


def explained(ours, theirs, known):
    """Why they may differ. @known: symbols of the program."""
    # Entries of .plt are called as what they lead to; LLVM takes the symbol before them.
    if len(ours) == 1 and (ours[0][0].startswith("[") or ours[0][0].endswith("@plt")) and [f[0] for f in theirs] == ["_init"]:
        return True
    # LLVM takes the last function's name from the symbols, with what rustc's back end appended to it.
    # Of functions with the same code the compiler keeps one, and several symbols lead there.
    return (len(ours) == len(theirs) and ours[:-1] == theirs[:-1] and ours[-1][1:] == theirs[-1][1:] and
            (re.fullmatch(re.escape(ours[-1][0]) + r"\.llvm\.\d+", theirs[-1][0]) is not None or
             known.get(ours[-1][0], 0) == known.get(theirs[-1][0], 1)))


def sample(args, path, out, seconds):
    with harness.Work(path) as work:
        done = harness.record(args.cprofctl, "--pid", work.process.pid, "--seconds", seconds, "--hz", HZ, "-o", out)
    if done.status != 0:
        raise RuntimeError(f"cprofctl record ended with status {done.status}: {done.stderr}")
    return pprof_file.Profile(out), done.counters


def build(tmp, name, commands):
    path = os.path.join(tmp, re.sub(r"\W+", "-", name))
    for argv in commands:
        words = {"out": path, "twin": f"{path}-twin", "source": os.path.join(SOURCES, "lined.cc")}
        subprocess.run([word.format(**words) for word in argv], check=True, capture_output=True, cwd=tmp,
                       env=os.environ | {"GOFLAGS": "-buildvcs=false", "GO111MODULE": "off",
                                                  "GOTOOLCHAIN": "local"})
    return path


def check_program(args, checks, tmp, name, commands, asked):
    missing = [argv[0] for argv in commands if not shutil.which(argv[0])]
    if missing:
        checks.note(f"SKIP {name}: no {missing[0]}")
        return 0
    path = build(tmp, name, commands)
    profile, counters = sample(args, path, f"{path}.pb.gz", LONG_SECONDS if args.long else SECONDS)
    segments = Segments(path)
    ours = sorted({(segments.address(profile.file_offset(i)), tuple(told(profile, i)))
                   for i in profile.locations() if profile.mapping(i) == path})
    who, _, where = asked.format(out=path, twin=f"{path}-twin").partition(" ")
    addresses = [a for a, _ in ours]
    theirs = llvm(args.symbolizer, where, addresses) if who == "llvm" else addr2line(where, addresses)
    known = symbols(where)
    differ = [(a, mine, other) for (a, mine), other in zip(ours, theirs)
              if not same(list(mine), other, who) and not explained(list(mine), other, known)]
    for address, mine, other in differ[:SHOWN]:
        checks.note(f"{name} 0x{address:x}:\n\tours   {list(mine)}\n\ttheirs {other}")
    checks.equal(f"{name}: answers for all", len(theirs), len(ours))
    checks.at_least(f"{name}: places", len(ours), PLACES)
    checks.equal(f"{name}: places that differ", len(differ), 0)
    if re.search("split|dwz", name):
        checks.at_least(f"{name}: further files that were read", counters["companions_read"], 1)
    inlined = sum(len(mine) > 1 for _, mine in ours)
    checks.at_least(f"{name}: places with inlined functions", inlined, len(ours) // 20)
    return len(ours)


def run(args, checks):
    harness.need("g++")
    args.symbolizer = next((t for t in ("llvm-symbolizer", "llvm-symbolizer-14") if shutil.which(t)), None)
    if not args.symbolizer:
        raise harness.Skip("no llvm-symbolizer")
    with harness.scratch() as tmp:
        total = sum(check_program(args, checks, str(tmp), *program) for program in programs(args.long))
    checks.note(f"{total} places")


if __name__ == "__main__":
    harness.main(run, __doc__, options=[(("--long",), {"action": "store_true"})])
