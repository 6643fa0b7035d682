#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofd-symbolizer with files that somebody makes shorter, and whole again, while they are read.

The test stands in for all others. Whatever comes of such a file: a symbolizer that ends is replaced, as the launcher
does, and a file that nobody touches has all its names, every time.
"""

import array
import collections
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import wire
from swapping import swapping

LONG = "--long" in sys.argv
if LONG:
    sys.argv.remove("--long")
CUTS = 100000 if LONG else 3000
SYMBOLIZER, WORKLOADS = (pathlib.Path(sys.argv.pop(1)).resolve() for _ in range(2))
TIMEOUT = 20
NAMES_BODY, NAMED_BODY = struct.Struct("<II"), struct.Struct("<IIIHH")
READY, BEGUN = 0, 4
PAUSE_US = 200
FILES = ("spin", "crunch-cc", "crunch-rs")


class Symbolizer:
    """The program, connected on all sides."""

    def __init__(self):
        self.control, self.pid = wire.start(SYMBOLIZER, TIMEOUT)
        kallsyms = os.open("/proc/kallsyms", os.O_RDONLY)
        wire.send(self.control, wire.message(wire.KALLSYMS), kallsyms)
        os.close(kallsyms)
        self.sampler, self.opener = (self.connect(role) for role in (wire.SAMPLER, wire.OPENER))

    def connect(self, role):
        return wire.connect(self.control, role, TIMEOUT)

    def recv(self):
        """(type, id, body); descriptors are closed. EOFError when there is nobody."""
        room = socket.CMSG_SPACE(4 * 4)
        try:
            data, control, _, _ = self.sampler.recvmsg(wire.MAX, room, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            data, control = b"", []
        for _, _, payload in control:
            for fd in array.array("i", payload):
                os.close(fd)
        if not data:
            raise EOFError
        return *wire.head(data), data[wire.HEAD.size:]

    def answer(self, kind, ident):
        while True:
            got, number, body = self.recv()
            if (got, number) == (kind, ident) and (kind != wire.ROWS or struct.unpack_from("<I", body)[0] != BEGUN):
                return body

    def send(self, message):
        try:
            wire.send(self.sampler, message)
        except OSError as error:
            raise EOFError from error

    def file(self, ident, path):
        """The status of its OBJECT."""
        fd = os.open(path, os.O_RDONLY)
        body = wire.FILE_BODY.pack(os.fstat(fd).st_size, 0, wire.ELF)
        try:
            wire.send(self.opener, wire.message(wire.FILE, body, ident), fd)
        except OSError as error:
            raise EOFError from error
        finally:
            os.close(fd)
        return struct.unpack_from("<I", self.answer(wire.OBJECT, ident))[0]

    def names(self, ident, offsets):
        """(status, all that was told)."""
        body = NAMES_BODY.pack(ident, len(offsets)) + struct.pack(f"<{len(offsets)}Q", *offsets)
        self.send(wire.message(wire.NAMES, body, 7))
        told = self.answer(wire.NAMED, 7)
        _, cnt, status, *_ = NAMED_BODY.unpack_from(told)
        return status, cnt, told[NAMED_BODY.size:]

    def rows(self, ident):
        self.send(wire.message(wire.MAKE_ROWS, ident=ident))
        return struct.unpack_from("<I", self.answer(wire.ROWS, ident))[0]

    def forget(self, ident):
        for kind in (wire.CLOSE, wire.RELEASE, wire.FORGET):
            self.send(wire.message(kind, ident=ident))

    def close(self):
        """How it ended, by itself or now."""
        os.kill(self.pid, 9)
        _, status = os.waitpid(self.pid, 0)
        for sock in (self.control, self.sampler, self.opener):
            sock.close()
        return os.waitstatus_to_exitcode(status)


def functions(path):
    """Offsets into the file, of what nm knows as code."""
    text = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    words = [line.split() for line in text.splitlines()]
    segments = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
    load = next(line.split() for line in segments.splitlines() if " LOAD " in line and " E " in line)
    shift = int(load[2], 16) - int(load[1], 16)
    return [int(address, 16) - shift for address, kind, *_ in words if kind in "Tt"][:200]


class CutTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.good = WORKLOADS / "spin"
        self.asked = functions(self.good)[:20]
        self.symbolizer, self.ended, self.ident = None, [], 1000
        self.addCleanup(lambda: self.symbolizer and self.symbolizer.close())
        self.replace()
        self.right = self.good_names()

    def replace(self):
        if self.symbolizer:
            self.ended.append(self.symbolizer.close())
        self.symbolizer = Symbolizer()

    def next(self):
        """Of an object: never used twice."""
        self.ident += 1
        return self.ident

    def good_names(self):
        ident = self.next()
        self.assertEqual(self.symbolizer.file(ident, self.good), READY)
        found = self.symbolizer.names(ident, self.asked)
        self.symbolizer.forget(ident)
        self.assertEqual(found[:2], (READY, len(self.asked)))
        return found

    def cut(self, name):
        path = self.dir / name
        shutil.copy(WORKLOADS / name, path)
        asked, statuses, told = functions(path), collections.Counter(), collections.Counter()
        self.symbolizer.file(self.next(), path)
        whole = self.symbolizer.names(self.ident, asked)
        self.symbolizer.forget(self.ident)
        with swapping(WORKLOADS / "swaps", "cut", path, PAUSE_US, 0):
            begun = time.monotonic()
            for i in range(CUTS):
                try:
                    status = self.symbolizer.file(self.next(), path)
                    statuses[status] += 1
                    if status == READY:
                        told[self.symbolizer.names(self.ident, asked) == whole] += 1
                    self.symbolizer.rows(self.ident)
                    self.symbolizer.forget(self.ident)
                except EOFError:
                    self.replace()
                if i % 100 == 99:
                    self.assertEqual(self.good_names(), self.right)
        print(f"\n     {name}: {CUTS} times in {time.monotonic() - begun:.0f} s, OBJECT {dict(statuses)}, names as of the "
              f"whole file {told[True]}, others {told[False]}; symbolizers that ended: {self.ended}", file=sys.stderr)
        self.assertEqual(self.ended, [])
        return told

    def test_cuts(self):
        told = collections.Counter()
        for name in FILES:
            if (WORKLOADS / name).exists():
                told.update(self.cut(name))
        # Or nothing was cut while it was read.
        self.assertGreater(told[True], 0)
        self.assertGreater(told[False], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
