# SPDX-License-Identifier: Apache-2.0
"""The whole daemon, asked by cprofctl: status, ps, ls and record, as root and as somebody else.

What is said is compared with what is known from outside: who spins for how long by the kernel's clocks,
which files lie in the directory, what the roles cost by /proc.
"""

import contextlib
import datetime
import os
import pathlib
import signal
import threading
import time

import accounts
import harness
import pprof_file
from cprofd import Daemon

# Of whom nothing else runs here.
NOBODY = {"user": 64233, "group": 64233, "extra_groups": []}
WINDOW_S = 5
MEMORY_MIB = 256  # [Limits] Memory=, as shipped


def wait_for_window(daemon, pid):
    """Until a whole window with this process has been told of."""
    def there():
        ps = daemon.json("ps")
        return any(p["pid"] == pid and p["samples"] > 10 for p in ps.get("processes", []))

    harness.wait_until(there, 12 * WINDOW_S, "a window of the spinning process")
    # The next one is of it from its beginning to its end.
    first = daemon.json("ps")["from"]
    harness.wait_until(lambda: daemon.json("ps")["from"] != first, 6 * WINDOW_S, "another window")


def part_ps(daemon, checks, spin):
    # Others use the machine too: what the kernel gave it in that window is what it can have had.
    given = [(time.time(), harness.process_cpu_ns(spin.pid) / harness.NSEC)]
    over = threading.Event()

    def watch():
        while not over.wait(0.02):
            given.append((time.time(), harness.process_cpu_ns(spin.pid) / harness.NSEC))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wait_for_window(daemon, spin.pid)
    ps = daemon.json("ps")
    rows = ps["processes"]
    mine = next((p for p in rows if p["pid"] == spin.pid), {"cpu_s": 0, "samples": 0})
    over.set()
    watcher.join()
    begun = datetime.datetime.fromisoformat(ps["from"].replace("Z", "+00:00")).timestamp()
    checks.check("ps: the last whole window", given[0][0] < begun < given[-1][0] - ps["window_s"],
                 f"{given[-1][0] - begun:.1f} s ago, of {ps['window_s']} s")
    cpu = [min(given, key=lambda g, at=at: abs(g[0] - at))[1] for at in (begun, begun + ps["window_s"])]
    checks.within("ps: CPU time of a spinning process, s", mine["cpu_s"], cpu[1] - cpu[0],
                  0.25 + harness.sigmas((cpu[1] - cpu[0]) / 99))
    checks.check("ps: most first", [p["cpu_s"] for p in rows] == sorted(
        (p["cpu_s"] for p in rows), reverse=True), len(rows))
    checks.check("ps: text", f"{spin.pid} " in daemon.ctl("ps").stdout, spin.pid)
    done = daemon.ctl("ps", "--limit", "1")
    checks.equal("ps: text of one process, lines", done.stdout.count("\n"), 4)
    own = daemon.json("ps", **NOBODY)
    checks.equal("ps: what is not one's own is not shown", own.get("processes"), [])
    done = daemon.ctl("ps", **NOBODY)
    checks.check("ps: of nothing of one's own", done.returncode == 3 and "as root you see all" in
                 done.stderr, done.stderr)


def part_ls(daemon, checks, spin):
    pid = spin.pid
    wait_for_window(daemon, pid)
    done = daemon.ctl("ls")
    if "cannot list stored profiles yet" in done.stderr:
        raise harness.Skip("this front lists no files")
    done = daemon.ctl("ls", **NOBODY)
    checks.check("ls: for root and the group alone", done.returncode == 1 and
                 "the daemon refuses: " in done.stderr and "; run it with sudo" in done.stderr, done.stderr)
    done = daemon.json("ls", "--pid", pid)
    files = done.get("files", [])
    checks.at_least("ls: files of the spinning process", len(files), 1)
    for f in files[:2]:
        path = pathlib.Path(done.get("directory", daemon.spool)) / f["path"]
        checks.equal(f"ls: {path.name} is there, and takes what is said", path.stat().st_blocks * 512,
                     f["bytes"])
        checks.at_least(f"ls: {path.name} holds samples", len(pprof_file.Profile(path).samples), 1)
    all_files = {str(p.relative_to(daemon.spool)) for p in daemon.spool.glob("[0-9]*/*/*")}
    listed = {f["path"] for f in daemon.json("ls")["files"]}
    now = {str(p.relative_to(daemon.spool)) for p in daemon.spool.glob("[0-9]*/*/*")}
    checks.check("ls: all files, and no others", all_files <= listed <= now, len(listed))
    checks.equal("ls: --comm", {f["comm"] for f in daemon.json("ls", "--comm", "^spin$")["files"]}, {"spin"})
    checks.equal("ls: nothing an hour ago", daemon.ctl("ls", "--until", "1h").returncode, 3)
    text = daemon.ctl("ls", "--pid", pid).stdout
    checks.check("ls: text", "spin" in text and " profile" in text.splitlines()[-1], text.splitlines()[-1:])
    done = daemon.ctl("top")
    checks.check("top: of what is stored", done.returncode == 0 and f" in {daemon.spool}, Total" in done.stdout
                 and " hot3\n" in done.stdout, (done.stderr, done.stdout[:300]))


def part_status(daemon, checks, spin):
    done = daemon.ctl("status")
    checks.equal("status: exit status", done.returncode, 0)
    checks.check("status: books", "balanced: every sample" in done.stdout, done.stdout[:60])
    status = daemon.json("status")
    checks.equal("status: difference", status["books"]["difference"], 0)
    for name, role in status["cost"]["roles"].items():
        comm = pathlib.Path(f"/proc/{role['pid']}/comm").read_text(encoding="utf-8").strip()
        checks.check(f"status: {name} is a process of ours", comm.startswith("cprofd"), comm)
        checks.check(f"status: {name} is named", f" {name} " in done.stdout, role["pid"])
    done = daemon.ctl("status", **NOBODY)
    checks.check("status: for others too, without the roles", done.returncode == 0 and
                 "root sees it by role" in done.stdout, done.returncode)


def part_record(daemon, checks, spin):
    pid = spin.pid
    begun, cpu = time.monotonic(), harness.process_cpu_ns(pid)
    done = daemon.ctl("record", "--cprofd", "/nonexistent", "--pid", pid, "--seconds=2", "-o", "r.pb.gz")
    checks.check("record: through the daemon", done.returncode == 0 and "r.pb.gz" in done.stdout,
                 done.stderr or "yes")
    seconds = sum(s.values[1] for s in pprof_file.Profile(daemon.tmp / "r.pb.gz").samples) / harness.NSEC
    cpu = (harness.process_cpu_ns(pid) - cpu) / harness.NSEC
    # Beginning and end take their time too, and more on a machine at work.
    least = 0.5 * cpu * 2 / (time.monotonic() - begun)
    checks.check("record: CPU time of a spinning process",
                 least < seconds < cpu + harness.sigmas(max(cpu, 1) / 99),
                 f"{seconds:.2f} s", f"at least {least:.2f}; the kernel charged it {cpu:.2f} s around it")
    done = daemon.ctl("record", "--pid", pid, "--seconds=2", **NOBODY)
    checks.check("record: of another user's process", done.returncode == 1 and
                 "of other users' processes" in done.stderr, (done.returncode, done.stderr))
    with harness.Work("/bin/sh", "-c", "while :; do :; done", **NOBODY) as own:
        done = daemon.ctl("record", "--pid", own.pid, "--seconds=2", "-o", "own.pb.gz", **NOBODY)
    checks.check("record: of one's own process", done.returncode == 0, done.stderr or "yes")


def told_of_reload(daemon):
    return [text for text in daemon.json("status").get("degraded", []) if "not reloaded" in text]


def part_reload(daemon, checks, spin):
    """A reload that failed is told until one succeeds, by a new sampler too."""
    conf = daemon.tmp / "cprofd.conf"
    conf.write_text("[Sampling]\nFrequencyHz=many\n", encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    said = harness.wait_until(lambda: told_of_reload(daemon), 30, "a reload that failed is told")
    checks.check("reload: why it failed, and what to do", len(said) == 1 and "FrequencyHz=many" in said[0] and
                 said[0].endswith("; mend it, then systemctl reload cprofd"), said)
    checks.equal("reload: so it is degraded", daemon.json("status")["state"], "degraded")
    checks.check("reload: in words", "not reloaded" in daemon.ctl("status").stdout, said)
    sampler = daemon.role("sampler")
    os.kill(sampler, signal.SIGKILL)
    harness.wait_until(lambda: daemon.role("sampler") not in (None, sampler), 30, "another sampler")
    said = harness.wait_until(lambda: told_of_reload(daemon), 30, "the new sampler tells it")
    checks.equal("reload: told by the new sampler", len(said), 1)
    conf.write_text("", encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    harness.wait_until(lambda: (s := daemon.json("status")) and not any(
        "reloaded" in text for text in s["degraded"]), 30, "it is told no more")


def part_stopped(daemon, checks, spin):
    """No daemon any more: a line, and root's private cprofd only where no socket was named."""
    daemon.process.terminate()
    begun = time.monotonic()
    checks.equal("stop: exit status", daemon.process.wait(20), 0)
    checks.at_most("stop: seconds", time.monotonic() - begun, 5)
    done = daemon.ctl("status")
    checks.check("stopped: status", done.returncode == 1 and "no daemon answers on" in done.stderr,
                 done.stderr)


def part_cost(daemon, checks, spin):
    """What the daemon says it costs is what the kernel charges it, and within what it may take."""
    cost = accounts.check_status(checks, "cost", daemon, daemon.process.pid)
    memory = cost["pss_bytes"] + cost["bpf_bytes"]
    checks.at_most("cost: memory of all roles and maps, within Memory=, MiB", memory / 2**20, MEMORY_MIB)


def run(args, checks):
    with contextlib.ExitStack() as stack:
        tmp = pathlib.Path(stack.enter_context(harness.scratch()))
        os.chmod(tmp, 0o777)
        (tmp / "cprofd.conf").touch()
        stack.enter_context(accounts.bpf_stats())
        daemon = stack.enter_context(Daemon(args, tmp, front=args.front, settings=[
            f"Profiles.Window={WINDOW_S}s", "Profiles.KeepFree=0%"], options=["--config", tmp / "cprofd.conf"]))
        spin = stack.enter_context(harness.Work(args.workloads / "spin", 0, 120))
        harness.play(args, checks, [part_ps, part_ls, part_status, part_cost, part_record, part_reload,
                                      part_stopped],
                     daemon, checks, spin)


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--front"], {"type": harness.absolute})])
