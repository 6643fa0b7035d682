# SPDX-License-Identifier: Apache-2.0
"""Is every sample its process's own? Thousands of short processes, each with a function of its own.

ownstorm knows which process worked in which function; half of the processes run one executable,
half a file of their own. In a recording of all of them no (pid, start, exec) may hold two of the
names, and each name must be of the process that worked in it. The pids wrap meanwhile: the short
form runs in a pid namespace of its own with few numbers, the campaign (--long) wraps the machine's.
"""

import re
import subprocess

import harness
import pprof_file
from harness import Recorder

OWN = re.compile(r"(?:own|only)_\d{6}$")


def read_truth(path):
    """{(pid, start): function} and all as a list, from ownstorm's log."""
    owners, rows = {}, []
    for line in open(path, encoding="utf-8"):
        pid, start, cpu_us, name = line.split()
        owners.setdefault((int(pid), int(start)), set()).add(name)
        rows.append((int(pid), int(start), int(cpu_us), name))
    return owners, rows


def names_by_process(paths):
    """{(pid, start, exec): {function: samples}} of the storm's functions, over all files."""
    found = {}
    for path in paths:
        file = pprof_file.Profile(path)
        for sample in file.samples:
            names = {name for name in file.stack(sample) if OWN.match(name)}
            process = found.setdefault(file.owner(sample), {}) if names else {}
            for name in names:
                process[name] = process.get(name, 0) + sample.values[0]
    return found


def wraps(rows):
    """How often the pids began anew."""
    return sum(1 for a, b in zip(rows, rows[1:]) if b[0] < a[0] - 50)


def check_owners(checks, what, owners, found):
    two = [p for p, names in found.items() if len(names) > 1]
    wrong = [(p, name) for p, names in found.items() for name in names
             if name not in owners.get(p[:2], ())]
    checks.equal(f"{what}: processes that hold two of the names", len(two), 0)
    checks.equal(f"{what}: names under a process that did not work in it", len(wrong), 0)
    for p in (two + wrong)[:5]:
        checks.note(f"{p}: {found.get(p, '')}")


def storm(args, checks, tmp, what, count, rounds, hz, prefix=(), whole_machine=False):
    log, files = tmp / f"{what}.log", tmp / f"{what}-files"
    files.mkdir()
    command = [args.workloads / "ownstorm", args.workloads / "own-many",
               args.workloads / "own-only", files, count, rounds, log]
    out = tmp / f"{what}-out"
    options = ["-o", f"{out}/", "--hz", hz]
    if whole_machine:
        with Recorder(args.cprofctl, "-a", "--seconds", 3600, *options, cwd=tmp, prefix=prefix,
                      timeout=3600) as recorder:
            harness.wait_until(lambda: harness.bpftool("prog", "show", "name", "cprof_tick"), 15,
                               "the recording begins")
            subprocess.run([str(word) for word in command], check=True)
            recorder.stop()
            done = recorder.finish()
    else:
        with Recorder(args.cprofctl, *options, "--", *command, cwd=tmp, prefix=prefix,
                      timeout=3600) as recorder:
            done = recorder.finish()
    if not harness.good(checks, what, done):
        return
    owners, rows = read_truth(log)
    found = names_by_process([f["path"] for f in done.files])
    named = sum(sum(names.values()) for names in found.values())
    checks.equal(f"{what}: processes in the storm's own log", len(rows), count)
    checks.at_least(f"{what}: times the pids wrapped", wraps(rows), 2)
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)
    check_owners(checks, what, owners, found)
    # Each works for several periods: most are seen, and most of their time is in the function. On a
    # machine that is shared a tick may be late, or not come at all (missed).
    expected = sum(us for _, _, us, _ in rows) * 1e-6 * hz
    checks.note(f"{done.books['runs']} runs, {done.books['missed']} missed")
    checks.at_least(f"{what}: of the processes with a name of their own", len(found) / count, 0.75)
    checks.at_least(f"{what}: samples in their functions, of those due", named / expected, 0.5)


def few_pids(args, checks, tmp):
    """All of it in a pid namespace with 400 numbers: they are used again and again."""
    prefix = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
              'echo 400 >/proc/sys/kernel/pid_max && exec "$@"', "sh")
    tried = subprocess.run([*prefix, "cat", "/proc/sys/kernel/pid_max"], capture_output=True,
                           text=True, check=False)
    if tried.stdout.strip() != "400":
        raise harness.Skip("no pid_max of its own for a pid namespace here (Linux 6.14 and later): "
                           f"{tried.stderr.strip()}")
    storm(args, checks, tmp, "few pids", 2000, 3000000, 997, prefix)


def many(args, checks, tmp):
    """The machine's own pids, as far as they go."""
    if not args.long:
        return
    storm(args, checks, tmp, "many", 100000, 2000000, 997, whole_machine=True)


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (few_pids, many), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"})])
