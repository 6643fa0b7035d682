# SPDX-License-Identifier: Apache-2.0
"""A launcher and a front of the tests': they start the real sampler, opener and symbolizer, give it a
configuration and a spool directory, and ask it what a front would ask.

So the sampler's side of the daemon can be tested alone: killed, restarted, told to stop, and asked at
any moment. The messages are written a second time here (include/cprof/wire.h, control.h).
"""

import contextlib
import os
import pathlib
import select
import signal
import struct
import subprocess
import sys
import time

import harness

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "roles"))
import wire  # noqa: E402

STATUS, PROCESSES, CLIENT = range(128, 131)
PROCESS = struct.Struct("<QQQQ6I64s128s80s")
PROCESSES_BODY = struct.Struct("<QQII")
BOOKS = ("produced", "runs", "missed", "dropped", "delivered", "in_profiles", "open_window",
         "discarded", "difference")
SPOOL_FIGURES = ("files", "bytes", "evicted", "quarantined", "windows", "windows_failed", "merged")


def text_of(field):
    return field.split(b"\0", 1)[0].decode("utf-8", "strict")


class Status:
    """An answer to CONTROL_STATUS, taken apart."""

    def __init__(self, data):
        names = [name for name, _, _ in harness.counter_names()]
        at = wire.HEAD.size
        form = struct.Struct("<32s32sQQQIIII")
        (version, event, self.uptime_ns, self.from_real_ns, self.window_ns, self.hz, self.cpus,
         degraded, self.sessions) = form.unpack_from(data, at)
        self.version, self.event = text_of(version), text_of(event)
        at += form.size
        texts = [data[at + 256 * i:at + 256 * (i + 1)] for i in range(8)]
        self.degraded = [text_of(t) for t in texts[:degraded]]
        at += 8 * 256
        values = struct.unpack_from(f"<{len(names)}Q", data, at)
        self.counters = dict(zip(names, values))
        at += 8 * len(names)
        self.books = dict(zip(BOOKS, struct.unpack_from("<9Q", data, at)))
        at += 8 * 9
        self.stack_ends = struct.unpack_from("<64Q", data, at)
        at += 8 * 64
        cnt, roles = struct.unpack_from("<II", data, at)
        assert cnt == len(names), (cnt, len(names))
        at += 8
        self.roles = [wire.COST.unpack_from(data, at + wire.COST.size * i) for i in range(roles)]
        at += wire.COST.size * 8
        self.bpf_bytes, self.gap_ns = struct.unpack_from("<QQ", data, at)
        at += 16
        self.spool = dict(zip(SPOOL_FIGURES, struct.unpack_from("<7Q", data, at)))
        at += 56
        (self.next_rotation_ns, self.minute_ns, self.minute_max_ns,
         self.memory_max) = struct.unpack_from("<4Q", data, at)
        assert at + 32 == len(data), (at + 32, len(data))


class Launcher:
    """Starts the roles and wires them; `with Launcher(...) as l: l.status()`."""

    def __init__(self, root, spool, sampler=None, **config):
        build = pathlib.Path(root)
        self.programs = {
            wire.SAMPLER: sampler or build / "daemon/sampler/cprofd-sampler",
            wire.OPENER: build / "daemon/opener/cprofd-opener",
            wire.SYMBOLIZER: build / "daemon/symbolizer/cprofd-symbolizer",
        }
        self.spool, self.config = pathlib.Path(spool), config
        self.roles, self.controls = {}, {}
        self.front = None
        self.states, self.progress = [], []

    def __enter__(self):
        self.start_sampler()
        return self

    def __exit__(self, *_):
        for process in self.roles.values():
            if process.poll() is None:
                process.kill()
            process.wait()
        for sock in [*self.controls.values(), self.front]:
            if sock:
                sock.close()

    def spawn(self, role):
        ours, theirs = wire.pair()

        def arrange(fd=theirs.fileno(), nice=-10 if role == wire.SAMPLER else 0):
            os.dup2(fd, 3)
            os.nice(nice)  # as the service has it

        self.roles[role] = subprocess.Popen([str(self.programs[role])], stdin=subprocess.DEVNULL,
                                            preexec_fn=arrange, pass_fds=(3,))
        theirs.close()
        ours.setblocking(True)
        if role in self.controls:
            self.controls[role].close()
        self.controls[role] = ours

    def link(self, a, b):
        ends = wire.pair()
        wire.send(self.controls[a], wire.peer(b), ends[0].fileno())
        wire.send(self.controls[b], wire.peer(a), ends[1].fileno())
        for end in ends:
            end.close()

    def start_sampler(self):
        """With neighbours of its own: what they know has the numbers of the one before."""
        self.spawn(wire.SAMPLER)
        control = self.controls[wire.SAMPLER]
        wire.send(control, wire.config_message(**self.config))
        fd = os.open(self.spool, os.O_RDONLY | os.O_DIRECTORY)
        wire.send(control, wire.message(wire.SPOOL), fd)
        os.close(fd)
        for role in (wire.OPENER, wire.SYMBOLIZER):
            if role in self.roles:
                self.roles[role].kill()
                self.roles[role].wait()
            self.spawn(role)
        self.link(wire.OPENER, wire.SYMBOLIZER)
        self.lend_kallsyms()
        self.link(wire.SAMPLER, wire.OPENER)
        self.link(wire.SAMPLER, wire.SYMBOLIZER)
        if self.front:
            self.front.close()
        self.front, theirs = wire.pair()
        wire.send(control, wire.peer(wire.FRONT), theirs.fileno())
        theirs.close()

    def lend_kallsyms(self):
        with open("/proc/kallsyms", "rb") as f:
            wire.send(self.controls[wire.SYMBOLIZER], wire.message(wire.KALLSYMS), f.fileno())

    @property
    def sampler(self):
        return self.roles[wire.SAMPLER]

    def reload(self, **config):
        self.config.update(config)
        wire.send(self.controls[wire.SAMPLER], wire.config_message(**self.config))

    def tell_costs(self, *rows, problem=b""):
        """What the roles take, as a launcher tells: (cpu_ns, pss_bytes, role, pid, restarts)."""
        costs = b"".join(wire.COST.pack(*row, 0) for row in rows).ljust(wire.COST.size * 8, b"\0")
        wire.send(self.controls[wire.SAMPLER],
                  wire.message(wire.ROLES, wire.ROLES_BODY.pack(len(rows), len(problem)) + costs +
                               problem.ljust(wire.PROBLEM_SZ, b"\0")))

    def replace(self, role):
        """A new one where one died, as the launcher does."""
        self.roles[role].kill()
        self.roles[role].wait()
        self.spawn(role)
        if role == wire.SYMBOLIZER:
            self.lend_kallsyms()
        self.link(wire.OPENER, wire.SYMBOLIZER)
        self.link(wire.SAMPLER, role)

    def listen(self, seconds):
        """Takes what the sampler says to its launcher meanwhile."""
        control, end = self.controls[wire.SAMPLER], time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if not select.select([control], [], [], max(left, 0))[0]:
                return
            data, _ = wire.recv(control)
            if not data:
                return
            kind, _ = wire.head(data)
            if kind == wire.PROGRESS:
                self.progress.append(time.monotonic())
            elif kind == wire.STATE:
                what, length, text = wire.STATE_BODY.unpack_from(data, wire.HEAD.size)
                self.states.append((what, text[:length].decode()))
            if left <= 0:
                return

    def wait_state(self, what, timeout=20):
        def seen():
            self.listen(0.05)
            return [text for kind, text in self.states if kind == what]
        return harness.wait_until(seen, timeout, f"state {what} (there are {self.states})")

    def ask(self, kind, ident=1):
        self.front.send(wire.message(kind, ident=ident))
        if not select.select([self.front], [], [], 10)[0]:
            raise RuntimeError(f"no answer to {kind}")
        data, fd = wire.recv(self.front)
        assert data, "the sampler hung up"
        assert wire.head(data) == (kind, ident), wire.head(data)
        return data, fd

    def status(self):
        data, _ = self.ask(STATUS)
        return Status(data)

    def processes(self):
        """(window_ns, [process]) of the last whole window."""
        data, fd = self.ask(PROCESSES)
        window_ns, _, cnt, _ = PROCESSES_BODY.unpack_from(data, wire.HEAD.size)
        rows = []
        if fd is not None:
            with open(fd, "rb") as f:
                raw = f.read()
            assert len(raw) == cnt * PROCESS.size, (len(raw), cnt)
            for row in PROCESS.iter_unpack(raw):
                rows.append({"start": row[0], "samples": row[1], "weight_ns": row[2],
                             "complete": row[3], "pid": row[4], "exec": row[5], "uid": row[6],
                             "comm": text_of(row[10]), "unit": text_of(row[11]),
                             "container": text_of(row[12])})
        return window_ns, rows

    def send_client(self, flags=1, uid=0):
        """A connection to the session protocol, as the front passes one on."""
        ours, theirs = wire.pair()
        wire.send(self.front, wire.message(CLIENT, struct.pack("<II", uid, flags)),
                  theirs.fileno())
        theirs.close()
        return ours

    def stop(self, timeout=10):
        """Asks the sampler to stop; the seconds that it took."""
        begun, pidfd = time.monotonic(), os.pidfd_open(self.sampler.pid)
        wire.send(self.controls[wire.SAMPLER], wire.message(wire.STOP))
        # Not by wait(): it looks every 50 ms, which would count as time without samples.
        ended = select.select([pidfd], [], [], timeout)[0]
        os.close(pidfd)
        if not ended:
            raise RuntimeError(f"the sampler did not stop within {timeout} s")
        self.sampler.wait()
        return time.monotonic() - begun

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.sampler.pid, signal.SIGKILL)
        self.sampler.wait()


