# SPDX-License-Identifier: Apache-2.0
"""Are the books right at every rotation of the whole daemon, whatever storm goes over the machine?

Five storms: 4,000 forks a second; 1,000 execs a second; 200,000 mmaps a second by two users; 300 processes
with 40 libraries each; a symbolizer that is killed every second. The daemon is the real one, with windows
of a second. Once in each window its status is asked for between two looks at BPF's counters by bpftool, and
has to lie between them and to add up. Each window's files are read by pprof_file.py and, all at once, by
`go tool pprof -raw`; what status calls `in_profiles` has to be the sum of the files of whole windows, to
the sample. That may lag behind, at low priority, but no file is left out. The ticks and the time that they
stand for are compared with the kernel's account of the CPUs. After SIGTERM BPF's runs are in the files,
but for what was counted as lost, and nothing is left behind. A sampler that loses one record in 1,000 has to
fail at that.

The storms come one after the other to one daemon, a few rotations of each. With --long each has a daemon
of its own for 1,000 rotations, or for --rotations; --only STORM: no other. Several may run side by side. A
symbolizer is given time to settle after each 15 kills, for the launcher soon starts one that dies at once
only every minute, and there would be nothing to kill.
"""

import concurrent.futures
import contextlib
import io
import json
import math
import os
import random
import re
import time

import cprofd
import harness
import pprof_file
from harness import NSEC, Work

HZ = 99
STRETCH = 50  # rotations under one start of the storm's programs
STOP_MAX_S = 5
USERS = (65534, 64201)
LIBRARIES, CROWD = 40, 300
KILLS, SETTLE_S = 15, 11
FULL = 0.9
PATIENCE_S = 30
SLOW_RESTART_S = 75
# Counters that say that something is wrong with us, and not that there was too much.
NEVER = ("drop_scratch", "discard_memory", "discard_malformed", "discard_encode", "events_malformed",
         "symbolizer_lied")


def check_window(pprof, paths):
    """Runs in a process of its own: what two readers say of a window's files."""
    own = [0, 0]
    odd = []
    for path in paths:
        profile = pprof_file.Profile(path)
        values = [sum(s.values[i] for s in profile.samples) for i in (0, 1)]
        own = [a + b for a, b in zip(own, values)]
        if values[0] != int(cprofd.comments(profile).get("samples", -1)):
            odd.append(f"{path.name}: {values[0]} samples, but it says otherwise")
    samples, nanoseconds, complaints = harness.sum_files(pprof, paths, 256)
    if [samples, nanoseconds] != own:
        odd.append(f"{paths[0].parent}: {own} by one reader, {[samples, nanoseconds]} by pprof")
    return samples, nanoseconds, odd + complaints


# The storms: each starts its programs for so many seconds, and says what rate was reached.


def start(stack, *argv, uid=0):
    """A program with the priority that all others have, in a session of its own, as far as the scheduler goes
    by that (autogroup): what we look with is none of the storm.
    """
    return stack.enter_context(Work(*argv, user=uid, group=uid, extra_groups=[], start_new_session=True,
                                    preexec_fn=lambda: os.setpriority(os.PRIO_PROCESS, 0, 0)))


def forks(args, tmp, stack, seconds):
    works = [start(stack, args.workloads / "forkstorm", 2000, seconds) for _ in range(2)]
    return lambda: sum(o["forks"] / o["seconds"] for o in (w.finish() for w in works))


def execs(args, tmp, stack, seconds):
    work = start(stack, args.workloads / "execstorm", 1000, 0, 100, seconds, "/dev/null",
                 args.workloads / "burst-static")

    def rate():
        done = work.finish()
        return done["count"] / done["seconds"]
    return rate


def mmaps(args, tmp, stack, seconds):
    works = [start(stack, args.workloads / "mapstorm", seconds, -1, 110000, uid=uid) for uid in USERS]
    return lambda: sum(w.finish()["changes"] for w in works) / seconds


def crowd(args, tmp, stack, seconds):
    """The rate is that of the libraries which all of them have mapped."""
    where = tmp / "libraries"
    where.mkdir(exist_ok=True)
    names = [where / f"libown{i:02}.so" for i in range(LIBRARIES)]
    for path in names:
        path.write_bytes((args.workloads / "libown-lib.so").read_bytes())
    work = start(stack, args.workloads / "sleepers", CROWD, 3600, *names)

    def mapped():
        crowd = set(harness.tree_of(work.pid)) - {work.pid}
        found = [len(set(re.findall(rf"{where}/\S+", open(f"/proc/{pid}/maps", encoding="utf-8").read())))
                 for pid in random.sample(sorted(crowd), min(len(crowd), 5))]
        return len(crowd) * min(found, default=0)

    return mapped


def symbolizer(args, tmp, stack, seconds):
    """Something that wants names, new files too. It is killed by somebody else: a Killer."""
    for cpu in (0, 1):
        start(stack, args.workloads / "rhythm", 3000, 3000, seconds, cpu)
    files = tmp / "new-files"
    files.mkdir(exist_ok=True)
    work = start(stack, args.workloads / "newfiles", args.workloads / "libown-lib.so",
                 args.workloads / "own-only", files, 50, seconds, 200000, 0)

    def rate():
        done = work.finish()
        return (done["loaded"] + done["executed"]) / done["seconds"]
    return rate


# The rate that is wanted, in what.
STORMS = {
    forks: (4000, "forks a second"),
    execs: (1000, "execs a second"),
    mmaps: (200000, "mmaps a second"),
    crowd: (CROWD * LIBRARIES, "libraries in processes"),
    symbolizer: (50, "new files a second"),
}


class Killer(harness.Meanwhile):
    """Kills the symbolizer, every second."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon, self.kills = daemon, 0

    def _run(self):
        last = None
        while not self.over.wait(1 if self.kills % KILLS or last is None else SETTLE_S):
            pid = self.daemon.role("symbolizer")
            if pid and pid != last:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
                    self.kills += 1
                    last = pid


class Account:
    """What BPF counted and what the kernel charged, as of one time."""

    def __init__(self, view):
        clock = harness.cpu_clock()
        self.stolen = harness.steal_ns()
        before, self.time = clock.read(), time.monotonic_ns()
        self.bpf = view.counters()
        after = clock.read()
        self.busy = sum(a + b for a, b in zip(before, after)) / 2
        self.unsure = sum(b - a for a, b in zip(before, after)) / 2

    def share_since(self, first):
        return (self.busy - first.busy) / (self.time - first.time) / os.cpu_count()


class Campaign:
    """One daemon over many rotations, looked at once in each."""

    def __init__(self, args, checks, tmp, name):
        self.args, self.checks, self.tmp, self.name = args, checks, tmp, name
        self.pprof = harness.Pprof(tmp)
        self.in_profiles, self.seen = [], set()
        self.sums, self.handed, self.again = {}, set(), 0
        self.began = self.account = None
        self.lost_at_end = 0
        self.descriptors, self.unanswered, self.shares, self.windows = [], [], [], 0

    def start(self, stack, settings=(), options=()):
        # Each ceiling would change what is looked at: other rates, no names.
        settings = ["Limits.CPU=100%", "Limits.Memory=2G", "Profiles.MaxUse=16G", "Profiles.MaxFiles=10000000",
                    *settings]
        stack.callback(lambda: self.pool.shutdown(cancel_futures=True))
        self.pool = concurrent.futures.ProcessPoolExecutor(1, initializer=os.nice, initargs=(10,))
        # Now: later it would inherit, and keep open, what others wait for the end of.
        self.pool.submit(os.getpid).result()
        self.daemon = stack.enter_context(cprofd.of_seconds(self.args, self.tmp, settings, options))
        self.spool = cprofd.Spool(self.daemon.spool)
        # Who is asked once a second shall answer within one, however busy the machine is.
        os.setpriority(os.PRIO_PROCESS, self.daemon.role("front"), -10)
        self.view = stack.enter_context(harness.BpfView(self.args.outside, running=True)).attach(self.daemon)
        self.maps = harness.maps_of(self.tree())

    def tree(self):
        return harness.tree_of(self.daemon.process.pid)

    # At every rotation.

    def expect(self, what, passed, value):
        """Thousands of checks: those that fail are printed."""
        self.done[what] = self.done.get(what, 0) + 1
        if not passed:
            self.wrong.setdefault(what, []).append(value)

    def ask(self):
        """On a machine that is far too busy an answer may come too late: asked again, and counted."""
        end = time.monotonic() + PATIENCE_S
        while True:
            done = self.daemon.ctl("--json", "status")
            if done.stdout.startswith('{"version"'):
                return json.loads(done.stdout)
            self.unanswered.append((done.returncode, done.stdout[:200], done.stderr[:200]))
            if time.monotonic() > end:
                raise RuntimeError(f"no answer in {PATIENCE_S} s: {self.unanswered[-1]}; "
                                   f"it says {self.daemon.said()[-500:]}")

    def look(self):
        before, status, after = self.view.counters(), self.ask(), self.view.counters()
        books, counters = status["books"], status["counters"]
        for name in before:
            self.expect("status lies between two looks by bpftool",
                        before[name] <= counters[name] <= after[name],
                        (name, before[name], counters[name], after[name]))
        for name in ("runs", "missed"):
            self.expect("books and counters agree", books[name] == counters[name], (name, books))
        discarded, dropped = (sum(books[key].values()) for key in ("discarded", "dropped"))
        self.expect("difference is 0", books["difference"] == 0, books)
        self.expect("produced = runs + missed", books["produced"] == books["runs"] + books["missed"], books)
        self.expect("runs = delivered + dropped", books["runs"] == books["delivered"] + dropped, books)
        self.expect("delivered = in profiles + open + discarded", books["delivered"] ==
                    books["in_profiles"] + books["open_window"] + discarded, books)
        stacks = status["stacks"]["complete"] + status["stacks"]["truncated"]
        self.expect("stacks are those of the samples that were kept",
                    stacks == books["in_profiles"] + books["open_window"] + discarded, (stacks, books))
        for name in NEVER:
            self.expect("counters that never move", counters[name] == 0, (name, counters[name]))
        self.in_profiles.append((status["spool"]["windows"], books["in_profiles"]))
        self.seen.add(status["window"]["from"])
        return status

    def hand_over(self, rest=False):
        """Windows whose files are all there go to the reader: the newest two may be on their way. On a busy
        disk others too, for a window's files come to their places one after the other: in the end those that
        got more are read again.
        """
        windows = self.spool.windows()
        for key in list(windows)[:None if rest else -2]:
            if key in self.handed and not (rest and len(windows[key]) > self.sums[key][1]):
                continue
            self.again += key in self.handed
            self.handed.add(key)
            self.sums[key] = (self.pool.submit(check_window, self.pprof, windows[key]), len(windows[key]))

    def count_descriptors(self):
        """Of each role; but for files of a window that is being written."""
        found = {}
        for pid, comm in self.tree().items():
            # One ends and another begins all the time.
            with contextlib.suppress(OSError):
                paths = [os.readlink(fd.path) for fd in os.scandir(f"/proc/{pid}/fd")]
                found[comm] = len([p for p in paths if "/profiles/." not in p])
        found.pop("cprofd-symboliz", None)
        self.descriptors.append(found)

    def rotate(self, rotations):
        """Until so many have been looked at; each at some moment after it."""
        until = len(self.seen) + rotations
        self.count_descriptors()
        status = self.look()
        windows = status["spool"]["windows"]
        while len(self.seen) < until:
            time.sleep(status["window"]["next_s"] + random.uniform(0.02, 0.4))
            status = self.look()
            if len(self.seen) % 10 == 0:
                self.hand_over()
        self.windows += status["spool"]["windows"] - windows

    def stretch(self, storm, rotations):
        """@rotations under one start of the storm: the rate that it reached, how busy the CPUs were, kills."""
        self.wrong, self.done = {}, {}
        what = f"{self.name}, {storm.__name__}" if self.name != storm.__name__ else self.name
        with contextlib.ExitStack() as stack:
            rate = storm(self.args, self.tmp, stack, rotations + 0.5)
            killer = stack.enter_context(Killer(self.daemon)) if storm is symbolizer else None
            first = Account(self.view)
            self.began = self.began or first
            self.rotate(rotations)
            last = Account(self.view)
            reached = rate()
        self.account = last
        self.tell(what)
        self.check_time(what, first, last)
        self.shares.append(last.share_since(first))
        return reached, self.shares[-1], killer.kills if killer else 0

    def tell(self, what):
        for name, cnt in self.done.items():
            wrong = self.wrong.get(name, [])
            self.checks.check(f"{what}: {name}", not wrong, wrong[:2] or f"{cnt} times")

    def check_time(self, what, first, last):
        """Ticks and the time that they stand for, against the kernel's account of the CPUs."""
        busy = last.busy - first.busy
        # What the host took while a task ran is charged to nobody, but passes: a task has that time, too.
        stolen = last.stolen - first.stolen
        runs, missed, woken, weight = (last.bpf[n] - first.bpf[n]
                                       for n in ("runs", "missed", "idle_woken", "weight_ns"))
        expected, unsure = busy * HZ / NSEC, first.unsure + last.unsure
        # Ticks are a sample of the time: their number has a standard error of its root at most.
        # Between the waking of a task and its turn it is charged already.
        span = f"{busy / NSEC:.1f} busy seconds, and up to {stolen / NSEC:.2f} that the host took"
        self.checks.between(f"{what}: ticks on {span}, {woken} of them too early", runs + missed + woken,
                            expected, expected + stolen * HZ / NSEC,
                            4 * math.sqrt(expected) + 2 + unsure * HZ / NSEC)
        # What a tick stands for ends with it. What is left on each CPU at both ends is a period on
        # average, and where ticks meet an idle CPU as often as not, as much more as chance will have it.
        edge = unsure + 5 * math.sqrt(2 * os.cpu_count()) * NSEC / HZ + \
            2 * os.cpu_count() * harness.cpu_clock().grain_ns
        self.checks.between(f"{what}: seconds that the samples stand for", weight / NSEC, busy / NSEC,
                            (busy + stolen) / NSEC, (0.01 * busy + edge) / NSEC)

    # The end.

    def finish(self):
        # A symbolizer that died again and again is started again only a minute later.
        with contextlib.suppress(RuntimeError):
            harness.wait_until(lambda: not self.ask()["degraded"], SLOW_RESTART_S, "all is well")
        last, pids = self.look(), self.tree()
        text = self.daemon.ctl("status").stdout
        taken = self.daemon.stop()
        self.checks.at_most(f"{self.name}: the stop takes, s", taken, STOP_MAX_S)
        self.checks.equal(f"{self.name}: exit status", self.daemon.process.returncode, 0)
        # What a disk that is far too slow costs at the end no status can tell any more: a line does.
        told = re.search(r"(\d+) samples of the last windows are not kept", self.daemon.said())
        self.lost_at_end = int(told[1]) if told else 0
        self.check_nothing_left(pids)
        self.hand_over(rest=True)
        self.check_files(last)
        self.check_losses(last, text)

    def check_nothing_left(self, pids):
        # One that ended, and that whoever took it in did not collect yet, is no process any more.
        alive = [comm for pid, comm in pids.items() if os.path.exists(f"/proc/{pid}") and not harness.has_ended(pid)]
        self.checks.equal(f"{self.name}: processes left", alive, [])
        litter = self.spool.litter()
        self.checks.check(f"{self.name}: litter in the spool", not litter or self.lost_at_end, litter)
        held = {self.view.id}  # by ourselves

        def left():
            return ({m["id"] for m in harness.bpftool("map", "show")} & self.maps) - held
        with contextlib.suppress(RuntimeError):
            harness.wait_until(lambda: not left(), 10, "maps")
        self.checks.equal(f"{self.name}: BPF maps left", left(), set())
        first, rest = self.descriptors[0], self.descriptors[len(self.descriptors) // 2:]
        for comm in first if rest else ():
            most = max(d.get(comm, 0) for d in rest)
            self.checks.at_most(f"{self.name}: descriptors of {comm}, {first[comm]} at first", most,
                                first[comm] + 8)

    def check_files(self, last):
        """Each answer's `in_profiles` is the sum over a number of whole windows, about as many as it says."""
        sums, odd, files = [0], [], 0
        nanoseconds = 0
        for future, cnt in self.sums.values():
            samples, ns, complaints = future.result()
            sums.append(sums[-1] + samples)
            nanoseconds += ns
            odd += complaints
            files += cnt
        odd += [f"{key}: {cnt} files once, {len(there)} now" for key, there in self.spool.windows().items()
                if len(there) != (cnt := self.sums[key][1])]
        self.checks.check(f"{self.name}: {files} files of {len(self.sums)} windows, by two readers", not odd,
                          odd[:2] or "alike, and without a word")
        wrong = [(windows, value) for windows, value in self.in_profiles
                 if value not in sums[max(windows - 1, 0):windows + 2]]
        self.checks.check(f"{self.name}: in_profiles in {len(self.in_profiles)} answers is the sum of the "
                          "files of the windows committed", not wrong, wrong[:3] or "yes")
        bpf, discarded = self.view.counters(), sum(last["books"]["discarded"].values())
        discarded += self.lost_at_end
        cprofd.check_all_kept(self.checks, self.name, bpf, sums[-1], discarded)
        if sums[-1] != bpf["runs"]:
            self.checks.note(f"{self.name}: after the last answer, {last['spool']['windows']} windows, "
                             f"{last['books']}: sums {sums[-6:]}; it says {self.daemon.said()[-1000:]}")
        if discarded == 0:
            self.checks.equal(f"{self.name}: nanoseconds in files, BPF's weights", nanoseconds,
                              bpf["weight_ns"] - bpf["weight_dropped_ns"])
        # Between the storms nobody looks; on a machine that others keep busy not always in time.
        share = len(self.seen) / max(self.windows, 1)
        self.checks.check(f"{self.name}: rotations with a look of their own, of all in the storms",
                          share >= 0.9 or min(self.shares) >= FULL, f"{share:.2f}", "0.9, or full CPUs")
        self.checks.at_most(f"{self.name}: questions without an answer {self.unanswered[:2]}",
                            len(self.unanswered), 1 + len(self.seen) // 20)
        self.checks.note(f"{self.name}: {len(self.seen)} rotations looked at, {len(self.sums)} windows, "
                         f"{sums[-1]} samples, {self.again} windows read again")

    def check_losses(self, last, text):
        lost = {name: value for key in ("dropped", "discarded") for name, value in last["books"][key].items()
                if value}
        if lost:
            self.checks.check(f"{self.name}: what was lost is said", all(str(v) in text for v in lost.values()),
                              lost)
        self.checks.note(f"{self.name}: lost {lost or 'nothing'}, and {self.lost_at_end} at the end; missed {last['books']['missed']}; "
                         f"{last['degraded'] or 'not degraded'}")
        told = ("symbolizer_lost", "opener_lost", "names_late", "stacks_limited", "seq_gaps", "exit_full", "announce_full")
        self.checks.note(f"{self.name}: " + ", ".join(f"{n} {last['counters'][n]}" for n in told))
        self.checks.check(f"{self.name}: state", last["state"] == "running" or lost, last["degraded"])


def check_rates(checks, name, storm, reached):
    """A storm that had all that there was of the CPUs, beside others, need not reach its rate."""
    wanted, what = STORMS[storm]
    rates = [rate for rate, _, _ in reached]
    short = [(rate, share) for rate, share, _ in reached if rate < 0.95 * wanted and share < FULL]
    checks.check(f"{name}: {what}, or full CPUs", not short, f"{min(rates):.0f} to {max(rates):.0f}, "
                 f"{sum(rates) / len(rates):.0f} on average", f"{wanted} are wanted")
    if max(rates) < 0.95 * wanted:
        checks.note(f"{name}: the rate was NOT reached: others had the CPUs")
    if storm is symbolizer:
        checks.at_least(f"{name}: kills", sum(kills for _, _, kills in reached), len(rates))


def long_campaign(args, checks, tmp, storm):
    name = storm.__name__
    (tmp / name).mkdir()
    with contextlib.ExitStack() as stack:
        campaign = Campaign(args, checks, tmp / name, name)
        campaign.start(stack)
        reached, left = [], args.rotations
        while left > 0:
            reached.append(campaign.stretch(storm, min(left, STRETCH)))
            left -= STRETCH
        campaign.check_time(f"{name}, all", campaign.began, campaign.account)
        campaign.finish()
        check_rates(checks, name, storm, reached)


def all_storms(args, checks, tmp):
    """One daemon, one storm after the other."""
    (tmp / "all").mkdir()
    with contextlib.ExitStack() as stack:
        campaign = Campaign(args, checks, tmp / "all", "all")
        campaign.start(stack)
        for storm in STORMS:
            reached = campaign.stretch(storm, args.rotations)
            check_rates(checks, storm.__name__, storm, [reached])
        campaign.finish()


def lossy(args, checks, tmp):
    """The same checks object to a sampler that loses one record in 1,000."""
    (tmp / "lossy").mkdir()
    strict = harness.Checks(io.StringIO())
    program = cprofd.build_of(args) / "daemon/sampler/cprofd-sampler-lossy"
    with contextlib.ExitStack() as stack:
        campaign = Campaign(args, strict, tmp / "lossy", "lossy")
        campaign.start(stack, ["Sampling.FrequencyHz=2000"], ["--role", f"sampler={program}"])
        campaign.stretch(forks, 3)
        campaign.finish()
    for what in ("lossy, forks: difference is 0", "lossy, forks: runs = delivered + dropped",
                 "lossy: samples in files, BPF's runs less known losses"):
        checks.check(f"{what}: objected to", what in strict.failed, strict.out.getvalue().count("\nok"),
                     "others passed")


def run(args, checks):
    args.rotations = args.rotations or (1000 if args.long else 4)
    os.nice(-10)  # what is looked at waits for nobody; programs of the storms are as all others
    with harness.scratch() as tmp:
        storms = {storm.__name__: storm for storm in STORMS}
        if args.long:
            for name, storm in storms.items():
                if not args.only or args.only in name:
                    long_campaign(args, checks, tmp, storm)
        else:
            harness.play(args, checks, [all_storms, lossy], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"}),
                                (("--rotations",), {"type": int})])
