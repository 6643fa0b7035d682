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
import unittest

import fuse
import namespaces
import wire

OPENER = sys.argv.pop(1) if len(sys.argv) > 1 else None
PAGE = 4096
TIMEOUT = 20

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long]
MAP_FIXED, MS_BIND = 0x10, 0x1000
MAP_FAILED = ctypes.c_void_p(-1).value


def map_file(path, at=None, prot=mmap.PROT_READ):
    """Maps the first page of a file, over whatever was at this address; the address."""
    fd = os.open(path, os.O_RDONLY)
    address = libc.mmap(at, PAGE, prot, mmap.MAP_PRIVATE | (MAP_FIXED if at else 0), fd, 0)
    os.close(fd)
    if address == MAP_FAILED:
        raise OSError(ctypes.get_errno(), "mmap")
    return address


class Opener:
    """The program, connected on all sides."""

    def __init__(self):
        self.control, self.pid = wire.start(OPENER, TIMEOUT)
        assert wire.head(wire.recv(self.control)[0])[0] == wire.READY
        self.sampler = self.connect(wire.SAMPLER)
        self.symbolizer = self.connect(wire.SYMBOLIZER)

    def connect(self, role):
        return wire.connect(self.control, role, TIMEOUT)

    def ask(self, key, pid, start, end=None, owner=0, ident=77):
        wire.send(self.sampler, wire.open_request(ident, key, pid, start, end or start + PAGE, owner))
        got, status, path = wire.opened(wire.recv(self.sampler)[0])
        assert got == ident, got
        return status, path

    def ask_perf_map(self, pid, start_ns, uid):
        wire.send(self.sampler, wire.perf_map_request(5, pid, start_ns, uid))
        got, status, _ = wire.opened(wire.recv(self.sampler)[0])
        assert got == 5, got
        return status

    def ask_debug(self, pid, owner, **request):
        """(status, place, bytes of the file that was handed on)"""
        wire.send(self.sampler, wire.open_debug_request(9, pid, start_ns(pid), owner, **request))
        got, status, place = wire.debug_opened(wire.recv(self.sampler)[0])
        assert got == 9, got
        if not select.select([self.symbolizer], [], [], 0)[0]:
            return status, place, None
        data, fd = wire.recv(self.symbolizer)
        assert wire.head(data) == (wire.DEBUG_FILE, 9), wire.head(data)
        (size,) = wire.DEBUG_FILE_BODY.unpack_from(data, wire.HEAD.size)
        text = os.read(fd, 100)
        os.close(fd)
        assert len(text) == size, (text, size)
        return status, place, text

    def ask_companion(self, pid, owner, name, **request):
        """As ask_debug()."""
        process = pid, start_ns(pid)
        wire.send(self.sampler, wire.open_companion_request(9, process, owner, name, **request))
        data = wire.recv(self.sampler)[0]
        assert wire.head(data) == (wire.COMPANION_OPENED, 9), wire.head(data)
        status, place, number, _ = wire.COMPANION_OPENED_BODY.unpack_from(data, wire.HEAD.size)
        assert number == 3, number
        if not select.select([self.symbolizer], [], [], 0)[0]:
            return status, place, None
        data, fd = wire.recv(self.symbolizer)
        assert wire.head(data) == (wire.COMPANION_FILE, 9), wire.head(data)
        size, number, _ = wire.COMPANION_FILE_BODY.unpack_from(data, wire.HEAD.size)
        text = os.read(fd, 100)
        os.close(fd)
        assert (len(text), number) == (size, 3), (text, size, number)
        return status, place, text

    def file(self):
        """(id, size, owner, descriptor) of the FILE message; None when there is none."""
        if not select.select([self.symbolizer], [], [], 0)[0]:
            return None
        data, fd = wire.recv(self.symbolizer)
        kind, ident = wire.head(data)
        assert kind == wire.FILE, kind
        size, owner, self.kind = wire.FILE_BODY.unpack_from(data, wire.HEAD.size)
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
        while time.monotonic() - idle < 1.5:
            with contextlib.suppress(BlockingIOError):
                wire.send(self.opener.sampler, wire.open_request(cnt, key, self.pid, 0x1000, 0x2000))
                cnt += 1
                idle = time.monotonic()
        cpu = time.clock_gettime(self.clock())
        time.sleep(0.2)
        self.assertLess(time.clock_gettime(self.clock()) - cpu, 0.02, "it did not wait")
        self.opener.sampler.settimeout(TIMEOUT)
        # No answer lost, none twice; workers are not equally fast.
        got = [wire.opened(wire.recv(self.opener.sampler)[0])[:2] for _ in range(cnt)]
        self.assertEqual(sorted(got), [(ident, wire.GONE) for ident in range(cnt)])

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

    def test_overlay_shows_the_layers_inode(self):
        """Times of changes have a grain of milliseconds: another file can have the same ones."""
        with self.overlay() as (lower, merged):
            mine = merged / "mine"
            mine.write_text("y" * PAGE)
            for path in (lower / "a", mine):
                os.utime(path, ns=(0, 0))
            for _ in range(100):
                # Twice: the first change after a stat() may have a finer time.
                for path in 2 * (lower / "a", mine):
                    os.chmod(path, 0o600)
                if os.stat(lower / "a").st_ctime_ns == os.stat(mine).st_ctime_ns:
                    break
            else:
                self.fail("no two files were changed at one time")
            address = map_file(mine)
            self.refuses(wire.CHANGED, wire.key_of(lower / "a"), self.pid, address)
            self.assertEqual(self.opener.ask(wire.key_of(self.dir / "upper" / "mine"), self.pid,
                                             address)[0], wire.OK)
            os.close(self.opener.file()[3])
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

    @contextlib.contextmanager
    def mapped_in_overlay(self, enter):
        """(pid, address) of a child that calls enter(), mounts an overlay there and maps a file of it."""
        def work(tell):
            enter()
            with self.overlay() as (_, merged):
                tell(b"%d" % map_file(merged / "a"))

        with namespaces.stranger(work) as (child, address):
            self.assertTrue(address, "the child could not map its file")
            yield child, int(address)

    def test_overlay_of_a_container(self):
        """One that root mounted in a mount namespace of its own, as container engines do."""
        with self.mapped_in_overlay(namespaces.private_mounts) as (child, address):
            key = wire.key_of(self.dir / "lower" / "a")
            self.assertEqual(self.opener.ask(key, child, address)[0], wire.OK)
            os.close(self.opener.file()[3])

    def test_overlay_of_a_stranger(self):
        """One in a user namespace of its own may show any times (over FUSE): not believed."""
        def enter():
            namespaces.root_alone()
            namespaces.private_mounts()
        with self.mapped_in_overlay(enter) as (child, address):
            key = wire.key_of(self.dir / "lower" / "a")
            self.refuses(wire.CHANGED, key, child, address)

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

    def test_memory_file(self):
        """Its mount is the kernel's own, and in nobody's list."""
        fd = os.memfd_create("code")
        os.truncate(fd, PAGE)
        address = map_file(f"/proc/self/fd/{fd}")
        self.assertEqual(self.opener.ask(wire.key_of(fd), self.pid, address)[0], wire.OK)
        os.close(self.opener.file()[3])
        os.close(fd)

    @contextlib.contextmanager
    def passing(self):
        """A file system that root mounts, for its users as trustworthy as any: the file there, and where it was."""
        where = self.dir / "passing"
        where.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "passing", where], check=True)
        try:
            (where / "a").write_text("x" * PAGE)
            yield where / "a", where
        finally:
            subprocess.run(["umount", where], check=True)

    def recycled(self, again):
        """
        The file of a file system that is gone, and another under its number of a device: @again(stat, where) is a
        context with a file there. (key, address where that is mapped)
        """
        for _ in range(100):
            with self.passing() as (path, where):
                st, key = path.stat(), wire.key_of(path)
                address = map_file(path)
                self.assertEqual(self.opener.ask(key, self.pid, address)[0], wire.OK)
                os.close(self.opener.file()[3])
                libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))
            stack = contextlib.ExitStack()
            path = stack.enter_context(again(st, where))
            if path.stat().st_dev == st.st_dev:
                self.addCleanup(stack.close)
                return st, key, map_file(path, at=address), path
            stack.close()
        self.skipTest("NO NUMBER OF A DEVICE CAME AGAIN: that one does not give a file's key away is NOT TESTED")

    def test_recycled_device(self):
        """A server of files may show any number, size and times: it shows those of a file that is gone."""
        @contextlib.contextmanager
        def again(st, where):
            with fuse.mounted(where, st):
                yield where / "a"

        st, key, address, path = self.recycled(again)
        for field in ("st_dev", "st_ino", "st_size", "st_ctime_ns", "st_mtime_ns"):
            self.assertEqual(getattr(path.stat(), field), getattr(st, field))
        self.refuses(wire.CHANGED, key, self.pid, address)
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))

    def test_recycled_device_of_the_same_kind(self):
        """Of the file system's own making: all as it was but for the time of the change, which nobody sets."""
        @contextlib.contextmanager
        def again(st, _):
            with self.passing() as (path, _):
                os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
                yield path

        st, key, address, path = self.recycled(again)
        for field in ("st_dev", "st_ino", "st_size", "st_mtime_ns"):
            self.assertEqual(getattr(path.stat(), field), getattr(st, field))
        self.refuses(wire.CHANGED, key, self.pid, address)
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(PAGE))

    def test_ends(self):
        wire.send(self.opener.control, wire.message(wire.STOP))
        self.assertEqual(self.opener.wait(), 0)

    def test_ends_with_the_launcher(self):
        self.opener.control.close()
        self.assertEqual(self.opener.wait(), 0)


def start_ns(pid):
    """Somewhere within the clock tick in which the process started."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    ticks = int(stat[stat.rindex(")") + 2:].split()[19])
    return ticks * (10**9 // os.sysconf("SC_CLK_TCK")) + 12345


class OfAProcess(unittest.TestCase):
    """A process that lives in a root of its own, as a container's does, and makes code."""

    UID = 54321

    def setUp(self):
        self.opener = Opener()
        self.addCleanup(self.opener.close)
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        self.addCleanup(shutil.rmtree, self.top)
        self.top.chmod(0o755)
        self.tmp = self.top / "tmp"
        self.tmp.mkdir()
        self.child = self.fork(self.prepare)

    def prepare(self):
        """What the process does before it has its root and its user."""

    def fork(self, prepare):
        """A process in our root of the test's user, which did @prepare before it got there."""
        def work(tell):
            prepare()
            os.chroot(self.top)
            os.chdir("/")
            os.setresuid(self.UID, self.UID, self.UID)
            tell(b"x")

        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        child, said = stack.enter_context(namespaces.stranger(work))
        self.assertEqual(said, b"x", "the process could not be prepared")
        return child

    @staticmethod
    def reap(child):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def make(self, text="1000 10 f\n", owner=None):
        path = self.tmp / f"perf-{self.child}.map"
        path.write_text(text)
        os.chown(path, self.UID if owner is None else owner, 0)
        return path

    def ask(self, start=None):
        return self.opener.ask_perf_map(self.child, start or start_ns(self.child), self.UID)

    def refuses(self, status, start=None):
        begun = time.monotonic()
        self.assertEqual(self.ask(start), status)
        self.assertIsNone(self.opener.file())
        self.assertLess(time.monotonic() - begun, 5)


class PerfMapTest(OfAProcess):
    def test_own_map_is_handed_on(self):
        path = self.make()
        for owner, mode in ((self.UID, 0o600), (0, 0o644)):
            os.chown(path, owner, 0)
            path.chmod(mode)
            self.assertEqual(self.ask(), wire.OK)
            ident, size, _, fd = self.opener.file()
            self.assertEqual((ident, size, self.opener.kind), (5, 10, wire.PERF_MAP))
            self.assertEqual(os.read(fd, 100), b"1000 10 f\n")
            with self.assertRaises(OSError):
                os.write(fd, b"x")
            os.close(fd)

    def test_none(self):
        self.refuses(wire.NO_MAP)
        self.tmp.rmdir()
        self.refuses(wire.NO_MAP)
        self.tmp.mkdir()

    def test_another_process_has_the_pid(self):
        self.make()
        self.refuses(wire.GONE, start=start_ns(self.child) - 10**9)
        self.reap(self.child)
        self.refuses(wire.GONE, start=10**9)

    def test_of_another_user(self):
        self.make(owner=self.UID + 1)
        self.refuses(wire.REFUSED)

    def test_only_for_root(self):
        """Its number is the process's own choice, in a namespace of its own: this may be the map of another."""
        path = self.make(owner=0)
        for door in (path, self.tmp, self.top):
            mode = door.stat().st_mode
            door.chmod(mode & ~0o7)
            self.refuses(wire.REFUSED)
            door.chmod(mode)
        os.chown(self.tmp, self.UID, 0)
        self.tmp.chmod(0o700)
        self.assertEqual(self.ask(), wire.OK)
        os.close(self.opener.file()[3])

    def test_link(self):
        secret = self.top / "secret"
        secret.write_text("1000 10 secret\n")
        os.chown(secret, self.UID, 0)
        path = self.tmp / f"perf-{self.child}.map"
        for target in ("/secret", "../secret", "/proc/self/exe", "nowhere", path.name):
            path.symlink_to(target)
            self.refuses(wire.REFUSED)
            path.unlink()

    def test_tmp_is_a_link(self):
        self.make()
        self.tmp.rename(self.top / "elsewhere")
        self.tmp.symlink_to("elsewhere")
        self.refuses(wire.REFUSED)

    def test_fifo_directory_device(self):
        path = self.tmp / f"perf-{self.child}.map"
        os.mkfifo(path)
        os.chown(path, self.UID, 0)
        self.refuses(wire.REFUSED)
        path.unlink()
        path.mkdir()
        os.chown(path, self.UID, 0)
        self.refuses(wire.REFUSED)
        path.rmdir()
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
        self.refuses(wire.REFUSED)

    def test_giant_is_handed_on_for_its_reader_to_cut(self):
        os.truncate(self.make(), 4 << 30)
        self.assertEqual(self.ask(), wire.OK)
        ident, size, _, fd = self.opener.file()
        self.assertEqual((ident, size), (5, 4 << 30))
        os.close(fd)

    def test_pid_is_the_innermost(self):
        """In a pid namespace of its own it is number 1 to itself."""
        read, write = os.pipe()

        def become_first():
            namespaces.call("unshare", 0x20000000)
            inner = os.fork()
            if inner:
                os.write(write, b"%d" % inner)
                os.waitpid(inner, 0)
                os._exit(0)

        self.child = self.fork(become_first)
        self.child = int(os.read(read, 20))
        self.addCleanup(self.reap, self.child)
        os.close(read)
        os.close(write)
        self.make()
        self.refuses(wire.NO_MAP)
        (self.tmp / "perf-1.map").write_text("1000 10 first\n")
        os.chown(self.tmp / "perf-1.map", self.UID, 0)
        self.assertEqual(self.ask(), wire.OK)
        os.close(self.opener.file()[3])

    def test_hung_server(self):
        """/tmp is a FUSE mount whose server is silent: nothing is asked of it."""
        model = self.make().stat()
        with fuse.mounted(self.tmp, model) as server:
            os.kill(server, signal.SIGSTOP)
            self.refuses(wire.REFUSED)

    def test_map_is_a_mount(self):
        path = self.make()
        other = self.top / "other"
        other.write_text("1000 10 other\n")
        os.chown(other, self.UID, 0)
        subprocess.run(["mount", "--bind", other, path], check=True)
        try:
            self.refuses(wire.REFUSED)
        finally:
            subprocess.run(["umount", "-l", path], check=True)


class JitdumpTest(OfAProcess):
    """One that is mapped with the right to execute it, wherever it lies."""

    EXEC = mmap.PROT_READ | mmap.PROT_EXEC

    def again(self, name="jit-{}.dump", owner=None, prot=EXEC, where=None, text="dump"):
        """Another process, which has such a file mapped."""
        def prepare():
            self.path = (where or self.top) / name.format(os.getpid())
            if not where:
                if text is None:
                    os.mknod(self.path, 0o20666, os.makedev(1, 5))
                else:
                    self.path.write_text(text)
                os.chown(self.path, self.UID if owner is None else owner, 0)
            map_file(self.path, prot=prot)
        self.child = self.fork(prepare)
        self.path = (where or self.top) / name.format(self.child)

    def gets(self, text):
        self.assertEqual(self.ask(), wire.OK)
        ident, size, _, fd = self.opener.file()
        self.assertEqual((ident, size, self.opener.kind), (5, len(text), wire.PERF_MAP))
        self.assertEqual(os.read(fd, 100), text)
        with self.assertRaises(OSError):
            os.write(fd, b"x")
        os.close(fd)

    def test_own_dump_is_handed_on(self):
        for owner in (self.UID, 0):
            self.again(owner=owner)
            self.path.chmod(0o600)
            self.gets(b"dump")

    def test_it_comes_before_a_map(self):
        self.again()
        self.make()
        self.gets(b"dump")

    def test_none(self):
        for how in ({"name": "jit-1.dump"}, {"name": "x-jit-{}.dump"}, {"name": "jit-{}.dumps"},
                    {"prot": mmap.PROT_READ}):
            self.again(**how)
            self.refuses(wire.NO_MAP)
            self.path.unlink(missing_ok=True)
        self.again()
        self.path.unlink()
        self.refuses(wire.NO_MAP)

    def test_another_process_has_the_pid(self):
        self.again()
        self.refuses(wire.GONE, start=start_ns(self.child) - 10**9)
        self.reap(self.child)
        self.refuses(wire.GONE, start=10**9)

    def test_of_another_user(self):
        self.again(owner=self.UID + 1)
        self.refuses(wire.REFUSED)
        self.make()
        self.gets(b"1000 10 f\n")

    def test_device(self):
        self.again(text=None)
        self.refuses(wire.REFUSED)

    def test_hung_server(self):
        """It lies where a server of the user's is silent, and says that it is root's."""
        model = self.make().stat()
        mount = self.top / "fuse"
        mount.mkdir()
        self.tmp.joinpath(f"perf-{self.child}.map").unlink()
        with fuse.mounted(mount, model) as server:
            self.again(where=mount)
            os.kill(server, signal.SIGSTOP)
            self.refuses(wire.REFUSED)

    def test_far_down(self):
        """Behind as many mappings as a process may have."""
        def prepare():
            path = self.top / f"jit-{os.getpid()}.dump"
            path.write_text("dump")
            os.chown(path, self.UID, 0)
            for i in range(60000):
                libc.mmap(0x10000000000 + 2 * i * PAGE, PAGE, mmap.PROT_READ | (i % 2 and mmap.PROT_WRITE),
                          mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED, -1, 0)
            map_file(path, at=0x20000000000, prot=self.EXEC)
        self.child = self.fork(prepare)
        self.gets(b"dump")


class HungTest(unittest.TestCase):
    """A process in execve(), which waits for a file server of its user's own, under a lock that /proc needs."""

    UID, OTHER = 65534, 54321

    def setUp(self):
        if not os.path.exists("/dev/fuse"):
            self.skipTest("NO /dev/fuse HERE: that a user's own file system hurts nobody is NOT TESTED")
        self.opener = Opener()
        self.addCleanup(self.opener.close)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.dir.chmod(0o755)
        workloads = pathlib.Path(OPENER).resolve().parents[2] / "tests/system/workloads"
        device, home = self.dir / "fuse", self.dir / "home"
        os.mknod(device, 0o20666, os.makedev(10, 229))
        device.chmod(0o666)
        for path in (home, home / "mnt"):
            path.mkdir()
            os.chown(path, self.UID, self.UID)
        self.user = subprocess.Popen([workloads / "fusehang", "flush", device, workloads / "libown-lib.so", home,
                                      "60", str(self.UID), "user"], stdout=subprocess.PIPE)
        self.addCleanup(self.end)
        self.assertEqual(self.user.stdout.readline(), b"hangs\n")

    def end(self):
        self.user.kill()
        self.user.wait()
        self.user.stdout.close()

    def hung(self):
        """(pid, start) of the next such process, while it can be looked at, and a moment to be none any more."""
        seen = self.children()
        while not self.children() - seen:
            time.sleep(0.01)
        pid = min(self.children() - seen)
        start = start_ns(pid)
        time.sleep(2)
        return pid, start

    def children(self):
        text = pathlib.Path(f"/proc/{self.user.pid}/task/{self.user.pid}/children").read_text(encoding="ascii")
        return {int(word) for word in text.split()}

    def send(self, ident, process, uid):
        wire.send(self.opener.sampler, wire.perf_map_request(ident, *process, uid))

    def reply(self):
        return wire.opened(wire.recv(self.opener.sampler)[0])[:2]

    def test_it_costs_nobody_else(self):
        mine = (os.getpid(), start_ns(os.getpid()))
        process, begun = self.hung(), time.monotonic()
        self.send(1, process, self.UID)
        self.send(2, mine, self.OTHER)
        self.assertEqual(self.reply(), (2, wire.NO_MAP))
        self.assertLess(time.monotonic() - begun, 0.5)
        # One more of the same user still gets an answer: he has two workers.
        self.send(3, mine, self.UID)
        self.assertEqual(self.reply(), (3, wire.NO_MAP))
        self.assertEqual(self.reply(), (1, wire.HUNG))
        self.assertLess(time.monotonic() - begun, 2)
        # From now on it is left alone.
        begun = time.monotonic()
        self.send(4, process, self.UID)
        self.assertEqual(self.reply(), (4, wire.HUNG))
        self.assertLess(time.monotonic() - begun, 0.3)

    def test_many_of_them(self):
        """Each is asked about once, in ever less time; and nothing of them stays."""
        hung = [self.hung() for _ in range(3)]
        begun = time.monotonic()
        for i, process in enumerate(hung):
            self.send(i, process, self.UID)
        self.assertEqual(sorted(self.reply() for _ in hung), [(i, wire.HUNG) for i in range(len(hung))])
        self.assertLess(time.monotonic() - begun, 3)
        end = time.monotonic() + TIMEOUT
        while (left := self.workers()) and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(left, set())

    def workers(self):
        path = pathlib.Path(f"/proc/{self.opener.pid}/task/{self.opener.pid}/children")
        return set(path.read_text(encoding="ascii").split())


class DebugFileTest(unittest.TestCase):
    """Places are numbered: by build id, beside the file, in .debug beside it, below the directory of debug
    files; first as the process sees them, then (from 4 on) as we do."""

    OWNER = 65533
    BUILD_ID = bytes(range(0xA0, 0xB4))
    BY_ID = "usr/lib/debug/.build-id/a0/" + BUILD_ID[1:].hex() + ".debug"
    PLACES = (BY_ID, "opt/bin/x.debug", "opt/bin/.debug/x.debug", "usr/lib/debug/opt/bin/x.debug")

    def setUp(self):
        self.opener = Opener()
        self.addCleanup(self.opener.close)
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        self.addCleanup(shutil.rmtree, self.top)
        self.top.chmod(0o755)
        self.child = self.inside()

    def inside(self, *enter):
        """A process whose root is ours for the test, in namespaces that it entered."""
        def work(tell):
            for step in enter:
                step()
            os.chroot(self.top)
            os.chdir("/")
            tell(b"x")

        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        child, said = stack.enter_context(namespaces.stranger(work))
        self.assertEqual(said, b"x")
        return child

    def make(self, name, owner=0, mode=0o644, group=0):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.chown(path, owner, group)
        path.chmod(mode)
        return path

    def ask(self, first=0, pid=None, path="/opt/bin/x", link="x.debug", build_id=BUILD_ID):
        return self.opener.ask_debug(pid or self.child, self.OWNER, link=link, path=path,
                                     build_id=build_id, first=first)

    def finds(self, place, name, **request):
        self.assertEqual(self.ask(**request), (wire.OK, place, name.encode()))

    def finds_none(self, **request):
        self.assertEqual(self.ask(**request)[::2], (wire.NO_MAP, None))

    def test_places_in_their_order(self):
        self.finds_none()
        for place, name in reversed(list(enumerate(self.PLACES))):
            self.make(name)
            self.finds(place, name)
        for place, name in enumerate(self.PLACES):
            self.finds(place, name, first=place)
        self.finds_none(first=4)
        self.finds(0, self.BY_ID, link="", path="")
        self.finds(1, self.PLACES[1], build_id=b"")
        self.finds_none(build_id=b"", path="")
        # As we see the file, which is where its process's root is.
        self.finds(1, self.PLACES[1], build_id=b"", path=f"{self.top}/opt/bin/x")

    def test_our_own_root(self):
        self.make("opt/bin/x.debug")
        self.finds(5, "opt/bin/x.debug", pid=os.getpid(), path=f"{self.top}/opt/bin/x")
        self.finds(5, "opt/bin/x.debug", path=f"{self.top}/opt/bin/x", first=4)
        self.finds_none(pid=os.getpid())

    def test_whose_it_is(self):
        """Of root, or of the object's owner, who could read it by himself, and nobody else may write it."""
        path = self.make(self.PLACES[1])
        for owner, group, mode, good in ((0, 0, 0o644, True), (0, 0, 0o640, False), (0, 0, 0o600, False),
                                         (0, 0, 0o664, True), (0, 5, 0o664, False), (0, 0, 0o646, False),
                                         (self.OWNER, 5, 0o600, True), (self.OWNER, 5, 0o664, True),
                                         (self.OWNER, 5, 0o200, False), (self.OWNER, 5, 0o602, False),
                                         (self.OWNER + 1, 0, 0o644, False)):
            os.chown(path, owner, group)
            path.chmod(mode)
            if good:
                self.finds(1, self.PLACES[1])
            else:
                self.finds_none()

    def test_behind_a_door(self):
        """Everybody could read it who got there: the owner of the object cannot, and so he gets nothing."""
        path = self.make(self.PLACES[1])
        for owner, mode, good in ((0, 0o711, True), (0, 0o700, False), (0, 0o750, False), (self.OWNER, 0o700, True),
                                  (self.OWNER, 0o600, False)):
            os.chown(path.parent.parent, owner, 0)
            path.parent.parent.chmod(mode)
            if good:
                self.finds(1, self.PLACES[1])
            else:
                self.finds_none()

    def test_for_what_is_roots(self):
        """What root made may have what only root may read, where nobody else says what lies where."""
        path = self.make(self.PLACES[1])
        path.chmod(0o600)
        self.OWNER = 0
        self.finds(1, self.PLACES[1])
        top = os.fsencode(self.top)
        self.child = self.inside(namespaces.root_alone, namespaces.private_mounts,
                                 lambda: namespaces.call("mount", top, top, None, MS_BIND, None))
        self.finds_none()
        path.chmod(0o644)
        self.finds(1, self.PLACES[1])

    def test_what_is_no_file(self):
        path = self.top / self.PLACES[1]
        path.parent.mkdir(parents=True)
        for make in (path.mkdir, lambda: os.mkfifo(path), lambda: os.mknod(path, 0o20666, os.makedev(1, 5)),
                     lambda: path.symlink_to("/etc/passwd"), lambda: path.symlink_to("other")):
            make()
            begun = time.monotonic()
            self.finds_none()
            self.assertLess(time.monotonic() - begun, 5)
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()

    def test_links_on_the_way(self):
        self.make("elsewhere/bin/x.debug")
        (self.top / "opt").symlink_to("elsewhere")
        self.finds_none()
        self.finds_none(path="/elsewhere/../elsewhere/bin/x")
        self.finds(1, "elsewhere/bin/x.debug", path="/elsewhere//bin/x")

    def test_nothing_stays_open(self):
        self.make(self.BY_ID)
        self.finds(0, self.BY_ID)
        before = self.opener.descriptors()
        for _ in range(3):
            self.finds(0, self.BY_ID)
            self.finds_none(first=1)
        self.assertEqual(self.opener.descriptors(), before)

class CompanionTest(DebugFileTest):
    """Of a unit: the program's package, as the program says, the same from where the program is, and beside it. Of
    a supplement: by build id, from where the program is or its debug file would be, and where distributions put it."""

    PLACES = ("opt/bin/x.dwp", "src/out/o/x.dwo", "opt/bin/o/x.dwo", "opt/bin/x.dwo")
    SUPPLEMENTS = (DebugFileTest.BY_ID, "opt/.dwz/pkg", "usr/lib/debug/opt/.dwz/pkg", "usr/lib/debug/.dwz/pkg")

    def ask(self, first=0, pid=None, path="/opt/bin/x", said="o/x.dwo", directory="/src/a/../out", **request):
        return self.opener.ask_companion(pid or self.child, self.OWNER, said, path=path, directory=directory,
                                         first=first, **request)

    def supplement(self, **request):
        return self.ask(said="../.dwz/pkg", directory="", kind=wire.SUPPLEMENT, build_id=self.BUILD_ID, **request)

    def test_places_in_their_order(self):
        self.finds_none()
        for place, name in reversed(list(enumerate(self.PLACES))):
            self.make(name)
            self.finds(place, name)
        for place, name in enumerate(self.PLACES):
            self.finds(place, name, first=place)
        self.finds_none(first=4)
        self.finds(1, self.PLACES[1], path="")
        self.finds(1, self.PLACES[1], path="", said="/src/out/o/x.dwo", directory="")
        self.finds_none(path="", directory="")
        self.finds_none(path="", said="x" * 256)
        self.finds_none(path="", said="..", directory="/")

    def test_supplements(self):
        for place, name in reversed(list(enumerate(self.SUPPLEMENTS))):
            self.make(name)
            self.assertEqual(self.supplement(), (wire.OK, place, name.encode()))
        self.assertEqual(self.supplement(first=4)[::2], (wire.NO_MAP, None))
        self.assertEqual(self.supplement(path="")[1], 0)
        self.assertEqual(self.supplement(path="", first=1)[1], 3)

    def test_at_the_top(self):
        self.make("x.dwp")
        self.finds(0, "x.dwp", path="/x")
        self.finds(0, "x.dwp", path=f"{self.top}/x")

    def test_our_own_root(self):
        self.make("opt/bin/x.dwp")
        self.finds(4, "opt/bin/x.dwp", pid=os.getpid(), path=f"{self.top}/opt/bin/x")
        self.finds_none(pid=os.getpid())

    def test_secrets(self):
        """What a hostile program may name: it is not opened, and nobody waits."""
        for name in ("/etc/shadow", "/proc/self/mem", "/dev/zero", "/dev/tty", "/proc/kmsg", "/etc", "/",
                     "../../../../etc/shadow"):
            begun = time.monotonic()
            for pid in (self.child, os.getpid()):
                self.assertEqual(self.ask(said=name, pid=pid)[::2], (wire.NO_MAP, None), name)
            self.assertLess(time.monotonic() - begun, 5)

    def test_links_on_the_way(self):
        self.make("elsewhere/out/o/x.dwo")
        (self.top / "src").symlink_to("elsewhere")
        self.finds_none()
        self.finds(1, "elsewhere/out/o/x.dwo", directory="/src/../elsewhere/./out//")

    def test_nothing_stays_open(self):
        self.make(self.PLACES[0])
        self.finds(0, self.PLACES[0])
        before = self.opener.descriptors()
        for _ in range(3):
            self.finds(0, self.PLACES[0])
            self.finds_none(first=1)
        self.assertEqual(self.opener.descriptors(), before)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIP: opening other processes' files needs root")
        sys.exit(77)
    unittest.main(verbosity=2)
