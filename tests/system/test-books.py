# SPDX-License-Identifier: Apache-2.0
"""Is every sample somewhere? The books against BPF's own counters and against the files' sums.

A recording runs under a disturbance; its BPF counters are held beyond its end and read by bpftool,
its files are summed by `go tool pprof -raw`. All must agree to the sample, whatever happened.
"""

import contextlib
import io
import time

import harness
from harness import Recorder, Work, check_books

# How much longer than asked a recording may take when its symbolizer misbehaves.
PATIENCE = 15


class Scene:
    """A recording with something going on meanwhile."""

    def __init__(self, args, tmp, name):
        self.args = args
        self.name = name
        self.out = tmp / name
        self.pprof = harness.Pprof(tmp)

    def play(self, checks, *options, works=(), stop_after=None, statuses=(0,)):
        """Records with @options while @works run; checks the books. The recording or None."""
        with contextlib.ExitStack() as stack:
            view = stack.enter_context(harness.BpfView(self.args.outside))
            recorder = stack.enter_context(
                Recorder(self.args.cprofctl, "-o", f"{self.out}/", *options, cwd=self.out.parent))
            try:
                view.attach(recorder)
            except RuntimeError as error:
                done = recorder.finish()
                checks.check(f"{self.name}: {error}", False, done.stderr.strip()[-500:])
                return None
            running = [stack.enter_context(Work(*argv)) for argv in works]
            if stop_after:
                time.sleep(stop_after)
                recorder.stop()
            done = recorder.finish()
            self.outcomes = [work.finish() for work in running]
            if not harness.good(checks, self.name, done, statuses):
                return None
            check_books(checks, self.name, done, view.counters(), self.pprof)
            return done

    def spinners(self, seconds):
        return [(self.args.workloads / "spin", cpu, seconds) for cpu in (0, 1)]


def quiet(args, checks, tmp):
    """Next to nothing. One second of work, for a machine may well be idle for three."""
    Scene(args, tmp, "quiet").play(checks, "-a", "--seconds", 3,
                                   works=[(args.workloads / "spin", 0, 1)])


def one_process(args, checks, tmp):
    """Ticks in others are filtered, and in no book."""
    with Work(args.workloads / "spin", 0, 60) as other, \
            Work(args.workloads / "spin", 1, 60) as mine:
        done = Scene(args, tmp, "pid").play(checks, "--pid", mine.pid, "--seconds", 3)
        other.finish(stop=True)
        mine.finish(stop=True)
    if done:
        checks.equal("pid: files of other processes",
                     len([f for f in done.files if f["pid"] != mine.pid]), 0)
        checks.at_least("pid: ticks in other processes", done.counters["filtered"], 1)


def command(args, checks, tmp):
    """A command with descendants that are gone before anybody can look at them."""
    scene = Scene(args, tmp, "command")
    scene.play(checks, "--", args.workloads / "brief", 60, 20)


def interrupted(args, checks, tmp):
    scene = Scene(args, tmp, "interrupted")
    done = scene.play(checks, "-a", "--seconds", 60, works=scene.spinners(4), stop_after=2)
    if done:
        checks.at_most("interrupted: ends early, s", done.seconds, 2 + PATIENCE)


def forks(args, checks, tmp):
    seconds = 60 if args.long else 6
    scene = Scene(args, tmp, "forks")
    storms = [(args.workloads / "forkstorm", 2000, seconds)] * 2
    done = scene.play(checks, "-a", "--seconds", seconds, works=storms)
    if done:
        rate = sum(o["forks"] / o["seconds"] for o in scene.outcomes)
        # A short run is there to be disturbed: how much is the campaign's affair, on a machine of its own.
        checks.at_least("forks: a second", rate, 3600 if args.long else 500)
        checks.note(f"{len(done.files)} files, {done.books['runs']} runs")


def small_ring(args, checks, tmp):
    seconds = 30 if args.long else 4
    scene = Scene(args, tmp, "ring")
    # Its reader is woken early, so it takes a rate beyond what a wake-up can follow.
    done = scene.play(checks, "-a", "--seconds", seconds, "--ring", 4096, "--hz", 9999,
                      works=scene.spinners(seconds + 1))
    if done:
        checks.at_least("ring: samples dropped (it is too small)",
                        harness.total(done.books["dropped"]), 1)


def bad_symbolizer(args, checks, tmp, mode):
    seconds = 20 if args.long else 3
    scene = Scene(args, tmp, f"symbolizer-{mode}")
    role = args.outside / f"bad-symbolizer-{mode}"
    done = scene.play(checks, "-a", "--seconds", seconds, "--role", f"symbolizer={role}",
                      works=scene.spinners(seconds + 1))
    if not done:
        return
    checks.at_most(f"{scene.name}: takes, s", done.seconds, seconds + PATIENCE)
    checks.at_least(f"{scene.name}: samples of two spinners", done.books["in_profiles"],
                    99 * seconds)
    lost = sum(done.counters[n] for n in ("symbolizer_lost", "symbolizer_lied"))
    checks.at_least(f"{scene.name}: it is counted as lost or lying", lost, 1)


def bad_symbolizers(args, checks, tmp):
    for mode in ("exit", "mute", "silent", "garbage", "lies", "dies"):
        bad_symbolizer(args, checks, tmp, mode)


def lossy(args, checks, tmp):
    """The check itself: a consumer that drops one record in 1,000 must not pass it."""
    if not args.lossy or not args.lossy.exists():
        checks.note("SKIP lossy: cprofd-sampler-lossy is not built")
        return
    seconds = 20 if args.long else 5
    scene = Scene(args, tmp, "lossy")
    inner = harness.Checks(out=io.StringIO())
    done = scene.play(inner, "-a", "--seconds", seconds, "--hz", 999,
                      "--role", f"sampler={args.lossy}", works=scene.spinners(seconds + 1),
                      statuses=(1,))
    if not checks.check("lossy: the recording itself works", done is not None,
                        "yes" if done else inner.out.getvalue()[-800:]):
        return
    checks.check("lossy: cprofctl says that the books do not balance",
                 "THE BOOKS DO NOT BALANCE" in done.stderr, done.stderr[-200:])
    found = [line for line in inner.out.getvalue().splitlines() if line.startswith("FAIL")]
    in_files = [line for line in found if "samples in files, BPF's runs" in line]
    checks.check("lossy: the loss is seen in the files", len(in_files) == 1,
                 in_files[0] if in_files else "not seen")
    checks.note(f"of {done.books['runs']} runs; books' own difference {done.books['difference']}")


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (quiet, one_process, command, interrupted, forks, small_ring,
                                   bad_symbolizers, lossy),
                     args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"}), (["--lossy"], {"type": harness.absolute})])
