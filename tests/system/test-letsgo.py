# SPDX-License-Identifier: Apache-2.0
"""The daemon that always runs holds nothing of what it has sampled: 10 s after the last user of a file
system has ended it can be unmounted, the space of a deleted program is free, a removed control group is gone
from the kernel, and so are namespaces.

Programs with a library run from a tmpfs, from ext4 on a loop device, from an overlay as containers have it, and from
a loop device that only a mount namespace knows. The whole daemon samples them, a session records them, and
names were asked for.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

import harness
import whole
from container import group, hierarchies
from harness import Work

sys.dont_write_bytecode = True

LET_GO_S = 10
MIB = 1 << 20


def run(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise harness.Skip(f"{argv[0]}: {done.stderr.strip()[-200:]}")
    return done.stdout.strip()


class Place:
    """A mounted file system with a program and its library."""

    def __init__(self, args, name, where, stack):
        self.name, self.where = name, where
        for file in ("solib", "libhot.so"):
            shutil.copy(args.workloads / file, where / file)
        self.free = os.statvfs(where).f_bfree
        self.program = [where / "solib", -1, 60]
        self.env = dict(os.environ, LD_LIBRARY_PATH=str(where))
        stack.callback(subprocess.run, ["umount", "-l", where], capture_output=True, check=False)

    def start(self, stack, *prefix):
        return stack.enter_context(Work(*prefix, *self.program, env=self.env))

    def delete(self):
        for file in ("solib", "libhot.so"):
            (self.where / file).unlink()

    def unmounts(self):
        return subprocess.run(["umount", self.where], capture_output=True, check=False).returncode == 0


def folder(tmp, name):
    path = tmp / name
    path.mkdir()
    return path


def image(tmp, name):
    """An ext4 image."""
    path = tmp / f"{name}.img"
    with open(path, "wb") as f:
        f.truncate(16 * MIB)
    run("mkfs.ext4", "-q", path)
    return path


def places(args, tmp, stack):
    tmpfs = folder(tmp, "tmpfs")
    run("mount", "-t", "tmpfs", "-o", "size=64m", "cprof-test", tmpfs)
    yield Place(args, "tmpfs", tmpfs, stack)
    layers = folder(tmp, "layers")
    run("mount", "-t", "tmpfs", "-o", "size=64m", "cprof-test", layers)
    stack.callback(subprocess.run, ["umount", "-l", layers], capture_output=True, check=False)
    for name in ("lower", "upper", "work"):
        folder(layers, name)
    overlay = folder(tmp, "overlay")
    run("mount", "-t", "overlay", "-o",
        f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work", "cprof-test", overlay)
    yield Place(args, "overlay", overlay, stack)
    ext4 = folder(tmp, "ext4")
    run("mount", "-o", "loop", image(tmp, "ext4"), ext4)
    yield Place(args, "ext4", ext4, stack)


def loops_of(path):
    return run("losetup", "-j", path)


class Hidden:
    """A program from a loop device that is mounted in namespaces of its own: nobody can unmount it."""

    def __init__(self, args, tmp, stack):
        self.image = image(tmp, "hidden")
        where = folder(tmp, "hidden")
        script = ('mount -o loop "$1" "$2" && cp "$3"/solib "$3"/libhot.so "$2" && '
                  'LD_LIBRARY_PATH="$2" exec "$2"/solib -1 60')
        self.work = stack.enter_context(Work("unshare", "-m", "-n", "sh", "-c", script, "sh", self.image,
                                             where, args.workloads))

    def is_gone(self):
        return not loops_of(self.image)


def others(daemon):
    """Openers that are not this daemon's: of another that samples this machine."""
    ours = set(harness.tree_of(daemon.process.pid))
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in ours:
            with contextlib.suppress(OSError):
                comm = pathlib.Path(f"/proc/{entry}/comm").read_text(encoding="utf-8", errors="replace").strip()
                if (comm != harness.LOOKER and
                        os.readlink(f"/proc/{entry}/exe").rsplit("/", 1)[-1].startswith("cprofd-opener")):
                    found.append(int(entry))
    return found


def within(checks, what, condition, begun):
    """Polled until ten seconds after @begun."""
    with contextlib.suppress(RuntimeError):
        harness.wait_until(condition, max(LET_GO_S - (time.monotonic() - begun), 0.1), what)
        checks.check(what, True, f"after {time.monotonic() - begun:.1f} s")
        return
    checks.check(what, False, f"not within {LET_GO_S} s")


def dying(path):
    text = (pathlib.Path(path) / "cgroup.stat").read_text(encoding="ascii")
    return int(dict(line.split() for line in text.splitlines())["nr_dying_descendants"])


def wait_sampled(daemon, pids):
    def seen():
        rows = {p["pid"]: p["samples"] for p in daemon.json("ps").get("processes", [])}
        return all(rows.get(pid, 0) > 0 for pid in pids)

    harness.wait_until(seen, 60, "a window with all programs")


def let_go(args, checks, tmp):
    mounts = hierarchies()
    if "" not in mounts:
        raise harness.Skip("the default hierarchy (cgroup2) is not mounted")
    with contextlib.ExitStack() as stack:
        opener = args.cprofctl.parents[2] / f"daemon/opener/{args.opener}"
        daemon = stack.enter_context(whole.Daemon(args, tmp / "daemon", {"opener": opener}, [
            "Sampling.FrequencyHz=499", "Profiles.Window=2s", "Limits.CPU=100%"]))
        if others(daemon):
            raise harness.Skip("another cprofd samples this machine: it may hold what this one lets go")
        mounted = list(places(args, tmp, stack))
        hidden = Hidden(args, tmp, stack)
        above = stack.enter_context(group(mounts[""], f"cprof-letsgo-{os.getpid()}"))
        below = pathlib.Path(above) / "below"
        below.mkdir()
        works = []
        for place in mounted:
            works.append(place.start(stack))
            (below / "cgroup.procs").write_text(str(works[-1].pid), encoding="ascii")
        pids = [work.pid for work in works] + [hidden.work.pid]
        done = daemon.ctl("record", "--pid", ",".join(map(str, pids)), "--seconds", "2", "-o", "all/")
        checks.equal("record: exit status", (done.returncode, done.stderr.strip()[-200:] if
                                             done.returncode else ""), (0, ""))
        wait_sampled(daemon, pids)
        mounted[0].delete()
        checks.check("in use: the space of a deleted program",
                     os.statvfs(mounted[0].where).f_bfree <= mounted[0].free, "not free")
        taken = mounted[0].free
        checks.check("in use: the hidden device", not hidden.is_gone(), loops_of(hidden.image))
        for work in [*works, hidden.work]:
            work.process.kill()
            work.process.wait()
        below.rmdir()
        begun = time.monotonic()
        within(checks, "the space of a deleted program comes back",
               lambda: os.statvfs(mounted[0].where).f_bfree > taken, begun)
        for place in mounted:
            within(checks, f"umount of {place.name}", place.unmounts, begun)
        within(checks, "the device that only a namespace knew is free", hidden.is_gone, begun)
        within(checks, "the removed control group is gone", lambda: dying(above) == 0, begun)
        status = daemon.json("status")
        checks.equal("difference of the books", status["books"]["difference"], 0)
        named = status["counters"]["objects_named"]
        checks.at_least("files whose names were read", named, 5)


def main_(args, checks):
    harness.need("mkfs.ext4", "losetup", "unshare")
    with harness.scratch() as tmp:
        harness.play(args, checks, [let_go], args, checks, tmp)


if __name__ == "__main__":
    harness.main(main_, __doc__, [(("--opener",), {"default": "cprofd-opener"})])
