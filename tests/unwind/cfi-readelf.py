#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Call frame information as our tables have it, and as `readelf --debug-dump=frames-interp` says it.

    cfi-readelf.py --dump cfi-dump [--section .eh_frame|.debug_frame] [--own] [--all] ELF...

--own adds the libraries that this program itself uses, --all every 64-bit file of the machine.

Every row of readelf's is looked up in ours: the same CFA, and the same places of rbp and of the return
address. Where readelf says only that there is an expression, ours must say something of its own.
Exit status: 0 when all agree, 1 when not, 77 when nothing could be compared.
"""

import argparse
import bisect
import os
import re
import subprocess
import sys

FDE = re.compile(r"^[0-9a-f]{8,16} [0-9a-f]{16} [0-9a-f]{8,16} FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)")
KINDS = (b"\x02\x00", b"\x03\x00")  # ET_EXEC, ET_DYN
ROW = re.compile(r"^[0-9a-f]{16} ")
REG = re.compile(r"\br\d+ \((\w+)\)")


class Table:
    """Ours: addresses, and the words of their rows."""

    def __init__(self, dump, path, section):
        done = subprocess.run([dump, path, section], capture_output=True, text=True, check=False)
        self.addrs, self.rows = [], []
        for line in done.stdout.splitlines():
            addr, *words = line.split(" ")
            self.addrs.append(int(addr, 16))
            self.rows.append(words)

    def at(self, addr):
        i = bisect.bisect_right(self.addrs, addr) - 1
        return self.rows[i] if i >= 0 else ["gap"]


class Theirs:
    """readelf's: .rows of (address, CFA, rbp, return address), .ranges of (start, end) of entries."""

    def __init__(self, path, section):
        self.rows, self.ranges = [], []
        child = subprocess.Popen(["readelf", "--debug-dump=frames-interp", path],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                 errors="replace")
        columns, wanted, end = {}, False, None
        for line in child.stdout:
            found = FDE.match(line)
            if line.startswith("Contents of the "):
                wanted = section in line
            elif wanted and found:
                start, end = int(found[1], 16), int(found[2], 16)
                if start < end:
                    self.ranges.append((start, end))
            elif " CIE " in line:
                end = None
            elif "LOC" in line and "CFA" in line:
                columns = {name: i for i, name in enumerate(line.split())}
            elif wanted and end is not None and ROW.match(line):
                self.add(REG.sub(r"\1", line).split(), columns, end)
        child.wait()
        self.ranges.sort()

    def add(self, words, columns, end):
        row = [words[columns[c]] if c in columns else "s" for c in ("CFA", "rbp", "ra")]
        if int(words[0], 16) < end:
            self.rows.append((int(words[0], 16), *row))

    def covers(self, addr):
        i = bisect.bisect_right(self.ranges, (addr, 1 << 64))
        return any(start <= addr < end for start, end in self.ranges[max(0, i - 4):i])


def same_where(said, ours):
    if said == "exp":
        return ours.startswith("*") or ours == "?"
    if said == "vexp":
        return ours == "?"
    if said == "u":
        return ours in ("u", "s")  # readelf does not tell apart what was never mentioned
    return said == ours


def same(said, ours):
    _, cfa, rbp, ra = said
    if ours[0] in ("signal", "?"):
        return cfa == "exp"
    if cfa == "exp":
        good = ours[0].startswith(("*", "plt"))
    else:
        good = cfa == ours[0]
    return good and same_where(rbp, ours[1]) and same_where(ra, ours[2])


def compare(args, path):
    """(rows, those that differ)"""
    ours, said = Table(args.dump, path, args.section), Theirs(path, args.section)
    wrong = [(hex(row[0]), row[1:], ours.at(row[0])) for row in said.rows
             if not same(row, ours.at(row[0]))]
    wrong += [(hex(end), "end", ours.at(end)) for _, end in said.ranges
              if not said.covers(end) and ours.at(end) != ["gap"]]
    return len(said.rows), wrong


def own_libraries():
    """The files mapped into this process: libc, and what python needs."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return sorted({words[5] for words in map(str.split, maps)
                       if len(words) == 6 and "x" in words[1] and words[5].startswith("/")})


def is_elf(path):
    try:
        with open(path, "rb") as f:
            head = f.read(20)
    except OSError:
        return False
    return head[:6] == b"\x7fELF\x02\x01" and head[18:20] == b"\x3e\x00" and head[16:18] in KINDS


def whole_machine():
    done = subprocess.run(["find", "/", "-xdev", "-type", "f", "-size", "+1k", "(", "-perm", "-100",
                           "-o", "-name", "*.so*", ")", "-not", "-path", "/proc/*"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return [path for path in map(os.fsdecode, done.stdout.splitlines()) if is_elf(path)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--section", default=".eh_frame", choices=[".eh_frame", ".debug_frame"])
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    files = args.files + (own_libraries() if args.own else []) + (whole_machine() if args.all else [])
    total = seen = bad = 0
    for path in files:
        rows, wrong = compare(args, path)
        total, bad, seen = total + rows, bad + len(wrong), seen + bool(rows)
        if wrong:
            print(f"{path}: {len(wrong)} of {rows} differ, first: {wrong[:3]}")
    print(f"{seen} files, {total} rows, {bad} differ")
    sys.exit(1 if bad else 0 if total else 77)


if __name__ == "__main__":
    main()
