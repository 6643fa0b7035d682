# SPDX-License-Identifier: Apache-2.0
"""The messages of include/cprof/wire.h, written a second time: a test that used the code under test
to make its messages could not see a wrong layout."""

import array
import os
import socket
import struct

(PEER, KALLSYMS, STOP, READY, OPEN, OPENED, FILE, OBJECT, NAMES, NAMED, FORGET, MAPS,
 MAPPED, CONFIG, SPOOL, LISTEN, ROLES, STATE, PROGRESS, ROWS, MAKE_ROWS, CLOSE, OPEN_DEBUG, DEBUG_OPENED,
 DEBUG_FILE, RELEASE, SANDBOX, NEXT_COMPANION, COMPANION, OPEN_COMPANION, COMPANION_OPENED,
 COMPANION_FILE, MAKE_PAGES) = range(1, 34)
SAMPLER, OPENER, SYMBOLIZER, CLIENT, FRONT = range(1, 6)
OK, GONE, CHANGED, REFUSED, FAILED, NO_MAP, HUNG = range(7)
ELF, PERF_MAP = range(2)

HEAD = struct.Struct("<IHHQ")
PEER_BODY = struct.Struct("<II")
KEY = struct.Struct("<QQQqqIIII")
OPEN_BODY = struct.Struct("<QQQIIII")
OPENED_BODY = struct.Struct("<II")
FILE_BODY = struct.Struct("<QII")
OPEN_DEBUG_BODY = struct.Struct("<QIIIHHI32sI")
OPEN_COMPANION_BODY = struct.Struct("<QIIIIIIHHI32s")
COMPANION_OPENED_BODY = struct.Struct("<IIII")
COMPANION_FILE_BODY = struct.Struct("<QII")
SUPPLEMENT, UNIT = range(2)
DEBUG_FILE_BODY = struct.Struct("<Q")
SANDBOX_BODY = struct.Struct("<HHI")
CALLS, PATHS = 1, 2
MAX = 65536


def message(kind, body=b"", ident=0):
    return HEAD.pack(HEAD.size + len(body), kind, 0, ident) + body


def peer(role):
    return message(PEER, PEER_BODY.pack(role, 0))


def key_of(path_or_fd, **changes):
    """The key that BPF would send for this file, on a file system that shows its own device."""
    st = os.stat(path_or_fd)
    fields = {
        "sb": 0xFFFF888000000000, "ino": st.st_ino, "size": st.st_size,
        "ctime_s": st.st_ctime_ns // 10**9, "mtime_s": st.st_mtime_ns // 10**9,
        "ctime_ns": st.st_ctime_ns % 10**9, "mtime_ns": st.st_mtime_ns % 10**9,
        "dev": os.major(st.st_dev) << 20 | os.minor(st.st_dev), "generation": 0,
    }
    return KEY.pack(*{**fields, **changes}.values())


def open_request(ident, key, pid, start, end, owner=0):
    return message(OPEN, key + OPEN_BODY.pack(0, start, end, pid, owner, ELF, 0), ident)


def perf_map_request(ident, pid, start_ns, uid):
    body = OPEN_BODY.pack(start_ns, 0, 0, pid, 0, PERF_MAP, uid)
    return message(OPEN, bytes(KEY.size) + body, ident)


def open_debug_request(ident, pid, start_ns, owner, link="", path="", build_id=b"", first=0):
    link, path = link.encode(), path.encode()
    body = OPEN_DEBUG_BODY.pack(start_ns, pid, owner, first, len(link), len(path), len(build_id),
                                build_id, 0)
    return message(OPEN_DEBUG, body + link + path, ident)


def open_companion_request(ident, process, owner, name, kind=UNIT, directory="", path="", build_id=b"", first=0, number=3):
    """@process: (pid, when it started)."""
    name, directory, path = name.encode(), directory.encode(), path.encode()
    pid, start_ns = process
    body = OPEN_COMPANION_BODY.pack(start_ns, pid, owner, first, len(path), number, kind, len(name), len(directory),
                                    len(build_id), build_id)
    return message(OPEN_COMPANION, body + name + directory + path, ident)


def debug_opened(data):
    """(id, status, place) of a DEBUG_OPENED message."""
    kind, ident = head(data)
    assert kind == DEBUG_OPENED, kind
    return ident, *OPENED_BODY.unpack_from(data, HEAD.size)


def start(program, timeout):
    """A role that the test is the launcher of: (our end of its control socket, its pid)."""
    control, theirs = pair()
    pid = os.posix_spawn(program, [program], {}, file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)])
    theirs.close()
    control.settimeout(timeout)
    return control, pid


def connect(control, role, timeout):
    """Gives it a neighbour of that role, whom the test plays: our end."""
    mine, theirs = pair()
    mine.settimeout(timeout)
    send(control, peer(role), theirs.fileno())
    theirs.close()
    return mine


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock, data, fd=None):
    control = []
    if fd is not None:
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
    sock.sendmsg([data], control)


def recv(sock):
    """(bytes, descriptor or None); b"" at the end."""
    room = socket.CMSG_SPACE(4 * 4)
    try:
        data, control, _, _ = sock.recvmsg(MAX, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # said once when the peer left without reading
        data, control, _, _ = sock.recvmsg(MAX, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, payload in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload)
    return data, fds[0] if fds else None


def head(data):
    """(type, id) of a message whose size is right."""
    size, kind, _, ident = HEAD.unpack_from(data)
    assert size == len(data), (size, len(data))
    return kind, ident


def opened(data):
    """(id, status, path) of an OPENED message."""
    kind, ident = head(data)
    assert kind == OPENED, kind
    status, length = OPENED_BODY.unpack_from(data, HEAD.size)
    path = data[HEAD.size + OPENED_BODY.size:]
    assert len(path) == length, (len(path), length)
    return ident, status, path.decode("utf-8", "surrogateescape")


NONE, MAPPED_FILE, ANON, VDSO = range(4)
MAPS_BODY = struct.Struct("<Q56sII")
RANGE = struct.Struct("<QQQ56sIIQII")


def maps_request(ident, pid, start_ns, exe, addresses):
    body = MAPS_BODY.pack(start_ns, exe, pid, len(addresses))
    return message(MAPS, body + struct.pack(f"<{len(addresses)}Q", *addresses), ident)


def mapped(data):
    """(id, status, ranges) of a MAPPED message; a range is (start, end, pgoff, key, kind, owner,
    magic, mode, foreign)."""
    kind, ident = head(data)
    assert kind == MAPPED, kind
    status, cnt = OPENED_BODY.unpack_from(data, HEAD.size)
    rest = data[HEAD.size + OPENED_BODY.size:]
    assert len(rest) == cnt * RANGE.size, (len(rest), cnt)
    return ident, status, list(RANGE.iter_unpack(rest))


CONFIG_BODY = struct.Struct("<II32s4096s4096sQQQQII1024sIIQQ104s64sII")
CONFIG_DEFAULTS = {
    "hz": 99, "frames_max": 1024, "event": b"", "include": b"", "exclude": b"", "window_ns": 60 * 10**9,
    "use_max": 1 << 30, "files_max": 200000, "age_max_ns": 7 * 86400 * 10**9, "keep_free_ppm": 0, "pad": 0,
    "directory": b"/var/lib/cprofd/profiles", "symbolize": 1, "cpu_ppm": 1000000, "memory": 1 << 30,
    "unwind_memory": 1 << 26, "socket": b"/run/cprofd/cprofd.sock", "group": b"root",
    "control_gid": 0xffffffff, "pad2": 0,
}
LISTEN_BODY = struct.Struct("<II")
ROLES_BODY = struct.Struct("<II")
COST = struct.Struct("<QQIIII")
PROBLEM_SZ = 256
STATE_BODY = struct.Struct("<II512s")
SAMPLING, DEGRADED, NOT_SAMPLING, RELOADED = range(4)
HTTP, SESSION = range(2)


def config_message(**changes):
    assert changes.keys() <= CONFIG_DEFAULTS.keys(), changes
    return message(CONFIG, CONFIG_BODY.pack(*{**CONFIG_DEFAULTS, **changes}.values()))


def config(data):
    """What the tests look at of a CONFIG message."""
    fields = dict(zip(CONFIG_DEFAULTS, CONFIG_BODY.unpack_from(data, HEAD.size)))
    assert len(data) == HEAD.size + CONFIG_BODY.size, len(data)
    return {"hz": fields["hz"], "directory": fields["directory"].rstrip(b"\0").decode(),
            "socket": fields["socket"].rstrip(b"\0").decode(), "gid": fields["control_gid"]}


def costs(data):
    """{role: (cpu_ns, pss_bytes, pid, restarts)} of a ROLES message."""
    cnt, _ = ROLES_BODY.unpack_from(data, HEAD.size)
    rows = list(COST.iter_unpack(data[HEAD.size + ROLES_BODY.size:-PROBLEM_SZ]))
    assert len(rows) == 8, len(rows)
    return {role: (cpu, pss, pid, restarts) for cpu, pss, role, pid, restarts, _ in rows[:cnt]}


def problem(data):
    """Why the last reload failed, as a ROLES message has it."""
    return data[-PROBLEM_SZ:][:ROLES_BODY.unpack_from(data, HEAD.size)[1]].decode()


def state(kind, text=""):
    return message(STATE, STATE_BODY.pack(kind, len(text), text.encode()))
