# SPDX-License-Identifier: Apache-2.0
"""A symbolizer that was taken over: the test is in its place, beside the real sampler and opener.

First it answers at random: true answers, true ones with bytes changed, every type with random content,
halves of messages, answers twice, answers that nobody asked for, descriptors where none belong, and
floods. Whenever it is found lying the next one is as bad (--long: 1,000,000 messages). Then it lies with
care: it answers all questions, calls every function a lie, and says of other files that they are bad; when
it is caught, or dead, an honest one takes its place.

Whatever it does: no role dies, no descriptor stays, memory is bounded, the books are exact, and no lie is in a
window of the honest one.
"""

import contextlib
import os
import pathlib
import random
import select
import shutil
import socket
import struct
import sys
import time

import harness
import stand_in
from cprofd import Spool, build_of
from harness import NSEC, Work

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "roles"))
import front  # noqa: E402
import wire  # noqa: E402

SEED = 20261122
CFA_GAP = 0  # of unwind.h
GROWTH_MAX = 128 << 20
FDS_SLACK = 8  # windows that are written just now, and files that are opened
NAMES_BODY, NAMED_BODY = struct.Struct("<II"), struct.Struct("<IIIHH")
NAME, LINE = struct.Struct("<QIHH"), struct.Struct("<6H3I")
OBJECT_BODY = struct.Struct("<IIQQII768s32sII")
ROWS_BODY = struct.Struct("<IIQII256s")
ROWS_HEAD = struct.Struct("<6I")
RULE_GAP = bytes((CFA_GAP,)) + bytes(31)
READY, UNNAMED, BAD = range(3)
ROWS_NONE, ROWS_MAGIC = 1, 0x776F7263
KINDS = 34


def object_message(ident, status=READY):
    return wire.message(wire.OBJECT, OBJECT_BODY.pack(status, 0, 0, 0, 0, 0, b"", b"", 0, 0), ident)


def named_message(ident, index, cnt, text=b"lie"):
    """Each place has that name."""
    at = wire.HEAD.size + NAMED_BODY.size
    padded = text.ljust((len(text) + 7) & ~7, b"\0")
    first = at + NAME.size + LINE.size
    body = b"".join(NAME.pack(i, len(padded) if i == 0 else 0, 1, 0) +
                    LINE.pack(first, len(text), 0, 0, 0, 0, 0, 0, 0) + (padded if i == 0 else b"")
                    for i in range(cnt))
    return wire.message(wire.NAMED, NAMED_BODY.pack(index, cnt, READY, 0, 0) + body, ident)


def rows_message(ident):
    """(message, descriptor): a file without unwinding information."""
    block = ROWS_HEAD.pack(ROWS_MAGIC, 1, 0, 0, 1, 0) + RULE_GAP
    return (wire.message(wire.ROWS, ROWS_BODY.pack(ROWS_NONE, 0, len(block), 0, 0, b""), ident),
            front.memory(block))


class Launcher(stand_in.Launcher):
    """With a symbolizer of the test's own: its socket to the sampler, and the one from the opener."""

    def __init__(self, *args, **config):
        super().__init__(*args, **config)
        self.sampler_end = self.opener_end = None
        self.files, self.asks, self.rows = [], [], []  # what is to be answered
        self.links = 0

    def start_sampler(self):
        self.spawn(wire.SAMPLER)
        control = self.controls[wire.SAMPLER]
        wire.send(control, wire.config_message(**self.config))
        fd = os.open(self.spool, os.O_RDONLY | os.O_DIRECTORY)
        wire.send(control, wire.message(wire.SPOOL), fd)
        os.close(fd)
        self.spawn(wire.OPENER)
        self.link_again()
        self.link(wire.SAMPLER, wire.OPENER)
        self.front, theirs = wire.pair()
        wire.send(control, wire.peer(wire.FRONT), theirs.fileno())
        theirs.close()

    def link_again(self):
        """As the launcher does when a symbolizer was replaced."""
        self.drop()
        self.files, self.asks, self.rows = [], [], []
        self.opener_end = self.new_end(wire.OPENER)
        self.sampler_end = self.new_end(wire.SAMPLER)
        self.links += 1

    def new_end(self, role):
        ours, theirs = wire.pair()
        wire.send(self.controls[role], wire.peer(wire.SYMBOLIZER), theirs.fileno())
        theirs.close()
        ours.setblocking(False)
        return ours

    def drop(self):
        for end in (self.sampler_end, self.opener_end):
            if end:
                end.close()
        self.sampler_end = self.opener_end = None

    def take(self):
        """Reads all that there is; False: the sampler hung up."""
        with contextlib.suppress(BlockingIOError):
            while select.select([self.controls[wire.SAMPLER]], [], [], 0)[0]:
                assert wire.recv(self.controls[wire.SAMPLER])[0], "the sampler is gone"
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while (got := wire.recv(self.opener_end))[0]:
                self.files.append(wire.head(got[0])[1])
                if got[1] is not None:
                    os.close(got[1])
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while True:
                data, fd = wire.recv(self.sampler_end)
                assert fd is None, "the sampler passes a descriptor to its symbolizer"
                if not data:
                    return False
                kind, ident = wire.head(data)
                if kind == wire.NAMES:
                    self.asks.append((ident, *NAMES_BODY.unpack_from(data, wire.HEAD.size)))
                elif kind in (wire.MAKE_ROWS, wire.MAKE_PAGES):
                    self.rows.append(ident)
        return True

    def honest(self):
        """The real symbolizer takes our place."""
        self.spawn(wire.SYMBOLIZER)
        self.lend_kallsyms()
        self.link(wire.OPENER, wire.SYMBOLIZER)
        self.link(wire.SAMPLER, wire.SYMBOLIZER)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text[text.index("VmRSS:"):].split()[1]) << 10


# At random


class Mad:
    """Messages of one liar after the other, from a fixed seed."""

    def __init__(self, launcher, seed):
        self.launcher, self.random = launcher, random.Random(seed)
        self.last = (object_message(16), None)
        self.sent = self.accepted = self.caught = 0

    def true(self):
        """(message, descriptor or None) of what is owed, or of nothing that anybody asked for."""
        l, r = self.launcher, self.random
        if l.asks and r.random() < 0.6:
            ident, index, cnt = l.asks.pop()
            return named_message(ident, index, r.randint(1, cnt), r.randbytes(r.randrange(1, 40))), None
        if l.rows and r.random() < 0.6:
            return rows_message(l.rows.pop())
        if l.files:
            return object_message(l.files.pop(), r.choice((READY, READY, READY, UNNAMED, BAD, 3, 4))), None
        return object_message(r.choice((1, 2)), READY), None

    def mutated(self):
        data, fd = self.true()
        data = bytearray(data)
        for _ in range(self.random.randint(1, 4)):
            data[self.random.randrange(len(data))] = self.random.choice((0, 1, 127, 128, 255, self.random.randrange(256)))
        return bytes(data), fd

    def of_any_type(self):
        """Its head is right."""
        return wire.message(self.random.randrange(KINDS), self.random.randbytes(self.random.choice((0, 8, 16, 840, 280, 4000))),
                            self.random.choice((0, 1, 2, 16, 17, 2**32, 2**64 - 1))), None

    def noise(self):
        return self.random.randbytes(self.random.randrange(1, 70000)), None

    def part(self):
        data, fd = self.true()
        return data[:self.random.randrange(1, len(data))], fd

    def unasked(self):
        r = self.random
        return r.choice((named_message(r.randrange(1000), r.randrange(64), r.randint(1, 5)),
                         object_message(r.randrange(16, 64), r.randrange(6)))), None

    def with_descriptor(self):
        data, fd = self.true()
        if fd is not None:
            return data, fd
        path = self.random.choice((None, "/dev/null", "/proc/self/mem"))
        return data, os.open(path, os.O_RDONLY) if path else front.memory(b"x" * 64)

    def rows_of_noise(self):
        block = self.random.randbytes(self.random.choice((0, 24, 64, 4096)))
        if self.random.random() < 0.5:
            block = ROWS_HEAD.pack(ROWS_MAGIC, 1, *(self.random.choice((0, 1, 2, 32768, 2**32 - 1)) for _ in range(4))) + block
        ident = self.launcher.rows.pop() if self.launcher.rows else self.random.choice((2, 16, 17))
        return (wire.message(wire.ROWS, ROWS_BODY.pack(self.random.randrange(8), self.random.randrange(4), len(block), 0, 0, b""),
                             ident), front.memory(block, self.random.choice((0, 14))))

    def twice(self):
        return self.last[0], None

    def turn(self):
        how = self.random.choices((self.true, self.mutated, self.of_any_type, self.noise, self.part, self.unasked,
                                   self.with_descriptor, self.rows_of_noise, self.twice),
                                  (16, 4, 2, 1, 1, 1, 2, 2, 2))[0]
        data, fd = self.last = how()
        for _ in range(self.random.choice((1,) * 50 + (100,))):  # a flood, now and then
            self.send(data, fd)
        if fd is not None:
            os.close(fd)
        if not self.launcher.take():
            self.caught += 1
            self.launcher.link_again()
            if self.caught % 50 == 0:
                self.begin_honestly()

    def begin_honestly(self):
        """Most are found out before they are given a file: some wait for one, and answer truly once."""
        end = time.monotonic() + 2
        while not self.launcher.files and time.monotonic() < end and self.launcher.take():
            select.select([self.launcher.sampler_end, self.launcher.opener_end], [], [], 0.05)
        if self.launcher.files:
            self.send(object_message(self.launcher.files.pop(0)), None)

    def send(self, data, fd):
        self.sent += 1
        for _ in range(50):
            try:
                wire.send(self.launcher.sampler_end, data, fd)
                return
            except BlockingIOError:
                select.select([], [self.launcher.sampler_end], [], 0.02)
            except OSError as error:
                if error.errno not in (32, 104, 107):  # EPIPE, ECONNRESET, ENOTCONN: it is caught
                    raise
                return


@contextlib.contextmanager
def running(args, tmp, name):
    spool = Spool(tmp / name)
    config = {"window_ns": NSEC, "directory": str(spool.path).encode()}
    with Launcher(build_of(args), spool.path, **config) as launcher:
        launcher.wait_state(wire.SAMPLING)
        try:
            yield launcher, spool
        finally:
            launcher.drop()


def at_random(args, checks, tmp):
    wanted = 1000000 if args.long else 20000
    with running(args, tmp, "random") as (launcher, spool), Work(args.workloads / "spin", -1, 7200):
        mad = Mad(launcher, SEED)
        checks.note(f"seed {SEED}")
        roles = {wire.SAMPLER: launcher.roles[wire.SAMPLER].pid, wire.OPENER: launcher.roles[wire.OPENER].pid}
        while mad.sent < wanted // 10:  # what every one of them takes at its beginning
            mad.turn()
        before = {role: (descriptors(pid), resident(pid)) for role, pid in roles.items()}
        first = launcher.status()
        while mad.sent < wanted:
            mad.turn()
        time.sleep(1)
        status = launcher.status()
        checks.note(f"{mad.sent} messages, {mad.caught} times replaced, counted {status.counters['symbolizer_lied']}, "
                    f"{status.counters['objects_named']} files named")
        checks.at_least("at random: times that it was found lying", status.counters["symbolizer_lied"], wanted // 200)
        checks.at_least("at random: true answers that were taken", status.counters["objects_named"], 1)
        for role, pid in roles.items():
            name = {wire.SAMPLER: "sampler", wire.OPENER: "opener"}[role]
            checks.equal(f"at random: the {name} lives", launcher.roles[role].poll(), None)
            fds = harness.wait_until(lambda pid=pid, role=role: descriptors(pid) <= before[role][0] + FDS_SLACK, 20,
                                     f"descriptors of the {name} are closed, which had {before[role][0]}")
            checks.check(f"at random: descriptors of the {name}", fds, f"{before[role][0]} and {descriptors(pid)}")
            checks.at_most(f"at random: memory that the {name} grew by", resident(pid) - before[role][1], GROWTH_MAX)
        checks.equal("at random: difference of the books", status.books["difference"], 0)
        checks.at_least("at random: samples meanwhile", status.books["delivered"] - first.books["delivered"], 1)
        # After all of them an honest one is believed, of a file that they could not have spoilt.
        launcher.drop()
        launcher.honest()
        shutil.copy(args.workloads / "spin", tmp / "spin-later")
        with Work(tmp / "spin-later", -1, 600):
            harness.wait_until(lambda: "hot3" in names(spool, 0), 60, "names by the honest one")
        checks.check("at random: names by an honest one after it", True, "hot3")


# With care


def names(spool, since_ns):
    """The functions in windows that began since then."""
    found = set()
    for _, profile in spool.read():
        if profile.time_ns >= since_ns:
            found |= {n for sample in profile.samples for n in profile.stack(sample)}
    return found


def lies_ended(spool):
    newest = max(profile.time_ns for _, profile in spool.read())
    return not any("a_lie" in n for n in names(spool, newest))


def lie_with_care(launcher, seconds, bad=()):
    """Answers all, at once: @bad are of the files that it was given the places that it says are bad."""
    end, given = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if not launcher.take():
            raise RuntimeError("the careful liar was found out")
        while launcher.files:
            given += 1
            launcher.sampler_end.send(object_message(launcher.files.pop(0), BAD if given in bad else READY))
        while launcher.asks:
            launcher.sampler_end.send(named_message(*launcher.asks.pop(0), text=b"a_lie"))
        while launcher.rows:
            data, fd = rows_message(launcher.rows.pop(0))
            wire.send(launcher.sampler_end, data, fd)
            os.close(fd)
        time.sleep(0.005)
    return given


def with_care(args, checks, tmp, name, end, bad=()):
    # A third file beside the kernel and the workload's: on a machine that does nothing else none may be met.
    with (running(args, tmp, name.replace(" ", "-")) as (launcher, spool), Work(args.workloads / "spin", -1, 600),
          Work(sys.executable, "-c", "while True: pass")):
        given = lie_with_care(launcher, 4, bad)
        checks.at_least(f"{name}: files that it was given", given, 3)
        checks.check(f"{name}: it is believed while it lives", "a_lie" in names(spool, 0), "a_lie")
        checks.equal(f"{name}: found lying so far", launcher.status().counters["symbolizer_lied"], 0)
        end(launcher)
        launcher.honest()
        harness.wait_until(lambda: "hot3" in names(spool, 0), 30, "names by the honest one")
        # They serve until the next one has read the file, of which some take longer than the workload's.
        harness.wait_until(lambda: lies_ended(spool), 30, "a window without a lie")
        since = time.time_ns()
        time.sleep(3.5)
        later = names(spool, since)
        checks.check(f"{name}: windows after it have names", "hot3" in later, len(later))
        checks.equal(f"{name}: lies in windows after it", {n for n in later if "a_lie" in n}, set())
        return launcher.status()


def caught(args, checks, tmp):
    """Nothing that it said stays, not even that files are bad."""
    def end(launcher):
        launcher.sampler_end.send(b"nonsense")
        harness.wait_until(lambda: not launcher.take(), 10, "it is found lying")
        launcher.drop()
    status = with_care(args, checks, tmp, "caught", end, bad=range(2, 100))
    checks.equal("caught: found lying", status.counters["symbolizer_lied"], 1)


def dead(args, checks, tmp):
    """It is asked for again what it said, as places are met."""
    with_care(args, checks, tmp, "dead", lambda launcher: launcher.drop())


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, [at_random, caught, dead], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"})])
