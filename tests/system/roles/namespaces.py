# SPDX-License-Identifier: Apache-2.0
"""Namespaces, also for who runs in a chroot, where unshare(1) is of no use: no user namespace can be
made there (user_namespaces(7)), and "/" may be no mount point whose propagation could be set. Who
joins the mount namespace that it is in has that one's root instead, and can go back afterwards.

    namespaces.py PROGRAM ARG...    runs it in a user namespace where only root is mapped
"""

import contextlib
import ctypes
import os
import signal
import sys
import traceback

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


@contextlib.contextmanager
def outside_chroot():
    """With the root of the mount namespace for the time being."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    cwd = os.open(".", os.O_PATH | os.O_DIRECTORY)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        call("setns", namespace, CLONE_NEWNS)
        yield
    finally:
        os.fchdir(root)
        os.chroot(".")
        os.fchdir(cwd)
        for fd in (root, cwd, namespace):
            os.close(fd)


def private_mounts():
    """A mount namespace whose mounts nobody else sees, whatever was shared."""
    call("unshare", CLONE_NEWNS)
    with outside_chroot():
        call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)


def root_alone():
    """A user namespace with no user but root."""
    maps = {"setgroups": "deny", "uid_map": f"0 {os.geteuid()} 1", "gid_map": f"0 {os.getegid()} 1"}
    # Not seen from the namespace's root, perhaps.
    self = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    with outside_chroot():
        call("unshare", CLONE_NEWUSER)
    for name, text in maps.items():
        fd = os.open(name, os.O_WRONLY, dir_fd=self)
        os.write(fd, text.encode())
        os.close(fd)
    os.close(self)


@contextlib.contextmanager
def stranger(work):
    """(pid, text) of a forked child: work(tell) makes it what it is to be, and tell(text) as its last
    word, for from then on it waits until it is killed. The text is b"" when it did not come to that."""
    read, write = os.pipe()

    def tell(text):
        os.write(write, text)
        while True:
            signal.pause()

    child = os.fork()
    if child == 0:
        # Whatever goes wrong here must not run on as a second test program.
        try:
            work(tell)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(write)
    try:
        yield child, os.read(read, 64)
    finally:
        os.close(read)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    root_alone()
    os.execv(sys.argv[1], sys.argv[1:])
