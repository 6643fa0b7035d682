# SPDX-License-Identifier: Apache-2.0
"""cprofd as a service of a real systemd: installed, started, reloaded, killed, hung and stopped.

Everything is as `meson install` puts it, in a container with its own pid namespace; nothing of the unit
is changed. What systemd then says, and what lies in /var/lib/cprofd, is what an administrator sees.
"""

import contextlib
import itertools
import json
import math
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "roles"))
import fuse
import harness
import pprof_file
from container import booted, hierarchies, make_tree, wait_for_boot
from harness import Skip

WINDOW_S = 1
CONFIG = "/etc/cprofd/cprofd.conf.d/test.conf"
STOP_MAX_S = 5
BRIEF_UNITS = 8
ROLE_ENDED = "7a3f0d5c9be54f0e9d0c1e6a4b7f2c11"
RESTART_MAX_S = 0.5


class Bench:
    def __init__(self, args, checks, tmp):
        self.args, self.checks, self.tmp = args, checks, tmp
        self.build = args.cprofctl.parents[2]
        self.mounts = hierarchies()
        if "" not in self.mounts:
            raise Skip("the default hierarchy (cgroup2) is not mounted")
        if not (self.build / "daemon/front/cprofd-front").exists():
            raise Skip("no cprofd-front is built")
        self.tree = make_tree(args.cache)


class Service:
    """The service in the container, as systemctl shows it."""

    def __init__(self, container):
        self.container = container
        self.root = pathlib.Path(f"/proc/{container.leader}/root")

    def run(self, *argv, check=True):
        return self.container.run(*argv, check=check)

    def show(self, prop):
        return self.run("systemctl", "show", "--value", "-p", prop, "cprofd")

    def configure(self, text):
        path = self.root / CONFIG.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[Profiles]\nWindow={WINDOW_S}s\n{text}\n")

    def wait_status(self, text, timeout=15):
        try:
            harness.wait_until(lambda: text in self.show("StatusText"), timeout, text)
        except RuntimeError as error:
            log = self.run("journalctl", "-u", "cprofd", "--no-pager", "-n", "20", check=False)
            raise RuntimeError(f"{error}; it says {self.show('StatusText')!r}; {log}") from error

    def roles(self):
        """{comm: pid as we see it} of the service's processes, the launcher included; the opener's workers come and go."""
        group = self.show("ControlGroup").lstrip("/")
        pids = (self.root / "sys/fs/cgroup" / group / "cgroup.procs").read_text(encoding="utf-8").split()
        found = {}
        for pid in pids:
            with contextlib.suppress(FileNotFoundError):
                comm = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
                if comm != "cprofd-looker\n":
                    found[comm.rstrip("\n")] = int(pid)
        return found

    def kill(self, number, comm):
        os.kill(self.roles()[comm], number)

    def files(self):
        return sorted((self.root / "var/lib/cprofd/profiles").glob("[0-9]*/*/*.pb.gz"))


def install(bench, container):
    place = bench.tmp / "dest"
    subprocess.run(["meson", "install", "-C", bench.build, "--no-rebuild", "--destdir", place],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "DESTDIR": str(place)})
    # /lib is a link in the container, and a directory here.
    container.run("sh", "-c", f"tar -C {place} -c . | tar -C / -x --keep-directory-symlink --no-overwrite-dir")
    container.run("systemd-sysusers")
    container.run("systemd-tmpfiles", "--create", "cprofd.conf")
    container.run("systemctl", "daemon-reload")


def wait_profiles(service, predicate, what):
    return harness.wait_until(
        lambda: next((p for p in service.files() if predicate(p.name)), None), 6 * WINDOW_S + 20, what)


def started(bench, service):
    checks = bench.checks
    service.configure("")
    begun = time.monotonic()
    service.run("systemctl", "start", "cprofd")
    checks.at_most("start: seconds", time.monotonic() - begun, 10)
    checks.equal("start: active", service.show("ActiveState"), "active")
    service.wait_status("sampling at 99 Hz")
    checks.equal("start: roles", sorted(service.roles()),
                 sorted(["cprofd", "cprofd-sampler", "cprofd-opener", "cprofd-symboliz", "cprofd-front"]))
    listens = [service.run("stat", "-c", "%a %U", f"/run/cprofd/{name}")
               for name in ("cprofd.sock", "session.sock")]
    filters = {comm: int(re.search(r"^Seccomp_filters:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(
        encoding="utf-8"), re.M)[1]) for comm, pid in service.roles().items()}
    checks.equal("start: filters of a role beside the unit's", {n - filters["cprofd"] for comm, n in filters.items()
                                                                if comm != "cprofd"}, {1})
    checks.equal("start: sockets", listens, ["666 root"] * 2)
    checks.equal("start: the directory", service.run("stat", "-c", "%a %U %G", "/var/lib/cprofd/profiles"),
                 "750 cprofd-sampler cprofd")
    done = service.run("cprofctl", "status", check=False)
    checks.check("start: cprofctl status", "99" in done, done.splitlines()[:1])
    verified = [int(n) for path in pathlib.Path(f"/proc/{service.roles()['cprofd-sampler']}/fdinfo").iterdir()
                for n in re.findall(r"^verified_insns:\s*(\d+)", path.read_text(encoding="utf-8"), re.M)]
    # Most of what a restart loses is the verifier's time: 118,000 took 0.15 s. Lines of BPF programs take 7,000 of them.
    checks.at_most("start: instructions that the verifier followed", sum(verified) or math.inf, 60000)


def profiled(bench, service):
    """A process by the number that the container knows, with names of its own and of the kernel."""
    work = bench.args.workloads / "hotprog"
    pid = service.run("sh", "-c", f"{work} 60 > /dev/null 2>&1 & echo $!")
    path = wait_profiles(service, lambda name: name.startswith(f"hotprog-{pid}-"), "a profile of hotprog")
    profile = pprof_file.Profile(path)
    names = {name for sample in profile.samples for name in profile.stack(sample)}
    true_ns = int(profile.comment("cpu_true_ns"))
    bench.checks.at_least("profile: its time in samples, to the kernel's account of it",
                          sum(s.values[1] for s in profile.samples) / max(true_ns, 1), 0.5)
    bench.checks.check("profile: a kernel function", "__sys_bpf" in names, sorted(names)[:5])
    table = [line.split() for line in service.run("cprofctl", "ps").splitlines()]
    bench.checks.check("ps: its number and name", any(row[:1] == [pid] and row[-1] == "hotprog" for row in table),
                       table[2:6])
    service.run("cprofctl", "record", "--pid", pid, "--seconds", "1", "-o", "/tmp/recorded/")
    service.run("sh", "-c", f"kill {pid}")
    made = [p.name for p in (service.root / "tmp/recorded").iterdir()]
    bench.checks.check("record --pid: a file of it", len(made) == 1 and made[0].startswith(f"hotprog-{pid}-"),
                       made)
    bench.checks.equal("profile: owner", service.run("stat", "-c", "%a %U %G", str(path).replace(
        str(service.root), "", 1)), "640 cprofd-sampler cprofd")


def brief_units(bench, service):
    """A unit of 10 ms is gone long before its window is written, and named still."""
    units = {f"cprof-brief-{i}.service" for i in range(BRIEF_UNITS)}
    for unit in sorted(units):
        service.run("systemd-run", "--quiet", "--collect", f"--unit={unit}",
                    bench.args.workloads / "burst", 10000)

    def told():
        """Of its files, not of those in which it is still the manager's child, "(burst)"."""
        return [pprof_file.Profile(p).comment("unit") for p in service.files()
                if p.name.startswith("burst-")]

    # By far not each is met by a tick of 10 ms.
    harness.wait_until(lambda: len(units & set(told())) >= BRIEF_UNITS / 4, 6 * WINDOW_S + 20,
                       "files of brief units")
    time.sleep(WINDOW_S)
    bench.checks.equal("brief units: files that name another, or none", set(told()) - units, set())


def reloaded(bench, service):
    service.configure("[Sampling]\nFrequencyHz=49")
    service.run("systemctl", "reload", "cprofd")
    service.wait_status("sampling at 49 Hz")
    service.configure("[Sampling]\nFrequencyHz=many")
    service.run("systemctl", "reload", "cprofd")
    service.wait_status("not reloaded")
    bench.checks.equal("reload: a broken file changes nothing",
                       (service.show("ActiveState"), "49 Hz" in service.show("StatusText")),
                       ("active", True))
    service.configure("")
    service.run("systemctl", "reload", "cprofd")
    service.wait_status("sampling at 99 Hz")


def hung(bench, service):
    """The launcher replaces a sampler that does nothing; systemd need not know."""
    old = service.roles()["cprofd-sampler"]
    service.kill(signal.SIGSTOP, "cprofd-sampler")
    begun = time.monotonic()
    harness.wait_until(lambda: service.roles().get("cprofd-sampler", old) != old, 30, "another sampler")
    bench.checks.at_most("hung sampler: replaced after seconds", time.monotonic() - begun, 15)
    service.wait_status("sampling at 99 Hz")
    bench.checks.equal("hung sampler: restarts of the service", service.show("NRestarts"), "0")
    before = len(service.files())
    harness.wait_until(lambda: len(service.files()) > before, 6 * WINDOW_S + 20, "a file of the new one")


def journaled(bench, service):
    """A storm of deaths is one line, with fields by which a program finds it."""
    for _ in range(4):
        old = harness.wait_until(lambda: service.roles().get("cprofd-symboliz"), 10, "a symbolizer")
        os.kill(old, signal.SIGKILL)
        harness.wait_until(lambda: service.roles().get("cprofd-symboliz", old) != old, 10, "another")
    text = service.run("journalctl", "-u", "cprofd", "-o", "json", "--no-pager", f"MESSAGE_ID={ROLE_ENDED}")
    lines = [json.loads(line) for line in text.splitlines()]
    mine = [line for line in lines if line.get("CPROF_ROLE") == "symbolizer"]
    bench.checks.equal("journal: lines of four deaths within a minute", len(mine), 1)
    fields = {key: mine[0].get(key) for key in ("PRIORITY", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT")}
    bench.checks.equal("journal: fields", fields, {"PRIORITY": "4", "SYSLOG_IDENTIFIER": "cprofd",
                                                   "_SYSTEMD_UNIT": "cprofd.service"})
    # Of the first one, which the sampler may notice before the launcher.
    bench.checks.check("journal: what it says", "the symbolizer" in mine[0]["MESSAGE"], mine[0]["MESSAGE"])


def hung_launcher(bench, service):
    """Nobody else would notice: systemd's watchdog."""
    if not bench.args.long:
        return
    service.kill(signal.SIGSTOP, "cprofd")
    begun = time.monotonic()
    harness.wait_until(lambda: int(service.show("NRestarts")) > 1, 60, "a restart by systemd")
    bench.checks.at_most("hung launcher: restarted after seconds", time.monotonic() - begun, 40)
    service.wait_status("sampling at 99 Hz")


def killed(bench, service):
    old = service.roles()
    service.kill(signal.SIGKILL, "cprofd")
    harness.wait_until(lambda: service.show("NRestarts") == "1", 10, "a restart by systemd")
    service.wait_status("sampling at 99 Hz")
    bench.checks.equal("killed launcher: roles that are left of it",
                       set(old.values()) & set(service.roles().values()), set())


class Windows:
    """What the files say of time: {begin: (end, nanoseconds in samples, gap before it)} of windows."""

    def __init__(self, service):
        self.found = {}
        for path in service.files():
            p = pprof_file.Profile(path)
            end, ns, gap = self.found.get(p.time_ns, (0, 0, 0))
            self.found[p.time_ns] = (max(end, p.time_ns + p.duration_ns),
                                     ns + sum(s.values[1] for s in p.samples),
                                     max(gap, int(p.comment("gap_ns") or 0)))

    def between(self, begin_ns, end_ns):
        """From the one that was open at the beginning to the last that had ended at the end."""
        return [(begin, *w) for begin, w in sorted(self.found.items()) if begin_ns < w[0] <= end_ns]


def slowdown(bench):
    """How much longer than on a machine of its own a process takes here: others may run beside us."""
    begun = time.monotonic()
    subprocess.run([bench.args.workloads / "burst", "200000"], check=True, start_new_session=True)
    return (time.monotonic() - begun) / 0.2


def check_gaps(checks, windows, restarts, bound_s):
    """On CPUs that never idle, what is not in samples was lost: the files are to say as much."""
    gaps = [gap / harness.NSEC for _, _, _, gap in windows if gap]
    checks.equal("restart: windows that tell of a gap before them", len(gaps), restarts)
    lost = [max(0, after[0] - before[1]) / harness.NSEC for before, after in itertools.pairwise(windows)]
    span = (windows[-1][1] - windows[0][0]) / harness.NSEC
    sampled = sum(ns for _, _, ns, _ in windows) / harness.NSEC / os.cpu_count()
    checks.within("restart: gaps as the files tell, by the times of windows", sum(gaps), sum(lost),
                  0.01 + 0.002 * restarts)
    checks.within("restart: time that is in no sample, as the files tell, in seconds", sum(gaps),
                  span - sampled, 0.05 * (restarts + 1) + 0.01 * span)
    checks.note(f"gaps in seconds: {' '.join(f'{gap:.2f}' for gap in sorted(gaps))}")
    checks.at_most("restart: most seconds lost", max(gaps), bound_s)


def restarted(bench, service):
    """Under load: two busy loops and a storm of forks."""
    work, restarts = bench.args.workloads, 50 if bench.args.long else 3
    service.run("systemd-run", "--quiet", "--collect", "--unit=cprof-load", "sh", "-c",
                f"{work}/spin & {work}/spin & exec {work}/forkstorm 1000 900")
    time.sleep(2 * WINDOW_S)
    begin_ns, slow = time.time_ns(), slowdown(bench)
    try:
        for _ in range(restarts):
            time.sleep(WINDOW_S / 2)
            service.run("systemctl", "reset-failed", "cprofd")  # the count of its starts
            service.run("systemctl", "restart", "cprofd")
        slow = max(slow, slowdown(bench))
        time.sleep(WINDOW_S)
        end_ns = time.time_ns()
        harness.wait_until(lambda: any(pprof_file.Profile(p).time_ns >= end_ns for p in service.files()
                                       if p.stat().st_mtime_ns > end_ns), 60, "the last window")
    finally:
        service.run("systemctl", "stop", "cprof-load")
    bench.checks.note(f"a process beside this takes {slow:.1f} times as long as alone")
    # Our own load makes it 2; the short form may run beside any other.
    bound_s = RESTART_MAX_S if bench.args.long else RESTART_MAX_S * max(1, slow)
    check_gaps(bench.checks, Windows(service).between(begin_ns, end_ns), restarts, bound_s)


def stubborn(bench, service):
    """A sampler that does not stop is killed by the launcher, which systemd gives the time for that."""
    service.kill(signal.SIGSTOP, "cprofd-sampler")
    begun = time.monotonic()
    service.run("systemctl", "stop", "cprofd")
    bench.checks.at_most("stop of a hung sampler: seconds", time.monotonic() - begun, STOP_MAX_S)
    bench.checks.equal("stop of a hung sampler: how", service.show("Result"), "exit-code")
    service.run("systemctl", "reset-failed", "cprofd")
    service.run("systemctl", "start", "cprofd")
    service.wait_status("sampling at 99 Hz")


def stopped(bench, service):
    """With an opener that answers nothing; and the sockets stay, which are systemd's."""
    service.kill(signal.SIGSTOP, "cprofd-opener")
    service.kill(signal.SIGSTOP, "cprofd-symboliz")
    begun = time.monotonic()
    service.run("systemctl", "stop", "cprofd")
    bench.checks.at_most("stop: seconds", time.monotonic() - begun, STOP_MAX_S)
    bench.checks.equal("stop: how", (service.show("ActiveState"), service.show("Result")),
                       ("inactive", "success"))
    bench.checks.equal("stop: the sockets", service.run("systemctl", "is-active", "cprofd.socket"), "active")
    litter = [p.name for p in (service.root / "var/lib/cprofd/profiles").glob(".[nw]*")]
    bench.checks.equal("stop: litter", litter, [])


def state_of(pid):
    """The letter of /proc/PID/stat; None: it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return None


@contextlib.contextmanager
def silent_fuse(container, where):
    """In the container, a file system whose server takes requests to open and never answers; yields
    a descriptor with a byte for each of them."""
    taken, swallowed = os.pipe()
    mounts = os.open(f"/proc/{container.leader}/ns/mnt", os.O_RDONLY)

    def enter():
        if fuse.libc.setns(mounts, 0) < 0:
            raise OSError("setns")
        os.mkdir(where)

    child = os.fork()
    if child == 0:
        # The mount goes with the container: umount wants a /proc in which it is.
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            with fuse.mounted(where, os.stat("/bin/true"), swallowed, enter):
                signal.sigwait({signal.SIGTERM})
        finally:
            os._exit(0)
    os.close(swallowed)
    try:
        yield taken
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        os.close(taken)
        os.close(mounts)


def hung_on_fuse(bench, service):
    """An opener in D state, which not even systemd can kill, holds up neither a stop nor the next start.

    The shipped one asks no FUSE server anything, so a script stands in its place.
    """
    opener = next(service.root.glob("usr/**/libexec/cprofd/cprofd-opener"))
    shipped = opener.rename(opener.with_suffix(".shipped"))
    with silent_fuse(service.container, "/mnt/silent") as taken:
        opener.write_text("#!/bin/sh\nread -r x < /mnt/silent/a\n")
        opener.chmod(0o755)
        service.run("systemctl", "start", "cprofd")
        if not select.select([taken], [], [], 20)[0]:
            raise RuntimeError("nobody opened the file")
        pids = set(service.roles().values())
        begun = time.monotonic()
        service.run("systemctl", "stop", "cprofd", check=False)
        bench.checks.at_most("stop, hung on FUSE: seconds", time.monotonic() - begun, STOP_MAX_S)
        time.sleep(1)
        left = {pid: state_of(pid) for pid in pids if state_of(pid)}
        bench.checks.check("stop, hung on FUSE: one that cannot be killed", "D" in left.values(), left)
        service.run("systemctl", "reset-failed", "cprofd", check=False)
        opener.unlink()
        shipped.rename(opener)
        service.run("systemctl", "start", "cprofd")
        service.wait_status("sampling at 99 Hz")
    bench.checks.equal("stop, hung on FUSE: the next start", service.show("ActiveState"), "active")


def in_systemd(bench):
    with booted(bench) as container:
        wait_for_boot(container)
        install(bench, container)
        service = Service(container)
        parts = (started, profiled, brief_units, reloaded, restarted, hung, journaled, killed, hung_launcher,
                 stubborn, stopped, hung_on_fuse)
        harness.play(bench.args, bench.checks, parts, bench, service)
        if bench.checks.failed:
            log = container.run("journalctl", "-u", "cprofd", "--no-pager", "-n", "60", check=False)
            for line in log.splitlines():
                bench.checks.note(line)


def run(args, checks):
    with harness.scratch() as tmp:
        in_systemd(Bench(args, checks, tmp))


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"}),
                                (["--cache"], {"type": harness.absolute,
                                               "default": "/tmp/cprof-test-cache"})])
