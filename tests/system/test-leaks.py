# SPDX-License-Identifier: Apache-2.0
"""The whole daemon under all that comes and goes: it keeps no descriptor, map entry or byte of it.

New programs, libraries, threads, control groups, code with perf maps and sessions come and go. What the
kernel says that each role holds is read from outside. The daemon that is watched has bounds 64 times
smaller, so that all its tables are full before it counts; beside it, under the same load, runs one that
leaks, which must be caught.

The short form compares moments of rest: after each of three rounds of load and one before them, when no more descriptors are open
than before the load. It is a leak when a figure rises from each rest to the next, and in all by more than
what is allowed: nothing for what is counted, 10 % of the entries of a map, 512 KiB and 10 % of memory.

The long form is half an hour of load. A line is fitted to the least values in each of twenty parts of the
second half, for what is held only for a moment raises the others alone. It is a leak when the line rises by
more than three of its standard errors and by more than what is allowed over that half: half a thing for
what is counted, 1 % of entries, 1 % and 256 KiB of memory; and when a map is full, which rises no more.
The daemon as it is shipped runs beside it, its tables may still fill then. Where too little came and went,
or a role was replaced, nothing can be told, and that fails.
"""

import contextlib
import math
import os
import subprocess
import sys
import threading
import time

import harness
import whole
from container import group, hierarchies
from harness import Work

sys.dont_write_bytecode = True

SETTINGS = ["Sampling.FrequencyHz=997", "Profiles.Window=1s", "Profiles.MaxUse=8M",
            "Profiles.MaxFiles=400", "Limits.CPU=100%"]
MIB = 1 << 20
MAX_USE, MAX_FILES = 8 * MIB, 400
PARTS = 20
FULL = 0.9  # of a map; the daemon as it is shipped uses three quarters
# In the second half: several times what the smaller tables hold, or else nothing can be told.
FORGOTTEN_MIN = 1000
COUNTED = ("descriptors", "threads", "processes", ": maps")
REST_S = 15
HELD = 8  # large files of processes that live on, whose names are read as they are asked for
AFTER_S = 120
ROUNDS, ROUND_S, ROUND_FILES = 4, 3, 100  # the first is not looked at
PERIODS_MAX = 6  # of a round, on a machine at work


# What it holds


class Entries(int):
    """How many entries a map has, and may have."""

    def __new__(cls, cnt, most):
        self = super().__new__(cls, cnt)
        self.most = most
        return self


def look(daemon):
    """{figure: value}, all that must not grow."""
    roles = daemon.roles()
    found = {"all: processes": len(harness.roles_of(daemon.process.pid))}
    for role, pid in roles.items():
        found[f"{role}: descriptors"] = whole.descriptors(pid)
        found[f"{role}: threads"] = whole.threads(pid)
        found[f"{role}: anonymous memory"] = whole.memory(pid)[1]
    held = whole.held_maps(roles["sampler"])
    found["kernel: maps"] = len(held)
    found["kernel: bytes of maps"] = sum(sz for _, sz, _ in held.values())
    for name, (cnt, most) in whole.map_entries(held).items():
        found[f"{name}: entries"] = Entries(cnt, most)
    return roles, found


class Watch(threading.Thread):
    """Looks at a daemon every so often, until stop()."""

    def __init__(self, daemon, every):
        super().__init__(daemon=True)
        self.watched, self.every = daemon, every
        self.rows, self.roles, self.spool, self.errors = [], [], [0, 0], []
        self.over = threading.Event()
        self.begun = time.monotonic()

    def run(self):
        while not self.over.wait(self.every):
            try:
                at = time.monotonic() - self.begun
                roles, found = look(self.watched)
                self.rows.append((at, found))
                if roles not in self.roles:
                    self.roles.append(roles)
                self.spool = [max(pair) for pair in zip(self.spool, self.watched.files())]
            except (OSError, KeyError, TypeError) as error:
                self.errors.append(repr(error))

    def stop(self):
        self.over.set()
        self.join()

    def figures(self):
        return sorted({key for _, found in self.rows for key in found})


# The fit


def fit(points):
    """(slope, its standard error) of the line through the points."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return slope, math.sqrt(rest / (n - 2) / spread)


def allowed(key, level, share, memory):
    """By how much a figure may rise."""
    if key.endswith(COUNTED):
        return 0.5
    return share * level + (memory if "memory" in key or "bytes" in key else 0.5)


class Trend:
    """How much a figure grew over the second half, by its least values in parts of it."""

    def __init__(self, rows, key):
        points = [(at, found[key]) for at, found in rows if key in found]
        begin, end = points[len(points) // 2][0], points[-1][0] + 0.001
        parts = {}
        for at, value in points:
            if at >= begin:
                part = int((at - begin) / (end - begin) * PARTS)
                parts[part] = min(parts.get(part, (value, at)), (value, at))
        least = [(at, value) for value, at in parts.values()]
        slope, error = fit(least)
        self.key, self.span = key, end - begin
        self.growth, self.error = slope * self.span, error * self.span
        self.level = sum(value for _, value in least) / len(least)
        self.allowed = allowed(key, self.level, 0.01, 256 * whole.KIB)
        # What leaks fast cannot rise any more: nothing that is in order fills a map.
        self.full = self.level > FULL * getattr(points[0][1], "most", math.inf)

    @property
    def leaks(self):
        return self.full or (self.growth > 3 * self.error and self.growth > self.allowed)

    def __str__(self):
        return (f"{self.growth:+.6g} +- {self.error:.3g} in {self.span:.0f} s, "
                f"at {self.level:.6g}{', full' if self.full else ''}")


def trends(watch):
    return [Trend(watch.rows, key) for key in watch.figures()]


# What comes and goes


class Sessions(threading.Thread):
    """Somebody who records and asks, some of the time badly."""

    def __init__(self, daemon, pid):
        super().__init__(daemon=True)
        self.asked, self.pid = daemon, pid
        self.over = threading.Event()
        self.failures, self.done = [], 0

    def expect(self, what, good):
        self.done += 1
        if not good and not self.over.is_set():
            self.failures.append(what)

    def record(self):
        done = self.asked.ctl("record", "--pid", self.pid, "--seconds", "1", "-o", "one.pb.gz")
        self.expect(f"record: {done.stderr.strip()[-200:]}", done.returncode in (0, 3))

    def record_killed(self):
        with subprocess.Popen([self.asked.cprofctl, "--socket", self.asked.socket, "record", "-a",
                               "--seconds", "9", "-o", self.asked.tmp / "never.pb.gz"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            time.sleep(0.4)
            process.kill()

    def ask(self):
        profile = self.asked.get(f"/pid/{self.pid}/debug/pprof/profile?seconds=1")
        self.expect(f"profile: {profile[:200]}", b" 200 " in profile[:20])
        for path in ("/debug/pprof/", "/metrics", "/nowhere"):
            self.expect(path, self.asked.get(path))
        self.asked.get("/debug/pprof/profile?seconds=5", read=False)
        for command in ("status", "ps", "ls"):
            done = self.asked.ctl("--json", command)
            self.expect(f"{command}: {done.stderr.strip()[-200:]}", done.returncode in (0, 3))

    def run(self):
        while not self.over.is_set():
            for step in (self.record, self.record_killed, self.ask):
                with contextlib.suppress(OSError):
                    step()
                self.over.wait(0.3)

    def stop(self):
        self.over.set()
        self.join()


@contextlib.contextmanager
def load(args, tmp, seconds):
    """50 programs a second and more, half of them never seen before. The first, of which others ask, ends
    last; it is to be terminated.
    """
    files = tmp / "files"
    files.mkdir(exist_ok=True)
    own = [args.workloads / "libown-lib.so", args.workloads / "own-only", files]
    mounts = hierarchies()
    with contextlib.ExitStack() as stack:
        groups = stack.enter_context(group(mounts[""], f"cprof-leaks-{os.getpid()}")) \
            if "" in mounts else "-"
        works = [stack.enter_context(Work(*argv)) for argv in (
            (args.workloads / "execstorm", 50, 2000, 6000, seconds + AFTER_S, tmp / "exec.log",
             args.workloads / "burst", args.workloads / "burst-static"),
            (args.workloads / "newfiles", *own, 100, seconds, 1000000, 0),
            (args.workloads / "turnover", 10, seconds, groups))]
        yield works


# The parts


def subject(args, tmp, stack, name, roles, settings=()):
    """A daemon that is watched and talked to."""
    programs = {role: args.cprofctl.parents[2] / f"daemon/{role}/cprofd-{role}-{variant}"
                for role, variant in roles.items()}
    return stack.enter_context(whole.Daemon(args, tmp / name, programs, [*SETTINGS, *settings]))


def check_flat(checks, name, watch, memory=True):
    for trend in trends(watch):
        if memory or trend.key.endswith(COUNTED):
            checks.check(f"{name}: {trend.key}", not trend.leaks, trend,
                         f"at most {trend.allowed:.6g} or 3 standard errors")
        else:
            checks.note(f"{name}: {trend.key}: {trend}")
    checks.at_most(f"{name}: looks that failed", len(watch.errors), len(watch.rows) // 20)


def check_spool(checks, name, files, taken):
    checks.at_most(f"{name}: files in the spool", files, MAX_FILES)
    checks.at_most(f"{name}: bytes in the spool", taken, MAX_USE)


def rest(daemon, before):
    """(roles, figures) when no more is open than before, or after a while; and what is more."""
    keys = [k for k in before if k.endswith(COUNTED)]

    def more(now):
        return {k: (before[k], now[k]) for k in keys
                if now.get(k, 0) > before[k] + (HELD if k == "symbolizer: descriptors" else 0)}

    end = time.monotonic() + REST_S
    while True:
        with contextlib.suppress(OSError, KeyError):
            roles, now = look(daemon)
            if not more(now) or time.monotonic() > end:
                return roles, now, more(now)
        time.sleep(0.2)


def check_as_before(checks, name, daemon, before):
    left = rest(daemon, before)[2]
    checks.check(f"{name}: open as before the load", not left, left or "yes")


def check_processes(checks, name, daemon):
    """Who is told to run does, or did in the window that is told of."""
    def strangers():
        table = daemon.json("ps")
        return [p for p in table.get("processes", [])
                if not os.path.exists(f"/proc/{p['pid']}") and p["comm"].startswith(
                    ("only_", "burst", "turnover", "newfiles", "execstorm"))]

    with contextlib.suppress(RuntimeError):
        harness.wait_until(lambda: not strangers(), 12, "ended processes go")
    left = strangers()
    checks.check(f"{name}: ps tells of no process of the load", not left, left[:3] or "yes")


def counter(daemon, name):
    return harness.wait_until(lambda: daemon.json("status").get("counters"), 60, "a status")[name]


def check_told(checks, bench, watches, forgotten_before):
    """Whether there was enough to tell a leak by; else it is to be repeated on a machine less busy."""
    for daemon, watch in watches.items():
        checks.check(f"{daemon.tmp.name}: one process for each role", len(watch.roles) == 1,
                     watch.roles)
    for daemon in bench.small():
        checks.at_least(f"{daemon.tmp.name}: files forgotten in the second half",
                        counter(daemon, "objects_forgotten") - forgotten_before[daemon],
                        FORGOTTEN_MIN)


BUILT_IN = ("opener: descriptors", "cprof_objects: entries", "sampler: anonymous memory")


def check_leaky(checks, leaking, built_in=BUILT_IN):
    """Whether the three leaks that were built in are seen: @leaking is {figure: its growth}."""
    for key in built_in:
        checks.check(f"leaky: {key} is seen to leak", key in leaking,
                     leaking.get(key) or sorted(leaking))


class Bench:
    """The daemons, one of which leaks, and what they held before any load."""

    def __init__(self, args, tmp, stack):
        self.args, self.tmp, self.stack = args, tmp, stack
        self.modest = subject(args, tmp, stack, "modest", {"sampler": "modest"})
        self.leaky = subject(args, tmp, stack, "leaky", {"sampler": "leaky", "opener": "leaky"})
        self.daemons = [self.modest, self.leaky]
        if args.long:
            self.daemons.append(subject(args, tmp, stack, "shipped", {}))
        time.sleep(2)
        self.before = {d: look(d)[1] for d in self.daemons}
        self.failures, self.done = [], 0

    def small(self):
        return [self.modest, self.leaky]

    def good(self):
        return [d for d in self.daemons if d is not self.leaky]

    @contextlib.contextmanager
    def loaded(self, seconds):
        """Under load, with sessions: what the load did, when it is over."""
        with load(self.args, self.tmp, seconds) as works:
            talks = [Sessions(d, works[0].pid) for d in self.good()]
            for talk in talks:
                talk.start()
            made = {}
            yield made
            for work in works[1:]:
                made.update(work.finish())
            # It would go on until it had started all that were ordered, on a machine at work for long.
            works[0].process.terminate()
            works[0].process.wait()
            with open(self.tmp / "exec.log", encoding="ascii") as log:
                made["executed"] += sum(1 for _ in log)
            for talk in talks:
                talk.stop()
                self.failures += talk.failures
                self.done += talk.done

    def check_end(self, checks):
        checks.check(f"sessions: {self.done} questions answered", not self.failures,
                     self.failures[:3] or "yes")
        for daemon in self.good():
            name = daemon.tmp.name
            check_as_before(checks, name, daemon, self.before[daemon])
            check_processes(checks, name, daemon)
            check_spool(checks, name, *daemon.files())


def files_opened(daemon):
    return counter(daemon, "objects_announced")


def one_round(bench):
    """Load until all daemons have opened enough files, then rest: {daemon: (roles, figures)}."""
    begun = {d: files_opened(d) for d in bench.daemons}
    for _ in range(PERIODS_MAX):
        with bench.loaded(ROUND_S):
            pass
        if all(files_opened(d) - begun[d] >= ROUND_FILES for d in bench.daemons):
            return {d: rest(d, bench.before[d] if d is not bench.leaky else {})[:2]
                    for d in bench.daemons}
    raise harness.Skip("the machine is too busy: hardly any file of the load was sampled")


def risen(rests):
    """{figure: (growth, level)} of what rose each time and by more than is allowed."""
    found = {}
    for key in rests[0][1]:
        # What may fill until a bound is reached is for the long form: maps, and tables of names.
        if key.endswith("entries") or key == "symbolizer: anonymous memory":
            continue
        values = [figures.get(key, 0) for _, figures in rests]
        growth = values[-1] - values[0]
        if all(a < b for a, b in zip(values, values[1:])) and \
                growth > allowed(key, values[0], 0.1, MIB // 2):
            found[key] = values
    return found


def rounds(args, checks, tmp):
    """From rest to rest."""
    with contextlib.ExitStack() as stack:
        bench = Bench(args, tmp, stack)
        rests = {d: [] for d in bench.daemons}
        for _ in range(ROUNDS):
            for daemon, found in one_round(bench).items():
                rests[daemon].append(found)
        for daemon, found in rests.items():
            del found[0]  # tables fill, and code is read for the first time
            if any(roles != found[0][0] for roles, _ in found):
                checks.note(daemon.said().strip()[-500:])
                raise harness.Skip("the machine is too busy: a role was replaced")
            checks.note(f"{daemon.tmp.name}: " + ", ".join(
                f"{key} {[figures.get(key) for _, figures in found]}" for key in BUILT_IN))
        grown = risen(rests[bench.modest])
        checks.check(f"modest: none of {len(rests[bench.modest][0][1])} figures rose every time",
                     not grown, grown or "yes")
        check_leaky(checks, risen(rests[bench.leaky]),
                    [key for key in BUILT_IN if not key.endswith("entries")])
        bench.check_end(checks)


def campaign(args, checks, tmp):
    """All of it at once, for long."""
    with contextlib.ExitStack() as stack:
        bench = Bench(args, tmp, stack)
        watches = {d: Watch(d, 5) for d in bench.daemons}
        seconds = args.seconds or 1800
        with bench.loaded(seconds) as made:
            for watch in watches.values():
                watch.start()
            time.sleep(seconds / 2)
            forgotten = {d: counter(d, "objects_forgotten") for d in bench.small()}
        for watch in watches.values():
            watch.stop()
        save(args, watches)
        checks.at_least("programs a second", made["executed"] / made["seconds"], 50)
        check_told(checks, bench, watches, forgotten)
        check_leaky(checks, {t.key: t for t in trends(watches[bench.leaky]) if t.leaks})
        for daemon in bench.good():
            check_flat(checks, daemon.tmp.name, watches[daemon], daemon is bench.modest)
            check_spool(checks, f"{daemon.tmp.name}: at most, all the time", *watches[daemon].spool)
        bench.check_end(checks)


CEILING_MIB = 64
STRANGER = {"user": 65533, "group": 65533, "extra_groups": []}


def is_short(said):
    return any("Memory= is used up" in text for text in said)


def ceiling(args, checks, tmp):
    """Somebody makes stacks and names at full speed: all memory stays below Memory=, and status says why."""
    files = tmp / "strange"
    files.mkdir()
    os.chown(files, STRANGER["user"], STRANGER["group"])
    own = [args.workloads / "libown-lib.so", args.workloads / "own-only", files]
    seconds = args.seconds or (60 if args.long else 8)
    patience = seconds * 3  # on a machine at work
    with contextlib.ExitStack() as stack:
        daemon = subject(args, tmp, stack, "ceiling", {}, [
            f"Limits.Memory={CEILING_MIB}M", "Profiles.Window=60s", "Profiles.MaxUse=64M",
            "Profiles.MaxFiles=100000"])
        for argv in ((args.workloads / "deepstacks", 1000, patience),
                     (args.workloads / "deepstacks", 200, patience),
                     (args.workloads / "newfiles", *own, 0, patience, 100000, 0)):
            stack.enter_context(Work(*argv, **STRANGER))
        most, begun, said = 0, time.monotonic(), []
        while time.monotonic() < begun + (seconds if is_short(said) else patience):
            with contextlib.suppress(OSError, KeyError, TypeError):
                roles = daemon.roles()
                most = max(most, sum(whole.memory(pid)[0] for pid in roles.values()) +
                           sum(sz for _, sz, _ in whole.held_maps(roles["sampler"]).values()))
            said += daemon.json("status").get("degraded", [])
        status = daemon.json("status")
        if not is_short(said) and most < CEILING_MIB * MIB * 3 // 4:
            raise harness.Skip(f"the machine is too busy: {most / MIB:.0f} of {CEILING_MIB} MiB were filled")
        checks.at_most("ceiling: memory of all roles and maps at most, MiB", most / MIB, CEILING_MIB)
        checks.check("ceiling: status says so", is_short(said),
                     sorted(set(text.split("(")[0] for text in said)))
        checks.equal("ceiling: difference of the books", status["books"]["difference"], 0)
        checks.equal("ceiling: samples discarded for want of memory",
                     status["counters"]["discard_memory"], 0)
        counted = {k: status["counters"][k] for k in ("stacks_limited", "objects_forgotten", "runs")}
        checks.note(f"ceiling: {counted}, windows {status['spool']}")


def save(args, watches):
    if not args.rows:
        return
    with open(args.rows, "w", encoding="utf-8") as out:
        for daemon, watch in watches.items():
            for at, found in watch.rows:
                for key, value in found.items():
                    print(daemon.tmp.name, f"{at:.2f}", key.replace(" ", "_"), value, file=out)


def run(args, checks):
    harness.need("bpftool")
    with harness.scratch() as tmp:
        harness.play(args, checks, [campaign if args.long else rounds, ceiling], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"}),
                                (("--seconds",), {"type": float, "help": "of load"}),
                                (("--rows",), {"help": "a file for all that was seen"})])
