#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program of half a gigabyte answers its first 1,000 addresses in two seconds, within the worker's memory.

One object in C++ is linked so many times, each time under other names, that the program is as large; it is
not run. `dwarf-dump` then answers 1,000 addresses all over its code, in a memory of which the kernel tells the peak
(VmHWM, which has the program's own pages too). Seconds are a CPU's, so that what runs beside does not
count. The file stays in the cache for the next time.
"""

import argparse
import os
import pathlib
import random
import re
import resource
import subprocess
import sys
import time

import oracle

SIZE = 500 << 20
ADDRESSES = 1000
SECONDS = 2.0
MEMORY = 64 << 20
NAMED = 0.95  # of the addresses; the rest is padding


def build(path, packed):
    """Links so many copies that the file is larger than SIZE."""
    tmp = path.parent
    one = tmp / "one.o"
    subprocess.run(["g++", "-std=c++17", "-O2", "-g", "-c", oracle.PROGRAMS / "shapes.cc", "-o", one], check=True)
    copies, cnt = [], 0
    while not path.exists() or path.stat().st_size < SIZE:
        cnt += 60
        for i in range(len(copies), cnt):
            copies.append(tmp / f"copy{i}.o")
            subprocess.run(["objcopy", f"--prefix-symbols=u{i}_", one, copies[-1]], check=True)
        subprocess.run(["ld.lld", "--unresolved-symbols=ignore-all", "--noinhibit-exec", "-o", path, *copies], check=True,
                       stderr=subprocess.DEVNULL)
    for copy in copies:
        copy.unlink()
    if packed:
        for how, to in packed.items():
            subprocess.run(["objcopy", f"--compress-debug-sections={how}", path, to], check=True)


def ask(dump, path, addrs):
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run([dump, path], input="\n".join(map(hex, addrs)), capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    named = sum(1 for part in run.stdout.split("= ")[1:] if "\t" in part)
    peak = int(re.search(r"(\d+) kB at most", run.stderr)[1]) << 10
    print(f"{path.name}: {path.stat().st_size >> 20} MiB, {len(addrs)} addresses in {spent:.2f} s of a CPU, "
          f"{time.monotonic() - begun:.2f} s in all, {named} named, "
          f"peak {peak >> 10} KiB; {run.stderr.strip()}")
    return spent, peak, named


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--cache", required=True, type=pathlib.Path)
    parser.add_argument("--packed", action="store_true", help="packed too, which has no limit of time")
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    path = args.cache / "large"
    packed = {how: args.cache / f"large-{how}" for how in ("zlib", "zstd")} if args.packed else {}
    if not path.exists() or not all(to.exists() for to in packed.values()):
        build(path, packed)
    spans = oracle.text_of(path)
    rng = random.Random(1)
    addrs = sorted(rng.randrange(*rng.choices(spans, [e - s for s, e in spans])[0]) for _ in range(ADDRESSES))
    dump = os.path.abspath(args.dump)
    spent, peak, named = ask(dump, path, addrs)
    failed = []
    if spent > SECONDS:
        failed.append(f"{spent:.2f} s are more than {SECONDS}")
    if peak > MEMORY:
        failed.append(f"{peak} bytes are more than {MEMORY}")
    if named < NAMED * ADDRESSES:
        failed.append(f"{named} named")
    for how, to in packed.items():
        if ask(dump, to, addrs)[1] > MEMORY:
            failed.append(f"packed by {how} it takes more memory")
    print("\n".join(failed) or "as promised")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
