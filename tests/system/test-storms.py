# SPDX-License-Identifier: Apache-2.0
"""Can a user make us wrong, large, slow or blind to others?

Attackers are users of their own: one maps and executes a thousand new files a second, two map and unmap
all the time, some have 65,000 mappings, one loads and unloads libraries in a loop, one becomes
another program every millisecond. Every new file has a function whose name says which file it is, so a
frame in the wrong object is seen. Meanwhile another user's short programs have to be named as ever,
the books have to be exact, and what the roles take of memory has a bound.
"""

import contextlib
import os
import re
import time

import harness
import pprof_file
from harness import NSEC, BpfView, Recorder, Work

HZ = 999  # so that a short test meets as many new files as minutes do at 99 Hz
MIB = 1 << 20
ATTACKER, OTHER, VICTIM = 65534, 64201, 64202
FRESH = 500000  # numbers of the victim's new files
ONLY = re.compile(r"only_\d{6}$")


class Watch(harness.Meanwhile):
    """PSS and CPU time of the roles while a recording runs."""

    def __init__(self, recorder):
        super().__init__()
        self.recorder = recorder
        self.first = self.last = self.peak = 0
        self.cpu_ns, self.pss = {}, {}

    def _look(self):
        found = {}
        for pid, comm in harness.tree_of(self.recorder.process.pid).items():
            if not comm.startswith("cprofd"):
                continue
            with contextlib.suppress(OSError, ValueError):
                text = open(f"/proc/{pid}/smaps_rollup", encoding="utf-8").read()
                found[comm] = int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) * 1024
                self.cpu_ns[comm] = harness.process_cpu_ns(pid)
        if len(found) >= 4:
            self.last = sum(found.values())
            self.first = self.first or self.last
            if self.last > self.peak:
                self.peak, self.pss = self.last, found

    def _run(self):
        while not self.over.wait(0.5):
            self._look()

    def tell(self, checks, what, seconds):
        cpu = sum(self.cpu_ns.values()) / NSEC / seconds
        roles = ", ".join(f"{name} {size / MIB:.1f}" for name, size in sorted(self.pss.items()))
        checks.note(f"{what}: roles used {cpu:.1%} of one CPU; PSS {self.first / MIB:.1f} MiB at first, "
                    f"{self.last / MIB:.1f} at last, {self.peak / MIB:.1f} at most ({roles})")


def ended(recorder):
    """The recording, ended a moment after the attack: that may have begun, and so ended, late."""
    time.sleep(1)
    recorder.stop()
    return recorder.finish()


def as_user(uid):
    return {"user": uid, "group": uid, "extra_groups": []}


def folder(tmp, name, uid):
    path = tmp / name
    path.mkdir()
    os.chown(path, uid, uid)
    return path


def copies(template, where, count, uid):
    """Copies of a program, each with a function of its own."""
    data = template.read_bytes()
    for i in range(count):
        path = where / f"only_{i:06}"
        path.write_bytes(data.replace(b"only_000000", b"only_%06d" % i))
        path.chmod(0o755)
        os.chown(path, uid, uid)


class Frames:
    """What the files say of frames in functions that tell their file."""

    def __init__(self, paths):
        self.frames, self.right, self.wrong, self.nowhere, self.told = 0, 0, [], 0, 0
        self.callers = 0
        self.processes = {}
        for path in paths:
            file = pprof_file.Profile(path)
            for sample in file.samples:
                for location in sample.locations:
                    self._add(file, sample, location)
                self._compare(file, sample)

    def _compare(self, file, sample):
        """The new file's number with what its caller says, or its process."""
        names = file.stack(sample)
        only = [int(name[5:]) for name in names if ONLY.match(name)]
        callers = [int(name[7:]) for name in names if name.startswith("caller_")]
        self.callers += len(callers)
        comm = sample.labels.get("comm") or file.comment("comm")
        for number in only:
            if callers and number % 16 != callers[0]:
                self.wrong.append((number, f"caller_{callers[0]}"))
            elif ONLY.match(comm) and number != int(comm[5:]):
                self.wrong.append((number, comm))
            elif callers or ONLY.match(comm):
                self.told += 1

    def _add(self, file, sample, location):
        count, mapping = sample.values[0], file.mapping(location)
        if mapping.startswith("[kernel"):
            return
        self.frames += count
        self.nowhere += count if mapping.startswith("[unknown]") else 0
        name = file.names(location)[0]
        if not ONLY.match(name):
            return
        self.processes.setdefault(file.owner(sample), set()).add(name)
        if os.path.basename(mapping.removesuffix(" (deleted)")) == name:
            self.right += count
        else:
            self.wrong.append((mapping, name))


def check_common(checks, what, done, bpf, frames, watch, least=100):
    counters = done.counters
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)
    checks.equal(f"{what}: runs, BPF against books", done.books["runs"], bpf["runs"])
    checks.equal(f"{what}: samples in files",
                 sum(f["samples"] for f in done.files),
                 bpf["runs"] - harness.total(done.books["dropped"]) -
                 harness.total(done.books["discarded"]))
    checks.equal(f"{what}: frames in the wrong object {frames.wrong[:3]}", len(frames.wrong), 0)
    checks.at_least(f"{what}: frames in the right one", frames.right, least)
    if frames.callers:
        checks.at_least(f"{what}: of these confirmed by caller or command", frames.told, least // 2)
    checks.at_most(f"{what}: walks that failed, of all user frames",
                   counters["walk_failed"] / max(frames.frames, 1), 0.001)
    watch.tell(checks, what, done.json["seconds"])
    told = ("announce_sent", "announce_limited", "announce_full", "objects_announced", "objects_named",
            "objects_gone", "objects_changed", "opens_limited", "objects_forgotten", "names_limited",
            "names_late", "stacks_limited", "walk_failed", "walk_retry", "opener_lost",
            "symbolizer_lost")
    checks.note(f"{what}: {frames.frames} user frames; " +
                ", ".join(f"{name} {counters[name]}" for name in told if counters.get(name)))


def check_victim(checks, what, log, paths):
    """The victim's short programs: their time, their executables, their names."""
    victims = {tuple(map(int, line.split()[:2])) for line in open(log, encoding="utf-8")}
    samples = named = frames = 0
    for path in paths:
        file = pprof_file.Profile(path)
        for sample in file.samples:
            if file.owner(sample)[:2] not in victims:
                continue
            samples += sample.values[0]
            for location in sample.locations:
                mapping = file.mapping(location)
                if "/victim/" in mapping or mapping.startswith("[unknown file"):
                    frames += sample.values[0]
                    named += sample.values[0] * (not file.names(location)[0].startswith("["))
    checks.at_least(f"{what}: samples of the other user's short programs", samples, 200)
    checks.at_least(f"{what}: their frames with a name, of all in their programs",
                    named / max(frames, 1), 0.95)


def check_fresh(checks, what, where, pid, paths):
    """His new files live for 100 ms each: opened in that time, or their functions have no names."""
    named = frames = 0
    for path in paths:
        file = pprof_file.Profile(path)
        for sample in file.samples:
            for location in sample.locations:
                mapping = file.mapping(location)
                # One that was never opened has no path: it is of that process then.
                if mapping.startswith(f"{where}/") or (
                        file.owner(sample)[0] == pid and mapping.startswith("[unknown")):
                    frames += sample.values[0]
                    named += sample.values[0] * (not file.names(location)[0].startswith("["))
    checks.at_least(f"{what}: samples in new files of the other user", frames, 200)
    checks.at_least(f"{what}: of these with a name", named / max(frames, 1), 0.95)


def new_files(args, checks, tmp):
    """A thousand new files a second, beside another user's short programs."""
    what, seconds = "new files", 60 if args.long else 12
    victim, log = folder(tmp, "victim", VICTIM), tmp / "victim.log"
    for i in range(10):
        path = victim / f"program{i}"
        path.write_bytes((args.workloads / "burst-static").read_bytes() + b"%d" % i)
        path.chmod(0o755)
    log.touch()
    os.chown(log, VICTIM, VICTIM)
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(BpfView(args.outside))
        recorder = stack.enter_context(Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "--hz",
                                                HZ, "-o", f"{tmp}/new/", cwd=tmp))
        view.wait_for_samples(recorder)
        watch = stack.enter_context(Watch(recorder))
        attack = stack.enter_context(Work(
            args.workloads / "newfiles", args.workloads / "libown-lib.so", args.workloads / "own-only",
            folder(tmp, "attack", ATTACKER), 1000, seconds + 1, 200000, 0, **as_user(ATTACKER)))
        time.sleep(1)
        fresh = stack.enter_context(Work(
            args.workloads / "newfiles", args.workloads / "libown-lib.so", args.workloads / "own-only",
            folder(tmp, "fresh", VICTIM), 4, seconds - 2, 100000000, FRESH, **as_user(VICTIM)))
        storm = stack.enter_context(Work(args.workloads / "execstorm", 50, 5000, 15000, seconds - 2, log,
                                         *sorted(victim.iterdir()), **as_user(VICTIM)))
        storm.finish()
        fresh.finish()
        outcome = attack.finish()
        done, bpf = ended(recorder), view.counters()
    if not harness.good(checks, what, done):
        return
    rate = (outcome["loaded"] + outcome["executed"]) / outcome["seconds"]
    # A short run is there to be disturbed: how much is the campaign's affair, on a machine of its own.
    checks.at_least(f"{what}: new files a second", rate, 500 if args.long else 100)
    paths = [f["path"] for f in done.files]
    check_common(checks, what, done, bpf, Frames(paths), watch)
    check_victim(checks, what, log, paths)
    check_fresh(checks, what, tmp / "fresh", fresh.pid, paths)
    checks.at_most(f"{what}: PSS of all roles at most, MiB", watch.peak / MIB, 96)


def small(args, checks, tmp):
    """A sampler whose bounds are 128 times smaller: all of them are reached, and nothing else breaks."""
    what, seconds = "small", 8
    variant = args.cprofctl.parents[2] / "daemon" / "sampler" / "cprofd-sampler-small"
    if not variant.exists():
        raise harness.Skip(f"{variant.name} is not built")
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(BpfView(args.outside))
        recorder = stack.enter_context(Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "--hz",
                                                HZ, "-o", f"{tmp}/small/", "--role", f"sampler={variant}",
                                                cwd=tmp))
        view.wait_for_samples(recorder)
        watch = stack.enter_context(Watch(recorder))
        attack = stack.enter_context(Work(
            args.workloads / "newfiles", args.workloads / "libown-lib.so", args.workloads / "own-only",
            folder(tmp, "small-files", ATTACKER), 1000, seconds - 2, 200000, 0, **as_user(ATTACKER)))
        attack.finish()
        done, bpf = ended(recorder), view.counters()
    if not harness.good(checks, what, done):
        return
    # Its window is soon full of others' stacks, on a machine at work: whole ones take more.
    check_common(checks, what, done, bpf, Frames([f["path"] for f in done.files]), watch, least=3)
    for name in ("objects_forgotten", "stacks_limited"):
        checks.at_least(f"{what}: {name}", done.counters[name], 1)
    for name in ("symbolizer_lost", "symbolizer_lied", "opener_lost"):
        checks.equal(f"{what}: {name}", done.counters[name], 0)


def mappings(args, checks, tmp):
    """Two users that map and unmap, and processes with very many mappings."""
    what, seconds, many = "mappings", 60 if args.long else 8, 100 if args.long else 10
    files = folder(tmp, "many", OTHER)
    copies(args.workloads / "libown-lib.so", files, many, OTHER)
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(Work(args.workloads / "manymaps", files / f"only_{i:06}", 65000,
                                          seconds + 60, 0.5 / many, **as_user(OTHER)))
                 for i in range(many)]
        for one in crowd:
            one.process.stdout.readline()
        view = stack.enter_context(BpfView(args.outside))
        recorder = stack.enter_context(Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "--hz",
                                                HZ, "-o", f"{tmp}/maps/", cwd=tmp))
        view.wait_for_samples(recorder)
        watch = stack.enter_context(Watch(recorder))
        storms = [stack.enter_context(Work(args.workloads / "mapstorm", seconds - 2,
                                           **as_user(uid))) for uid in (ATTACKER, OTHER)]
        outcomes = [storm.finish() for storm in storms]
        done, bpf = ended(recorder), view.counters()
    if not harness.good(checks, what, done):
        return
    changes = sum(o["changes"] for o in outcomes) / (seconds - 2)
    checks.note(f"{changes:.0f} changes of mappings a second")
    paths = [f["path"] for f in done.files]
    check_common(checks, what, done, bpf, Frames(paths), watch)
    storm_pids = {o["pid"] for o in outcomes}
    right = wrong = 0
    for path in paths:
        file = pprof_file.Profile(path)
        for sample in file.samples:
            if file.owner(sample)[0] not in storm_pids:
                continue
            for location in sample.locations:
                if file.names(location)[0] == "mapstorm_work":
                    right += file.mapping(location).endswith("/mapstorm")
                    wrong += not file.mapping(location).endswith("/mapstorm")
    checks.equal(f"{what}: a storm's own function in another object", wrong, 0)
    checks.at_least(f"{what}: and in its own", right, 1)
    checks.at_most(f"{what}: PSS of all roles at most, MiB", watch.peak / MIB, 64)


def loading(args, checks, tmp):
    """dlopen in a loop, and exec in place in a loop: one process, ever other code."""
    what, seconds, count = "loading", 60 if args.long else 10, 50
    libs, programs = folder(tmp, "libs", ATTACKER), folder(tmp, "programs", OTHER)
    copies(args.workloads / "inplace", programs, count, OTHER)
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(BpfView(args.outside))
        recorder = stack.enter_context(Recorder(args.cprofctl, "-a", "--seconds", seconds + 120, "--hz",
                                                HZ, "-o", f"{tmp}/loading/", cwd=tmp))
        view.wait_for_samples(recorder)
        watch = stack.enter_context(Watch(recorder))
        loader = stack.enter_context(Work(
            args.workloads / "newfiles", args.workloads / "libown-lib.so", args.workloads / "own-only",
            libs, 0, seconds - 2, 100000, -count, **as_user(ATTACKER)))
        exec_of = stack.enter_context(Work(programs / "only_000000", programs, count,
                                           time.clock_gettime(time.CLOCK_MONOTONIC) + seconds - 2, 0,
                                           **as_user(OTHER)))
        exec_of.finish()
        outcome = loader.finish()
        done, bpf = ended(recorder), view.counters()
    if not harness.good(checks, what, done):
        return
    checks.note(f"{outcome['loaded'] / outcome['seconds']:.0f} loaded a second")
    frames = Frames([f["path"] for f in done.files])
    check_common(checks, what, done, bpf, frames, watch)
    execs = [p for p in frames.processes if p[0] == exec_of.pid]
    checks.at_least(f"{what}: programs of the process that becomes another one", len(execs), 100)
    two = [p for p in execs if len(frames.processes[p]) > 1]
    checks.equal(f"{what}: of these with functions of two", len(two), 0)
    checks.at_most(f"{what}: PSS of all roles at most, MiB", watch.peak / MIB, 64)


def memory(args, checks, tmp):
    """300 processes at the default rate: what all roles and the maps take."""
    with contextlib.ExitStack() as stack:
        for i in range(300):
            stack.enter_context(Work("sleep", 60) if i % 3 else
                                Work("sh", "-c", "while :; do sleep 0.2; done"))
        view = stack.enter_context(BpfView(args.outside))
        recorder = stack.enter_context(Recorder(args.cprofctl, "-a", "--seconds", 8, "-o",
                                                f"{tmp}/memory/", cwd=tmp))
        view.wait_for_samples(recorder)
        maps = sum(view.map_bytes().values())
        watch = stack.enter_context(Watch(recorder))
        done = recorder.finish()
    if not harness.good(checks, "memory", done):
        return
    watch.tell(checks, "memory", done.json["seconds"])
    checks.note(f"maps {maps / MIB:.1f} MiB")
    checks.at_most("memory: PSS of all roles and maps, MiB", (watch.last + maps) / MIB, 40)
    checks.at_most("memory: at most, MiB", (watch.peak + maps) / MIB, 60)


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (new_files, small, mappings, loading, memory), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"})])
