# SPDX-License-Identifier: Apache-2.0
"""A role for the launcher's tests: tells a file what happens to it, and does what it is told.

Every event is one JSON line, appended whole. On each new socket to a neighbour it says its name, so
that the test sees who is at the other end of what. The sampler takes orders from the client, and in
the daemon, where there is none, every role from a socket of its own beside the events.
"""

import contextlib
import json
import os
import select
import socket
import sys
import time

import wire

NAMES = {wire.SAMPLER: "sampler", wire.OPENER: "opener", wire.SYMBOLIZER: "symbolizer",
         wire.CLIENT: "client", wire.FRONT: "front"}
CONTROL = 3
PROGRESS_S = 0.2


class Role:
    def __init__(self, name, events, mode):
        self.name, self.mode, self.events = name, mode, events
        self.peers = {}
        self.configured = self.progressing = False
        self.orders = None
        place = os.path.join(os.path.dirname(events), "orders")
        if os.path.isdir(place):
            self.orders = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.orders.bind(os.path.join(place, f"{name}-{os.getpid()}"))
        self.control = socket.socket(fileno=CONTROL)
        self.control.setblocking(True)

    def tell(self, event, **facts):
        line = json.dumps({"role": self.name, "pid": os.getpid(), "event": event,
                           "time": time.monotonic(), **facts}) + "\n"
        fd = os.open(self.events, os.O_WRONLY | os.O_APPEND)
        os.write(fd, line.encode())
        os.close(fd)

    def tell_start(self):
        with open("/proc/self/status", encoding="utf-8") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        fds = {}
        for fd in os.listdir("/proc/self/fd"):
            try:
                fds[fd] = os.readlink(f"/proc/self/fd/{fd}")
            except FileNotFoundError:
                pass  # of listdir itself
        self.tell("start", fds=fds, status=status, pgid=os.getpgid(0), environ=dict(os.environ))

    def on_control(self):
        data, fd = wire.recv(self.control)
        if not data:
            sys.exit(9)
        kind, _ = wire.head(data)
        if kind == wire.STOP:
            self.tell("stop")
            if self.mode != "stubborn":
                sys.exit(0)
        elif kind == wire.KALLSYMS:
            with os.fdopen(fd, "rb") as f:
                self.tell("kallsyms", first=f.readline().decode())
        elif kind == wire.CONFIG:
            self.on_config(data)
        elif kind == wire.SPOOL:
            self.on_spool(fd)
        elif kind == wire.LISTEN:
            self.tell("listen", kind=wire.LISTEN_BODY.unpack_from(data, wire.HEAD.size)[0],
                      at=socket.socket(fileno=fd).getsockname())
        elif kind == wire.ROLES:
            self.tell("roles", problem=wire.problem(data), costs={NAMES.get(k, "launcher"): v
                                      for k, v in wire.costs(data).items()})
        elif kind == wire.SANDBOX:
            self.tell("violations", count=wire.SANDBOX_BODY.unpack_from(data, wire.HEAD.size)[2])
        elif kind == wire.PEER:
            role, _ = wire.PEER_BODY.unpack_from(data, wire.HEAD.size)
            with contextlib.suppress(BlockingIOError):  # killed, and not dead yet
                while role in self.peers:
                    self.on_peer(role)
            self.peers[role] = socket.socket(fileno=fd)
            self.tell("peer", of=NAMES[role])
            if role != wire.CLIENT and self.mode != "quiet":
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.peers[role].send(f"{self.name} {os.getpid()}".encode())

    def on_config(self, data):
        self.tell("config", **wire.config(data))
        if self.name != "sampler":
            return
        again, self.configured = self.configured, True
        if again:
            if self.mode != "keeps":
                self.control.send(wire.state(wire.RELOADED))
        elif self.mode == "dies":
            sys.exit(1)
        elif self.mode.startswith("failed:"):
            self.control.send(wire.state(wire.NOT_SAMPLING, self.mode[7:]))
        elif self.mode == "state-storm":
            while True:
                self.control.send(wire.state(wire.SAMPLING))
        elif self.mode != "mute":
            self.control.send(wire.state(wire.SAMPLING))
            self.progressing = self.mode != "idle"

    def on_spool(self, fd):
        st, written = os.fstat(fd), True
        try:
            os.close(os.open("try", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=fd))
        except OSError:
            written = False
        self.tell("spool", path=os.readlink(f"/proc/self/fd/{fd}"), mode=st.st_mode & 0o7777,
                  written=written, names=os.listdir(fd))

    def on_peer(self, role):
        data, fd = wire.recv(self.peers[role])
        if not data:
            self.peers.pop(role).close()
            self.tell("lost", of=NAMES[role])
        elif role == wire.CLIENT:
            self.obey(data)
        elif role == wire.OPENER and len(data) >= wire.HEAD.size and wire.head(data)[0] in (
                wire.OPENED, wire.FILE):
            self.tell("answer", message=data.hex(), ino=os.fstat(fd).st_ino if fd else None)
        else:
            self.tell("hello", via=NAMES[role], text=data.decode())
            if self.mode.startswith("hang:"):
                self.tell("hang")
                os.open(self.mode[5:], os.O_RDONLY)

    def obey(self, order):
        word, _, rest = order.decode().partition(" ")
        if word == "exit":
            sys.exit(int(rest))
        elif word == "control":
            self.control.send(bytes.fromhex(rest))
        elif word == "progress":
            self.progressing = rest == "on"
        elif word == "burn":
            begun = time.process_time()
            while time.process_time() - begun < float(rest):
                pass
            self.tell("burnt")
        elif word == "starve":
            starve()
        elif word == "opener":
            self.peers[wire.OPENER].send(bytes.fromhex(rest))

    def run(self):
        self.tell_start()
        if self.mode == "exit":
            sys.exit(1)
        self.control.send(wire.message(wire.READY))
        if self.mode == "ready-storm":
            while True:
                self.control.send(wire.message(wire.READY))
        if self.mode == "garbage":
            for i in range(1000):
                self.control.send(os.urandom(1 + i))
        while True:
            self.turn()

    def turn(self):
        sources = {self.control: None, **{sock: role for role, sock in self.peers.items()}}
        if self.orders:
            sources[self.orders] = None
        ready = select.select(list(sources), [], [], PROGRESS_S if self.progressing else None)[0]
        for sock in ready:
            if sock is self.control:
                self.on_control()
            elif sock is self.orders:
                self.obey(sock.recv(wire.MAX))
            elif self.peers.get(sources[sock]) is sock:  # not replaced in this round
                self.on_peer(sources[sock])
        if self.progressing:
            self.control.send(wire.message(wire.PROGRESS))


def starve():
    """Ready to run for ever, beside two that are in its group of tasks and come first."""
    me = os.getpid()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for _ in range(2):
        if os.fork() == 0:
            os.closerange(3, 1024)
            while os.getppid() == me:
                pass
            os._exit(0)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        pass


def main(name, events, mode):
    try:
        Role(name, events, mode).run()
    except (BrokenPipeError, ConnectionResetError):
        time.sleep(0.01)
        sys.exit(8)
