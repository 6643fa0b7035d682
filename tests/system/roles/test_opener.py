#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofd-opener with real processes; the test stands in for launcher, sampler and symbolizer.

The answers that matter are the refusals: a process that swaps its mapping between the sample and the
request must not give the first file's key to the second.
"""

import contextlib
import ctypes
import mmap
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

import fuse
import namespaces
import wire

OPENER = sys.argv.pop(1) if len(sys.argv) > 1 else None
PAGE = 4096
TIMEOUT = 5

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long]
MAP_FIXED = 0x10
MAP_FAILED = ctypes.c_void_p(-1).value


def map_file(path, at=None):
    """Maps the first page of a file, over whatever was at this address; the address."""
    fd = os.open(path, os.O_RDONLY)
    address = libc.mmap(at, PAGE, mmap.PROT_READ, mmap.MAP_PRIVATE | (MAP_FIXED if at else 0), fd, 0)
    os.close(fd)
    if address == MAP_FAILED:
        raise OSError(ctypes.get_errno(), "mmap")
    return address


class Opener:
    """The program, connected on all sides."""

    def __init__(self):
        self.control, theirs = wire.pair()
        self.pid = os.posix_spawn(OPENER, [OPENER], {}, file_actions=[
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)])
        theirs.close()
        self.control.settimeout(TIMEOUT)
        assert wire.head(wire.recv(self.control)[0])[0] == wire.READY
        self.sampler = self.connect(wire.SAMPLER)
        self.symbolizer = self.connect(wire.SYMBOLIZER)

    def connect(self, role):
        mine, theirs = wire.pair()
        mine.settimeout(TIMEOUT)
        wire.send(self.control, wire.peer(role), theirs.fileno())
        theirs.close()
        return mine

    def ask(self, key, pid, start, end=None, owner=0, ident=77):
        wire.send(self.sampler, wire.open_request(ident, key, pid, start, end or start + PAGE, owner))
        got, status, path = wire.opened(wire.recv(self.sampler)[0])
        assert got == ident, got
        return status, path

    def file(self):
        """(id, size, owner, descriptor) of the FILE message; None when there is none."""
        if not select.select([self.symbolizer], [], [], 0)[0]:
            return None
        data, fd = wire.recv(self.symbolizer)
        kind, ident = wire.head(data)
        assert kind == wire.FILE, kind
        size, owner, _ = wire.FILE_BODY.unpack_from(data, wire.HEAD.size)
        return ident, size, owner, fd

    def descriptors(self):
        return sorted(os.listdir(f"/proc/{self.pid}/fd"), key=int)

    def wait(self):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise TimeoutError("the opener did not end")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for sock in (self.control, self.sampler, self.symbolizer):
            sock.close()


class OpenerTest(unittest.TestCase):
    def setUp(self):
        self.opener = Opener()
        self.addCleanup(self.opener.close)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.pid = os.getpid()

    def make(self, name, text="x"):
        path = self.dir / name
        path.write_text(text * PAGE)
        return path

    def refuses(self, status, *args, **kwargs):
        self.assertEqual(self.opener.ask(*args, **kwargs)[0], status)
        self.assertIsNone(self.opener.file())

    def test_library_is_handed_on(self):
        maps = pathlib.Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        line = next(x for x in maps if "r-xp" in x and "libc.so" in x)
        span, *_, path = line.split()
        start, end = (int(x, 16) for x in span.split("-"))
        self.assertEqual(self.opener.ask(wire.key_of(path), self.pid, start, end, 0), (wire.OK, path))
        ident, size, owner, fd = self.opener.file()
        st = os.fstat(fd)
        self.assertEqual((ident, size, owner), (77, st.st_size, 0))
        self.assertTrue(os.path.samestat(st, os.stat(path)))
        with self.assertRaises(OSError):
            os.write(fd, b"x")
        os.close(fd)

        before = self.opener.descriptors()
        for _ in range(3):
            self.assertEqual(self.opener.ask(wire.key_of(path), self.pid, start, end)[0], wire.OK)
        self.assertEqual(self.opener.descriptors(), before)

    def test_executable(self):
        exe = os.path.realpath("/proc/self/exe")
        status, path = self.opener.ask(wire.key_of(exe), self.pid, 0)
        self.assertEqual((status, path), (wire.OK, exe))
        self.assertEqual(os.fstat(self.opener.file()[3]).st_ino, os.stat(exe).st_ino)

    def test_owner_is_passed_on(self):
        path = self.make("a")
        os.chown(path, 12345, 12345)
        path.chmod(0o600)
        self.assertEqual(self.opener.ask(wire.key_of(path), self.pid, map_file(path), owner=12345)[0],
                         wire.OK)
        self.assertEqual(self.opener.file()[2], 12345)

    def test_swapped_mapping(self):
        a, b = self.make("a"), self.make("b")
        # As alike as a user can make them: all but ctime and the inode.
        st = os.stat(a)
        os.utime(b, ns=(st.st_atime_ns, st.st_mtime_ns))
        key = wire.key_of(a)
        address = map_file(a)
        map_file(b, at=address)
        self.refuses(wire.CHANGED, key, self.pid, address)
        map_file(a, at=address)
        self.assertEqual(self.opener.ask(key, self.pid, address)[0], wire.OK)

    def test_each_field_counts(self):
        path = self.make("a")
        address = map_file(path)
        st = os.stat(path)
        for field, value in (("ino", st.st_ino + 1), ("size", st.st_size + 1),
                             ("ctime_s", st.st_ctime_ns // 10**9 + 1),
                             ("ctime_ns", st.st_ctime_ns % 10**9 ^ 1),
                             ("mtime_s", st.st_mtime_ns // 10**9 - 1),
                             ("mtime_ns", st.st_mtime_ns % 10**9 ^ 1),
                             ("dev", 7 << 20 | 99)):
            with self.subTest(field):
                self.refuses(wire.CHANGED, wire.key_of(path, **{field: value}), self.pid, address)

    def test_written_after_the_sample(self):
        path = self.make("a")
        address = map_file(path)
        key = wire.key_of(path)
        with open(path, "r+b") as f:
            f.write(b"y")
        self.refuses(wire.CHANGED, key, self.pid, address)

    def test_deleted_but_mapped(self):
        path = self.make("a")
        address = map_file(path)
        fd = os.open(path, os.O_RDONLY)
        path.unlink()
        status, text = self.opener.ask(wire.key_of(fd), self.pid, address)
        self.assertEqual((status, text), (wire.OK, f"{path} (deleted)"))
        self.assertEqual(os.fstat(self.opener.file()[3]).st_ino, os.fstat(fd).st_ino)

    def test_gone(self):
        path = self.make("a")
        child = subprocess.Popen(["/bin/true"])
        child.wait()
        self.refuses(wire.GONE, wire.key_of(path), child.pid, 0x400000)
        self.refuses(wire.GONE, wire.key_of(path), child.pid, 0)
        self.refuses(wire.GONE, wire.key_of(path), self.pid, 0x1000, 0x2000)  # no such mapping
        self.refuses(wire.GONE, wire.key_of(path), 0xFFFFFFFF, 0x1000)

    def test_not_a_regular_file(self):
        address = map_file("/dev/zero")
        self.assertIn(self.opener.ask(wire.key_of("/dev/zero"), self.pid, address)[0],
                      (wire.REFUSED, wire.CHANGED))
        self.assertIsNone(self.opener.file())

    def test_without_symbolizer(self):
        path = self.make("a")
        address = map_file(path)
        self.opener.symbolizer.close()
        for _ in range(2):
            self.assertEqual(self.opener.ask(wire.key_of(path), self.pid, address)[0], wire.FAILED)
        self.opener.symbolizer = self.opener.connect(wire.SYMBOLIZER)
        self.assertEqual(self.opener.ask(wire.key_of(path), self.pid, address)[0], wire.OK)
        self.assertIsNotNone(self.opener.file())

    def test_symbolizer_that_does_not_read(self):
        path = self.make("a")
        address = map_file(path)
        key = wire.key_of(path)
        answers = [self.opener.ask(key, self.pid, address)[0] for _ in range(2000)]
        self.assertEqual(answers[0], wire.OK)
        self.assertEqual(answers[-1], wire.FAILED)
        self.assertEqual(set(answers), {wire.OK, wire.FAILED})

    def test_sampler_that_does_not_read(self):
        key, cnt = wire.key_of(self.dir), 0
        self.opener.sampler.setblocking(False)
        # Both directions fill up: then the opener has stopped reading.
        idle = time.monotonic()
        while time.monotonic() - idle < 0.5:
            with contextlib.suppress(BlockingIOError):
                wire.send(self.opener.sampler, wire.open_request(cnt, key, self.pid, 0x1000, 0x2000))
                cnt += 1
                idle = time.monotonic()
        cpu = time.clock_gettime(self.clock())
        time.sleep(0.2)
        self.assertLess(time.clock_gettime(self.clock()) - cpu, 0.02)
        self.opener.sampler.settimeout(TIMEOUT)
        for ident in range(cnt):  # no answer lost, none twice, in order
            self.assertEqual(wire.opened(wire.recv(self.opener.sampler)[0])[:2], (ident, wire.GONE))

    def clock(self):
        """The CPU time of another process, as clock_getcpuclockid(3) makes it."""
        return ~self.opener.pid << 3 | 2

    def test_garbage_from_the_sampler(self):
        good = wire.open_request(1, wire.key_of(self.dir), self.pid, 0x1000, 0x2000)
        for bad in (b"\0", good[:-1], good + b"\0" * 8, wire.message(wire.STOP), b"\xff" * 104,
                    b"\0" * wire.MAX, wire.message(99, good[16:])):
            with self.subTest(bad[:20]):
                wire.send(self.opener.sampler, bad)
                self.assertEqual(wire.recv(self.opener.sampler)[0], b"")
                self.opener.sampler.close()
                self.opener.sampler = self.opener.connect(wire.SAMPLER)
                self.assertEqual(self.opener.ask(good[16:72], self.pid, 0x1000)[0], wire.GONE)

    def test_overlay_of_ours(self):
        with self.overlay() as (lower, merged):
            address = map_file(merged / "a")
            key = wire.key_of(lower / "a")  # BPF sees the layer's inode
            self.assertNotEqual(os.stat(lower / "a").st_dev, os.stat(merged / "a").st_dev)
            self.assertEqual(self.opener.ask(key, self.pid, address)[0], wire.OK)
            os.close(self.opener.file()[3])
            self.refuses(wire.CHANGED, wire.key_of(lower / "a", mtime_ns=1), self.pid, address)
            libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))

    @contextlib.contextmanager
    def overlay(self):
        lower, upper, work, merged = (self.dir / n for n in ("lower", "upper", "work", "merged"))
        for path in (lower, upper, work, merged):
            path.mkdir()
        (lower / "a").write_text("x" * PAGE)
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
        try:
            yield lower, merged
        finally:
            subprocess.run(["umount", "-l", merged], check=True)

    def test_overlay_of_a_stranger(self):
        """One in a mount namespace of its own may show any times (over FUSE): not believed."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            # Whatever goes wrong here must not run on as a second test program.
            try:
                namespaces.private_mounts()
                with self.overlay() as (_, merged):
                    os.write(write, b"%d" % map_file(merged / "a"))
                    signal.pause()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(write)
        self.addCleanup(os.close, read)
        try:
            address = os.read(read, 64)
            self.assertTrue(address, "the stranger could not map its file")
            address = int(address)
            key = wire.key_of(self.dir / "lower" / "a")
            self.refuses(wire.CHANGED, key, child, address)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_hung_server(self):
        """Swapped to a FUSE file that shows the very same identity, and a server that is silent."""
        path = self.make("a")
        mount = self.dir / "fuse"
        mount.mkdir()
        key = wire.key_of(path)
        address = map_file(path)
        with fuse.mounted(mount, path.stat()) as server:
            map_file(mount / "a", at=address)
            shown = os.stat(mount / "a")
            for field in ("st_ino", "st_size", "st_ctime_ns", "st_mtime_ns"):
                self.assertEqual(getattr(shown, field), getattr(path.stat(), field))
            os.kill(server, signal.SIGSTOP)
            self.refuses(wire.CHANGED, key, self.pid, address)
            libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))

    def test_ends(self):
        wire.send(self.opener.control, wire.message(wire.STOP))
        self.assertEqual(self.opener.wait(), 0)

    def test_ends_with_the_launcher(self):
        self.opener.control.close()
        self.assertEqual(self.opener.wait(), 0)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIP: opening other processes' files needs root")
        sys.exit(77)
    unittest.main(verbosity=2)
