# SPDX-License-Identifier: Apache-2.0
"""A FUSE file system with one file, as a hostile user's server would serve it: it shows whatever
identity it likes, and may stop answering. Raw protocol, include/uapi/linux/fuse.h.
"""

import contextlib
import ctypes
import os
import signal
import stat
import struct
import subprocess

LOOKUP, FORGET, GETATTR, OPEN, INIT, BATCH_FORGET = 1, 2, 3, 14, 26, 42
ENOSYS = 38
IN = struct.Struct("<IIQQIIII")
OUT = struct.Struct("<IiQ")
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
FILE_NODE = 2

libc = ctypes.CDLL(None, use_errno=True)


def attr(node, like):
    """As fuse_attr: the directory, or the file with every field that can be shown as that one's."""
    mode = stat.S_IFREG | 0o755 if node == FILE_NODE else stat.S_IFDIR | 0o755
    times = [ns // 10**9 for ns in (like.st_atime_ns, like.st_mtime_ns, like.st_ctime_ns)]
    nsecs = [ns % 10**9 for ns in (like.st_atime_ns, like.st_mtime_ns, like.st_ctime_ns)]
    ino = like.st_ino if node == FILE_NODE else 1
    return ATTR.pack(ino, like.st_size, 8, *times, *nsecs, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, like):
    """(error, payload) with no time for which the kernel may remember it."""
    if opcode == INIT:
        return 0, struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 12, 9, 65536, 1, 16, 0, 0, *[0] * 7)
    if opcode == LOOKUP:
        return 0, struct.pack("<QQQQII", FILE_NODE, 1, 0, 0, 0, 0) + attr(FILE_NODE, like)
    if opcode == GETATTR:
        return 0, struct.pack("<QII", 0, 0, 0) + attr(node, like)
    if opcode == OPEN:
        return 0, struct.pack("<QII", 1, 0, 0)
    return -ENOSYS, b""


def serve(device, like, swallowed):
    while True:
        request = os.read(device, 1 << 20)
        _, opcode, unique, node, *_ = IN.unpack_from(request)
        if opcode in (FORGET, BATCH_FORGET):
            continue
        if opcode == OPEN and swallowed is not None:
            os.write(swallowed, b"o")
            continue
        error, payload = answer(opcode, node, like)
        os.write(device, OUT.pack(OUT.size + len(payload), error, unique) + payload)


@contextlib.contextmanager
def mounted(where, like, swallowed=None, enter=None):
    """The pid of the server of a file that looks like @like; SIGSTOP makes every access hang.

    With @swallowed it takes requests to open and never answers, but writes a byte there for each:
    whoever waits for that cannot even be killed, as long as the server lives. (Before the server
    has taken the request, it can.) @enter goes to the place where it is to be mounted.
    """
    device = os.open("/dev/fuse", os.O_RDWR)
    if enter:
        enter()
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"hostile", str(where).encode(), b"fuse", 6, options.encode()) < 0:
        raise OSError(ctypes.get_errno(), "mount")
    server = os.fork()
    if server == 0:
        with contextlib.suppress(OSError):
            serve(device, like, swallowed)
        os._exit(0)
    os.close(device)
    try:
        yield server
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        subprocess.run(["umount", "-l", where], check=True)
