# SPDX-License-Identifier: Apache-2.0
"""The whole daemon on a disk that is full, read-only, hung or full of garbage, with 10,000 profiles at the
start, and under a clock that leaps.

Whatever the disk does, sampling goes on (the kernel's ticks are counted all the time), the budget holds
whenever one looks, status says what is wrong, and two rotations after it is mended nothing is degraded.
The spool by itself, at more moments: test-spool.py.
"""

import contextlib
import os
import pathlib
import random
import socket
import struct
import subprocess
import time

import harness
import real_daemon
from harness import Work
from real_daemon import litter, visible

MIB = 1 << 20
DAY = 86400
YEAR = 365 * DAY
BODY = bytes(3000)


class Bench:
    def __init__(self, args, checks, tmp):
        self.args, self.checks, self.tmp = args, checks, tmp
        self.random = random.Random(args.seed)
        self.cnt = 0

    def place(self):
        self.cnt += 1
        path = self.tmp / str(self.cnt)
        path.mkdir()
        return path

    def daemon(self, place, profiles=None, **kwargs):
        return real_daemon.Daemon(self.args, place, profiles, **kwargs)

    def sleepers(self, count):
        return Work(self.args.workloads / "sleepers", count, 600)


@contextlib.contextmanager
def small_disk(place, size=64 * MIB, for_root=0):
    """A fresh ext4, lost+found and all, of which root alone gets the last percents: where it is mounted."""
    harness.need("mkfs.ext4", "mount", "umount", "fsfreeze")
    image, where = place / "image", place / "disk"
    where.mkdir()
    with open(image, "wb") as f:
        f.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", str(for_root), image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, where], capture_output=True, text=True, check=False)
    if done.returncode:
        raise harness.Skip(f"no loop device: {done.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=False, capture_output=True)


def allocated(directory):
    """Bytes of profiles and their directories, as the file system counts them; and inodes."""
    total = inodes = 0
    for path, names, files in os.walk(directory):
        if path == str(directory):
            # What others put there is not ours.
            names[:] = [n for n in names if n[0] == "2" or n.startswith((".new", ".window"))]
            files = []
        for name in names + files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
                inodes += 1
    return total, inodes


def fill(path):
    """All that is free; what comes free meanwhile too, by another call."""
    with open(path, "ab", buffering=0) as f:
        for size in (MIB, 4096, 1024):
            with contextlib.suppress(OSError):
                while f.write(bytes(size)) == size:
                    pass


def prefill(profiles, days, hours, files):
    """Profiles of the last days, as if they had been recorded then: their paths."""
    made = []
    for day in range(1, days + 1):
        for hour in range(hours):
            at = time.gmtime(time.time() - day * DAY)
            path = profiles / time.strftime("%Y-%m-%d", at) / f"{hour:02}"
            path.mkdir(parents=True, exist_ok=True)
            for i in range(files):
                name = f"old-{i + 1}-100-1.cpu.{hour:02}0000-{hour:02}0100.pb.gz"
                (path / name).write_bytes(BODY)
                made.append(f"{path.relative_to(profiles)}/{name}")
    for path, names, files_ in os.walk(profiles):
        for name in [".", *names, *files_]:
            os.chown(os.path.join(path, name), 61180, 0)
    return made


def degraded(text):
    return lambda s: any(text in t for t in s["degraded"])


def sampled(checks, name, before, after):
    checks.at_least(f"{name}: sampled meanwhile, runs", after["books"]["runs"] - before["books"]["runs"], 20)
    checks.equal(f"{name}: difference of the books", after["books"]["difference"], 0)


class Budget:
    """Looked at all the time: what the profiles take."""

    def __init__(self, profiles, use_max, files_max=None):
        self.profiles, self.use_max, self.files_max = profiles, use_max, files_max
        self.most = self.most_files = self.looks = 0

    def watch(self, seconds, act=lambda: None):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            act()
            used, inodes = allocated(self.profiles)
            self.most, self.most_files = max(self.most, used), max(self.most_files, inodes)
            self.looks += 1
            time.sleep(0.02)

    def check(self, checks, name):
        # The directory of a day, and one that is being written, are nobody's hour.
        checks.at_most(f"{name}: most that profiles took in {self.looks} looks", self.most,
                       self.use_max + 64 * 1024)
        if self.files_max:
            checks.at_most(f"{name}: most inodes", self.most_files, self.files_max + 16)


def full(bench):
    """Filled from outside while it rotates, started anew when it is full, emptied again."""
    place = bench.place()
    with small_disk(place) as disk:
        fill_up(bench, "full disk", place, disk, (lambda: fill(disk / "filler"), (disk / "filler").unlink))


def no_inodes(bench):
    """The same with files that take nothing but their inodes."""
    place = bench.place()

    def take():
        with contextlib.suppress(OSError):
            (disk / "many").mkdir(exist_ok=True)
            while True:
                take.cnt += 1
                (disk / "many" / str(take.cnt)).touch()
    take.cnt = 0
    with small_disk(place, 32 * MIB) as disk:
        fill_up(bench, "no inodes", place, disk,
                (take, lambda: subprocess.run(["rm", "-r", disk / "many"], check=True)))


def fill_up(bench, name, place, disk, room):
    (take, give), checks, seconds = room, bench.checks, 20 if bench.args.long else 4
    settings = {"Profiles.MaxUse": "8M", "Profiles.MaxFiles": 1200, "Profiles.KeepFree": "15%"}
    # The root of the file system itself: lost+found is not ours, and nobody's profile.
    with bench.sleepers(60), bench.daemon(place, disk, settings=settings) as daemon:
        before = daemon.wait_windows(3)
        budget = Budget(disk, 8 * MIB, 1200 + 64)
        budget.watch(seconds / 4)
        budget.check(checks, f"{name}, before")
        take()
        budget = Budget(disk, 8 * MIB, 1200 + 64)
        status = daemon.wait_status("it says so", degraded("fuller than KeepFree"))
        checks.check(f"{name}: status says so", True, status["degraded"])
        kept = status["spool"]["windows"]
        budget.watch(seconds)
        status = daemon.wait_status("windows are kept on it", lambda s: s["spool"]["windows"] >= kept + 2)
        sampled(checks, name, before, status)
        budget.check(checks, name)
        checks.equal(f"{name}: stop", daemon.stop()[0], 0)
        daemon.start()
        status = daemon.wait_windows(2)
        checks.check(f"{name}: started on it, and windows are kept", status["spool"]["windows"] >= 2,
                     status["spool"])
        give()
        begun = status["spool"]["windows"]
        status = daemon.wait_status("nothing is degraded", lambda s: s["state"] == "running")
        checks.at_most(f"{name}: rotations until nothing is degraded", status["spool"]["windows"] - begun, 2)
        status = daemon.wait_windows(2)
        checks.equal(f"{name}: windows that failed after it", status["spool"]["windows_failed"], 0)
        checks.equal(f"{name}: stopped", daemon.stop()[0], 0)
    checks.equal(f"{name}: litter", litter(disk), [])


def full_for_us(bench):
    """Root filled it to the last block: what older profiles leave is root's. So they stay."""
    checks, place = bench.checks, bench.place()
    with small_disk(place, for_root=20) as disk, bench.sleepers(60), \
            bench.daemon(place, disk, settings={"Profiles.MaxUse": "8M"}) as daemon:
        before = daemon.wait_windows(6)
        fill(disk / "filler")
        status = daemon.wait_status("windows fail", lambda s: s["spool"]["windows_failed"] >= 6)
        checks.check("full for us: status says so", degraded("No space left")(status), status["degraded"])
        checks.at_most("full for us: files that went for nothing", status["spool"]["evicted"],
                       before["spool"]["files"] // 2)
        sampled(checks, "full for us", before, status)
        (disk / "filler").unlink()
        kept = status["spool"]["windows"]
        status = daemon.wait_status("windows are kept again", lambda s: s["state"] == "running" and
                                    s["spool"]["windows"] > kept)
        checks.equal("full for us: stopped", daemon.stop()[0], 0)


def read_only(bench):
    """Remounted under it, as the kernel does after an error."""
    checks, place = bench.checks, bench.place()

    def remount(how):
        # Refused while a file is open for writing.
        harness.wait_until(lambda: subprocess.run(["mount", "-o", f"remount,{how}", disk], check=False,
                                                  capture_output=True).returncode == 0, 20, how)
    with small_disk(place) as disk, bench.sleepers(20), bench.daemon(place, disk) as daemon:
        before = daemon.wait_windows(2)
        remount("ro")
        status = daemon.wait_status("it says so", degraded("Read-only file system"))
        checks.check("read-only: status says so", True, status["degraded"])
        failed = daemon.wait_status("windows fail", lambda s: s["spool"]["windows_failed"] > 3)
        sampled(checks, "read-only", before, failed)
        checks.at_least("read-only: samples that were not kept are counted",
                        failed["counters"]["discard_spool"], 1)
        there = visible(disk)
        remount("rw")
        begun = daemon.status()["spool"]
        status = daemon.wait_status("nothing is degraded", lambda s: s["state"] == "running" and
                                    s["spool"]["windows"] > begun["windows"])
        checks.at_most("writable again: windows that failed", status["spool"]["windows_failed"] -
                       begun["windows_failed"], 2)
        checks.equal("writable again: files that are gone", sorted(there.keys() - visible(disk).keys()), [])
        checks.equal("read-only: stopped", daemon.stop()[0], 0)
        remount("ro")
        daemon.spawn()
        checks.equal("read-only at the start: exit status", daemon.process.wait(20), 1)
        line = daemon.said().splitlines()[-1]
        checks.check("read-only at the start: one line", "Read-only file system" in line and
                     line.count("; ") == 1, line)


def hung(bench):
    """Frozen under it. What fits in the queue is kept, the rest is counted; it samples all the time."""
    checks, place = bench.checks, bench.place()
    seconds = 45 if bench.args.long else 9  # six windows have a place to wait
    with small_disk(place) as disk, bench.sleepers(20), \
            bench.daemon(place, disk, watchdog_s=30) as daemon:
        before = daemon.wait_windows(2)
        sampler = daemon.role("sampler")
        subprocess.run(["fsfreeze", "-f", disk], check=True)
        frozen = time.monotonic()
        try:
            kept = daemon.status()["spool"]["windows"]
            status = watch_hang(bench, daemon, seconds)
        finally:
            subprocess.run(["fsfreeze", "-u", disk], check=True)
        sampled(checks, "hung disk", before, status)
        checks.at_most("hung disk: windows kept meanwhile", status["spool"]["windows"] - kept, 1)
        checks.at_least("hung disk: what is not kept is counted", status["counters"]["discard_spool"], 1)
        fed = [frozen, *[at for at in daemon.notices.take().watchdog if at > frozen], time.monotonic()]
        checks.at_most("hung disk: between two words for the watchdog of 30 s, s",
                       max(b - a for a, b in zip(fed, fed[1:])), 15)
        kept = status["spool"]["windows"]
        status = daemon.wait_status("windows are kept again", lambda s: s["spool"]["windows"] >= kept + 4 and
                                    s["state"] == "running")
        checks.equal("hung disk: it is the same sampler", daemon.role("sampler"), sampler)
        checks.equal("thawed: difference of the books", status["books"]["difference"], 0)
        checks.equal("thawed: windows that failed", status["spool"]["windows_failed"], 0)
        checks.equal("thawed: stopped", daemon.stop()[0], 0)
        checks.equal("thawed: litter", litter(disk), [])
        if bench.args.long:
            start_on_hung(bench, daemon, disk)


def watch_hang(bench, daemon, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        daemon.notices.take()
        time.sleep(0.2)
    status = daemon.status()
    if seconds > 25:
        bench.checks.check("hung disk: status says so", degraded("the disk hangs")(status), status["degraded"])
        bench.checks.check("hung disk: so does the service manager",
                           "the disk hangs" in daemon.notices.take().status, daemon.notices.status)
    return status


def start_on_hung(bench, daemon, disk):
    """Neither a stop nor a start waits for it."""
    checks = bench.checks
    daemon.start()
    daemon.wait_windows(1)
    subprocess.run(["fsfreeze", "-f", disk], check=True)
    try:
        time.sleep(2)
        _, seconds = daemon.stop()
        checks.at_most("hung disk: a stop takes, s", seconds, 5)
        for what, text in (("whose sampler is still in it", "hangs in it"), ):
            daemon.spawn()
            checks.equal(f"hung disk, {what}: a start's exit status", daemon.process.wait(30), 1)
            checks.check(f"hung disk, {what}: its line", text in daemon.said().splitlines()[-1],
                         daemon.said().splitlines()[-1])
    finally:
        subprocess.run(["fsfreeze", "-u", disk], check=True)
    daemon.start()
    status = daemon.wait_windows(2)
    checks.equal("thawed: what is degraded", status["degraded"], [])
    daemon.stop()
    subprocess.run(["fsfreeze", "-f", disk], check=True)
    try:
        daemon.spawn()
        checks.equal("hung disk at the start: exit status", daemon.process.wait(30), 1)
        # Then that a role of its own hangs, too.
        said = daemon.said().splitlines()[-2:]
        checks.check("hung disk at the start: its line", "timed out" in said[0], said)
    finally:
        subprocess.run(["fsfreeze", "-u", disk], check=True)


def ten_thousand(bench):
    """Started over 10,000 profiles and all kinds of garbage beside them."""
    checks, place = bench.checks, bench.place()
    profiles = place / "profiles"
    profiles.mkdir()
    made = set(prefill(profiles, 5, 20, 100))
    checks.equal("10,000 files: made", len(made), 10000)
    strange = put_garbage(bench, profiles, place)
    with bench.sleepers(5), bench.daemon(place) as daemon:
        taken = [daemon.start_s]
        status = daemon.wait_windows(2)
        checks.at_least("10,000 files: counted", status["spool"]["files"], 10000)
        begun = time.monotonic()
        listed = {f["path"] for f in real_daemon.listing(daemon)}
        checks.note(f"ls of {len(listed)} files took {time.monotonic() - begun:.2f} s")
        checks.equal("10,000 files: of them not listed", sorted(made - listed)[:3], [])
        daemon.stop()
        taken.append(daemon.start())
        checks.at_most("10,000 files: start to READY, s", min(taken), 2)
        checks.equal("stopped: exit status", daemon.stop()[0], 0)
    gone = [p for p in made if not (profiles / p).is_file()]
    checks.equal("10,000 files: gone", gone[:3], [])
    check_garbage(checks, profiles, strange, place)


def put_garbage(bench, profiles, place):
    """Things of every type under every name that the spool knows: {path: type}. Links lead outside."""
    outside = place / "outside"
    (outside / "below").mkdir(parents=True)
    (outside / "letter").write_text("not ours")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    now = time.strftime("%H", time.gmtime())
    names = [".state", ".quarantine", ".new-1", ".new-try", f".window-{day}-{now}-5", day, f"{day[:8]}99",
             "2026-02-30", "x", f"{day}~", f".window-{day}-99-1", ".new-99999999999999999999", "lost+found"]
    inner = [f"2027-01-0{i}/{n}" for i in (1, 2) for n in ("00", "24", "xx", "old-1-1-1.cpu.000000-000100.pb.gz")]
    kinds = ["file", "directory", "fifo", "link", "socket"]
    placed = {}
    for i, name in enumerate(names + inner):
        path = profiles / name
        path.parent.mkdir(exist_ok=True)
        kind = kinds[(i + bench.random.randrange(5)) % 5]
        if path.exists():
            continue
        make_thing(path, kind, outside)
        placed[name] = kind
    hour = profiles / "2027-01-03" / "07"
    hour.mkdir(parents=True)
    for kind in kinds:
        name = f"{kind}-1-1-1.cpu.070000-070100.pb.gz"
        make_thing(hour / name, kind, outside)
        placed[f"2027-01-03/07/{name}"] = kind
    return placed


def make_thing(path, kind, outside):
    if kind == "file":
        path.write_bytes(b"garbage")
    elif kind == "directory":
        path.mkdir()
        (path / "letter").write_text("not ours")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(outside)
    else:
        with socket.socket(socket.AF_UNIX) as s, contextlib.chdir(path.parent):
            s.bind(path.name)


def check_garbage(checks, profiles, placed, place):
    """Where it was, or in quarantine; what a link leads to is untouched."""
    aside = [p.name.split("-", 1)[-1] for p in (profiles / ".quarantine").glob("*")] \
        if (profiles / ".quarantine").is_dir() else []
    gone = []
    for name, kind in placed.items():
        path = profiles / name
        # .state is replaced, as its own; a plain file there was taken for one.
        if os.path.lexists(path) or path.name in aside or (name == ".state" and kind == "file"):
            continue
        if name.startswith(".quarantine") and list(profiles.glob(".quarantine-*")):
            continue
        gone.append((name, kind))
    checks.equal(f"garbage: of {len(placed)} things gone", gone, [])
    outside = sorted(str(p.relative_to(place / "outside")) for p in (place / "outside").rglob("*"))
    checks.equal("garbage: what links lead to", outside, ["below", "letter"])
    letters = [name for name, kind in placed.items() if kind == "directory" and
               not ((profiles / name / "letter").exists() or is_in_quarantine(profiles, name))]
    checks.equal("garbage: directories that lost what was in them", letters, [])


def is_in_quarantine(profiles, name):
    return any(p.name.endswith(pathlib.Path(name).name) and (p / "letter").exists()
               for q in profiles.glob(".quarantine*") for p in [q, *q.glob("*")])


class Clock:
    """CLOCK_REALTIME of the sampler alone, by a library that is put before its own."""

    def __init__(self, bench, place):
        library = bench.args.outside / "libclock-step.so"
        if not library.exists():
            raise harness.Skip(f"no {library}")
        self.path = place / "step"
        self.path.write_bytes(bytes(8))
        self.path.chmod(0o644)
        sampler = place / "sampler"
        program = bench.args.cprofctl.parents[2] / "daemon/sampler/cprofd-sampler"
        sampler.write_text(f"#!/bin/sh\nLD_PRELOAD={library} CLOCK_STEP={self.path} exec {program} \"$@\"\n")
        sampler.chmod(0o755)
        self.options = [f"--role=sampler={sampler}"]

    def step(self, seconds):
        with open(self.path, "r+b") as f:
            f.write(struct.pack("<q", seconds))


def clocks(bench):
    """Leaps while it rotates, and back; and a start under the wrong clock."""
    checks, place = bench.checks, bench.place()
    clock = Clock(bench, place)
    profiles = place / "profiles"
    profiles.mkdir()
    made = prefill(profiles, 6, 5, 3)
    leaps = [("an hour ahead", 3600), ("an hour back", -3600), ("20 years ahead", 20 * YEAR),
             ("20 years back", -20 * YEAR)]
    windows = 4 if bench.args.long else 1
    seen = {}
    with bench.sleepers(10), bench.daemon(place, options=clock.options) as daemon:
        for name, seconds in leaps if bench.args.long else leaps[2:3]:
            daemon.wait_windows(windows)
            clock.step(seconds)
            # Those that were on their way have the old date.
            want = time.strftime("%Y-%m-%d/%H", time.gmtime(time.time() + seconds))
            harness.wait_until(lambda: any(p.startswith(want) for p in visible(profiles)), 40, want)
            status = daemon.wait_windows(windows)
            remember(checks, f"clock {name}", profiles, seen, made)
            check_clock(checks, f"clock {name}", status)
            daemon.stop()
            daemon.start()
            status = daemon.wait_windows(windows + 1)
            check_clock(checks, f"clock {name}, started so", status)
            clock.step(0)
            status = daemon.wait_windows(windows + 1)
            check_clock(checks, f"clock {name}, and right again", status)
            remember(checks, f"clock {name}, and right again", profiles, seen, made)
        checks.equal("clocks: stopped", daemon.stop()[0], 0)


def check_clock(checks, name, status):
    spool = status["spool"]
    checks.equal(f"{name}: evicted, failed, difference",
                 (spool["evicted"], spool["windows_failed"], status["books"]["difference"]), (0, 0, 0))


def compare(profiles, seen):
    now = {path: (st.st_ino, st.st_size, st.st_mtime_ns) for path, st in visible(profiles).items()}
    # Under a clock that is ahead, minutes are old enough to become an hour: of the same process, there.
    hours = {p.split(".cpu.")[0] for p in now}
    return now, [p for p, was in seen.items() if now.get(p, was) != was or
                 (p not in now and p.split(".cpu.")[0] not in hours)]


def remember(checks, name, profiles, seen, made):
    """What was there is there and the same, what was recorded long ago as well."""
    now, changed = compare(profiles, seen)
    end = time.monotonic() + 60
    # Who looks into an hour while it is exchanged for its merged one sees a part.
    while changed and time.monotonic() < end:
        time.sleep(0.5)
        now, changed = compare(profiles, seen)
    checks.equal(f"{name}: files of {len(seen)} that are gone or overwritten", changed[:3], [])
    checks.equal(f"{name}: old files that are gone", [p for p in made if p not in now][:3], [])
    seen.update(now)


def run(args, checks):
    parts = [full, hung, ten_thousand, clocks]
    if args.long:
        parts += [full_for_us, no_inodes, read_only]
    with harness.scratch() as tmp:
        harness.play(args, checks, parts, Bench(args, checks, pathlib.Path(tmp)))


harness.main(run, __doc__, [(["--seed"], {"type": int, "default": 1}),
                            (["--long"], {"action": "store_true"})])
