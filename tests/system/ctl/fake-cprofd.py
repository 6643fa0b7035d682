#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cprofd that misbehaves: what cprofctl must survive and the real one cannot be made to do.

Speaks the session protocol (include/cprof/session.h) on descriptor 3. `--role fault=NAME` chooses
what goes wrong; without one it keeps the protocol, so that each fault is one step away from a
recording that works. `--role note=FILE` names a file where it writes what it was asked for.

`--listen PATH` makes it a daemon instead: it listens there and serves one connection after the other.
"""

import array
import ctypes
import errno
import fcntl
import gzip
import json
import os
import pathlib
import re
import select
import signal
import socket
import struct
import sys
import termios
import time

HEADER = pathlib.Path(__file__).resolve().parents[3] / "include/cprof/counters.def"
COUNTERS = re.findall(r"^COUNTER\((\w+),", HEADER.read_text(encoding="utf-8"), re.MULTILINE)
START, STARTED, STOP, PROGRESS, PROFILE, END, FAILED, NOTE = range(64, 72)
TIME, STOPPED, GONE = range(3)
PROCESS, PROFILE_MERGED = range(2)
ALL, TREE, MERGED = 1, 2, 4
F_ADD_SEALS, SEALS = 1033, 0xF
SAMPLES, PERIOD = 5, 10_000_000


def message(kind, body):
    return struct.pack("<IHHQ", 16 + len(body), kind, 0, 0) + body


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def pprof(function):
    """The smallest profile that is one: SAMPLES samples in one function."""
    strings = [b"", b"samples", b"count", b"cpu", b"nanoseconds", function]
    out = field(1, field(1, 1) + field(2, 2)) + field(1, field(1, 3) + field(2, 4))
    out += field(2, field(1, varint(1)) + field(2, varint(SAMPLES) + varint(SAMPLES * PERIOD)))
    out += field(4, field(1, 1) + field(4, field(1, 1)))
    out += field(5, field(1, 1) + field(2, 5))
    out += b"".join(field(6, s) for s in strings)
    return gzip.compress(out + field(11, field(1, 3) + field(2, 4)) + field(12, PERIOD))


class Fake:
    def __init__(self, fault, sock, note=None):
        self.fault, self.note = fault, note
        self.sock = sock
        self.sock.setblocking(True)
        self.flags = self.hz = self.duration = 0
        self.pids = []

    def receive_start(self):
        got = self.sock.recv(65536)
        if not got:
            sys.exit(0)
        kind = struct.unpack_from("<IHHQ", got)[1]
        assert kind == START, kind
        self.flags, self.hz, self.duration, _, cnt = struct.unpack_from("<IIQII", got, 16)
        self.pids = list(struct.unpack_from(f"<{cnt}i", got, 40 + 8 + 32 + 256))

    def send(self, kind, body, *fds):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([message(kind, body)], ancillary)

    def note_started(self):
        """A file says that the client has read it: nothing of what we sent waits any more."""
        waiting = array.array("i", [1])
        while waiting[0]:
            time.sleep(0.01)
            fcntl.ioctl(self.sock, termios.TIOCOUTQ, waiting)
        pathlib.Path(f"{self.note}.started").write_text("yes", encoding="utf-8")

    def progress(self, elapsed, phase=0):
        self.send(PROGRESS, struct.pack("<4QII", int(elapsed * 1e9), SAMPLES, 0, 0, 1, phase))

    def failed(self, text, error=-1):
        text = text.encode()
        self.send(FAILED, struct.pack("<iIII", error, len(text), 0, 0) + text.ljust(1024, b"\0"))

    def profile(self, pid, comm=b"fake", seal=True, data=None, size=None, fds=1):
        data = pprof(b"hot_function") if data is None else data
        fd = os.memfd_create("profile", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, data)
        if seal:
            fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
        kind = PROCESS if pid else PROFILE_MERGED
        body = struct.pack("<7Q6I", size or len(data), 1234, 10**9, 2 * 10**9, SAMPLES,
                           SAMPLES * PERIOD, 0, pid, 1, 0, kind, 1, 0)
        self.send(PROFILE, body + comm.ljust(64, b"\0"), *([fd] * fds))
        os.close(fd)

    def end(self, by, profiles, difference=0, walk=0, named=9, **lost):
        """@lost: samples that are in no profile, by counter."""
        n = profiles * SAMPLES
        dropped = sum(v for name, v in lost.items() if name.startswith("drop_"))
        discarded = sum(lost.values()) - dropped
        delivered = n + discarded
        runs = delivered + dropped
        counters = dict.fromkeys(COUNTERS, 0)
        counters.update(runs=runs, delivered=delivered, in_profiles=n, frames=10, frames_named=named,
                        stacks_complete=n, bpf_ns=12_000_000, **lost)
        books = [runs, runs, 0, dropped, delivered, n, 0, discarded, difference]
        body = struct.pack(f"<{len(COUNTERS)}Q8Qq4Q6I", *counters.values(), *books, 10**9, by, 0, 0,
                           profiles, self.hz, 2, len(COUNTERS), walk, 0)
        self.send(END, body)

    def linger(self):
        """Until the client hangs up."""
        while self.sock.recv(65536):
            pass

    def wait(self):
        """Until STOP, the end of the time, or the client's; why it ended."""
        limit = time.monotonic() + self.duration / 1e9 if self.duration else None
        begun = time.monotonic()
        while True:
            left = min(0.2, limit - time.monotonic()) if limit else 0.2
            if limit and left <= 0:
                return TIME
            if select.select([self.sock], [], [], left)[0]:
                if not self.sock.recv(65536):
                    sys.exit(0)
                return STOPPED
            self.progress(time.monotonic() - begun)

    def run(self):
        before = getattr(self, "before_" + self.fault.replace("-", "_"), None)
        if before:
            before()
        self.receive_start()
        start = getattr(self, "start_" + self.fault.replace("-", "_"), None)
        if start:
            start()
        self.send(STARTED, struct.pack("<QII32s", time.time_ns(), self.hz, 2, b"cpu-clock"))
        if self.note:
            self.note_started()
        after = getattr(self, "after_" + self.fault.replace("-", "_"), None)
        if after:
            after()
        by = self.wait()
        self.progress(1, 1)
        self.progress(1, 2)
        targets = [0] if self.flags & MERGED else self.pids or [71, 72, 73]
        finish = getattr(self, "finish_" + self.fault.replace("-", "_"), None)
        if finish:
            finish(by, targets)
            return
        for pid in targets:
            self.profile(pid)
        self.end(by, len(targets))
        self.sock.recv(1)

    # Faults, by the moment at which they show.

    def before_exits(self):
        sys.exit(1)

    def start_hangs(self):
        self.linger()
        sys.exit(0)

    def start_not_permitted(self):
        self.failed("process 1 is of another user: only root and the group cprofd may record it; ask "
                    "to become a member")
        sys.exit(1)

    def start_not_understood(self):
        self.failed("a message that means nothing; is cprofctl of another version?", -errno.EBADMSG)
        sys.exit(1)

    def start_hangs_up(self):
        sys.exit(1)

    def start_refuses(self):
        self.failed("cannot load the BPF program: Operation not permitted; run it as root")
        sys.exit(1)

    def start_early_end(self):
        self.end(TIME, 0)
        self.linger()

    def start_old_version(self):
        self.sock.send(struct.pack("<IHHQ", 24, STARTED, 0, 0) + bytes(8))
        self.linger()

    def after_dies(self):
        os._exit(9)

    def after_garbage(self):
        self.sock.send(os.urandom(200))
        self.linger()

    def after_huge(self):
        self.sock.send(bytes(60000))
        self.linger()

    def after_stray_descriptor(self):
        self.send(PROGRESS, struct.pack("<4QII", 0, 0, 0, 0, 0, 0), 2)
        self.linger()

    def after_breaks_off(self):
        self.failed("lost a CPU: No such device; try again")
        sys.exit(1)

    def after_ends_early(self):
        self.profile(self.pids[0])
        self.end(TIME, 1)
        self.sock.recv(1)
        sys.exit(0)

    def finish_dies_between(self, by, targets):
        self.profile(targets[0])
        os._exit(9)

    def finish_unsealed(self, by, targets):
        self.profile(targets[0])
        self.profile(targets[0], seal=False)
        self.linger()

    def finish_wrong_size(self, by, targets):
        self.profile(targets[0], size=1 << 20)
        self.linger()

    def finish_two_descriptors(self, by, targets):
        self.profile(targets[0], fds=2)
        self.linger()

    def finish_no_descriptor(self, by, targets):
        self.profile(targets[0], fds=0)
        self.linger()

    def finish_not_a_profile(self, by, targets):
        self.profile(targets[0], data=b"this is no profile")
        self.end(by, 1)

    def finish_no_samples(self, by, targets):
        self.end(by, 0)

    def finish_all_lost(self, by, targets):
        self.end(by, 0, drop_ring_full=40, discard_memory=2)

    def finish_forbidden(self, by, targets):
        self.end(by, 0, discard_forbidden=40)

    def finish_some_forbidden(self, by, targets):
        self.profile(targets[0])
        self.end(by, 1, discard_forbidden=40)

    def finish_profile_lost(self, by, targets):
        self.profile(targets[0])
        self.end(by, 1, discard_client=7, drop_ring_full=3)

    def finish_profile_not_encoded(self, by, targets):
        self.profile(targets[0])
        self.end(by, 1, discard_encode=7)

    def finish_some_dropped(self, by, targets):
        self.profile(targets[0])
        self.end(by, 1, drop_ring_full=3)

    def finish_unbalanced(self, by, targets):
        self.profile(targets[0])
        self.end(by, 1, difference=7)

    def finish_degraded(self, by, targets):
        text = b"the walk of mappings is switched off: it differs; names may be missing"
        self.send(NOTE, struct.pack("<Q", len(text)) + text.ljust(1024, b"\0"))
        self.profile(targets[0])
        self.end(by, 1, walk=1)

    def finish_many(self, by, targets):
        """As many samples as a second of work has."""
        for _ in range(20):
            self.profile(targets[0])
        self.end(by, 20)

    def finish_nameless(self, by, targets):
        self.profile(targets[0], data=pprof(b"[libc.so.6]"))
        self.end(by, 1, named=0)

    def finish_odd_comm(self, by, targets):
        self.profile(targets[0], comm=b"../../etc/pass wd")
        self.end(by, 1)

    def finish_twice(self, by, targets):
        self.profile(targets[0])
        self.profile(targets[0])
        self.end(by, 2)

    def finish_slow(self, by, targets):
        self.profile(targets[0])
        time.sleep(30)

    def finish_stays(self, by, targets):
        """It does all right, and then does not go."""
        for pid in targets:
            self.profile(pid)
        self.end(by, len(targets))
        time.sleep(60)


def note_surroundings(path, fake):
    fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
    pathlib.Path(path).write_text(json.dumps({
        "pid": os.getpid(), "argv": sys.argv[1:], "fds": fds[:-1], "stdin": os.readlink("/proc/self/fd/0"),
        "pgid": os.getpgid(0)}), encoding="utf-8")


def listen(path, fault):
    """Each connection is a process, as each session is on its own."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.bind(path)
    sock.listen(8)
    os.chmod(path, 0o666)  # the sign that it can be connected to
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        conn, _ = sock.accept()
        if os.fork() == 0:
            sock.close()
            try:
                Fake(fault, conn).run()
            except (BrokenPipeError, ConnectionResetError):
                pass
            sys.exit(0)
        conn.close()


def main():
    roles = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a)
    if "--listen" in sys.argv:
        listen(sys.argv[sys.argv.index("--listen") + 1], roles.get("fault", "none"))
    assert "--session" in sys.argv
    fake = Fake(roles.get("fault", "none"), socket.socket(fileno=3), roles.get("note"))
    if "note" in roles:
        note_surroundings(roles["note"], fake)
    if fake.fault == "stays":
        ctypes.CDLL(None).prctl(1, 0)
    fake.run()


main()
