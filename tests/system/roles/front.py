# SPDX-License-Identifier: Apache-2.0
"""cprofd-front between a launcher and a sampler that are the test's own; and clients of any user.

The structures of control.h, session.h and of the daemon's part of wire.h are written a second time, as
in wire.py.
"""

import contextlib
import ctypes
import fcntl
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import wire

STATUS, PROCESSES, CLIENT = 128, 129, 130
START, STARTED, STOP, PROGRESS, PROFILE, END, FAILED, NOTE = range(64, 72)
FRONT_UID, GROUP = 61183, 61190
ALL, MERGED, UNIT = 1, 4, 8
TIMEOUT = 10

ROOT = pathlib.Path(__file__).resolve().parents[3]
COUNTERS = re.findall(r"^COUNTER\((\w+), \w+, (\w+)",
                      (ROOT / "include/cprof/counters.def").read_text(encoding="utf-8"), re.M)

u32, u64, char = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char


class Head(ctypes.Structure):
    _fields_ = [("size", u32), ("type", ctypes.c_uint16), ("pad", ctypes.c_uint16), ("id", u64)]


class Message(ctypes.Structure):
    TYPE = 0

    def pack(self, ident=0):
        self.head.size, self.head.type, self.head.id = ctypes.sizeof(self), self.TYPE, ident
        return bytes(self)


class ListenMessage(Message):
    TYPE = wire.LISTEN
    _fields_ = [("head", Head), ("kind", u32), ("pad", u32)]


class Cost(ctypes.Structure):
    _fields_ = [("cpu_ns", u64), ("pss_bytes", u64), ("role", u32), ("pid", u32), ("restarts", u32),
                ("layers", ctypes.c_uint16), ("missing", ctypes.c_uint16)]


class Books(ctypes.Structure):
    _fields_ = [(n, u64) for n in ("produced", "runs", "missed", "dropped", "delivered",
                                   "in_profiles", "open_window", "discarded", "difference")]


class StatusMessage(Message):
    TYPE = STATUS
    _fields_ = ([("head", Head), ("version", char * 32), ("event", char * 32), ("uptime_ns", u64),
                 ("from_real_ns", u64), ("window_ns", u64), ("hz", u32), ("cpus", u32),
                 ("degraded_cnt", u32), ("sessions", u32), ("degraded", char * 256 * 8),
                 ("counters", u64 * len(COUNTERS)), ("books", Books), ("stack_ends", u64 * 64),
                 ("counters_cnt", u32), ("roles_cnt", u32), ("roles", Cost * 8), ("bpf_bytes", u64),
                 ("gap_ns", u64)] +
                [("spool_" + n, u64) for n in ("files", "bytes", "evicted", "quarantined", "windows",
                                               "windows_failed", "merged")] +
                [(n, u64) for n in ("next_rotation_ns", "minute_ns", "minute_max_ns", "memory_max")])


class Process(ctypes.Structure):
    _fields_ = [("start_ticks", u64), ("samples", u64), ("weight_ns", u64), ("complete", u64),
                ("pid", u32), ("exec", u32), ("uid", u32), ("euid", u32), ("cred", u32), ("pad", u32),
                ("comm", char * 64), ("unit", char * 128), ("container", char * 80)]


class ProcessesMessage(Message):
    TYPE = PROCESSES
    _fields_ = [("head", Head), ("window_ns", u64), ("from_real_ns", u64), ("cnt", u32),
                ("cpus", u32)]


class ClientMessage(Message):
    TYPE = CLIENT
    _fields_ = [("head", Head), ("uid", u32), ("flags", u32)]


class StartMessage(Message):
    TYPE = START
    _fields_ = [("head", Head), ("flags", u32), ("hz", u32), ("duration_ns", u64), ("ring_bytes", u32),
                ("pids_cnt", u32), ("event_count", u64), ("event", char * 32), ("unit", char * 256),
                ("pids", ctypes.c_int32 * 256)]


class StartedMessage(Message):
    TYPE = STARTED
    _fields_ = [("head", Head), ("from_real_ns", u64), ("hz", u32), ("cpus", u32),
                ("event", char * 32)]


class ProfileMessage(Message):
    TYPE = PROFILE
    _fields_ = [("head", Head)] + [(n, u64) for n in (
        "bytes", "start_ticks", "from_real_ns", "to_real_ns", "samples", "weight_ns", "exe_id")] + [
            (n, u32) for n in ("pid", "exec", "uid", "kind", "processes", "pad")] + [
                ("comm", char * 64)]


class EndMessage(Message):
    TYPE = END
    _fields_ = [("head", Head), ("counters", u64 * len(COUNTERS)), ("books", Books),
                ("duration_ns", u64), ("ended_by", u64), ("bpf_bytes", u64), ("pss_bytes", u64),
                ("profiles", u32), ("hz", u32), ("cpus", u32), ("counters_cnt", u32), ("walk", u32),
                ("pad", u32)]


class FailedMessage(Message):
    TYPE = FAILED
    _fields_ = [("head", Head), ("error", ctypes.c_int32), ("text_len", u32), ("retry_s", u32), ("pad", u32),
                ("text", char * 1024)]


def memory(data, seals=fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(os.dup(fd), "wb") as f:
        f.write(data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def _field(number, value):
    def varint(n):
        out = b""
        while n >= 0x80:
            out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
        return out + bytes([n])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def profile(function="spin", filler=0):
    """A pprof file with one function; @filler bytes that do not compress make it large."""
    kind = _field(11, _field(1, 3) + _field(2, 4))
    data = (_field(1, _field(1, 1) + _field(2, 2)) + _field(1, _field(1, 3) + _field(2, 4)) + kind +
            _field(12, 10101010) + _field(9, time.time_ns()) + _field(10, 10**9) +
            _field(2, _field(1, b"\1") + _field(2, b"\7\x64")) +
            _field(4, _field(1, 1) + _field(4, _field(1, 1))) + _field(5, _field(1, 1) + _field(2, 5)))
    for s in ("", "samples", "count", "cpu", "nanoseconds", function):
        data += _field(6, s)
    if filler:
        data += _field(6, os.urandom(filler // 2).hex())
    return gzip.compress(data, 1)


class Sampler:
    """The other end of control.h and of sessions. What it does is in its attributes."""

    def __init__(self):
        self.on_status = self.on_processes = "answer"  # or "silent", or bytes to send
        self.on_session = "profile"  # "empty", "silent", "die", "late", (errno, text[, retry_s]), callable
        self.profile = profile()
        self.rows = []
        self.questions = []
        self.clients = []  # (uid, flags, StartMessage)
        self.hung_up = 0
        self.kept = []
        self.reads = threading.Event()  # cleared: it has other things to do
        self.reads.set()
        self.sock, self.theirs = wire.pair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def status(self):
        s = StatusMessage(version=b"0.1.0", event=b"cpu-clock", uptime_ns=int(90.5e9), hz=99, cpus=2,
                          window_ns=60 * 10**9, from_real_ns=1_700_000_000 * 10**9,
                          counters_cnt=len(COUNTERS), roles_cnt=3, degraded_cnt=1,
                          spool_files=12, spool_bytes=3456, bpf_bytes=777, minute_ns=3 * 10**9, minute_max_ns=6 * 10**9, memory_max=1 << 20)
        s.degraded[0].value = b"spool: \"full\"; make room"
        for i in range(len(COUNTERS)):
            s.counters[i] = i + 1
        s.books.runs, s.books.missed, s.books.produced = 100, 5, 105
        s.stack_ends[3] = 33
        s.roles[0] = Cost(10**9, 1000, 0, 11, 0)
        s.roles[1] = Cost(2 * 10**9, 2000, wire.OPENER, 12, 1, wire.CALLS)
        s.roles[2] = Cost(3 * 10**9, 3000, wire.SYMBOLIZER, 13, 0, wire.CALLS, wire.PATHS)
        return s

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                data, fd = wire.recv(self.sock)
                if not data:
                    return
                self.reads.wait()
                kind, ident = wire.head(data)
                self.questions.append(kind)
                if kind == STATUS:
                    self.answer(self.on_status, lambda i=ident: (self.status().pack(i), None))
                elif kind == PROCESSES:
                    self.answer(self.on_processes, lambda i=ident: self.processes(i))
                elif kind == CLIENT:
                    self.take(ClientMessage.from_buffer_copy(data), fd)

    def answer(self, how, make):
        if how == "silent":
            return
        message, fd = make() if how == "answer" else how
        wire.send(self.sock, message, fd)

    def processes(self, ident):
        head = ProcessesMessage(window_ns=10 * 10**9, from_real_ns=1_700_000_000 * 10**9,
                                cnt=len(self.rows), cpus=2)
        return head.pack(ident), memory(b"".join(bytes(r) for r in self.rows))

    def take(self, m, fd):
        sock = socket.socket(fileno=fd)
        sock.setblocking(True)
        threading.Thread(target=self.session, args=(m.uid, m.flags, sock), daemon=True).start()

    def session(self, uid, flags, sock):
        with contextlib.suppress(OSError):
            data, _ = wire.recv(sock)
            start = StartMessage.from_buffer_copy(data)
            self.clients.append((uid, flags, start))
            if self.on_session == "die":
                sock.close()
                return
            if isinstance(self.on_session, tuple):
                code, text, *retry_s = self.on_session
                sock.send(FailedMessage(error=-code, text_len=len(text), text=text,
                                        retry_s=retry_s[0] if retry_s else 0).pack())
                return
            if callable(self.on_session):
                self.on_session(sock)
                return
            sock.send(StartedMessage(from_real_ns=time.time_ns(), hz=start.hz, cpus=2,
                                     event=b"cpu-clock").pack())
            self.sample(sock, start)

    def sample(self, sock, start):
        sock.settimeout(start.duration_ns / 1e9 if self.on_session != "silent" else 3600)
        with contextlib.suppress(TimeoutError):
            if not wire.recv(sock)[0]:
                self.hung_up += 1
                return
        if self.on_session == "profile":
            self.send_profile(sock)
        sock.send(EndMessage(duration_ns=start.duration_ns, counters_cnt=len(COUNTERS),
                             hz=start.hz).pack())

    def send_profile(self, sock, data=None, seals=None, **changes):
        data = data or self.profile
        fd = memory(data) if seals is None else memory(data, seals)
        wire.send(sock, ProfileMessage(**{"bytes": len(data), "samples": 7, "kind": 1,
                                          **changes}).pack(), fd)
        os.close(fd)

    def die(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def listen(path, kind):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    os.chmod(path, 0o666)
    sock.listen(4096)
    return sock


class Front:
    """The program, as the launcher runs it: another user, all sockets handed over."""

    def __init__(self, program, spool=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cprof-front-"))
        self.dir.chmod(0o755)
        shutil.copy(program, self.dir / "cprofd-front")
        self.path, self.session_path = self.dir / "http.sock", self.dir / "session.sock"
        self.control, theirs = wire.pair()
        self.control.settimeout(TIMEOUT)
        self.process = subprocess.Popen(
            [self.dir / "cprofd-front"], user=FRONT_UID, group=GROUP, extra_groups=[], pass_fds=[3],
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3), env={"LANG": "C.UTF-8"})
        theirs.close()
        assert wire.head(wire.recv(self.control)[0])[0] == wire.READY
        self.configure()
        if spool:
            self.send_spool(spool)
        for kind, path, how in ((wire.HTTP, self.path, socket.SOCK_STREAM),
                                (wire.SESSION, self.session_path, socket.SOCK_SEQPACKET)):
            sock = listen(path, how)
            wire.send(self.control, ListenMessage(kind=kind).pack(), sock.fileno())
            sock.close()
        self.sampler = None

    def configure(self, gid=GROUP):
        wire.send(self.control, wire.config_message(
            group=b"cprofd", keep_free_ppm=150000, cpu_ppm=10000, memory=1 << 28,
            socket=str(self.path).encode(), control_gid=gid))

    def connect_sampler(self):
        self.sampler = Sampler()
        wire.send(self.control, wire.peer(wire.SAMPLER), self.sampler.theirs.fileno())
        self.sampler.theirs.close()
        return self.sampler

    def send_spool(self, path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        wire.send(self.control, wire.message(wire.SPOOL), fd)
        os.close(fd)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_s(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        fields = stat[stat.rindex(")") + 2:].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.control.close()
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "hangs"
        shutil.rmtree(self.dir)
        return code


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines[1:])}
        self.text = self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


def dial(path, kind=socket.SOCK_STREAM, timeout=30):
    """Where the queue of the socket is full, connect(2) with a timeout does not wait: it is tried again."""
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(timeout)
    end = time.monotonic() + (timeout or 0)
    while True:
        try:
            sock.connect(str(path))
            return sock
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def read_all(sock):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            data += piece
    return data


def ask(path, target, method="GET", body=b"", headers=""):
    """One request, one answer; its bytes."""
    with dial(path) as sock:
        extra = f"Content-Length: {len(body)}\r\n" if body else ""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                         f"{headers}{extra}\r\n".encode() + body)
        return read_all(sock)


def as_user(uid, groups, work):
    """What @work returns (bytes), done by a process of that user."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            with open(write, "wb") as f:
                f.write(work())
            os._exit(0)
        except BaseException as e:
            os.write(2, f"{e!r}\n".encode())
            os._exit(1)
    os.close(write)
    with open(read, "rb") as f:
        data = f.read()
    assert os.waitpid(child, 0)[1] == 0, "the user's process failed"
    return data


@contextlib.contextmanager
def sleeper(uid=0, **how):
    """A process of that user; with dumpable=False one that may not be traced."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # PR_SET_DUMPABLE: a change of user took it away.
        ctypes.CDLL(None).prctl(4, int(how.get("dumpable", True)), 0, 0, 0)
        os.write(write, b"x")
        signal.pause()
    os.read(read, 1)
    os.close(read)
    os.close(write)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


