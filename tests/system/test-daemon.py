# SPDX-License-Identifier: Apache-2.0
"""The sampler's side of the daemon: windows rotate, are kept whole or not at all, and the books say so.

The real sampler, opener and symbolizer under a launcher of the test's (stand_in.py). Books are asked
for at every moment, compared with BPF's counters by bpftool, and with the sums of the files.
"""

import contextlib
import ctypes
import os
import signal
import struct
import subprocess
import time
import types

import cprofd
import harness
import stand_in
from cprofd import Spool, build_of, comments
from harness import NSEC, Work
from stand_in import wire

# What a kill or an end may take on a machine that others use too.
STOP_MAX_S = 3
# What an end and the next start may take of the samples, on a machine of its own.
GAP_MAX_S = 0.5


@contextlib.contextmanager
def running(args, tmp, name, sampler=None, **config):
    """(launcher, spool): the sampler samples."""
    spool = Spool(tmp / name)
    config = {"window_ns": NSEC, "directory": str(spool.path).encode(), **config}
    with stand_in.Launcher(build_of(args), spool.path, sampler=sampler, **config) as launcher:
        launcher.wait_state(wire.SAMPLING)
        yield launcher, spool


def spinners(args, seconds):
    return [(args.workloads / "spin", cpu, seconds) for cpu in (0, 1)]


def watch(checks, name, launcher, seconds, until=None):
    """Asks for the books all the time: the last answer. Every difference is told."""
    end, wrong, asked, status = time.monotonic() + seconds, [], 0, None
    while time.monotonic() < end and not (until and status and until(status)):
        status = launcher.status()
        asked += 1
        if status.books["difference"]:
            wrong.append(status.books)
        launcher.listen(0.05)
    checks.check(f"{name}: difference 0 in {asked} answers", not wrong, wrong[:1] or "yes")
    return status


def check_identities(checks, name, status):
    b, c = status.books, status.counters
    discarded = sum(cprofd.of_kind(c, "DISCARD").values())
    checks.equal(f"{name}: produced = runs + missed", b["produced"], b["runs"] + b["missed"])
    checks.equal(f"{name}: delivered = in profiles + open + discarded", b["delivered"],
                 b["in_profiles"] + b["open_window"] + discarded)
    checks.equal(f"{name}: stacks in status", c["stacks_complete"] + c["stacks_truncated"],
                 b["in_profiles"] + b["open_window"] + discarded)
    checks.equal(f"{name}: ends of stacks in status", sum(status.stack_ends), b["delivered"])


def check_bpf(checks, name, view, launcher):
    """Status between two looks at BPF's counters by bpftool."""
    before, status, after = view.counters(), launcher.status(), view.counters()
    cprofd.check_bpf(checks, name, (before, after), status.books)


def check_all_kept(checks, name, view, spool, status):
    discarded = sum(cprofd.of_kind(status.counters, "DISCARD").values())
    cprofd.check_all_kept(checks, name, view.counters(), spool.samples(), discarded)


def rotations(args, checks, tmp):
    """Windows of a second under load, each book right at each moment, and all in files at the end."""
    seconds = 60 if args.long else 6
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(harness.BpfView(args.outside))
        launcher, spool = stack.enter_context(running(args, tmp, "rotations"))
        view.attach(types.SimpleNamespace(process=launcher.sampler))
        works = [*spinners(args, seconds), (args.workloads / "forkstorm", 500, seconds)]
        for argv in works:
            stack.enter_context(Work(*argv))
        status = watch(checks, "rotations", launcher, seconds)
        check_identities(checks, "rotations", status)
        check_bpf(checks, "rotations", view, launcher)
        harness.wait_until(lambda: launcher.status().spool["windows"] >= seconds - 4, 20, "rotations: windows")
        # One each two seconds.
        checks.at_least("rotations: signs of progress", len(launcher.progress), seconds // 2 - 1)
        checks.at_most("rotations: windows that failed", status.spool["windows_failed"], 0)
        checks.equal("rotations: what is degraded", status.degraded, [])
        status = launcher.status()  # what the disk was too slow for until now
        checks.at_most("rotations: the stop takes, s", launcher.stop(), STOP_MAX_S)
        checks.equal("rotations: exit status", launcher.sampler.returncode, 0)
        check_all_kept(checks, "rotations", view, spool, status)
        check_windows(checks, "rotations", spool)


def check_windows(checks, name, spool):
    """No window overlaps another, and what they miss is of each alone."""
    spans = {}
    for path, profile in spool.read():
        said = comments(profile)
        spans.setdefault(path.name.rsplit(".", 3)[-3], []).append((path, said))
    wrong = [p.name for rows in spans.values() for p, said in rows
             if said.get("samples") is None or int(said["lost"]) != 0]
    checks.check(f"{name}: {sum(map(len, spans.values()))} files of {len(spans)} windows say so",
                 not wrong, wrong[:3] or "yes")


def lossy(args, checks, tmp):
    """A build that loses one record in a thousand is caught."""
    program = build_of(args) / "daemon/sampler/cprofd-sampler-lossy"
    with contextlib.ExitStack() as stack:
        launcher, _ = stack.enter_context(running(args, tmp, "lossy", sampler=program, hz=2000))
        for argv in spinners(args, 4):
            stack.enter_context(Work(*argv))
        time.sleep(2.5)
        checks.at_least("lossy: difference", launcher.status().books["difference"], 1)


def killed(args, checks, tmp):
    """SIGKILL at any moment: what was committed is there and whole, and the next start cleans up."""
    rounds = 40 if args.long else 3
    with contextlib.ExitStack() as stack:
        launcher, spool = stack.enter_context(running(args, tmp, "killed"))
        for argv in spinners(args, rounds * 3 + 5):
            stack.enter_context(Work(*argv))
        before = {}
        for i in range(rounds):
            time.sleep(1.3 + 0.37 * i % 1)
            launcher.kill()
            now = {p: p.stat().st_size for p in spool.files()}
            gone = [p for p, size in before.items() if now.get(p) != size]
            checks.check(f"killed {i}: files that were there", not gone, gone or len(before))
            before = now
            launcher.states.clear()
            launcher.start_sampler()
            launcher.wait_state(wire.SAMPLING)
        status = watch(checks, "killed", launcher, 20, lambda s: s.spool["windows"] >= 2)
        checks.equal("killed: litter", spool.litter(), [])
        checks.check("killed: files can be read", spool.read(), len(before))
        checks.check("killed: the gap is known", status.gap_ns > 0, status.gap_ns)
        said = [comments(p) for _, p in spool.read()]
        checks.at_least("killed: files that tell a gap", sum("gap_ns" in s for s in said), 1)


def restarted(args, checks, tmp):
    """A stop under load, and the next start: what was not sampled meanwhile."""
    with contextlib.ExitStack() as stack:
        launcher, spool = stack.enter_context(running(args, tmp, "restarted", window_ns=60 * NSEC))
        for argv in spinners(args, 90):
            stack.enter_context(Work(*argv))
        gaps = []
        for i in range(6):
            time.sleep(2)
            taken = launcher.stop()
            launcher.states.clear()
            launcher.start_sampler()
            launcher.wait_state(wire.SAMPLING)
            status = watch(checks, f"restarted {i}", launcher, 15, lambda s: s.gap_ns > 0)
            checks.at_most(f"restarted {i}: the stop takes, s", taken, STOP_MAX_S)
            checks.at_least(f"restarted {i}: not sampled, ns", status.gap_ns, 1)
            gaps.append(status.gap_ns / NSEC)
            # Who has neighbours for a moment may be later once, not every time.
            if i + 1 >= (5 if args.long else 2) and min(gaps) <= GAP_MAX_S:
                break
        checks.note(f"not sampled, s: {gaps}")
        checks.at_most("restarted: not sampled, s, without neighbours", min(gaps), GAP_MAX_S)
        checks.at_least("restarted: samples kept", spool.samples(), 99 * 2)


class Held:
    """A thread that does not run, as one that hangs in the disk: `with Held(pid, "spool"): ...`."""

    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid, comm):
        tids = [int(tid) for tid in os.listdir(f"/proc/{pid}/task")
                if open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8").read().strip() == comm]
        self.tid, self.libc = tids[0], ctypes.CDLL(None, use_errno=True)

    def ask(self, request):
        if self.libc.ptrace(request, self.tid, None, None) < 0:
            raise harness.Skip(f"ptrace: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self.ask(self.SEIZE)
        self.ask(self.INTERRUPT)
        os.waitpid(self.tid, self.WALL)
        return self

    def __exit__(self, *_):
        self.ask(self.DETACH)


def behind(args, checks, tmp):
    """A disk that is slow for four windows, and slow again at the end: they wait, and all are kept.

    Without names: nothing else is waited for, and all places are free.
    """
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(harness.BpfView(args.outside))
        launcher, spool = stack.enter_context(running(args, tmp, "behind", symbolize=0))
        view.attach(types.SimpleNamespace(process=launcher.sampler))
        for argv in spinners(args, 30):
            stack.enter_context(Work(*argv))
        watch(checks, "behind: before", launcher, 8, lambda s: s.spool["windows"] >= 1)
        with Held(launcher.sampler.pid, "spool"):
            kept = watch(checks, "behind: held", launcher, 4.5).books["in_profiles"]
            status = launcher.status()
            checks.at_least("behind: samples that wait", status.books["open_window"], 3 * 99)
        status = watch(checks, "behind: after", launcher, 8,
                       lambda s: s.books["in_profiles"] >= kept + 4 * 99)
        checks.equal("behind: samples that the disk did not take", status.counters["discard_spool"], 0)
        with Held(launcher.sampler.pid, "spool"):
            watch(checks, "behind: held again", launcher, 1.8)
            wire.send(launcher.controls[wire.SAMPLER], wire.message(wire.STOP))
            time.sleep(0.3)
        launcher.sampler.wait(STOP_MAX_S)
        check_all_kept(checks, "behind", view, spool, status)


def full_disk(args, checks, tmp):
    """No room: sampling goes on, what is lost is counted, and all is well when there is room again."""
    mount = tmp / "small"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)],
                          capture_output=True, check=False)
    if done.returncode:
        raise harness.Skip(f"no tmpfs: {done.stderr.decode().strip()}")
    try:
        fill_and_free(args, checks, mount)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def is_full(filler, status):
    """What older windows had is taken as soon as they make room for new ones: until one finds none."""
    with contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    return status.counters["discard_spool"] > 0


def fill_and_free(args, checks, mount):
    with contextlib.ExitStack() as stack:
        spool = mount / "profiles"
        spool.mkdir()
        launcher, _ = stack.enter_context(running(args, mount, "profiles"))
        stack.enter_context(Work(args.workloads / "spin", 0, 30))
        watch(checks, "full: before", launcher, 20, lambda s: s.spool["windows"] >= 1)
        filler = stack.enter_context(open(mount / "filler", "wb", buffering=0))
        status = watch(checks, "full", launcher, 30, lambda s: is_full(filler, s))
        checks.at_least("full: samples that the disk did not take",
                        status.counters["discard_spool"], 1)
        checks.check("full: status says so", any("not kept" in t for t in status.degraded),
                     status.degraded)
        checks.at_least("full: it samples on", len(launcher.progress), 1)
        filler.truncate(0)
        kept = status.spool["windows"]
        status = watch(checks, "full: after", launcher, 30, lambda s: s.spool["windows"] > kept)
        checks.check("full: windows are kept again", status.spool["windows"] > kept,
                     status.spool["windows"])


def reloaded(args, checks, tmp):
    """Another rate: a new collection, no sample lost but those of the gap, which is told."""
    with contextlib.ExitStack() as stack:
        launcher, spool = stack.enter_context(running(args, tmp, "reloaded"))
        for argv in spinners(args, 60):
            stack.enter_context(Work(*argv))
        watch(checks, "reloaded: before", launcher, 20, lambda s: s.spool["windows"] >= 1)
        launcher.reload(hz=49)
        launcher.wait_state(wire.RELOADED)
        before = launcher.status().spool["windows"]
        status = watch(checks, "reloaded", launcher, 20, lambda s: s.spool["windows"] >= before + 2)
        checks.equal("reloaded: rate", status.hz, 49)
        check_identities(checks, "reloaded", status)
        launcher.reload(event=b"cycles", hz=77)
        harness.wait_until(lambda: launcher.listen(0.05) or len(
            [1 for kind, _ in launcher.states if kind == wire.RELOADED]) == 2, 10, "RELOADED")
        status = launcher.status()
        if status.event == "cpu-clock":
            checks.check("reloaded: an event that cannot be had changes nothing",
                         status.hz == 49 and any("not in force" in t for t in status.degraded),
                         status.degraded)
            runs, windows = status.books["runs"], status.spool["windows"]
            status = watch(checks, "reloaded: in vain", launcher, 6,
                           lambda s: s.spool["windows"] > windows + 1)
            checks.at_least("reloaded: in vain, it samples on", status.books["runs"] - runs, 20)
            launcher.reload(event=b"", hz=49)
        launcher.stop()
        checks.equal("reloaded: exit status", launcher.sampler.returncode, 0)
        said = [comments(p) for _, p in spool.read()]
        checks.equal("reloaded: rates in files", sorted({s["hz"] for s in said}), ["49", "99"])
        gaps = {int(s["gap_ns"]) for s in said if "gap_ns" in s}
        # Twice what it takes on a machine of its own.
        checks.check("reloaded: the gap of the change, ms", gaps and min(gaps) < NSEC,
                     [g / 1e6 for g in gaps])


def refused(args, checks, tmp):
    """A configuration that the sampler does not understand is refused at once, not waited for."""
    spool = Spool(tmp / "refused")
    with stand_in.Launcher(build_of(args), spool.path, hz=0) as launcher:
        begun = time.monotonic()
        text, = launcher.wait_state(wire.NOT_SAMPLING)
        checks.at_most("refused: told within, s", time.monotonic() - begun, 5)
        checks.check("refused: what and what next", "configuration" in text and "reinstall" in text, text)
    with stand_in.Launcher(build_of(args), spool.path) as launcher:
        launcher.wait_state(wire.SAMPLING)
        launcher.reload(hz=0)
        text, = launcher.wait_state(wire.RELOADED)
        checks.check("refused later: it says why", "configuration" in text, text)
        checks.equal("refused later: the rate", launcher.status().hz, 99)


def asked(args, checks, tmp):
    """What the front asks; one that lies is replaced, and sampling goes on."""
    with contextlib.ExitStack() as stack:
        launcher, _ = stack.enter_context(running(args, tmp, "asked"))
        work = stack.enter_context(Work(args.workloads / "spin", 0, 20))
        watch(checks, "asked", launcher, 20, lambda s: s.spool["windows"] >= 2)
        window_ns, rows = launcher.processes()
        mine = [r for r in rows if r["pid"] == work.pid]
        checks.equal("asked: the spinner among the processes", len(mine), 1)
        if mine:
            checks.equal("asked: its name", mine[0]["comm"], "spin")
            checks.at_least("asked: its samples", mine[0]["samples"], 10)
        checks.at_least("asked: the window, s", window_ns / NSEC, 0.99)
        checks.at_most("asked: the window, s", window_ns / NSEC, 3)
        status = launcher.status()
        checks.at_least("asked: memory of maps", status.bpf_bytes, 1 << 20)
        checks.equal("asked: event", status.event, "cpu-clock")
        told_costs(checks, launcher)
        launcher.front.send(b"\x10\0\0\0\xff\0\0\0" + bytes(8))
        control = launcher.controls[wire.SAMPLER]
        harness.wait_until(lambda: wants_front(control), 5, "a new front is asked for")
        checks.check("asked: a front that lies is replaced", True, "yes")


def told_costs(checks, launcher):
    """What the roles take counts against the ceilings, and one that is down is told."""
    checks.equal("costs: all is well", launcher.status().degraded, [])
    launcher.tell_costs((NSEC, 5 << 20, wire.OPENER, 0, 3), (NSEC, 7 << 20, wire.SYMBOLIZER, 7, 0))
    status = watch(checks, "costs", launcher, 5, lambda s: s.minute_ns >= 2 * NSEC)
    checks.within("costs: CPU in the last minute, s", status.minute_ns / NSEC, 3, 1)
    checks.equal("costs: what is allowed, s", status.minute_max_ns, 60 * status.cpus * NSEC)
    checks.equal("costs: memory that is allowed", status.memory_max, wire.CONFIG_DEFAULTS["memory"])
    checks.check("costs: who is down", [t[:29] for t in status.degraded] ==
                 ["the opener is not running: fi"], status.degraded)
    launcher.tell_costs((NSEC, 5 << 20, wire.OPENER, 6, 4), (NSEC, 7 << 20, wire.SYMBOLIZER, 7, 0))
    status = watch(checks, "costs", launcher, 5, lambda s: not s.degraded)
    checks.equal("costs: all is up again", status.degraded, [])


def wants_front(control):
    data, _ = wire.recv(control)
    kind, _ = wire.head(data)
    if kind != wire.PEER:
        return False
    return wire.PEER_BODY.unpack_from(data, wire.HEAD.size)[0] == wire.FRONT


def client(args, checks, tmp):
    """A recording beside it: its own books, and none of its samples in the windows."""
    with contextlib.ExitStack() as stack:
        launcher, _ = stack.enter_context(running(args, tmp, "client"))
        for argv in spinners(args, 30):
            stack.enter_context(Work(*argv))
        sock = stack.enter_context(launcher.send_client())
        start = struct.pack("<IIQIIQ32s256s256i", 1, 199, NSEC, 0, 0, 0, b"", b"", *[0] * 256)
        sock.send(wire.message(64, start))
        sock.settimeout(20)
        kinds, samples = [], 0
        while not kinds or kinds[-1] not in (69, 70):
            data, fd = wire.recv(sock)
            kinds.append(wire.head(data)[0])
            if kinds[-1] == 68:
                samples += struct.unpack_from("<Q", data, 16 + 4 * 8)[0]
            if fd is not None:
                os.close(fd)
        checks.equal("client: the recording ends well", kinds[-1], 69)
        checks.at_least("client: its samples", samples, 150)
        status = watch(checks, "client", launcher, 2)
        checks.equal("client: rate of the windows", status.hz, 99)


def wanted(args, checks, tmp):
    """Include= and Exclude=: what is left out is counted, and in no file. Symbolize=no: no names."""
    config = {"include": b"comm:spin comm:forkstorm", "exclude": b"comm:fork*", "symbolize": 0}
    with contextlib.ExitStack() as stack:
        launcher, spool = stack.enter_context(running(args, tmp, "wanted", **config))
        stack.enter_context(Work(args.workloads / "spin", 0, 60))
        stack.enter_context(Work(args.workloads / "forkstorm", 500, 60))
        status = watch(checks, "wanted", launcher, 30, lambda s: s.spool["windows"] >= 3 and
                       s.counters["discard_excluded"] > 0)
        launcher.stop()
        checks.at_least("wanted: samples left out", status.counters["discard_excluded"], 1)
        said = [comments(p) for _, p in spool.read()]
        checks.equal("wanted: whose files there are", {s["comm"] for s in said}, {"spin"})
        checks.equal("wanted: frames with names", sum(int(s["symbolized"]) for s in said), 0)


def ceiling(args, checks, tmp):
    """Far beyond what may be used: names are put off, then the rate is lowered; status says both."""
    with contextlib.ExitStack() as stack:
        launcher, spool = stack.enter_context(
            running(args, tmp, "ceiling", hz=9999, cpu_ppm=100, window_ns=10 * NSEC))
        for argv in spinners(args, 90):
            stack.enter_context(Work(*argv))
        status = watch(checks, "ceiling", launcher, 40, lambda s: s.degraded)
        checks.check("ceiling: names are put off", any("put off" in t for t in status.degraded),
                     status.degraded)
        status = watch(checks, "ceiling", launcher, 70, lambda s: s.hz < 9999)
        checks.equal("ceiling: the rate", status.hz, 9999 // 2)
        checks.check("ceiling: it says so", any("lowered" in t for t in status.degraded),
                     status.degraded)
        check_identities(checks, "ceiling", launcher.status())
        launcher.stop()
        rates = {comments(p)["hz"] for _, p in spool.read()}
        checks.equal("ceiling: rates in files", rates, {"9999", "4999"})


def wait_files(daemon, spool, more):
    known = set(spool.files())
    harness.wait_until(lambda: len(set(spool.files()) - known) >= more, 30,
                       f"{more} more files; log: {daemon.said()[-500:]}")


def whole(args, checks, tmp):
    """The daemon as it is installed: a sampler that is killed is replaced, SIGTERM keeps what there is."""
    with contextlib.ExitStack() as stack:
        (tmp / "whole").mkdir()
        daemon = stack.enter_context(cprofd.of_seconds(args, tmp / "whole"))
        spool = Spool(daemon.spool)
        for argv in spinners(args, 120):
            stack.enter_context(Work(*argv))
        wait_files(daemon, spool, 3)
        first = daemon.role("sampler")
        os.kill(first, signal.SIGKILL)
        harness.wait_until(lambda: daemon.role("sampler") not in (None, first), 10, "another sampler")
        wait_files(daemon, spool, 3)
        stopped = time.time()
        checks.at_most("whole: the stop takes, s", daemon.stop(), 5)
        checks.equal("whole: exit status", daemon.process.returncode, 0)
        checks.equal("whole: litter", spool.litter(), [])
        profiles = spool.read()
        checks.at_least("whole: files", len(profiles), 6)
        last = max(p.stat().st_mtime for p, _ in profiles)
        # Files are stamped by a clock of the kernel's that moves with its ticks.
        checks.at_least("whole: the last window was written after the signal, s", last - stopped, -0.03)
        modes = {oct(p.stat().st_mode & 0o7777) for p, _ in profiles}
        checks.equal("whole: modes of files", modes, {"0o640"})
        checks.at_least("whole: files that tell the gap of the kill",
                        sum("gap_ns" in comments(p) for _, p in profiles), 1)


def run(args, checks):
    with harness.scratch() as tmp:
        parts = [rotations, lossy, killed, restarted, behind, full_disk, reloaded, refused,
                 asked, client, wanted, whole]
        if args.long:
            parts.append(ceiling)
        harness.play(args, checks, parts, args, checks, tmp)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"})])
