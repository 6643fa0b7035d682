#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofd-opener, asked which mappings hold an address; the truth is /proc/PID/maps, read here.

Run for the program as it is and for the one that always reads the text.
"""

import contextlib
import ctypes
import mmap
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import fuse
import namespaces
import test_opener
import wire

PAGE = 4096
NO_KEY = bytes(56)
TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
EXT4_MAGIC, TMPFS_MAGIC = 0xEF53, 0x01021994

libc = test_opener.libc


def start_ns(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return int(stat[stat.rindex(")"):].split()[20]) * TICK_NS


def lines(pid):
    """(start, end, permissions, path) of each mapping."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
        span, permissions, *_ = fields = line.split(maxsplit=5)
        start, end = (int(x, 16) for x in span.split("-"))
        yield start, end, permissions, fields[5] if len(fields) > 5 else ""


def map_code(path):
    """Maps the first page of a file as code; its address."""
    address = test_opener.map_file(path)
    assert libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(PAGE),
                         mmap.PROT_READ | mmap.PROT_EXEC) == 0
    return address


class MapsTest(unittest.TestCase):
    def setUp(self):
        self.opener = test_opener.Opener()
        self.addCleanup(self.opener.close)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.pid = os.getpid()

    def ask(self, *addresses, pid=None, start=None, exe=NO_KEY):
        pid = pid or self.pid
        start = start_ns(pid) if start is None else start
        wire.send(self.opener.sampler, wire.maps_request(5, pid, start, exe, addresses))
        ident, status, ranges = wire.mapped(wire.recv(self.opener.sampler)[0])
        self.assertEqual(ident, 5)
        return status, ranges

    def one(self, address, **kwargs):
        status, ranges = self.ask(address, **kwargs)
        self.assertEqual((status, len(ranges)), (wire.OK, 1))
        return ranges[0]

    def make(self, name):
        path = self.dir / name
        path.write_bytes(b"x" * PAGE)
        return path

    def test_every_mapping_of_ours(self):
        truth = [m for m in lines(self.pid)
                 if m[0] >> 47 == 0 and not m[3].endswith("(deleted)")][:256]
        status, ranges = self.ask(*(start for start, *_ in truth))
        self.assertEqual(status, wire.OK)
        kinds = set()
        for (start, end, permissions, path), found in zip(truth, ranges, strict=True):
            kind = wire.NONE if "x" not in permissions else wire.MAPPED_FILE
            if kind != wire.NONE and not path.startswith("/"):
                kind = wire.VDSO if path == "[vdso]" else wire.ANON
            self.assertEqual(found[4], kind, (hex(start), permissions, path))
            kinds.add(kind)
            if kind != wire.NONE:
                self.assertEqual(found[:2], (start, end), path)
            if kind == wire.MAPPED_FILE:
                st = os.stat(path)
                self.assertEqual(found[3], wire.key_of(path, sb=0), path)
                self.assertEqual((found[5], found[7]), (st.st_uid, st.st_mode), path)
                self.assertNotEqual(found[6], 0, "the file system is known")
                self.assertEqual(found[8], 0, "it is ours")
        self.assertLessEqual({wire.NONE, wire.MAPPED_FILE, wire.VDSO}, kinds)

    def test_offset_and_neighbours(self):
        path = self.dir / "two"
        path.write_bytes(b"x" * 2 * PAGE)
        fd = os.open(path, os.O_RDONLY)
        address = libc.mmap(None, PAGE, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, fd, PAGE)
        os.close(fd)
        jit = mmap.mmap(-1, PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                        mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        found = self.one(address)
        self.assertEqual(found[2:5], (PAGE, wire.key_of(path, sb=0), wire.MAPPED_FILE))
        at = ctypes.addressof(ctypes.c_char.from_buffer(jit))
        self.assertEqual(self.one(at)[4], wire.ANON)
        status, ranges = self.ask(*sorted((address, 0x10000, at)))
        self.assertEqual(status, wire.OK)
        self.assertEqual(ranges[0][4], wire.NONE, "nothing lies at 0x10000")
        self.assertEqual({r[4] for r in ranges[1:]}, {wire.MAPPED_FILE, wire.ANON})

    def test_deleted_file(self):
        path = self.make("a")
        address, fd = map_code(path), os.open(path, os.O_RDONLY)
        path.unlink()
        self.assertEqual(self.one(address)[3], wire.key_of(fd, sb=0))

    def test_somebody_else(self):
        """A pid taken anew, another program in place, a process that is gone: nobody answers."""
        address = next(start for start, _, permissions, _ in lines(self.pid) if "x" in permissions)
        exe = wire.key_of("/proc/self/exe")
        self.assertEqual(self.ask(address, exe=exe)[0], wire.OK)
        for name, wrong in (("start", {"start": start_ns(self.pid) + TICK_NS}),
                            ("start", {"start": start_ns(self.pid) - 1}),
                            ("inode", {"exe": wire.key_of("/proc/self/exe", ino=1)}),
                            ("size", {"exe": wire.key_of("/proc/self/exe", size=1)}),
                            ("device", {"exe": wire.key_of("/proc/self/exe", dev=1)})):
            with self.subTest(name):
                self.assertEqual(self.ask(address, **wrong), (wire.GONE, []))
        # Removed since it was started, which sets its ctime: still the same.
        self.assertEqual(self.ask(address, exe=wire.key_of("/proc/self/exe", ctime_s=1))[0], wire.OK)
        child = subprocess.Popen(["/bin/true"])
        began = start_ns(child.pid)
        child.wait()
        self.assertEqual(self.ask(address, pid=child.pid, start=began), (wire.GONE, []))
        # A zombie has no memory; a kernel thread never had any.
        child = subprocess.Popen(["/bin/true"])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.assertEqual(self.ask(address, pid=child.pid), (wire.GONE, []))
        child.wait()
        with contextlib.suppress(FileNotFoundError):  # without one in this pid namespace
            if pathlib.Path("/proc/2/comm").read_text(encoding="utf-8") == "kthreadd\n":
                self.assertEqual(self.ask(address, pid=2), (wire.GONE, []))

    def test_exec_in_place(self):
        """The very process, but another program: told by its executable."""
        child = subprocess.Popen(["/bin/sh", "-c", "read x; exec sleep 60"], stdin=subprocess.PIPE)
        try:
            key, began = wire.key_of(f"/proc/{child.pid}/exe"), start_ns(child.pid)
            address = next(start for start, _, p, _ in lines(child.pid) if "x" in p)
            self.assertEqual(self.ask(address, pid=child.pid, exe=key)[0], wire.OK)
            child.stdin.write(b"\n")
            child.stdin.flush()
            exe = f"/proc/{child.pid}/exe"
            deadline = time.monotonic() + 5
            while os.readlink(exe) == os.path.realpath("/bin/sh") and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertEqual(start_ns(child.pid), began)
            self.assertEqual(self.ask(address, pid=child.pid, exe=key), (wire.GONE, []))
        finally:
            child.stdin.close()
            child.kill()
            child.wait()

    def test_65000_mappings(self):
        """The last of them is found, in a time that leaves the opener free for others."""
        child = subprocess.Popen([sys.executable, "-c", """
import ctypes, mmap, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
at = 0x500000000000
for i in range(65000):
    # Every second page: two neighbours would become one mapping.
    if libc.mmap(ctypes.c_void_p(at + i * 8192), 4096, 5, 0x100022, -1, 0) != at + i * 8192:
        break
print(i, flush=True)
sys.stdin.read()
"""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            made = int(child.stdout.readline())
            self.assertGreater(made, 60000, "vm.max_map_count is smaller than usual")
            before = time.clock_gettime(~self.opener.pid << 3 | 2)
            addresses = [0x500000000000 + i * 8192 for i in (0, 1, made // 2, made - 1)]
            status, ranges = self.ask(*addresses, pid=child.pid)
            took = time.clock_gettime(~self.opener.pid << 3 | 2) - before
            self.assertEqual(status, wire.OK)
            self.assertEqual([r[0] for r in ranges], addresses)
            self.assertEqual({r[4] for r in ranges}, {wire.ANON})
            print(f"{made} mappings: {took * 1000:.1f} ms of the opener's CPU", file=sys.stderr)
            self.assertLess(took, 0.5)
            peak = pathlib.Path(f"/proc/{self.opener.pid}/status").read_text(encoding="utf-8")
            self.assertLess(int(peak.split("VmHWM:")[1].split()[0]), 16 << 10)
        finally:
            child.kill()
            child.wait()
            child.stdin.close()
            child.stdout.close()

    def test_hung_server(self):
        """A mapped file whose server is silent: no answer of the opener waits for it."""
        path = self.make("a")
        mount = self.dir / "fuse"
        mount.mkdir()
        with fuse.mounted(mount, path.stat()) as server:
            address = map_code(mount / "a")
            os.kill(server, signal.SIGSTOP)
            found = self.one(address)
            self.assertEqual((found[4], found[6]), (wire.MAPPED_FILE, 0), "of no local file system")
            libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))

    def in_mounts_of_its_own(self, enter, foreign):
        """A file of a file system that somebody else mounted, after enter()."""
        def work(tell):
            enter()
            namespaces.private_mounts()
            namespaces.call("mount", b"t", os.fsencode(self.dir), b"tmpfs", 0, None)
            tell(b"%d" % map_code(self.make("a")))

        with namespaces.stranger(work) as (child, address):
            self.assertTrue(address, "it could not map its file")
            found = self.one(int(address), pid=child)
        self.assertEqual((found[4], found[6], found[8]), (wire.MAPPED_FILE, TMPFS_MAGIC, foreign))

    def test_strangers_file_system(self):
        """Made in a user namespace of its own: told as foreign, so that it is not opened."""
        self.in_mounts_of_its_own(namespaces.root_alone, 1)

    def test_mounts_of_a_container(self):
        """In our user namespace, in a mount namespace of its own: as good as ours."""
        self.in_mounts_of_its_own(lambda: None, 0)

    def test_garbage(self):
        good = wire.maps_request(1, self.pid, start_ns(self.pid), NO_KEY, (0x1000, 0x2000))
        for bad in (good[:-8], good + bytes(8),
                    wire.maps_request(1, self.pid, 0, NO_KEY, (0x2000, 0x1000)),
                    wire.maps_request(1, self.pid, 0, NO_KEY, range(257))):
            wire.send(self.opener.sampler, bad)
            self.assertEqual(wire.recv(self.opener.sampler)[0], b"")
            self.opener.sampler.close()
            self.opener.sampler = self.opener.connect(wire.SAMPLER)
            self.assertEqual(self.ask(0x10000)[0], wire.OK)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIP: other processes' mappings need root")
        sys.exit(77)
    unittest.main(verbosity=2)
