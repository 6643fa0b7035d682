#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pipeline from recorded records to profiles, without root: every *.raw of this folder is replayed,
and its profiles, as text, are compared with NAME.txt beside it. Nothing of a profile is left out, so
every change of what is written shows. --update writes the texts anew: read the difference.

    test-replay.py --cprofd BUILD/daemon/launcher/cprofd [--update]
"""

import argparse
import difflib
import gzip
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
from pprof_file import fields  # noqa: E402

HEAD = 24  # bytes of a file before its first chunk
CHUNK = struct.Struct("<IIQQ")


def replay(cprofd, raw, directory):
    return subprocess.run([cprofd, "--replay", raw, "-o", directory], capture_output=True,
                          text=True, timeout=60, check=False)


def packed(value):
    numbers, n, shift = [], 0, 0
    for byte in value:
        n |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(n)
            n = shift = 0
    return numbers


class Text:
    """A profile, field by field: https://github.com/google/pprof/blob/main/proto/profile.proto"""

    def __init__(self, data):
        self.parts = list(fields(gzip.decompress(data)))
        self.strings = [value.decode() for number, value in self.parts if number == 6]

    def string(self, i):
        return repr(self.strings[i])

    def value_type(self, value):
        known = dict(fields(value))
        return f"{self.strings[known.get(1, 0)]}/{self.strings[known.get(2, 0)]}"

    def sample(self, value):
        words = []
        for number, inner in fields(value):
            if number == 3:
                label = dict(fields(inner))
                shown = self.string(label[2]) if 2 in label else label.get(3, 0)
                words.append(f"{self.strings[label[1]]}={shown}")
            else:
                words.append(" ".join(map(str, packed(inner))) + ":" * (number == 2))
        # Values, then places, then labels: as they are easiest to compare.
        return " ".join(sorted(words, key=lambda w: (not w.endswith(":"), "=" in w)))

    def mapping(self, value):
        known = dict(fields(value))
        rest = {k: v for k, v in known.items() if k not in (1, 2, 3, 4, 5, 6)}
        return (f"{known[1]} {known[2]:#x}-{known[3]:#x} {known.get(4, 0):#x} "
                f"{self.string(known.get(5, 0))} {self.string(known.get(6, 0))} {rest}")

    def location(self, value):
        words = []
        for number, inner in fields(value):
            if number == 3:
                words.append(f"{inner:#x}")
            elif number == 4:
                words.append(str(dict(fields(inner))))
            else:
                words.append(str(inner))
        return " ".join(words)

    def function(self, value):
        known = dict(fields(value))
        return " ".join([str(known[1])] + [f"{k}={self.string(v)}" for k, v in known.items() if k > 1])

    def lines(self):
        kinds = {1: ("type", self.value_type), 2: ("sample", self.sample),
                 3: ("mapping", self.mapping), 4: ("location", self.location),
                 5: ("function", self.function), 11: ("period", self.value_type)}
        for number, value in self.parts:
            if number in kinds:
                name, shown = kinds[number]
                yield f"{name} {shown(value)}"
            elif number == 13:
                for i in packed(value) if isinstance(value, bytes) else [value]:
                    yield f"comment {self.strings[i]}"
            elif number != 6:
                yield f"field {number} {value}"


def text_of(directory):
    lines = []
    for path in sorted(pathlib.Path(directory).iterdir()):
        lines += [f"== {path.name}", *Text(path.read_bytes()).lines()]
    return "".join(line + "\n" for line in lines)


def check_whole(cprofd, raw, update):
    expected = raw.with_suffix(".txt")
    with tempfile.TemporaryDirectory() as directory:
        done = replay(cprofd, raw, directory)
        text = text_of(directory)
    if done.returncode != 0 or done.stderr or done.stdout.count("\n") != 1:
        return [f"status {done.returncode}", done.stdout, done.stderr]
    if update:
        expected.write_text(text)
        return []
    return list(difflib.unified_diff(expected.read_text().splitlines(), text.splitlines(),
                                     expected.name, "now", lineterm="", n=0))


def borders(data):
    """Where a chunk begins, and the end."""
    at = HEAD
    while at < len(data):
        yield at
        at += CHUNK.size + CHUNK.unpack_from(data, at)[2]
    assert at == len(data)


def check_refused(cprofd, name, data, says):
    """One line, status 1, and no profile."""
    with tempfile.TemporaryDirectory() as directory:
        raw = pathlib.Path(directory) / "x.raw"
        raw.write_bytes(data)
        out = pathlib.Path(directory) / "out"
        done = replay(cprofd, raw, out)
        left = list(out.glob("*")) if out.exists() else []
    good = (done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1
            and says in done.stderr and not left)
    return [] if good else [f"{name}: status {done.returncode}, {left}", done.stdout, done.stderr]


def check_bad(cprofd, raw):
    data = raw.read_bytes()
    problems = []
    for at in [0, HEAD - 1, *borders(data)]:
        says = "is no replay file" if at < HEAD else "is cut"
        problems += check_refused(cprofd, f"cut at {at}", data[:at], says)
    problems += check_refused(cprofd, "more", data + b"\0" * 8, "behind its end")
    newer = data[:8] + struct.pack("<I", 99) + data[12:]
    problems += check_refused(cprofd, "newer", newer, "version 99")
    worse = bytearray(data)
    worse[len(worse) // 2] ^= 0xFF
    problems += check_refused(cprofd, "damaged", bytes(worse), "is damaged")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cprofd", required=True)
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    raws = sorted(HERE.glob("*.raw"))
    failed = not raws
    for raw in raws:
        problems = check_whole(args.cprofd, raw, args.update)
        problems += check_bad(args.cprofd, raw)
        print("FAIL" if problems else "ok  ", raw.name)
        for line in problems:
            print("    ", line)
        failed = failed or bool(problems)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
