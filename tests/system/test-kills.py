# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the sampler and of the launcher of the whole daemon, at random moments of rotation.

Windows of a second, with a file for each of a hundred processes, so that a good part of the time one is
being committed; half of the kills wait for that. The launcher starts a sampler again, we start the
launcher, at once or when all is gone. What was there before is there after, byte for byte; what was
committed and not in its place yet comes to its place; of what was not, nothing is left; and the files
say how long nothing was sampled.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import random
import signal
import time

import harness
import pprof_file
import real_daemon
from cprofd import comments
from harness import NSEC, Work
from real_daemon import is_running, last_end_ns, litter, visible

# The window that is open, and those that wait for names or the disk; time in which the sampler waited for a
# CPU does not count: others use the machine too.
GONE_MAX_S = 5
GONE_MEAN_S = 2.5
COMMIT_S = 0.4
# Those that are made before the directory is open, at most: the queue's, and the one that made room for itself.
WINDOWS_HELD = 4


def digest(path):
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


class Seen:
    """All files that were ever visible, and what became of them."""

    def __init__(self, profiles):
        self.profiles, self.files, self.changed = profiles, {}, []

    def look(self):
        """What is new is read, what is old is held against what it was."""
        now = visible(self.profiles)
        for path, (kept, _) in self.files.items():
            st = now.get(path)
            if not st or (st.st_ino, st.st_size, st.st_mtime_ns) != kept:
                self.changed.append(path)
        for path in now.keys() - self.files.keys():
            st = now[path]
            self.files[path] = ((st.st_ino, st.st_size, st.st_mtime_ns), digest(self.profiles / path))
        return set(now)

    def differ(self):
        """By content, all of them."""
        return [path for path, (_, kept) in self.files.items()
                if not (self.profiles / path).exists() or digest(self.profiles / path) != kept]


class Left:
    """What a death left in the directory: files, windows that were committed, and those that were not."""

    def __init__(self, profiles):
        self.names = litter(profiles)
        self.end_ns = last_end_ns(profiles)
        self.committed = {}
        for name in self.names:
            if name.startswith(".window-"):
                with contextlib.suppress(OSError):
                    self.take(profiles / name)
        self.visible = set(visible(profiles))

    def take(self, window):
        self.end_ns = max(self.end_ns, last_end_ns(window))
        day, hour = window.name[8:18], window.name[19:21]
        for name in os.listdir(window):
            if name.endswith(".pb.gz"):
                # One that is moved meanwhile is found in its place.
                with contextlib.suppress(OSError):
                    self.committed[f"{day}/{hour}/{name}"] = digest(window / name)

    def lost(self, profiles):
        """Of the committed those that are not in their place, under this name or a second one."""
        def there(path, kept):
            stem = path.removesuffix(".pb.gz")
            return any(p.exists() and digest(p) == kept for p in [profiles / path] + [
                profiles / f"{stem}~{n}.pb.gz" for n in range(1, 4)])
        return [path for path, kept in self.committed.items() if not there(path, kept)]


def waiting(pid):
    """The part of its life in which the busiest of its threads waited for a CPU."""
    began = int(pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19])
    life_s = time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")
    waited_ns = [int(path.read_text(encoding="ascii").split()[1])
                 for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return min(max(waited_ns, default=0) / NSEC / life_s, 1)


def gaps_of(profiles, paths):
    return {int(said["gap_ns"]) for path in paths
            if "gap_ns" in (said := comments(pprof_file.Profile(profiles / path)))}


class Campaign:
    def __init__(self, args, checks, tmp):
        self.checks, self.random = checks, random.Random(args.seed)
        # What else runs here, and how much of it, is not to decide how long a commit takes.
        self.daemon = real_daemon.Daemon(args, tmp, settings={
            "Sampling.FrequencyHz": 997, "Sampling.Include": f"exe:{args.workloads.resolve()}/sleepers"})
        self.profiles = self.daemon.profiles
        self.seen = Seen(self.profiles)
        self.kills = {"sampler": 0, "launcher": 0}
        self.moments = {".new": 0, ".window": 0, "between": 0}
        self.waiting, self.raw_s = 0, []
        self.gone_s, self.untold, self.lost, self.left = [], [], [], []

    def wait_for_moment(self):
        """Anywhere in a window, or while one is being committed."""
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, 1))
            return
        # Well inside it: what is seen at its beginning is not the last that is written.
        end, begin = time.monotonic() + 3, self.random.choice((".new", ".window"))
        while time.monotonic() < end and not any(n.startswith(begin) for n in litter(self.profiles)):
            time.sleep(0.0005)
        if begin == ".new":
            time.sleep(self.random.uniform(0, COMMIT_S))

    def kill_sampler(self, pid):
        os.kill(pid, signal.SIGKILL)
        while is_running(pid):
            time.sleep(0.0005)
        return Left(self.profiles)

    def kill_launcher(self, pids):
        self.daemon.kill(pids)
        if self.random.random() < 0.5:
            return None  # started again at once, while the roles still go
        harness.wait_until(lambda: not any(is_running(p) for p in pids), 20, "the roles are gone")
        return Left(self.profiles)

    def round(self, victim):
        """One kill, the next life until a window of it is committed, and a look at everything."""
        # All that takes its time before the moment, which is over in some milliseconds.
        before = self.seen.look()
        sampler, pids = self.daemon.role("sampler"), list(self.daemon.roles().values())
        self.wait_for_moment()
        self.waiting = waiting(sampler)
        died_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        left = self.kill_sampler(sampler) if victim == "sampler" else self.kill_launcher(pids)
        self.kills[victim] += 1
        if victim == "launcher":
            self.daemon.start()
        self.daemon.role("sampler", other_than=sampler)
        # Two: what the first one's files are compared with must not be moving any more.
        self.wait_commit(died_ns + NSEC // 2)
        self.wait_commit(last_end_ns(self.profiles) + 1)
        self.judge(left, before, self.look_for_gap(before), died_ns)

    def look_for_gap(self, before):
        """Files that were made before the directory was open cannot tell it: then a later window's do."""
        for _ in range(WINDOWS_HELD):
            after = self.seen.look()
            if gaps_of(self.profiles, after - before):
                break
            self.wait_commit(last_end_ns(self.profiles) + 1)
        return after

    def wait_commit(self, after_ns):
        harness.wait_until(lambda: last_end_ns(self.profiles) > after_ns, 60,
                           f"a window; {self.daemon.said()[-300:]}")

    def judge(self, left, before, after, died_ns):
        self.lost += sorted((before | left.visible if left else before) - after)
        gaps = gaps_of(self.profiles, after - before)
        now = set(litter(self.profiles))
        if not left:
            if not gaps:
                self.untold.append("no file of it tells a gap")
            return
        self.lost += left.lost(self.profiles)
        self.left += sorted(now & set(left.names))
        for begin in (".new", ".window"):
            self.moments[begin] += any(name.startswith(begin) for name in left.names)
        self.moments["between"] += not left.names
        gone_ns = died_ns - left.end_ns
        self.raw_s.append(gone_ns / NSEC)
        self.gone_s.append(gone_ns / NSEC * (1 - self.waiting))
        if not any(gone_ns <= gap <= gone_ns + 20 * NSEC for gap in gaps):
            self.untold.append(f"{gone_ns / NSEC:.2f} s were gone at the kill, files tell of {gaps}")

    def check(self):
        checks, seen = self.checks, self.seen
        checks.note(f"kills: {self.kills}; of what was left when all was dead: {self.moments}")
        checks.at_least("files", len(seen.files), 10 * sum(self.kills.values()))
        checks.equal("committed files that are gone", self.lost[:3], [])
        checks.equal("files that changed", seen.changed[:3], [])
        checks.equal("files that differ at the end", seen.differ()[:3], [])
        checks.equal("litter of a life that ended, after the next start", self.left[:3], [])
        checks.equal("gaps that no file tells", self.untold[:3], [])
        checks.note(f"not committed at a kill, s, waits for a CPU included: at most {max(self.raw_s):.2f}, "
                    f"mean {sum(self.raw_s) / len(self.raw_s):.2f}")
        checks.at_most("not committed at a kill, s, at most", max(self.gone_s), GONE_MAX_S)
        checks.at_most("not committed at a kill, s, mean", sum(self.gone_s) / len(self.gone_s), GONE_MEAN_S)

    def check_readable(self, tmp, every):
        paths = [self.profiles / p for p in sorted(self.seen.files)]
        for path in paths:
            pprof_file.Profile(path)
        self.checks.check("files that can be read", True, len(paths))
        # One CPU's second for a hundred: the long form alone reads all by both.
        _, _, complaints = harness.sum_files(harness.Pprof(tmp), paths[::every])
        self.checks.equal("go tool pprof's complaints", complaints[:2], [])


def kills(args, checks, tmp):
    rounds = args.rounds or (200 if args.long else 4)
    campaign = Campaign(args, checks, tmp)
    with Work(args.workloads / "sleepers", 100, 3600), campaign.daemon as daemon:
        campaign.wait_commit(1)
        for i in range(rounds):
            # By turns: a sampler that dies young again and again is started ever later.
            campaign.round(("sampler", "launcher")[i % 2])
            if i % 20 == 19:
                checks.note(f"{i + 1} kills, {len(campaign.seen.files)} files")
        status = daemon.status()
        checks.equal("books at the end: difference", status["books"]["difference"], 0)
        checks.equal("windows that failed", status["spool"]["windows_failed"], 0)
        checks.equal("stopped: exit status", daemon.stop()[0], 0)
        # What a disk does not take before the stop is over is told, and goes at the next start.
        told = "are not kept" in daemon.said()
        checks.equal("stopped: litter that no line tells of", [] if told else litter(campaign.profiles), [])
    campaign.check()
    campaign.check_readable(tmp, 1 if args.long else 10)


@contextlib.contextmanager
def locked(directory):
    """Once whoever writes to it is dead."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def opened_late(args, checks, tmp):
    """Another has the directory when the next life begins: files that come later say what was not sampled."""
    (tmp / "late").mkdir()
    with Work(args.workloads / "sleepers", 5, 60), real_daemon.Daemon(args, tmp / "late") as daemon:
        profiles = daemon.profiles
        harness.wait_until(lambda: last_end_ns(profiles), 60, "a window")
        died_ns, sampler = time.clock_gettime_ns(time.CLOCK_BOOTTIME), daemon.role("sampler")
        os.kill(sampler, signal.SIGKILL)
        with locked(profiles):
            end_ns, before = Left(profiles).end_ns, set(visible(profiles))
            daemon.role("sampler", other_than=sampler)
            daemon.wait_status("windows given up", lambda s: s["counters"]["discard_spool"] > 0)
        gap_s = daemon.wait_status("the gap", lambda s: s["gap_s"])["gap_s"]
        checks.at_least("opened late: not sampled, s", gap_s, (died_ns - end_ns) / NSEC)
        gaps = harness.wait_until(lambda: gaps_of(profiles, set(visible(profiles)) - before), 30, "a gap in files")
        checks.equal("opened late: what files tell of it, s", [round(gap / NSEC, 3) for gap in gaps],
                     [round(gap_s, 3)])


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, [kills, opened_late], args, checks, pathlib.Path(tmp))


harness.main(run, __doc__, [(["--seed"], {"type": int, "default": 1}),
                            (["--rounds"], {"type": int}),
                            (["--long"], {"action": "store_true"})])
