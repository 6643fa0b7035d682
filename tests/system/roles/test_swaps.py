#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofd-opener against processes that change what it opens while it does: the mapping that was announced, the
file at a path, the directories on the way there, what is mounted on it.

Whatever is handed on must be the file that was asked for, or none: each descriptor is looked at. A race that was
not one shows nothing, so the answers must be of both kinds.
"""

import collections
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import fuse
import namespaces
import wire
from swapping import swapping

LONG = "--long" in sys.argv
if LONG:
    sys.argv.remove("--long")
RACES = 100000 if LONG else 3000
SWAPS = sys.argv.pop(2) if len(sys.argv) > 2 else None

import test_opener  # noqa: E402

USER = 54321


def libc_path():
    for line in pathlib.Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if "libc.so" in line:
            return line.split()[-1]
    raise unittest.SkipTest("no libc.so here")


def begin(test):
    test.opener = test_opener.Opener()
    test.addCleanup(test.opener.close)
    test.dir = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
    test.addCleanup(shutil.rmtree, test.dir)
    test.dir.chmod(0o755)
    test.answers = collections.Counter()


def tell(test, what):
    names = {getattr(wire, name): name for name in ("OK", "GONE", "CHANGED", "REFUSED", "FAILED", "NO_MAP", "HUNG")}
    told = ", ".join(f"{names[status]} {cnt}" for status, cnt in sorted(test.answers.items()))
    print(f"\n     {what}: {told}", file=sys.stderr)


class MappingTest(unittest.TestCase):
    def setUp(self):
        begin(self)

    def copy_of(self, path, directory):
        """As alike as a user can make it: all but the inode and the time of its change."""
        mine = directory / "mine"
        shutil.copy(path, mine)
        shutil.copystat(path, mine)
        os.chmod(mine, 0o755)
        return mine

    def race(self, what, key, good, mine, enter=(), both=True):
        """libc's key is never given to another file; @good: what may be handed on."""
        with swapping(SWAPS, "map", libc_path(), mine, enter=enter) as (pid, address):
            for _ in range(RACES):
                status, _ = self.opener.ask(key, pid, address)
                self.answers[status] += 1
                found = self.opener.file()
                self.assertEqual(found is not None, status == wire.OK)
                if found:
                    st = os.fstat(found[3])
                    os.close(found[3])
                    self.assertEqual((st.st_dev, st.st_ino), good)
        tell(self, what)
        self.assertLessEqual(set(self.answers), {wire.OK, wire.CHANGED, wire.GONE})
        if both:
            self.assertGreater(self.answers[wire.OK], RACES / 100)
        self.assertGreater(self.answers[wire.CHANGED], RACES / 100)

    def identity(self):
        st = os.stat(libc_path())
        return st.st_dev, st.st_ino

    def test_libc_and_a_copy(self):
        self.race("a copy", wire.key_of(libc_path()), self.identity(), self.copy_of(libc_path(), self.dir))

    def test_libc_and_a_forgery(self):
        """A server of files shows all that libc shows, but for the device."""
        where = self.dir / "fuse"
        where.mkdir()
        with fuse.mounted(where, os.stat(libc_path())):
            self.race("a forgery on FUSE", wire.key_of(libc_path()), self.identity(), where / "a")

    def test_libc_and_ones_own_mounts(self):
        """tmpfs, and an overlay over it, mounted in a user namespace of one's own; as many inodes as it likes."""
        for kind in ("tmpfs", "overlay"):
            def enter():
                namespaces.root_alone()
                namespaces.private_mounts()
                namespaces.call("mount", b"mine", os.fsencode(self.dir), b"tmpfs", 0, None)
                parts = [self.dir / name for name in ("lower", "upper", "work", "merged")]
                for part in parts:
                    part.mkdir()
                mine = self.copy_of(libc_path(), parts[0])
                if kind == "overlay":
                    options = "lowerdir={},upperdir={},workdir={},userxattr".format(*parts[:3])
                    namespaces.call("mount", b"mine", os.fsencode(parts[3]), b"overlay", 0, options.encode())
                else:
                    mine.rename(parts[3] / "mine")
            with self.subTest(kind):
                self.answers.clear()
                self.race(f"one's own {kind}", wire.key_of(libc_path()), self.identity(), self.dir / "merged" / "mine",
                          enter=[enter])

    def test_a_number_that_came_again(self):
        """The key is of a file on a file system that is gone; a server shows all of it, the number too."""
        where = self.dir / "passing"
        where.mkdir()
        for _ in range(100):
            subprocess.run(["mount", "-t", "tmpfs", "passing", where], check=True)
            (where / "a").write_bytes(b"x" * 4096)
            st, key = (where / "a").stat(), wire.key_of(where / "a")
            subprocess.run(["umount", where], check=True)
            served = contextlib.ExitStack()
            served.enter_context(fuse.mounted(where, st))
            if (where / "a").stat().st_dev == st.st_dev:
                self.addCleanup(served.close)
                break
            served.close()
        else:
            self.skipTest("NO NUMBER OF A DEVICE CAME AGAIN: that it gives nothing away is NOT TESTED")
        self.race("a number that came again", key, None, where / "a", both=False)
        self.assertEqual(self.answers[wire.OK], 0)


class PathTest(unittest.TestCase):
    """What is opened by a path, in the root of the process, in its own user and mount namespaces."""

    MINE, SECRET = b"1000 10 mine\n", b"1000 10 CANARY\n"

    def setUp(self):
        begin(self)
        self.top = self.dir / "top"
        for name in ("tmp", "opt/bin", "secrets", "links"):
            (self.top / name).mkdir(parents=True)
        self.make("secrets/x.debug", self.SECRET, 0, 0o600)
        self.make("opt/bin/x.debug", self.MINE)
        for name in ("map", "debug"):
            (self.top / "links" / name).symlink_to("/secrets/x.debug")
        os.mkfifo(self.top / "links/fifo")
        os.chown(self.top / "links/fifo", USER, USER)
        (self.top / "links/directory").symlink_to("/secrets")

    def make(self, name, text, owner=USER, mode=0o644):
        path = self.top / name
        path.write_bytes(text)
        os.chown(path, owner, owner)
        path.chmod(mode)

    def enter(self):
        """As a user may be root, in namespaces of its own; its root is a mount."""
        for kind in ("tmp", "secrets"):
            name = f"{kind}/perf-{os.getpid()}.map"
            self.make(name, *((self.MINE,) if kind == "tmp" else (self.SECRET, 0, 0o600)))
        namespaces.root_alone()
        namespaces.private_mounts()
        top = os.fsencode(self.top)
        namespaces.call("mount", top, top, None, test_opener.MS_BIND, None)
        os.chroot(self.top)
        os.chdir("/")

    def ask_map(self, pid):
        status = self.opener.ask_perf_map(pid, test_opener.start_ns(pid), USER)
        found = self.opener.file()
        if not found:
            return status, None
        text = os.read(found[3], 100)
        os.close(found[3])
        return status, text

    def ask_debug(self, pid):
        status, _, text = self.opener.ask_debug(pid, USER, link="x.debug", path="/opt/bin/x", build_id=b"")
        return status, text

    def race(self, ask, *args):
        with swapping(SWAPS, *args, enter=[self.enter]) as (pid, _):
            for _ in range(RACES):
                status, text = ask(pid)
                self.answers[status] += 1
                self.assertEqual(text, self.MINE if status == wire.OK else None)
        tell(self, " ".join(map(str, args)))
        self.assertGreater(self.answers[wire.OK], RACES / 100)
        self.assertGreater(RACES - self.answers[wire.OK], RACES / 1000)

    def test_map_and_link(self):
        self.race(self.ask_map, "exchange", "/tmp/perf-PID.map", "/links/map")

    def test_map_and_fifo(self):
        self.race(self.ask_map, "exchange", "/tmp/perf-PID.map", "/links/fifo")

    def test_map_and_what_is_roots(self):
        self.race(self.ask_map, "exchange", "/tmp/perf-PID.map", "/secrets/perf-PID.map")

    def test_map_in_other_directories(self):
        self.race(self.ask_map, "exchange", "/tmp", "/links/directory", "/tmp", "/secrets")

    def test_map_and_mount(self):
        self.race(self.ask_map, "bind", "/secrets/x.debug", "/tmp/perf-PID.map")

    def test_map_in_mount(self):
        self.race(self.ask_map, "bind", "/secrets", "/tmp")

    def test_debug_file_and_link(self):
        self.race(self.ask_debug, "exchange", "/opt/bin/x.debug", "/links/debug")

    def test_debug_file_and_what_is_roots(self):
        self.race(self.ask_debug, "exchange", "/opt/bin/x.debug", "/secrets/x.debug")

    def test_debug_file_in_other_directories(self):
        self.race(self.ask_debug, "exchange", "/opt/bin", "/links/directory", "/opt/bin", "/secrets")

    def test_debug_file_in_mount(self):
        self.race(self.ask_debug, "bind", "/secrets", "/opt/bin")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIP: opening other processes' files needs root")
        sys.exit(77)
    unittest.main(verbosity=2)
