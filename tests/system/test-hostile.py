# SPDX-License-Identifier: Apache-2.0
"""Users whose files and file systems are made to hurt whoever looks at them.

What each of these attacks is for is told where it is made. Whatever they do: other users' programs keep their
names, the books are exact, the memory of all roles has a bound, and the daemon stops in time.
"""

import contextlib
import os
import subprocess
import sys
import time

import harness
import pprof_file
from harness import Recorder, Work

sys.dont_write_bytecode = True

from real_daemon import Daemon  # noqa: E402

MIB = 1 << 20
ATTACKER, VICTIM = 65534, 64202
GROWTH_MAX = 256 * MIB
STOP_MAX_S = 5
# One that hangs at flush has a test with the opener alone (roles/test_opener.py).
FUSE_KINDS = ("lookup", "open", "read", "getattr", "statfs")


class Memory(harness.Meanwhile):
    """The most that all roles of a tree of processes took, and what is in memory files of theirs."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.first, self.peak = pid, None, 0

    def _run(self):
        while not self.over.wait(0.2):
            total = shmem()
            for pid, comm in harness.tree_of(self.pid).items():
                if comm.startswith("cprofd"):
                    total += pss(pid)
            self.first = self.first or total
            self.peak = max(self.peak, total)

    @property
    def growth(self):
        return self.peak - (self.first or 0)


def pss(pid):
    with contextlib.suppress(OSError, IndexError):
        text = open(f"/proc/{pid}/smaps_rollup", encoding="utf-8").read()
        return int(text.split("\nPss:")[1].split()[0]) * 1024
    return 0


def shmem():
    for line in open("/proc/meminfo", encoding="utf-8"):
        if line.startswith("Shmem:"):
            return int(line.split()[1]) * 1024
    return 0


def as_user(uid):
    return {"user": uid, "group": uid, "extra_groups": []}


def folder(tmp, name, uid):
    path = tmp / name
    path.mkdir(parents=True)
    os.chown(path, uid, uid)
    return path


class Victims:
    """Programs of others that are started while the attack goes on: each is a file of its own, with a function of its
    own that tells which."""

    def __init__(self, args, tmp, first=0):
        self.where = folder(tmp, f"victims-{first}", VICTIM)
        self.template = (args.workloads / "own-only").read_bytes()
        self.first = first
        self.works = {}

    def start(self):
        name = f"only_{self.first + len(self.works):06}"
        path = self.where / name
        path.write_bytes(self.template.replace(b"only_000000", name.encode()))
        path.chmod(0o755)
        # Every other one is root's.
        who = as_user(VICTIM) if len(self.works) % 2 else {}
        self.works[name] = Work(path, 1 << 34, **who)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for work in self.works.values():
            work.__exit__()

    def check(self, checks, what, files, least=5):
        """Each was sampled, and has its name."""
        for name, work in self.works.items():
            count = named = 0
            for file in files:
                if file["pid"] != work.pid:
                    continue
                profile = pprof_file.Profile(file["path"])
                for sample in profile.samples:
                    count += sample.values[0]
                    named += sample.values[0] * (name in profile.stack(sample))
            checks.at_least(f"{what}: samples of a victim", count, least)
            checks.at_least(f"{what}: those with its name, share", named / max(1, count), 0.9)


def attacked(args, checks, tmp, what, seconds=6, hz=199, least=5):
    """A recording during which victims start; (recording, memory)."""
    with Victims(args, tmp, 100 * len(os.listdir(tmp))) as victims:
        with Recorder(args.cprofctl, "-a", "--seconds", seconds, "--hz", hz, "-o", f"{tmp}/{what.replace(' ', '-')}/",
                      cwd=tmp) as recorder, Memory(recorder.process.pid) as memory:
            for _ in range(4):
                time.sleep(seconds / 8)
                victims.start()
            done = recorder.finish()
        if not harness.good(checks, what, done):
            raise RuntimeError("no recording")
        victims.check(checks, what, [{**f, "path": tmp / f["path"]} for f in done.files], least)
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)
    checks.equal(f"{what}: openers lost", done.counters["opener_lost"], 0)
    checks.at_most(f"{what}: memory of all roles grew, MiB", memory.growth / MIB, GROWTH_MAX / MIB)
    checks.at_most(f"{what}: later than it should end, s", done.seconds - seconds, STOP_MAX_S)
    return done


# A user's own file system


@contextlib.contextmanager
def hanging(args, tmp, cnt):
    """So many servers, of each kind by turns, in namespaces of the user's own and mounted by root."""
    if not os.path.exists("/dev/fuse"):
        raise harness.Skip("NO /dev/fuse HERE: that a user's own file system hurts nobody is NOT TESTED")
    device = tmp / "fuse"
    os.mknod(device, 0o20666, os.makedev(10, 229))
    device.chmod(0o666)
    with contextlib.ExitStack() as stack:
        works = []
        for i in range(cnt):
            kind, whose = FUSE_KINDS[i // 2 % len(FUSE_KINDS)], ("user", "root")[i % 2]
            where = folder(tmp, f"hang-{i}", ATTACKER)
            folder(where, "mnt", ATTACKER)
            works.append(stack.enter_context(Work(args.workloads / "fusehang", kind, device,
                                                  args.workloads / "libown-lib.so", where, 120, ATTACKER, whose)))
        for work in works:
            if work.process.stdout.readline() != b"hangs\n":
                raise RuntimeError("a server did not begin")
        time.sleep(0.5)
        yield


def fuse(args, checks, tmp):
    """Servers that take requests and never answer. Who is asked by the kernel, and what locks somebody holds while he
    waits, is theirs to choose."""
    with hanging(args, tmp, 50 if args.long else 2 * len(FUSE_KINDS)):
        done = attacked(args, checks, tmp, "hanging servers", 60 if args.long else 8)
        # Without that the attack was none.
        checks.at_least("hanging servers: their files were met", done.counters["objects_refused"], 1)
        checks.at_least("hanging servers: their perf maps were", done.counters["perf_maps_refused"], 1)
        with Daemon(args, tmp) as daemon:
            daemon.wait_windows(3)
            status = daemon.status()
            checks.equal("hanging servers, daemon: openers lost", status["counters"]["opener_lost"], 0)
            checks.equal("hanging servers, daemon: difference of the books", status["books"]["difference"], 0)
            code, seconds = daemon.stop()
        checks.equal("hanging servers, daemon: exit status", code, 0)
        checks.at_most("hanging servers, daemon: stops, s", seconds, STOP_MAX_S)


PARTS = (fuse,)


def run(args, checks):
    harness.need("mount", "umount")
    for part in PARTS:
        with harness.scratch() as tmp:
            harness.play(args, checks, [part], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true", "help": "the whole counts"})])
