# SPDX-License-Identifier: Apache-2.0
"""What a session samples, of whom, and beside whom.

Events against the kernel's own account of the program; a process with all that descends from it,
and nobody else; several sessions at once, each as exact as if it were alone.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import harness
from harness import NSEC, Recorder, Work

# Between the fork and the exec, and behind the program's own look at its account.
EDGE = 40
# What the kernel keeps from real-time tasks, in a rhythm of a second (sched_rt_runtime_us).
REAL_TIME_REST = 0.05
# What the workload tree has to tell.
TREE = {"in_root", "in_child", "in_grandchild", "in_thread_child", "in_orphan", "in_program", "in_leaf"}


class Bench(harness.Bench):
    def __init__(self, args, checks, tmp):
        super().__init__(args, checks, tmp)
        self.files = 0

    def path(self):
        self.files += 1
        return self.tmp / f"{self.files}.pb.gz"

    def counted(self, name, event, *arguments, options=()):
        """A recorded run of the workload: (recording, its own account, pprof -raw, rows)."""
        path = self.path()
        done = harness.record(self.args.cprofctl, "--event", event, *options, "-o", path, "--",
                              self.args.workloads / "counted", *arguments)
        if not harness.good(self.checks, name, done):
            raise RuntimeError("no recording")
        said = json.loads(next(line for line in done.stdout.splitlines() if '"faults"' in line))
        raw, complaint = self.pprof.raw(path)
        rows, more = self.pprof.top(path)
        self.checks.check(f"{name}: pprof opens it without a word", not complaint + more,
                          complaint + more or "yes")
        self.checks.equal(f"{name}: difference of the books", done.books["difference"], 0)
        self.checks.equal(f"{name}: samples with more files than have room", done.counters["keys_full"], 0)
        return done, said, raw, {row[2]: row for row in rows}


def page_faults(bench):
    """One sample for each fault, where it was taken."""
    checks, pages = bench.checks, 20000
    done, said, raw, rows = bench.counted("page-faults", "page-faults", pages, 1)
    checks.equal("page-faults: sample types", raw.types, ["samples/count", "page_faults/count"])
    checks.equal("page-faults: event", raw.comment("event"), "page-faults")
    checks.within("page-faults: in the file, against getrusage", raw.total("page_faults/count"),
                  said["faults"], EDGE + done.books["missed"])
    checks.within("page-faults: in the function that touches the pages",
                  rows.get("touch_pages", (0, 0))[1], pages, done.books["missed"] + 1)
    checks.equal("page-faults: lost", harness.total(done.books["dropped"]), 0)


def page_faults_by_count(bench):
    """One sample for every 100: they still stand for all of them."""
    done, said, raw, _ = bench.counted("page-faults/100", "faults/100", 40000, 1)
    bench.checks.equal("page-faults/100: each sample stands for 100", raw.total("page_faults/count"),
                       100 * raw.samples)
    bench.checks.equal("page-faults/100: counted", done.json["event_count"], 100)
    # The CPUs' counters run on from others' faults: a period at most on each, and as chance will have
    # it (a 12th of a period squared, before and after) whenever somebody else was there in between.
    chance = harness.sigmas(100 * 100 / 6 * said["switches"])
    bench.checks.within("page-faults/100: in the file, against getrusage",
                        raw.total("page_faults/count"), said["faults"],
                        100 * (3 + done.books["missed"]) + EDGE + chance)


def context_switches(bench):
    sleeps = 3000
    done, said, raw, rows = bench.counted("context-switches", "cs", 1, sleeps)
    bench.checks.equal("context-switches: sample types", raw.types,
                       ["samples/count", "context_switches/count"])
    bench.checks.within("context-switches: in the file, against getrusage",
                        raw.total("context_switches/count"), said["switches"], EDGE)
    # The C library's wrapper has no frame: its caller is skipped, and main is the first to show.
    bench.checks.at_least("context-switches: in the program's own code", rows.get("main", (0, 0))[1],
                          0.99 * sleeps)


def spinner(bench, name, *options):
    """A spinner under --pid, its nanoseconds against the kernel's account."""
    path = bench.path()
    with Work(bench.args.workloads / "spin", 1, 60) as work:
        done = harness.record(bench.args.cprofctl, "--pid", work.pid, "--seconds", 4, "-o", path,
                              *options)
    if not harness.good(bench.checks, name, done):
        return
    raw, _ = bench.pprof.raw(path)
    truth, share = int(raw.comment("cpu_true_ns")), int(raw.comment("cpu_true_ns")) / 4 / NSEC
    bench.checks.equal(f"{name}: sample types", raw.types, ["samples/count", "cpu/nanoseconds"])
    bench.checks.within(f"{name}: ns of its profile over the kernel's", raw.nanoseconds / truth, 1,
                        0.02 + harness.sigmas((1 - share) / raw.samples))
    return done, raw


def clocks(bench):
    spinner(bench, "task-clock", "--event", "task-clock")
    done, raw = spinner(bench, "cpu-clock by ns", "--event", "cpu-clock/2000000")
    bench.checks.equal("cpu-clock/2000000: said so", raw.comment("event_count"), "2000000")
    # A sample stands for the ticks before it that were missed, too.
    ticks = raw.samples * done.books["produced"] / done.books["runs"]
    bench.checks.within("cpu-clock/2000000: ns a tick", raw.nanoseconds / ticks, 2e6,
                        1e5 + harness.sigmas(2e6 * 2e6 / raw.samples * done.books["missed"] /
                                             done.books["produced"]))
    bench.checks.equal("cpu-clock/2000000: books", done.books["difference"], 0)


def said_by(text):
    """{name: nanoseconds} of the workload's lines."""
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {row["name"]: row["cpu_ns"] for row in rows}


def grown(bench, milliseconds, *options):
    """The tree under --children, from before until its end, beside an outsider: what each said."""
    program = bench.args.workloads / "tree"
    with subprocess.Popen([program, "root", str(milliseconds)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as tree, \
            subprocess.Popen([program, "outsider", str(milliseconds)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE) as outsider, \
            harness.BpfView(bench.args.outside) as view:
        time.sleep(0.3)
        with Recorder(bench.args.cprofctl, "--pid", tree.pid, "--children", "--hz", 499,
                      "--seconds", 60, *options, cwd=bench.tmp) as recorder:
            view.wait_for_samples(recorder)
            outsider.stdin.write(b"g")
            outsider.stdin.flush()
            out = tree.communicate(b"g")[0].decode()
            done = recorder.finish()
        outside = outsider.communicate()[0].decode()
    bench.checks.equal("an outsider and its child were at work", outside.count("in_outsider"), 2)
    return tree.pid, said_by(out), done


def children(bench):
    """Whoever descends is recorded, whoever does not is not; it ends when the last one is gone."""
    checks, path = bench.checks, bench.path()
    _, said, done = grown(bench, 400, "-o", path)
    if not harness.good(checks, "--children", done):
        return
    rows, complaint = bench.pprof.top(path)
    cum = {name: ns for _, ns, name in rows}
    checks.check("--children: pprof -top says nothing else", not complaint, complaint or "yes")
    for name, truth in sorted(said.items()):
        # Each sample stands for 2 ms; and one tick at each end.
        bound = harness.sigmas(truth * 2e6) + 4e6
        if name == "in_leaf":
            # Some leaves are at work at the edges.
            bound += 0.05 * truth
        checks.within(f"--children: ns in {name}", cum.get(name, 0), truth, bound)
    checks.equal("--children: who said what", sorted(said), sorted(TREE))
    checks.equal("--children: nothing of an outsider", cum.get("in_outsider", 0), 0)
    checks.equal("--children: ended by itself", done.json["ended_by"], "gone")
    checks.equal("--children: difference of the books", done.books["difference"], 0)
    checks.equal("--children: children that could not be marked", done.counters["tag_failed"], 0)


def children_apart(bench):
    """Into a directory: a file for each that was there, one for those that came and went."""
    pid, said, done = grown(bench, 50, "-o", f"{bench.tmp}/apart/")
    if not harness.good(bench.checks, "--children into a directory", done):
        return
    pids = {f["pid"] for f in done.files}
    bench.checks.check("--children into a directory: the process itself", pid in pids, sorted(pids))
    bench.checks.at_least("--children into a directory: files of those that were there",
                          len(pids - {0}), 3)
    bench.checks.at_least("--children into a directory: files of the others",
                          sum(f["pid"] == 0 for f in done.files), 1)


def descended(bench, how):
    """What the workload tells of itself under --children, and the recording."""
    path = bench.path()
    with harness.BpfView(bench.args.outside) as view, \
            subprocess.Popen([bench.args.workloads / "descent", how, "500"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE) as work, \
            Recorder(bench.args.cprofctl, "--pid", work.pid, "--children", "--hz", 499,
                     "--seconds", 20, "-o", path, cwd=bench.tmp) as recorder:
        view.wait_for_samples(recorder)
        out = work.communicate(b"g")[0].decode()
        done = recorder.finish()
    if not out:
        raise harness.Skip(f"the workload {how} cannot run here")
    if harness.good(bench.checks, f"--children, {how}", done):
        bench.checks.equal(f"--children, {how}: ended by itself", done.json["ended_by"], "gone")
        bench.checks.equal(f"--children, {how}: difference of the books",
                           done.books["difference"], 0)
    return json.loads(out), path


def children_oddly(bench):
    """A thread that becomes a program, and work that no fork tells of, are of the tree too."""
    for how in ("exec", "uring"):
        said, path = descended(bench, how)
        raw, _ = bench.pprof.raw(path)
        # A sample's error, and what the others of the tree did beside it.
        bench.checks.within(f"--children, {how}: ns in the file", raw.nanoseconds, said["cpu_ns"],
                            harness.sigmas(said["cpu_ns"] * 2e6) + 20e6)


def holds_pidfd(process, pid):
    """Has the process a descriptor of the other one?"""
    for info in pathlib.Path(f"/proc/{process}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            if f"\nPid:\t{pid}\n" in info.read_text(encoding="ascii"):
                return True
    return False


def pid_taken(bench):
    """One that is gone when the recording begins: who takes its pid is somebody else."""
    spin = bench.args.workloads / "spin"
    with Work(spin, 1, 60) as stays, Work(spin, 1, 60) as goes:
        # It has no samples of its own, however late we kill it.
        goes.process.send_signal(signal.SIGSTOP)
        take_pid(bench, stays, goes)


def take_pid(bench, stays, goes):
    checks, spin = bench.checks, bench.args.workloads / "spin"
    last_pid = pathlib.Path("/proc/sys/kernel/ns_last_pid")
    with harness.BpfView(bench.args.outside) as view, \
            Recorder(bench.args.cprofctl, "--pid", stays.pid, "--pid", goes.pid, "--seconds", 60,
                     "-o", f"{bench.tmp}/taken/", cwd=bench.tmp) as recorder:
        harness.wait_until(lambda: holds_pidfd(recorder.process.pid, goes.pid), 30, "a pidfd")
        goes.process.kill()
        goes.process.wait()
        view.wait_for_samples(recorder)
        for _ in range(20):
            last_pid.write_text(str(goes.pid - 1), encoding="ascii")
            with Work(spin, 1, 60) as taker:
                if taker.pid == goes.pid:
                    harness.wait_for_cpu([taker.pid, stays.pid], 0.7)
                    break
        else:
            raise harness.Skip("others take the pid")
        recorder.stop()
        done = recorder.finish()
    if harness.good(checks, "a pid that was taken", done):
        checks.equal("a pid that was taken: samples", done.of_pid(goes.pid)[0], 0)
        checks.at_least("a pid that was taken: samples of who stays", done.of_pid(stays.pid)[0], 50)


def at_once(bench, name, seconds, sessions):
    """A spinner that lives within several sessions: (its pid, the kernel's ns, recordings)."""
    fifo = bench.tmp / f"{name}.fifo".replace(" ", "-")
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    # In real time: what others take of its CPU would make it a sample of the CPU.
    script = f'read x < "{fifo}"; exec chrt -f 1 "$0" 1 {seconds}'
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(Work("sh", "-c", script, bench.args.workloads / "spin"))
        recorders = []
        for i, (who, hz) in enumerate(sessions):
            whom = ["-a"] if who == "all" else ["--pid", work.pid]
            view = stack.enter_context(harness.BpfView(bench.args.outside))
            recorders.append(stack.enter_context(Recorder(
                bench.args.cprofctl, *whom, "--hz", hz, "--seconds", seconds + 120,
                "-o", f"{bench.tmp}/{name.replace(' ', '-')}-{i}/", cwd=bench.tmp)))
            view.wait_for_samples(recorders[-1])
        fifo.write_text("go\n", encoding="ascii")
        truth = work.finish()["rusage_ns"]
        for recorder in recorders:
            recorder.stop()
        return work.pid, truth, [recorder.finish() for recorder in recorders]


def each_exact(checks, bench, name, seconds, sessions):
    """None of them disturbs another: time, ticks and books are as if it were alone."""
    pid, truth, dones = at_once(bench, name, seconds, sessions)
    share = min(truth / NSEC / seconds, 1)
    checks.note(f"{name}: others had {100 * (1 - share):.1f} % of the spinner's CPU")
    for (who, hz), done in zip(sessions, dones):
        label = f"{name}: {who} at {hz} Hz"
        if not harness.good(checks, label, done):
            continue
        books, (samples, nanoseconds) = done.books, done.of_pid(pid)
        # What others took of the CPU makes the rest a sample of it, with a sample's error.
        error = harness.sigmas((1 - share - REAL_TIME_REST) / max(samples, 1))
        checks.noisy.within(f"{label}: ns of the spinner over the kernel's", nanoseconds / truth, 1,
                            max(0.01, error))
        checks.equal(f"{label}: difference of the books", books["difference"], 0)
        checks.equal(f"{label}: dropped", harness.total(books["dropped"]), 0)
        checks.equal(f"{label}: samples in files", sum(f["samples"] for f in done.files),
                     books["runs"])
        checks.note(f"{samples} samples of the spinner, {nanoseconds / NSEC:.3f} s, kernel "
                    f"{truth / NSEC:.3f} s; {books['missed']} missed of {books['produced']}")
        # Ticks that ran and that were missed are all that were due: the rate is as asked for.
        if who == "all":
            due = done.counters["weight_ns"] * hz / NSEC
            checks.noisy.within(f"{label}: ticks that ran or were missed over those due",
                                books["produced"] / due, 1, 0.02 + harness.sigmas(1 / due))


def side_by_side(bench):
    harness.attempts(bench.checks, 1 if bench.args.long else 3, each_exact, bench, "two at once",
                     60 if bench.args.long else 15, [("pid", 99), ("all", 999)])


def five_at_once(bench):
    harness.attempts(bench.checks, 1 if bench.args.long else 3, each_exact, bench, "five at once",
                     60 if bench.args.long else 8,
                     [("pid", 49), ("all", 99), ("pid", 999), ("all", 499), ("pid", 99)])


def command_as_it_is(bench):
    """A recorded command has its own stdin, stdout, stderr, descriptors, directory, and status."""
    script = "read line; echo out $line $(pwd); echo err >&2; echo five >&5; exit 7"
    (bench.tmp / "input").write_text("hello\n", encoding="ascii")
    with open(bench.tmp / "input", "rb") as stdin, open(bench.tmp / "five", "wb") as five:
        done = subprocess.run(
            ["sh", "-c", 'exec 5>&1 1>out 2>err; exec "$0" -q record -o x.pb.gz -- sh -c "$1"',
             bench.args.cprofctl, script], stdin=stdin, stdout=five, check=False, cwd=bench.tmp)

    def text(name):
        return (bench.tmp / name).read_text("ascii").strip()

    bench.checks.equal("a command: exit status", done.returncode, 7)
    bench.checks.equal("a command: stdin, stdout, directory", text("out"), f"out hello {bench.tmp}")
    bench.checks.equal("a command: stderr", text("err"), "err")
    bench.checks.equal("a command: descriptor 5", text("five"), "five")


def limits(bench):
    """What cannot be had is said in one line, with what to do."""
    checks, ctl = bench.checks, bench.args.cprofctl
    done = harness.record(ctl, "-a", "--event", "nonsense")
    checks.equal("no such event: exit status", done.status, 2)
    checks.check("no such event: one line lists what there is",
                 done.stderr.count("\n") == 1 and " page-faults " in done.stderr, done.stderr[:80])
    done = harness.record(ctl, "-a", "--seconds", 1, "--event", "cycles", "-o", f"{bench.tmp}/hw/")
    if done.status == 0:
        checks.check("cycles: sampled by the PMU", done.books["runs"] > 0, done.books["runs"])
    else:
        checks.equal("no PMU: exit status", done.status, 1)
        checks.check("no PMU: one line, with what to do",
                     done.stderr.count("\n") == 1 and "--event cpu-clock" in done.stderr,
                     done.stderr.strip())
    sysctl = "/proc/sys/kernel/perf_event_max_sample_rate"
    before = open(sysctl, encoding="ascii").read()
    try:
        open(sysctl, "w", encoding="ascii").write("5000")
        done = harness.record(ctl, "-a", "--seconds", 1, "--hz", 6000)
        checks.equal("--hz beyond the kernel's limit: exit status", done.status, 1)
        checks.check("--hz beyond the kernel's limit: one line, with what to do",
                     done.stderr.count("\n") == 1 and "--hz 5000" in done.stderr,
                     done.stderr.strip())
    finally:
        open(sysctl, "w", encoding="ascii").write(before)


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (page_faults, page_faults_by_count, context_switches, clocks,
                                    children, children_apart, children_oddly, pid_taken,
                                    side_by_side, five_at_once,
                                    command_as_it_is, limits), Bench(args, checks, tmp))


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--long"], {"action": "store_true"})])
