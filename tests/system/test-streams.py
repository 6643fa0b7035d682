# SPDX-License-Identifier: Apache-2.0
"""Several recordings by one sampler: each as exact as if it were alone, and what one learnt all know.

The real sampler, opener and symbolizer under a launcher of the test's (stand_in.py), which passes the
connections of real cprofctls on, as the front does: with their uid, and root's may see all.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import sys
import threading
import time

import harness
import pprof_file
import stand_in
from harness import Recorder, Work
from stand_in import wire

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
PEER_CREDENTIALS = struct.Struct("<iII")
RECORDINGS_MAX, RECORDINGS_OF_ONE_MAX = 16, 4


class Daemon(stand_in.Launcher):
    """The machine's sampler; connections to its socket become recordings beside that."""

    def __init__(self, args, tmp):
        spool = tmp / "spool"
        spool.mkdir()
        super().__init__(args.cprofctl.parents[2], spool, directory=str(spool).encode())
        self.socket = tmp / "cprofd.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(tmp / "session.sock"))
        os.chmod(tmp / "session.sock", 0o666)
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self):
        super().__enter__()
        self.wait_state(wire.SAMPLING)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        super().__exit__(*exc)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with client:
                    uid = PEER_CREDENTIALS.unpack(client.getsockopt(
                        socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size))[1]
                    wire.send(self.front, wire.message(
                        stand_in.CLIENT, struct.pack("<II", uid, uid == 0)), client.fileno())


class Bench:
    def __init__(self, args, checks, tmp, daemon):
        self.args, self.checks, self.tmp, self.daemon = args, checks, tmp, daemon
        self.outputs = 0

    def recorder(self, *options, prefix=(), **kwargs):
        self.outputs += 1
        directory = self.tmp / f"out{self.outputs}"
        directory.mkdir()
        os.chmod(directory, 0o777)
        return Recorder(self.args.cprofctl, "--socket", self.daemon.socket, "-o", f"{directory}/",
                        *options, cwd=self.tmp, prefix=prefix, **kwargs)

    def good(self, name, done):
        if not harness.good(self.checks, name, done):
            raise RuntimeError(f"no recording: {name}")
        self.checks.equal(f"{name}: difference of the books", done.books["difference"], 0)
        self.checks.equal(f"{name}: seq gaps", done.counters["seq_gaps"], 0)


def is_exact(bench, name, done, pid):
    """What the files say of a spinner, against the kernel's account of it."""
    ns = count = true_ns = 0
    for f in done.files:
        if f["pid"] == pid:
            profile = pprof_file.Profile(f["path"])
            true_ns += int(profile.comment("cpu_true_ns"))
            for sample in profile.samples:
                count += sample.values[0]
                ns += sample.values[1]
    if bench.checks.at_least(f"{name}: samples of a spinner", count, 50):
        bench.checks.within(f"{name}: ns of it over the kernel's", ns / true_ns, 1,
                            0.02 + harness.sigmas(1 / count))


def begun(bench, recorder, cnt=1):
    """Until so many recordings are under way, the machine's own not counted."""
    def sampling():
        if recorder.process.poll() is not None:
            raise RuntimeError(recorder.finish().stderr)
        return bench.daemon.status().sessions >= cnt

    harness.wait_until(sampling, 60, f"{cnt} recordings")


def side_by_side(bench):
    """Of other rates, targets and lengths: none is disturbed by another's beginning or end."""
    with contextlib.ExitStack() as stack:
        spins = [stack.enter_context(Work(bench.args.workloads / "spin", cpu, 60)) for cpu in (0, 1)]
        machine = stack.enter_context(bench.recorder("-a", "--seconds", 5))
        one = stack.enter_context(bench.recorder("--pid", spins[0].pid, "--hz", 499, "--seconds", 3))
        for _ in range(3):
            brief = stack.enter_context(bench.recorder("--pid", spins[1].pid, "--seconds", 1))
            bench.good("one of a second beside two", brief.finish())
        one, machine = one.finish(), machine.finish()
    bench.good("one process, of three seconds", one)
    bench.good("the machine, of five", machine)
    bench.checks.equal("of one process only: files", [f["pid"] for f in one.files], [spins[0].pid])
    is_exact(bench, "one process", one, spins[0].pid)
    for work in spins:
        is_exact(bench, "the machine", machine, work.pid)


def storm_of(program, cnt, microseconds):
    return ("--", "sh", "-c", f"i=0; while [ $i -lt {cnt} ]; do {program} {microseconds}; i=$((i+1)); done")


def learnt(bench):
    """What the first had opened the second knows, also when nobody opens anything any more."""
    checks, program = bench.checks, bench.tmp / "brief-own"
    shutil.copy(bench.args.workloads / "burst-static", program)
    opener = bench.daemon.roles[wire.OPENER]
    with bench.recorder("--hz", 999, *storm_of(program, 2000, 1000)) as recorder:
        first = recorder.finish()
    bench.good("the first", first)
    os.kill(opener.pid, signal.SIGSTOP)
    try:
        with bench.recorder("--hz", 999, *storm_of(program, 2000, 1000)) as recorder:
            second = recorder.finish()
    finally:
        os.kill(opener.pid, signal.SIGCONT)
    bench.good("the second", second)
    frames = named = 0
    for f in second.files:
        profile = pprof_file.Profile(f["path"])
        for sample in profile.samples:
            for location in sample.locations:
                if profile.mapping(location) == str(program):
                    frames += sample.values[0]
                    named += 0 if profile.names(location)[0].startswith("[") else sample.values[0]
    checks.at_least("frames of processes of 1 ms", frames, 100)
    checks.at_least("of these, with a name", named / max(frames, 1), 0.99)
    checks.at_least("files announced at first", first.counters["announce_sent"], 1)
    # Its BPF knows them all; stacks of the shell may lead to a file that the first did not meet.
    checks.at_most("and to the second", second.counters["announce_sent"], 2)


HIDING = """
import ctypes, os, sys, time
if sys.argv[1] == "changed":
    os.setresuid({uid}, {uid}, 0)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
else:
    os.setresuid({uid}, {uid}, {uid})
    ctypes.CDLL(None).prctl(4, sys.argv[1] == "seen", 0, 0, 0)
print(flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    pass
"""


def forbidden(bench):
    """Who may not see all gets what ptrace would let him see, and the books balance all the same."""
    checks, script = bench.checks, HIDING.format(uid=NOBODY)
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(Work(bench.args.workloads / "spin", 0, 60))
        kinds = {kind: stack.enter_context(Work(sys.executable, "-c", script, kind))
                 for kind in ("seen", "hidden", "changed")}
        for work in kinds.values():
            work.process.stdout.readline()  # it has become who it wants to be
        with bench.recorder("-a", "--seconds", 4, prefix=AS_NOBODY) as recorder:
            done = recorder.finish()
        with bench.recorder("-a", "--seconds", 2) as recorder:
            of_root = recorder.finish()
        for name, options in {"1,001 Hz": ("-a", "--hz", 1001), "each fault": ("-a", "--event", "faults")}.items():
            with bench.recorder(*options, "--seconds", 1, prefix=AS_NOBODY) as recorder:
                refused = recorder.finish()
            checks.check(f"{name} is too much for him", refused.status == 1 and
                         "too many samples" in refused.stderr, refused.stderr.strip())
    bench.good("nobody's", done)
    bench.good("root's", of_root)
    pids = {f["pid"] for f in done.files}
    checks.check("his own process is seen", kinds["seen"].pid in pids, sorted(pids))
    for name, work in [("root's", root), ("one that is not dumpable", kinds["hidden"]),
                       ("one whose credentials changed", kinds["changed"])]:
        checks.check(f"{name} is not", work.pid not in pids, sorted(pids))
        checks.check(f"{name} is, for root", of_root.of_pid(work.pid)[0] > 0,
                     [f["pid"] for f in of_root.files])
    checks.at_least("counted as forbidden", done.counters["discard_forbidden"], 100)
    checks.equal("root's: forbidden", of_root.counters["discard_forbidden"], 0)


def too_many(bench):
    """One more than there may be is told so at once, of one user and of all; the others go on."""
    checks = bench.checks
    with contextlib.ExitStack() as stack:
        sleeper = stack.enter_context(Work("setpriv", *AS_NOBODY[1:], "sleep", 60))
        his = [stack.enter_context(bench.recorder("--pid", sleeper.pid, "--seconds", 120, "--hz", 1,
                                                  prefix=AS_NOBODY))
               for _ in range(RECORDINGS_OF_ONE_MAX)]
        begun(bench, his[-1], len(his))
        refused = stack.enter_context(bench.recorder("--pid", sleeper.pid, "--seconds", 1,
                                                     prefix=AS_NOBODY)).finish()
        checks.check("the fifth of one user is refused", refused.status == 1 and
                     "too many recordings at once" in refused.stderr, refused.stderr.strip())
        roots = [stack.enter_context(bench.recorder("--pid", sleeper.pid, "--seconds", 120, "--hz", 1))
                 for _ in range(RECORDINGS_MAX - RECORDINGS_OF_ONE_MAX)]
        begun(bench, roots[-1], RECORDINGS_MAX)
        refused = stack.enter_context(bench.recorder("--pid", sleeper.pid, "--seconds", 1)).finish()
        checks.check("the seventeenth of all is refused", refused.status == 1 and
                     "too many recordings at once" in refused.stderr, refused.stderr.strip())
        for recorder in his + roots:
            recorder.stop()
        statuses = {recorder.finish().status for recorder in his + roots}
    checks.check("the others end as ever", statuses <= {0, 3}, statuses)
    # An idle machine would have nothing to show.
    with Work(bench.args.workloads / "spin", -1, 60), \
            bench.recorder("-a", "--seconds", 1) as recorder:
        bench.good("afterwards there is room again", recorder.finish())


def gone(bench):
    """A client that is killed takes its own recording with it, and nothing else."""
    with Work(bench.args.workloads / "spin", -1, 60), bench.recorder("-a", "--seconds", 60) as other:
        with bench.recorder("-a", "--seconds", 60) as recorder:
            begun(bench, recorder, 2)
            recorder.process.kill()
            recorder.process.wait()
        harness.wait_until(lambda: bench.daemon.status().sessions == 1, 30, "the end of the one recording")
        time.sleep(0.5)
        other.stop()
        bench.good("beside one whose client was killed", other.finish())
    bench.checks.equal("the sampler lives", bench.daemon.sampler.poll(), None)


def run(args, checks):
    harness.need("setpriv")
    with harness.scratch() as tmp, Daemon(args, tmp) as daemon:
        os.chmod(tmp, 0o755)
        bench = Bench(args, checks, pathlib.Path(tmp), daemon)
        harness.play(args, checks, (side_by_side, learnt, forbidden, gone, too_many), bench)
        checks.equal("the sampler is the one that was started", daemon.sampler.poll(), None)
        checks.equal("its own books: difference", daemon.status().books["difference"], 0)


if __name__ == "__main__":
    harness.main(run, __doc__)
