# SPDX-License-Identifier: Apache-2.0
"""A container with a real systemd in it, and control groups made by hand.

systemd-nspawn over a Debian tree that mmdebstrap makes once, kept in the cache. What is written in the
container is gone with it.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import zlib

import harness
from harness import Skip

PACKAGES = ("systemd,systemd-sysv,dbus,libbpf1,libdeflate0,libelf1,liblz4-1,liblzma5,libprotobuf-c1,zlib1g,libzstd1,"
            "libmicrohttpd12")
# As the design of containers on this kind of machine needs it: no machined to register with.
NSPAWN = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--capability=all",
          "--system-call-filter=bpf perf_event_open @debug", "--volatile=overlay", "--console=pipe"]


# Control groups, by hand


def hierarchies():
    """{controller, or "" for the default hierarchy: where it is mounted}"""
    found = {}
    for line in open("/proc/self/mountinfo", encoding="utf-8"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        point = pathlib.Path(before.split()[4])
        if kind == "cgroup2":
            found.setdefault("", point)
        elif kind == "cgroup":
            for option in options.split(","):
                found.setdefault(option, point)
    return found


def remove_groups(path):
    """The group with all below it; what runs in it is killed."""
    for directory, _, _ in os.walk(path, topdown=False):
        for _ in range(50):
            with contextlib.suppress(OSError):
                for pid in open(os.path.join(directory, "cgroup.procs"), encoding="utf-8"):
                    os.kill(int(pid), signal.SIGKILL)
                os.rmdir(directory)
            if not os.path.exists(directory):
                break
            time.sleep(0.05)


@contextlib.contextmanager
def group(point, *names, others=()):
    """Makes the group point/names[0]/names[1]...; a name may be bytes that are no text.

    Of what is removed at the end nothing was there before; @others are hierarchies in which the same
    groups may have been made meanwhile.
    """
    names = [os.fsdecode(name) for name in names]
    paths = [os.path.join(*names[:i + 1]) for i in range(len(names))]
    ours = next(p for p in [*paths, "."] if p == "." or not os.path.exists(os.path.join(point, p)))
    try:
        os.makedirs(os.path.join(point, paths[-1]), exist_ok=True)
        yield os.path.join(point, paths[-1])
    finally:
        for root in (point, *others):
            if ours != ".":
                remove_groups(os.path.join(root, ours))


def inside(path, *argv, roots=()):
    """The command line that enters the group, and the roots of others, before it becomes argv."""
    enter = 'for g in "$1" $ROOTS; do echo $$ > "$g/cgroup.procs" || exit 9; done; shift; exec "$@"'
    return ["env", f"ROOTS={' '.join(map(str, roots))}", "sh", "-c", enter, "sh", path, *argv]


# The container


def make_tree(cache):
    """A Debian tree with systemd, once for each set of packages."""
    harness.need("mmdebstrap", "systemd-nspawn", "nsenter")
    tree = cache / f"container-tree-{zlib.crc32(PACKAGES.encode()):08x}"
    if tree.exists():
        return tree
    release = dict(line.rstrip("\n").split("=", 1) for line in open("/etc/os-release", encoding="utf-8")
                   if "=" in line)
    if release.get("ID") != "debian":
        raise Skip("the container is a Debian tree of the machine's own release: this is no Debian")
    cache.mkdir(parents=True, exist_ok=True)
    made = cache / f"container-tree-{os.getpid()}"
    done = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}",
                           release["VERSION_CODENAME"], made], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        shutil.rmtree(made, ignore_errors=True)
        raise Skip(f"mmdebstrap: {done.stderr.strip()[-200:]}")
    with contextlib.suppress(OSError):
        made.rename(tree)
    return tree


def first_process_below(pid):
    """The child that is process 1 of a pid namespace of its own: not a helper that goes again."""
    with contextlib.suppress(OSError):
        for child in open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8").read().split():
            status = open(f"/proc/{child}/status", encoding="utf-8").read()
            numbers = re.search(r"^NSpid:\s*(.*)$", status, re.M)[1].split()
            if len(numbers) > 1 and numbers[-1] == "1":
                return int(child)
    return None


class Container:
    """systemd-nspawn in a group of its own; .leader is its first process's pid outside."""

    def __init__(self, bench, names, args, argv, env=None):
        self.bench = bench
        self.stack = contextlib.ExitStack()
        self.args = [*NSPAWN, f"--bind-ro={bench.build}", f"--bind={bench.tmp}", "-D",
                     str(bench.tree), *args, *map(str, argv)]
        self.names, self.env = names, env
        self.leader = None

    def __enter__(self):
        with self.stack as stack:
            path = stack.enter_context(group(
                self.bench.mounts[""], *self.names, others=set(self.bench.mounts.values())))
            log = stack.enter_context(open(self.bench.tmp / "nspawn.log", "w", encoding="utf-8"))
            process = subprocess.Popen(inside(path, *self.args), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True,
                                       env={**os.environ, **(self.env or {})})
            stack.callback(self.end, process)
            self.leader = harness.wait_until(
                lambda: first_process_below(process.pid) or process.poll(), 20, "a container")
            if process.poll() is not None:
                text = open(log.name, encoding="utf-8").read().strip()
                raise Skip(f"systemd-nspawn: {text[-200:]}")
            self.stack = stack.pop_all()
        return self

    def end(self, process):
        for pid in (self.leader, process.pid):
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def __exit__(self, *error):
        return self.stack.__exit__(*error)

    def run(self, *argv, check=True):
        done = subprocess.run([*self.enter(), *map(str, argv)], capture_output=True, text=True,
                              check=False)
        if check and done.returncode:
            raise RuntimeError(f"{argv}: {done.stderr.strip()}")
        return done.stdout.strip()

    def enter(self):
        return ["nsenter", "-t", str(self.leader), "-a"]


def booted(bench):
    """Of a group of the default hierarchy that tells nothing: units are named from outside, too."""
    return Container(bench, ["cprof-test"], ["--boot", "--machine=cprof-boot"], [],
                     {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})


def wait_for_boot(container):
    harness.wait_until(lambda: container.run("systemctl", "is-system-running", check=False)
                       in ("running", "degraded"), 60, "systemd inside")
