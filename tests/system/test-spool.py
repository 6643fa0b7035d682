#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The spool on real file systems: killed, cut off from power, without room, read-only, read while it
is written, under clocks that leap, over garbage, and full of files at its start.

spool-driver commits windows and says which; here they are looked for. What it writes says of itself
which record it is and how long, and ends in a sum, so nothing but the bytes on the disk is believed.
"""

import contextlib
import fcntl
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import threading
import time

import harness

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NOLOGFLUSH = 2
RECORD = re.compile(rb"record (\d+) (\d+) (\d+) (\d+)\n")
MIB = 1 << 20


class Broken(Exception):
    """A file that is no row of whole records."""


def records(data):
    """(window, process, of how many) of each record; Broken if a byte is missing or wrong."""
    at = 0
    while at < len(data) or not data:
        head = RECORD.match(data, at)
        if not head:
            raise Broken("no record")
        window, process, of, size = map(int, head.groups())
        record = data[at:at + size]
        body, _, tail = record.rpartition(b"\nsum ")
        # A short record has no letters, and then its size is that of its head and sum.
        if len(record) < size or not tail.endswith(b"\n"):
            raise Broken("cut off")
        if int(tail, 16) != sum(b * (i + 1) for i, b in enumerate(body)) & 0xFFFFFFFFFFFFFFFF:
            raise Broken("wrong sum")
        yield window, process, of
        at += size


def entries(directory, wanted):
    """Names in a directory that may be gone or something else; nothing is followed."""
    with contextlib.suppress(OSError), os.scandir(directory) as found:
        for entry in found:
            if wanted(entry):
                yield entry.path


def visible(directory):
    """All that a reader sees, by path."""
    def is_directory(pattern):
        return lambda e: re.fullmatch(pattern, e.name) and e.is_dir(follow_symlinks=False)

    for day in sorted(entries(directory, is_directory(r"\d{4}-\d\d-\d\d"))):
        for hour in entries(day, is_directory(r"\d\d")):
            yield from entries(hour, lambda e: e.name.endswith(".pb.gz") and
                               e.is_file(follow_symlinks=False))


def read_windows(directory):
    """({window: processes seen}, {window: of how many}, broken files); a file may go meanwhile."""
    seen, of, broken = {}, {}, []
    for path in visible(directory):
        try:
            with open(path, "rb") as f:
                data = f.read()
        except FileNotFoundError:
            continue
        try:
            for window, process, many in records(data):
                seen.setdefault(window, []).append(process)
                of[window] = many
        except Broken as why:
            broken.append(f"{path}: {why}")
    return seen, of, broken


class Driver:
    def __init__(self, exe, directory, **options):
        self.process = subprocess.Popen(
            [exe, directory, *(f"{k}={v}" for k, v in options.items())], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            # One that the end cut off says nothing.
            if line.endswith("\n"):
                self.lines.append(line.split())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.finish()

    def finish(self, timeout=300):
        status = self.process.wait(timeout)
        self.reader.join()
        self.stderr = self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        return status

    def windows(self, word="ok"):
        return [int(line[1]) for line in list(self.lines) if line[0] == word]

    def stopped(self, word):
        """As windows(), of a driver that is stopped now: until all that it said has been read."""
        self.process.send_signal(signal.SIGSTOP)
        cnt = -1
        while cnt < len(self.lines):
            cnt = len(self.lines)
            time.sleep(0.5)
        return self.windows(word)

    def line(self, word):
        return next((list(map(int, line[1:])) for line in self.lines if line[0] == word), None)


def run_driver(exe, directory, **options):
    driver = Driver(exe, directory, **options)
    status = driver.finish()
    if status != 0:
        raise RuntimeError(f"spool-driver: {status}: {driver.stderr.strip()[-300:]}")
    return driver


class Spools:
    """What a part needs: the driver, a scratch on a real file system, --long."""

    def __init__(self, args, checks, tmp):
        self.exe, self.long, self.checks, self.tmp = args.driver, args.long, checks, tmp
        self.random = random.Random(args.seed)
        self.cnt = 0

    def directory(self):
        self.cnt += 1
        path = self.tmp / str(self.cnt)
        path.mkdir()
        return path

    def rounds(self, short, long):
        return long if self.long else short


def missing_windows(committed, seen, of):
    return [n for n in committed if sorted(seen.get(n, [])) != list(range(1, of.get(n, 0) + 1)) or
            n not in seen]


def torn_windows(seen, of):
    """Windows of which a part is there, or something twice."""
    return [n for n, processes in seen.items() if sorted(processes) != list(range(1, of[n] + 1))]


def litter(directory):
    return [name for name in os.listdir(directory) if name.startswith((".new", ".window"))]


class Verdict:
    """Sums over many rounds."""

    def __init__(self, spools, what):
        self.spools, self.what = spools, what
        self.rounds = self.committed = self.uncommitted = 0
        self.lost, self.torn, self.broken, self.litter = [], [], [], []

    def judge(self, directory, committed):
        """After a crash: starts again once, and looks."""
        again = run_driver(self.spools.exe, directory, windows=0)
        seen, of, broken = read_windows(directory)
        self.rounds += 1
        self.committed += len(committed)
        self.uncommitted += len(set(seen) - set(committed))
        self.lost += missing_windows(committed, seen, of)
        self.torn += torn_windows(seen, of)
        self.broken += broken
        self.litter += litter(directory)
        return again

    def check(self):
        checks, what = self.spools.checks, self.what
        checks.note(f"{what}: {self.rounds} rounds, {self.committed} windows were committed, "
                    f"{self.uncommitted} more were there before the driver could say so")
        checks.check(f"{what}: windows were committed", self.committed > self.rounds,
                     self.committed)
        checks.equal(f"{what}: committed windows lost", self.lost, [])
        checks.equal(f"{what}: windows in part, or twice", self.torn, [])
        checks.equal(f"{what}: files that are not whole", self.broken, [])
        checks.equal(f"{what}: litter after the next start", self.litter, [])


def kills(spools):
    """kill -9 at any moment; also while hours are merged."""
    verdict = Verdict(spools, "kill -9")
    directory, committed, first = spools.directory(), [], 1
    for i in range(spools.rounds(20, 200)):
        if i % 10 == 0:
            directory, committed, first = spools.directory(), [], 1
        driver = Driver(spools.exe, directory, first=first, windows=1000000, window_s=300,
                        merge_after_s=600, processes=5)
        harness.wait_until(lambda d=driver: d.line("open"), 30, "the spool is open")
        # At any moment from the start on, but not each time before anything is committed.
        if i % 2:
            harness.wait_until(lambda d=driver: len(d.windows()) > 2, 30, "windows are committed")
        time.sleep(spools.random.uniform(0, 0.4))
        driver.kill()
        committed += driver.windows()
        verdict.judge(directory, committed)
        first = max(committed + [first]) + 2
    verdict.check()


@contextlib.contextmanager
def loop_device(tmp, name, size):
    """A mounted ext4 on a file; gives (where it is mounted, the file)."""
    harness.need("mkfs.ext4", "mount", "umount")
    image, where = tmp / f"{name}.img", tmp / f"{name}.mnt"
    where.mkdir()
    with open(image, "wb") as f:
        f.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mount(image, where)
    try:
        yield where, image
    finally:
        subprocess.run(["umount", "-l", where], check=False, capture_output=True)
        image.unlink()


def mount(image, where):
    done = subprocess.run(["mount", "-o", "loop", image, where], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise harness.Skip(f"no loop device: {done.stderr.strip()}")


def power_cut(where):
    """The file system stops as it is on the disk: the journal that is in memory is lost."""
    fd = os.open(where, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NOLOGFLUSH))
    finally:
        os.close(fd)


def cuts(spools):
    verdict = Verdict(spools, "power cut")
    cnt = spools.rounds(5, 30)
    for i in range(cnt):
        with loop_device(spools.tmp, f"cut{i}", 64 * MIB) as (where, image):
            directory = where / "profiles"
            directory.mkdir()
            os.sync()
            driver = Driver(spools.exe, directory, windows=1000000, window_s=300,
                            merge_after_s=600, processes=8)
            harness.wait_until(lambda d=driver: d.windows(), 20, "a window is committed")
            time.sleep(spools.random.uniform(0, 1.0))
            power_cut(where)
            driver.kill()
            committed = driver.windows()
            subprocess.run(["umount", where], check=True)
            mount(image, where)
            verdict.judge(directory, committed)
    verdict.check()


def allocated(directory):
    """Bytes of files and directories as the file system counts them."""
    total = 0
    for path, names, files in os.walk(directory):
        for name in names + files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
    return total


def fill(path):
    with open(path, "wb", buffering=0) as f:
        with contextlib.suppress(OSError):
            while True:
                f.write(b"\0" * MIB)
        with contextlib.suppress(OSError):
            while True:
                f.write(b"\0" * 4096)
        os.fsync(f.fileno())


def full_disk(spools):
    """64 MiB, filled from outside and emptied again; a start while it is full."""
    checks = spools.checks
    options = {"use_max": 32 * MIB, "keep_free_ppm": 150000, "floor": 4 * MIB, "processes": 16,
               "bytes": 8000, "window_s": 60}
    with loop_device(spools.tmp, "full", 64 * MIB) as (where, _):
        directory = where / "profiles"
        directory.mkdir()
        before = run_driver(spools.exe, directory, windows=300, **options)
        checks.equal("room enough: windows failed", before.windows("failed"), [])
        checks.at_most("the budget holds", allocated(directory), 32 * MIB)
        checks.at_least("the budget is used", allocated(directory), 24 * MIB)
        failed = []
        for i in range(5):
            # All that was left free, and what went to have it free again.
            fill(where / f"filler{i}")
            full = run_driver(spools.exe, directory, first=301 + 40 * i, windows=40, **options)
            failed += full.windows("failed")
            checks.at_most(f"filled {i + 1} times: the budget holds", allocated(directory), 32 * MIB)
        checks.equal("a full disk: windows failed", failed, [])
        checks.equal("a full disk is told (below_floor)", full.line("end")[4], 1)
        checks.at_least("a full disk: the floor is ours", allocated(directory), 3 * MIB)
        checks.at_most("a full disk: not more than the floor", allocated(directory), 4 * MIB + 65536)
        there = len(list(visible(directory)))
        again = run_driver(spools.exe, directory, first=501, windows=3, **options)
        checks.equal("started on a full disk: files counted", again.line("open")[0], there)
        checks.equal("started on a full disk: windows committed", again.windows(), [501, 502, 503])
        for filler in where.glob("filler*"):
            filler.unlink()
        after = run_driver(spools.exe, directory, first=504, windows=100, **options)
        checks.equal("emptied again: all windows committed", len(after.windows()), 100)
        checks.equal("emptied again: nothing is degraded", after.line("end")[4:], [0, 0])
        seen, of, broken = read_windows(directory)
        # The oldest goes file by file, so one window may be there in part.
        checks.at_most("windows in part", len(torn_windows(seen, of)), 1)
        checks.equal("files that are not whole", broken, [])
        checks.check("the newest are there", 603 in seen and 504 in seen, max(seen))


def read_only(spools):
    checks = spools.checks
    with loop_device(spools.tmp, "ro", 64 * MIB) as (where, _):
        directory = where / "profiles"
        directory.mkdir()
        driver = Driver(spools.exe, directory, windows=1000000, pause_us=5000)
        harness.wait_until(driver.windows, 20, "a window is committed")
        # Refused while a file is open for writing.
        harness.wait_until(lambda: subprocess.run(["mount", "-o", "remount,ro", where], check=False,
                                                  capture_output=True).returncode == 0, 20,
                           "read-only")
        failed = harness.wait_until(lambda: len(driver.windows("failed")) > 5 and
                                    driver.windows("failed"), 20, "windows fail")
        last = max(driver.stopped("failed"))
        subprocess.run(["mount", "-o", "remount,rw", where], check=True)
        driver.process.send_signal(signal.SIGCONT)
        harness.wait_until(lambda: len(driver.windows()) > 0 and max(driver.windows()) > last + 20,
                           20, "windows are committed again")
        driver.kill()
        bad = [line for line in driver.lines if line[0] == "failed" and line[2] != "30"]
        checks.equal("read-only: failures that are not EROFS", bad, [])
        late = [n for n in driver.windows("failed") if n > last + 2]
        checks.equal("writable again: windows that failed later than two", late, [])
        checks.note(f"{len(failed)} windows and more failed while it was read-only")
        verdict = Verdict(spools, "read-only for a while")
        verdict.judge(directory, driver.windows())
        verdict.check()


class Watcher(threading.Thread):
    """Reads all that is visible, again and again."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.directory, self.over = directory, False
        self.broken, self.twice, self.scans, self.files = [], [], 0, 0

    def run(self):
        while not self.over:
            seen, _, broken = read_windows(self.directory)
            self.broken += broken
            self.twice += [n for n, p in seen.items() if len(set(p)) < len(p)]
            self.files += sum(map(len, seen.values()))
            self.scans += 1


def readers(spools):
    """Windows fast, in memory: what is asked is whether a part is ever visible."""
    cnt = spools.rounds(500, 10000)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="cprof-test-") as directory:
        watcher = Watcher(directory)
        watcher.start()
        # The old go again, or each look would take ever longer.
        driver = run_driver(spools.exe, directory, windows=cnt, window_s=300, merge_after_s=600,
                            processes=4, bytes=6000, files_max=300, pause_us=3000)
        watcher.over = True
        watcher.join()
    checks = spools.checks
    checks.equal("readers: windows committed", len(driver.windows()), cnt)
    checks.check("readers: looked often", watcher.scans > 5 and watcher.files > cnt / 10,
                 f"{watcher.scans} times, {watcher.files} records")
    checks.check("readers: hours were merged meanwhile", driver.line("end")[3] > 0,
                 driver.line("end")[3])
    checks.equal("readers: files that are not whole", watcher.broken, [])
    checks.equal("readers: windows seen twice at a time", watcher.twice, [])


def clocks(spools):
    """Leaps of the wall clock while windows rotate, and back; and a start under the wrong clock."""
    for name, step in (("an hour ahead", 3600), ("an hour back", -3600),
                       ("20 years ahead", 20 * 365 * 86400), ("20 years back", -20 * 365 * 86400),
                       ("1970", -1800000000)):
        last = 240
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="cprof-test-") as directory:
            driver = run_driver(spools.exe, directory, windows=last, step_s=step, step_at=100,
                                step_back=130, merge_after_s=3600)
            other = run_driver(spools.exe, directory, windows=10, first=last + 1, step_s=step,
                               step_at=0)
            seen, of, broken = read_windows(directory)
        checks = spools.checks
        checks.equal(f"{name}: windows lost",
                     missing_windows(driver.windows() + other.windows(), seen, of), [])
        checks.equal(f"{name}: windows committed", len(seen), last + 10)
        checks.equal(f"{name}: files evicted", driver.line("end")[2] + other.line("end")[2], 0)
        checks.equal(f"{name}: broken, or twice", broken + torn_windows(seen, of), [])


class Garbage:
    """Does things to a spool that nobody should, and remembers which windows they hit."""

    def __init__(self, rng, directory):
        self.rng, self.directory, self.hit = rng, directory, set()

    def some_file(self):
        paths = list(visible(self.directory))
        return self.hits(self.rng.choice(paths))

    def hits(self, path):
        with contextlib.suppress(Broken, OSError):
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as f:
                    self.hit.update(window for window, _, _ in records(f.read()))
        return path

    def some_directory(self):
        """The spool's own, or one below."""
        return self.rng.choice([p for p, _, _ in os.walk(self.directory)])

    def some_name(self):
        rng = self.rng
        day = f"20{rng.randrange(100):02}-{rng.randrange(14):02}-{rng.randrange(33):02}"
        number = rng.choice(["0", "1", "007", "18446744073709551615", "99999999999999999999999", "x"])
        word = bytes(rng.choice(range(1, 256)) for _ in range(rng.randrange(1, 250)))
        return rng.choice([
            word.replace(b"/", b"_"), b"h" * 255, b".state", b".quarantine", b"lost+found",
            f".new-{number}".encode(), f".window-{day}-{rng.randrange(30):02}-{number}".encode(),
            b".window-2027-01-15-08-" + number.encode(), day.encode(), b"2027-01-15", b"2027-01-16",
            f"{rng.randrange(30):02}".encode(), b"08", b"09",
            b"driver-1-1-1.cpu.080100-080200.pb.gz", b"driver-1-1-1.cpu.080100-080200~1.pb.gz",
        ])

    def truncate(self):
        path = self.some_file()
        os.truncate(path, self.rng.randrange(os.path.getsize(path) + 1))

    def zero(self):
        path = self.some_file()
        with open(path, "r+b") as f:
            f.write(b"\0" * os.path.getsize(path))

    def scribble(self):
        with open(self.some_file(), "r+b") as f:
            f.seek(self.rng.randrange(100))
            f.write(self.rng.randbytes(50))

    def rename(self):
        path = self.some_file()
        os.rename(path, self.hits(os.path.join(os.fsencode(self.some_directory()), self.some_name())))

    def remove(self):
        os.unlink(self.some_file())

    def put(self):
        """A thing of any type under any name, in any directory."""
        path = os.path.join(os.fsencode(self.some_directory()), self.some_name())
        kind = self.rng.randrange(6)
        if kind == 0:
            os.mkfifo(path)
        elif kind == 1:
            os.symlink(self.rng.choice(["/etc", "/dev/zero", "..", "nowhere", path]), path)
        elif kind == 2:
            os.mkdir(path)
            with open(os.path.join(path, self.some_name()), "wb") as f:
                f.write(self.rng.randbytes(20))
        elif kind == 3:
            os.mknod(path, 0o600 | 0o140000)  # a socket that nobody listens to
        else:
            with open(path, "xb") as f:
                f.write(self.rng.randbytes(self.rng.randrange(300)))

    def state(self):
        path = os.path.join(self.directory, ".state")
        data = b"cprofd-state 1\nboot spool-driver\nend 100\n"
        at = self.rng.randrange(len(data))
        with open(path, "wb") as f:
            f.write(data[:at] + self.rng.randbytes(self.rng.randrange(8)) +
                    data[at + self.rng.randrange(3):])

    def mode(self):
        os.chmod(self.some_directory(), self.rng.choice([0, 0o500, 0o750]))

    def play(self):
        for _ in range(self.rng.randrange(1, 8)):
            act = self.rng.choice([self.truncate, self.zero, self.scribble, self.rename, self.remove,
                                   self.put, self.put, self.put, self.put, self.state, self.mode])
            with contextlib.suppress(OSError, IndexError):
                act()


def garbage(spools):
    checks, lost, cnt = spools.checks, [], spools.rounds(100, 1000)
    base = spools.directory()
    run_driver(spools.exe, base, windows=90)
    quarantined = 0
    for i in range(cnt):
        # In memory: a round is of names and types, not of the disk.
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="cprof-test-") as scratch:
            directory = os.path.join(scratch, "profiles")
            shutil.copytree(base, directory)
            bad = Garbage(spools.random, directory)
            bad.play()
            driver = Driver(spools.exe, directory, first=91, windows=400, window_s=600,
                            merge_after_s=3600, processes=1)
            status = driver.finish(60)
            if status != 0 or len(driver.windows()) != 400:
                lost.append(f"round {i}: status {status}, {len(driver.windows())} windows, "
                            f"{driver.stderr.strip()[-200:]}")
                continue
            quarantined += driver.line("open")[4]
            seen, of, _ = read_windows(directory)
            gone = set(missing_windows(list(range(1, 91)) + driver.windows(), seen, of)) - bad.hit
            # What was put in the place of an hour, or a window of which one file was hit.
            if gone and not hidden(directory, gone):
                lost.append(f"round {i}: {sorted(gone)[:5]} are missing")
    checks.equal(f"{cnt} rounds of garbage: faults", lost, [])
    checks.check("garbage was seen", quarantined > cnt / 4, quarantined)


def hidden(directory, gone):
    """Moved aside with the directory in which they were, by a name that was put over it?"""
    return all(any(f" {n} ".encode() in path.read_bytes()[:40] for path in
                   pathlib.Path(directory, ".quarantine").rglob("*") if path.is_file())
               for n in gone)


def ten_thousand(spools):
    """10,000 files: how long a start takes, and what it opens."""
    checks, directory = spools.checks, spools.directory()
    body = b"x" * 3000
    for hour in range(100):
        path = directory / f"2027-01-{1 + hour // 24:02}" / f"{hour % 24:02}"
        path.mkdir(parents=True)
        for i in range(100):
            (path / f"cc1plus-{i + 1}-100-1.cpu.{hour % 24:02}0000-{hour % 24:02}0100.pb.gz"
             ).write_bytes(body)
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    driver = run_driver(spools.exe, directory, windows=0)
    # By the clock and, where others have the CPU, by its own time.
    took, used = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    checks.note(f"10,000 files: {took:.3f} s, {used:.3f} s of CPU time")
    checks.at_most("10,000 files: seconds to start", took if took <= 2 else max(used, took / 4), 2)
    checks.equal("10,000 files: counted", driver.line("open")[0], 10000)
    checks.equal("10,000 files: bytes as `du` counts them", driver.line("open")[1],
                 allocated(directory) - sum(p.lstat().st_blocks * 512 for p in directory.iterdir()))
    usage = subprocess.run(["sh", "-c", f"ulimit -v 65536; exec {spools.exe} {directory} windows=1"],
                           capture_output=True, text=True, check=False)
    checks.equal("10,000 files: in 64 MiB of address space", usage.returncode, 0)
    if not shutil.which("strace"):
        checks.note("no strace: what a start opens was not looked at")
        return
    trace = subprocess.run(["strace", "-f", "-e", "trace=open,openat", spools.exe, directory, "windows=0"],
                           capture_output=True, text=True, check=False).stderr
    checks.equal("10,000 files: profiles that were opened", trace.count(".pb.gz"), 0)


def run(args, checks):
    if not args.driver.exists():
        raise harness.Skip(f"no driver at {args.driver}")
    with harness.scratch() as tmp:
        harness.play(args, checks, [kills, cuts, full_disk, read_only, readers, clocks, garbage,
                                    ten_thousand], Spools(args, checks, tmp))


harness.main(run, __doc__, [(["--driver"], {"type": harness.absolute, "required": True}),
                            (["--seed"], {"type": int, "default": 1}),
                            (["--long"], {"action": "store_true"})])
