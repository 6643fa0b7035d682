# SPDX-License-Identifier: Apache-2.0
"""Does every sample name its unit and its container, from outside and from inside?

A real systemd is booted in a container (container.py), with the default hierarchy alone inside while the machine outside may be hybrid. Units that
burn 10 ms run there, each under a name of its own. Groups of v1 hierarchies, with odd names, and made
in a flood are made by hand.
"""

import contextlib
import os
import re
import shlex
import shutil
import threading
import time

import harness
import pprof_file
from container import Container, booted, group, hierarchies, inside, make_tree, wait_for_boot
from harness import BpfView, Recorder, Skip, Work

HZ = 999
UNITS = 20
BURST_US = 10000

# What the files say


class Bench:
    def __init__(self, args, checks, tmp):
        self.args, self.checks, self.tmp = args, checks, tmp
        self.build = args.cprofctl.parents[2]
        self.mounts = hierarchies()
        if "" not in self.mounts:
            raise Skip("the default hierarchy (cgroup2) is not mounted")
        self.tree = None

    def need_tree(self):
        self.tree = self.tree or make_tree(self.args.cache)

    def burst(self, name):
        """A program of its own name, so that whose samples are whose is told by the comm."""
        link = self.tmp / name
        if not link.exists():
            shutil.copy(self.args.workloads / "burst", link)
        return link


def profiles(done):
    return [(f, pprof_file.Profile(f["path"])) for f in done.files]


def samples_of(profile):
    return sum(s.values[0] for s in profile.samples)


def check_bursts(checks, what, done):
    """Every unit's burst was seen, under its own unit's name and no other."""
    if not harness.good(checks, what, done):
        return
    seen, wrong, named, total = set(), [], 0, 0
    for _, profile in profiles(done):
        for sample in profile.samples:
            comm = sample.labels.get("comm") or profile.comment("comm")
            if not re.fullmatch(r"b\d\d", comm or ""):
                continue
            seen.add(comm)
            total += sample.values[0]
            named += sample.values[0] if "burst_inner" in profile.stack(sample) else 0
            if profile.comment("unit") != f"cprof-{comm}.service":
                wrong.append((comm, profile.comment("unit")))
    checks.equal(f"{what}: units of 10 ms that were seen", len(seen), UNITS)
    checks.equal(f"{what}: samples under another unit's name", wrong, [])
    checks.at_least(f"{what}: samples a unit, of 10", total / UNITS, 5)
    # The rest is their start and end in the kernel, which takes longer where others use the machine.
    checks.at_least(f"{what}: of these, in the function that burns", named / max(total, 1), 0.25)
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)


def brief_units(bench, container):
    """Units that live 10 ms, seen by a recording outside and by one inside at the same time."""
    names = [f"b{i:02}" for i in range(UNITS)]
    for name in names:
        bench.burst(name)
    start = "".join(f"systemd-run --quiet --collect --unit=cprof-{name} {bench.tmp}/{name} {BURST_US}\n"
                    for name in names)
    service = [*container.enter(), "systemd-run", "--quiet", "--pipe", "--wait", "--collect",
               "--unit=cprof-inside"]
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(BpfView(bench.args.outside))
        outside = stack.enter_context(Recorder(
            bench.args.cprofctl, "-a", "--seconds", 120, "--hz", HZ, "-o", f"{bench.tmp}/outside/"))
        view.wait_for_samples(outside)
        view = stack.enter_context(BpfView(bench.args.outside))
        within = stack.enter_context(Recorder(
            bench.args.cprofctl, "-a", "--seconds", 100, "--hz", HZ, "-o", f"{bench.tmp}/inside/",
            prefix=service))
        view.wait_for_samples(container.leader)
        container.run("sh", "-c", start)
        container.run("sh", "-c", "until [ -z \"$(systemctl list-units -q --no-legend 'cprof-b*.service')\" ]; "
                      "do sleep 0.1; done")
        # What was opened for their names is answered within the second.
        time.sleep(1)
        container.run("systemctl", "kill", "--kill-who=main", "--signal=INT", "cprof-inside")
        outside.stop()
        done_within, done_outside = within.finish(), outside.finish()
    check_bursts(bench.checks, "outside", done_outside)
    check_bursts(bench.checks, "inside", done_within)
    check_outsiders(bench, done_within)
    bench.checks.equal("outside: processes of unknown groups", done_outside.counters["units_unknown"], 0)
    if done_outside.counters["units_unknown"]:
        none = [f["path"] for f, p in profiles(done_outside) if not p.comment("cgroup")]
        counted = {name: cnt for name, cnt in done_outside.counters.items() if cnt}
        bench.checks.note(f"files without a group: {none}; counters: {counted}")
    paths = {p.comment("cgroup") for _, p in profiles(done_outside) if p.comment("unit") == "cprof-b00.service"}
    bench.checks.check("outside: the path leads through the container's group",
                       all(p and p.startswith("/cprof-test/") for p in paths) and bool(paths), paths)


def check_outsiders(bench, done):
    """Who has no pid inside is in the books and in one file, without a pid."""
    others = [f for f in done.files if f["kind"] == "merged"]
    if not bench.checks.equal("inside: files of processes outside", len(others), 1):
        return
    checks, found = bench.checks, others[0]
    checks.check("inside: its name", "outside-namespace.cpu." in found["path"], found["path"])
    checks.equal("inside: its samples are those that were counted", found["samples"],
                 done.counters["outside_namespace"])
    pids = {s.labels["pid"] for s in pprof_file.Profile(found["path"]).samples}
    checks.equal("inside: pids in it", pids, {0})
    checks.equal("inside: samples in all files", sum(f["samples"] for f in done.files),
                 done.books["in_profiles"])


def inner_pid(pid):
    """Its number in the innermost pid namespace, as text; None where it is gone."""
    with contextlib.suppress(OSError, TypeError):
        status = open(f"/proc/{pid}/status", encoding="utf-8").read()
        return re.search(r"^NSpid:.*?(\d+)$", status, re.M)[1]
    return None


def one_unit(bench, container):
    """record --unit: the unit's processes and nobody else's, also when it is started again."""
    checks = bench.checks
    container.run("systemd-run", "--quiet", "--collect", "--unit=cprof-steady",
                  "--property=Restart=always", bench.args.workloads / "spin", -1, 60)

    def main_pid():
        return container.run("systemctl", "show", "-P", "MainPID", "cprof-steady")

    def work_on(pid, seconds):
        outside = {inner: pid for pid in harness.tree_of(container.leader) for inner in [inner_pid(pid)]}
        harness.wait_for_cpu([outside[pid]], seconds)

    first = main_pid()
    with BpfView(bench.args.outside) as view, Recorder(
            bench.args.cprofctl, "--unit", "cprof-steady", "--seconds", 120, "-o",
            f"{bench.tmp}/steady/") as recorder:
        view.wait_for_samples(recorder)
        work_on(first, 1)
        container.run("systemctl", "kill", "--signal=KILL", "cprof-steady")
        second = harness.wait_until(lambda: main_pid() not in (first, "0") and main_pid(), 30, "a restart")
        work_on(second, 1)
        recorder.stop()
        done = recorder.finish()
    checks.check("--unit: it was started again", first != second, f"{first}, then {second}")
    if harness.good(checks, "--unit", done):
        files = profiles(done)
        units = {p.comment("unit") for _, p in files}
        checks.equal("--unit: units in the files", units, {"cprof-steady.service"})
        inner = {p.comment("inner_pid") for f, p in files if f["comm"] == "spin"}
        checks.check("--unit: both runs were sampled", {first, second} <= inner, inner)
        checks.at_least("--unit: samples", done.books["in_profiles"], 99)
        checks.at_least("--unit: ticks elsewhere were left out", done.counters["filtered"], 1)
    container.run("systemctl", "stop", "cprof-steady")
    done = harness.record(bench.args.cprofctl, "--unit", "cprof-nobody", "--seconds", 1, "-o",
                          f"{bench.tmp}/nobody/")
    checks.equal("--unit of a name that nobody has: exit status", done.status, 1)
    checks.equal("--unit of a name that nobody has: says", done.stderr,
                 "cprofctl: record: no unit cprof-nobody.service runs here: no control group has "
                 "that name; see systemctl\n")


def systemd_inside(bench):
    """The parts that need systemd, in one boot."""
    bench.need_tree()
    with booted(bench) as container:
        wait_for_boot(container)
        brief_units(bench, container)
        one_unit(bench, container)


def container_outside(bench):
    """--pid of a container's process: its container, its unit, its pid inside, names from its tree."""
    bench.need_tree()
    checks, spin = bench.checks, bench.args.workloads / "spin"
    names = ["machine.slice", "machine-cprof\\x2dbox.scope"]
    with Container(bench, names, ["--machine=cprof-box"], [spin, -1, 60]) as container:
        harness.wait_until(lambda: open(f"/proc/{container.leader}/comm").read() == "spin\n", 20,
                           "a program in the container")
        done = harness.record(bench.args.cprofctl, "--pid", container.leader, "--seconds", 2, "-o",
                              f"{bench.tmp}/box/")
    if not harness.good(checks, "container", done):
        return
    file, profile = profiles(done)[0]
    checks.equal("container: the pid is the one outside", file["pid"], container.leader)
    checks.equal("container: its pid inside", profile.comment("inner_pid"), "1")
    checks.equal("container: its name", profile.comment("container"), "cprof-box")
    checks.equal("container: its unit", profile.comment("unit"), names[1])
    hot = sum(s.values[0] for s in profile.samples if {"hot1", "hot3"} & set(profile.stack(s)))
    checks.at_least("container: samples in the program's functions", hot / samples_of(profile), 0.8)


# Groups by hand


def spin_in(bench, stack, path, name, roots=()):
    program = bench.tmp / name
    if not program.exists():
        shutil.copy(bench.args.workloads / "spin", program)
    work = stack.enter_context(Work(*inside(path, program, -1, 60, roots=roots)))
    harness.wait_until(lambda: harness.comm_of(work.pid) == name, 20, f"{name} in its group")
    return work


def record_groups(bench, what, seconds=2, hz=299):
    done = harness.record(bench.args.cprofctl, "-a", "--seconds", seconds, "--hz", hz, "-o",
                          f"{bench.tmp}/{what}/")
    harness.good(bench.checks, what, done)
    return {f["pid"]: p for f, p in profiles(done) if f["pid"]}


def check_place(bench, name, profile, expected):
    if bench.checks.check(f"{name}: has a file", profile is not None, profile is not None):
        for key, value in expected.items():
            bench.checks.equal(f"{name}: {key}", profile.comment(key), value)


def v1_groups(bench):
    """A task in the default root, but in a group of a v1 hierarchy: the first of pids, memory, cpu."""
    ident = "0123456789abcdef" * 4
    wanted = [("pids", ["system.slice", "cprof-old.service", "sub"],
               {"unit": "cprof-old.service", "container": None,
                "cgroup": "/system.slice/cprof-old.service/sub"}),
              ("memory", ["docker", ident],
               {"unit": None, "container": ident, "cgroup": f"/docker/{ident}"})]
    roots = {bench.mounts[c] for c in ("", "pids", "memory") if c in bench.mounts}
    works = []
    with contextlib.ExitStack() as stack:
        for i, (controller, names, expected) in enumerate(wanted):
            if controller not in bench.mounts:
                bench.checks.note(f"SKIP v1 {controller}: not mounted")
                continue
            point = bench.mounts[controller]
            path = stack.enter_context(group(point, "cprof-v1", *names))
            if expected["cgroup"]:
                expected["cgroup"] = "/cprof-v1" + expected["cgroup"]
            works.append((controller, spin_in(bench, stack, path, f"v1-{i}", roots - {point}), expected))
        if not works:
            raise Skip("no v1 hierarchy is mounted")
        found = record_groups(bench, "v1")
    for controller, work, expected in works:
        check_place(bench, f"v1 {controller}", found.get(work.pid), expected)


def odd_names(bench):
    """Names that somebody chose to do harm with: one clean line each, and no unit where there is none."""
    replaced = "\ufffd"
    odd = [(b"a\x1b[31mb.service", f"a{replaced}[31mb.service"),
           (b"x" * 247 + b".service", "x" * 247 + ".service"),
           (b"x" * 255, None),
           (b".service", None),
           (b"\xff\xfe.scope", f"{replaced}{replaced}.scope"),
           ("ü\u202e.service".encode(), f"ü{replaced}.service"),
           (b"a b=c #cprofd pid=1.service", "a b=c #cprofd pid=1.service")]
    works = []
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(group(bench.mounts[""], b"cprof-odd", b"a\nb.service"))
            bench.checks.note("this kernel takes a newline in a group's name")
        except OSError:
            bench.checks.note("the kernel refuses a newline in a group's name")
        for i, (name, unit) in enumerate(odd):
            path = stack.enter_context(group(bench.mounts[""], b"cprof-odd", name))
            works.append((spin_in(bench, stack, path, f"odd-{i}"), name, unit))
        found = record_groups(bench, "odd", 3)
    for work, name, unit in works:
        what = f"group {name[:24]!r}"
        check_place(bench, what, found.get(work.pid), {"unit": unit, "pid": str(work.pid)})
        if work.pid in found:
            strange = [c for c in found[work.pid].comments if re.search(r"[\x00-\x1f\x7f]", c)]
            bench.checks.equal(f"{what}: comments with control characters", strange, [])


def groups_below(bench):
    """record --unit holds what runs in groups below the unit, also in those made meanwhile."""
    with contextlib.ExitStack() as stack:
        unit = stack.enter_context(group(bench.mounts[""], "cprof-top", "cprof-top.service"))
        other = stack.enter_context(group(bench.mounts[""], "cprof-side", "cprof-side.service"))
        spin_in(bench, stack, other, "side")
        view = stack.enter_context(BpfView(bench.args.outside))
        recorder = stack.enter_context(Recorder(bench.args.cprofctl, "--unit", "cprof-top.service",
                                                "--seconds", 60, "-o", f"{bench.tmp}/below-files/"))
        view.wait_for_samples(recorder)
        os.makedirs(os.path.join(unit, "a/b/c"))
        work = spin_in(bench, stack, os.path.join(unit, "a/b/c"), "below")
        harness.wait_for_cpu([work.pid], 1)
        recorder.stop()
        done = recorder.finish()
    if harness.good(bench.checks, "below", done):
        bench.checks.equal("below: files of a spinner beside it",
                           [f["comm"] for f in done.files if f["comm"] == "side"], [])
        bench.checks.at_least("below: samples of the one below", done.of_pid(work.pid)[0], 30)


def flood(bench):
    """Groups made and removed in a loop cost names of groups at most."""
    stop, made = threading.Event(), [0]

    def storm(path):
        while not stop.is_set():
            name = os.path.join(path, f"g{made[0]}")
            os.mkdir(name)
            os.rmdir(name)
            made[0] += 1

    with contextlib.ExitStack() as stack:
        path = stack.enter_context(group(bench.mounts[""], "cprof-flood.slice"))
        unit = stack.enter_context(group(bench.mounts[""], "cprof-calm", "cprof-calm.service"))
        work = spin_in(bench, stack, unit, "calm")
        thread = threading.Thread(target=storm, args=[path])
        thread.start()
        try:
            done = harness.record(bench.args.cprofctl, "-a", "--seconds", 3, "-o", f"{bench.tmp}/flood/")
        finally:
            stop.set()
            thread.join()
    if not harness.good(bench.checks, "flood", done):
        return
    bench.checks.note(f"{made[0]} groups made and removed, {done.counters['cgroup_full']} not told")
    bench.checks.at_least("flood: groups", made[0], 1000)
    bench.checks.equal("flood: difference of the books", done.books["difference"], 0)
    bench.checks.equal("flood: announcements of files that had no room",
                       done.counters["announce_full"], 0)
    found = {f["pid"]: p for f, p in profiles(done)}
    check_place(bench, "flood: the calm unit", found.get(work.pid), {"unit": "cprof-calm.service"})


def ended_of_users(bench):
    """Brief processes of one program that two users run: no file is of both."""
    checks, brief = bench.checks, shlex.quote(str(bench.args.workloads / "brief"))
    other = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    done = harness.record(bench.args.cprofctl, "--hz", 499, "-o", f"{bench.tmp}/users/", "--", "sh", "-c",
                          f"{brief} 10 20 && {other} {brief} 10 20")
    if not harness.good(checks, "users", done):
        return
    found = [pprof_file.Profile(f["path"]) for f in done.files
             if f["kind"] == "ended" and f["comm"] == "exe"]
    checks.equal("users: whose the files are", sorted(p.comment("uid") or "?" for p in found),
                 ["0", "65534"])
    pids = [{p.owner(s) for s in p.samples} for p in found]
    checks.at_least("users: processes in the smaller file", min(map(len, pids), default=0), 5)


def ended(bench):
    """Processes that began and ended within share a file; what was asked for by pid does not."""
    checks, idents = bench.checks, []
    for turn in range(2):
        out = f"{bench.tmp}/ended-{turn}/"
        done = harness.record(bench.args.cprofctl, "--hz", 499, "-o", out, "--",
                              bench.args.workloads / "brief", 50, 20)
        if not harness.good(checks, "ended", done):
            return
        shared = [f for f in done.files if f["kind"] == "ended" and f["comm"] == "exe"]  # by /proc/self/exe
        if not checks.equal("ended: files of 50 processes", len(shared), 1):
            return
        # The kernel may tell of the last ones too late.
        checks.at_most("ended: processes with a file of their own",
                       sum(1 for f in done.files if f["kind"] == "process" and f["comm"] == "exe"), 5)
        profile = pprof_file.Profile(shared[0]["path"])
        pids = {profile.owner(s) for s in profile.samples}
        checks.equal("ended: processes by the comment", profile.comment("processes"), str(len(pids)))
        checks.at_least("ended: processes by labels", len(pids), 35)
        checks.equal("ended: samples in all files", sum(f["samples"] for f in done.files),
                     done.books["in_profiles"])
        idents.append(re.search(r"/exe-ended-([0-9a-f]{16})\.cpu\.", shared[0]["path"])[1])
    checks.equal("ended: the executable's id in two recordings", idents[0], idents[1])
    program = bench.tmp / "briefly"
    shutil.copy(bench.args.workloads / "spin", program)
    with BpfView(bench.args.outside) as view, \
            Recorder(bench.args.cprofctl, "-a", "--seconds", 60, "-o", f"{bench.tmp}/asked-all/") as wide:
        view.wait_for_samples(wide)
        with Work(program, -1, 60) as work, BpfView(bench.args.outside) as view, \
                Recorder(bench.args.cprofctl, "--pid", work.pid, "--seconds", 60, "-o",
                         f"{bench.tmp}/asked/") as asked:
            view.wait_for_samples(asked)
            harness.wait_for_cpu([work.pid], 0.5)
            work.finish(stop=True)
            asked = asked.finish()
        wide.stop()
        wide = wide.finish()
    if harness.good(checks, "ended --pid", asked) and harness.good(checks, "ended -a", wide):
        checks.equal("ended --pid: kinds of files", [f["kind"] for f in asked.files], ["process"])
        kinds = {f["kind"] for f in wide.files if f["comm"] == program.name}
        checks.equal("ended -a: kinds of its files", kinds, {"ended"})
        checks.at_least("ended -a: its samples, by label", wide.of_pid(work.pid)[0], 20)


def run(args, checks):
    with harness.scratch() as tmp:
        bench = Bench(args, checks, tmp)
        harness.play(args, checks, (ended, ended_of_users, v1_groups, odd_names, groups_below, flood, container_outside,
                                    systemd_inside), bench)


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--cache"], {"type": harness.absolute,
                                               "default": "/tmp/cprof-test-cache"})])
