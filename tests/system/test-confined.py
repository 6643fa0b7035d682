# SPDX-License-Identifier: Apache-2.0
"""What each role of the real daemon and of a recording may do, read from /proc: exactly the list.

The list is below, and the manual page's is compared with it. And where the kernel has no seccomp and no
Landlock, which a filter around everything plays, all go on with less, and say so.
"""

import os
import pathlib
import pwd
import re
import signal
import subprocess
import sys

import harness
from real_daemon import Daemon

BPF, PERFMON, ADMIN = 39, 38, 21
PTRACE, SEARCH, RESTORE = 19, 2, 40
MIB = 1 << 20
# role: (uid, capabilities, limits); every one in all five sets and none in another.
ROLES = {
    "sampler": (61180, [BPF, PERFMON], {"Max processes": 512}),
    "opener": (61181, [PTRACE, SEARCH, RESTORE], {
        "Max address space": 256 * MIB, "Max cpu time": 3600, "Max processes": 512, "Max open files": 128}),
    "symbolizer": (61182, [], {
        "Max address space": 512 * MIB, "Max cpu time": 3600, "Max processes": 0, "Max open files": 1024,
        "Max file size": 128 * MIB}),
    "front": (61183, [], {
        "Max address space": 1024 * MIB, "Max processes": 256, "Max open files": 1024,
        "Max file size": 1024 * MIB}),
}
LANDLOCKED = ("sampler", "symbolizer", "front")
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/man/cprofd.8"
WITHOUT = pathlib.Path(__file__).resolve().parent / "without.py"


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def limits_of(pid):
    text = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
    found = re.findall(r"^(Max [a-z ]+?) {2,}(\w+) +(\w+)", text, re.M)
    return {name: (soft, hard) for name, soft, hard in found}


def identity(role):
    """The user that the package made, or the number."""
    try:
        found = pwd.getpwnam(f"cprofd-{role}")
        return found.pw_uid, found.pw_gid
    except KeyError:
        return ROLES[role][0], ROLES[role][0]


def capabilities(role):
    paranoid = int(pathlib.Path("/proc/sys/kernel/perf_event_paranoid").read_text(encoding="ascii"))
    admin = [ADMIN] if role == "sampler" and paranoid > 2 else []
    return sum(1 << cap for cap in ROLES[role][1] + admin)


def landlock_is_there():
    probe = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))"
    return int(subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True,
                              check=True).stdout) > 0


def is_traceable(pid):
    """May a process of its own user attach to it? Whoever is dumpable could be."""
    return os.stat(f"/proc/{pid}/environ").st_uid != 0


def look_at(checks, where, role, pid, ids, filters):
    status, limits = status_of(pid), limits_of(pid)
    name = f"{where}: {role}"
    uid, gid = ids
    checks.equal(f"{name}: Uid", status["Uid"].split(), [str(uid)] * 4)
    checks.equal(f"{name}: Gid", status["Gid"].split(), [str(gid)] * 4)
    checks.equal(f"{name}: Groups", status["Groups"].split(), [])
    for field in SETS:
        checks.equal(f"{name}: {field}", int(status[field], 16), capabilities(role))
    checks.equal(f"{name}: NoNewPrivs", status["NoNewPrivs"], "1")
    checks.equal(f"{name}: Seccomp", (status["Seccomp"], status["Seccomp_filters"]), filters)
    checks.equal(f"{name}: may be traced", is_traceable(pid), False)
    for limit, most in {"Max core file size": 0, **ROLES[role][2]}.items():
        checks.equal(f"{name}: {limit}", limits[limit][1], str(most))


def look_at_all(checks, where, roles, group, filters=("2", "1")):
    for role, pid in roles.items():
        uid, gid = identity(role)
        look_at(checks, where, role, pid, (uid, group if group is not None and role in ("sampler", "front")
                                           else gid), filters)


def daemon(args, checks, tmp):
    with Daemon(args, tmp) as d:
        d.wait_windows(1)
        look_at_all(checks, "daemon", {role: d.role(role) for role in ROLES}, 0)
        status = d.wait_status("all are confined", lambda s: all(
            s["cost"]["roles"][role].get("sandbox") != "unknown" for role in ROLES))
        for role in ROLES:
            whole = "full" if landlock_is_there() or role not in LANDLOCKED else "no landlock"
            checks.equal(f"daemon: status, {role}", status["cost"]["roles"][role]["sandbox"], whole)
        checks.equal("daemon: violations", status["counters"]["sandbox_violations"], 0)
        # One that would do what it must not is ended by this signal, and counted.
        os.kill(d.role("symbolizer"), signal.SIGSYS)
        status = d.wait_status("it is counted", lambda s: s["counters"]["sandbox_violations"] > 0)
        checks.equal("daemon: violations then", status["counters"]["sandbox_violations"], 1)
        # A sampler that is started anew is told.
        before = d.role("sampler")
        os.kill(before, signal.SIGSYS)
        d.role("sampler", before)
        status = d.wait_status("it is told", lambda s: s["counters"]["sandbox_violations"] > 1)
        checks.equal("daemon: violations of two lives", status["counters"]["sandbox_violations"], 2)


def recording(args, checks, tmp):
    command = [args.cprofctl, "record", "-a", "--seconds", "4", "-o", tmp / "x.pb.gz"]
    # Something to sample: of an idle machine there is nothing to show, which is another status.
    with harness.Work(args.workloads / "spin", -1, 60), \
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        def roles():
            comms = {comm: pid for pid, comm in harness.tree_of(process.pid).items()}
            found = {role: comms.get(f"cprofd-{role}"[:15]) for role in ROLES if role != "front"}
            ready = all(found.values()) and all(status_of(p)["Seccomp"] == "2" for p in found.values())
            return found if ready else None
        look_at_all(checks, "recording", harness.wait_until(roles, 20, "the roles"), None)
        checks.equal("recording: exit status", process.wait(30), 0)


def without(args, checks, tmp):
    """No seccomp and no Landlock: less confined, told, and the same profiles."""
    with harness.Work(args.workloads / "spin", "-1", "30") as _:
        d = Daemon(args, tmp)
        d.command = [sys.executable, str(WITHOUT), *map(str, d.command)]
        with d:
            status = d.wait_status("all are started", lambda s: s["frames"]["symbolized"] > 0 and all(
                s["cost"]["roles"][role].get("sandbox") != "unknown" for role in ROLES))
            for role in ROLES:
                checks.equal(f"without: status, {role}", status["cost"]["roles"][role]["sandbox"],
                             "none" if role in LANDLOCKED else "no seccomp")
            # The filter around all is theirs too.
            look_at_all(checks, "without", {role: d.role(role) for role in ROLES}, 0, ("2", "1"))
            log = d.said()
            for role in ROLES:
                checks.check(f"without: a line about the {role}", f"the {role} is less confined" in log,
                             log.count("less confined"))


def page(args, checks, tmp):
    """The manual page's list is this one."""
    text = PAGE.read_text(encoding="utf-8")
    for role, (uid, caps, limits) in ROLES.items():
        part = re.search(rf"^\.It Sy cprofd-{role} Pq {uid}$(.*?)^\.(?:It|El)", text, re.M | re.S)
        checks.check(f"page: {role}", part is not None, bool(part))
        said = part[1] if part else ""
        numbers = [most if most < MIB else most // MIB for most in limits.values() if most]
        for number in numbers:
            checks.check(f"page: {role}: {number}", re.search(rf"\b{number}\b", said), bool(said))
        checks.equal(f"page: {role}: capabilities",
                     len(re.findall(r"CAP_(?!SYS_ADMIN)\w+", said)), len(caps))


def run(args, checks):
    with harness.scratch() as tmp:
        for part in (daemon, recording, without, page):
            place = tmp / part.__name__
            place.mkdir()
            place.chmod(0o755)
            harness.play(args, checks, [part], args, checks, place)


if __name__ == "__main__":
    harness.main(run, __doc__)
