# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: recordings, the views from outside, and checks that print figures.

Nothing here believes the profiler. Profiles are read by `go tool pprof`, and one word on its stderr
is a failure; BPF counters are read by bpftool from maps that a helper keeps alive beyond the
recording's end; CPU time comes from the kernel's exact clocks: clock_gettime() on a process's clock
and the cpuacct controller for a CPU (both count nanoseconds of the scheduler, not ticks, which are
the last resort).
"""

import argparse
import contextlib
import functools
import io
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pprof_file

NSEC = 1_000_000_000
SKIP = 77
HERE = pathlib.Path(__file__).resolve().parent


class Skip(Exception):
    """The test cannot be run here; the text says why."""


class Checks:
    """Prints one line per assertion and remembers whether any of them failed."""

    def __init__(self, out=sys.stdout):
        self.failed = []
        self.passed = 0
        self.out = out

    def check(self, name, passed, value, bound=""):
        word = "ok  " if passed else "FAIL"
        text = f"{word} {name}: {value}" + (f" ({bound})" if bound else "")
        print(text, file=self.out, flush=True)
        if passed:
            self.passed += 1
        else:
            self.failed.append(name)
        return passed

    def equal(self, name, value, expected):
        return self.check(name, value == expected, value, f"must be {expected}")

    def within(self, name, value, expected, tolerance):
        return self.check(name, abs(value - expected) <= tolerance, f"{value:.6g}",
                          f"must be {expected:.6g} +- {tolerance:.3g}")

    def between(self, name, value, least, most, tolerance):
        return self.check(name, least - tolerance <= value <= most + tolerance, f"{value:.6g}",
                          f"must be {least:.6g} to {most:.6g}, +- {tolerance:.3g}")

    def at_most(self, name, value, bound):
        return self.check(name, value <= bound, f"{value:.6g}", f"at most {bound:.6g}")

    def at_least(self, name, value, bound):
        return self.check(name, value >= bound, f"{value:.6g}", f"at least {bound:.6g}")

    def note(self, text):
        print(f"     {text}", file=self.out, flush=True)


class Trial:
    """The checks of one attempt: those of @noisy have an error by chance, the others are final."""

    def __init__(self, checks):
        self.checks = checks
        self.noisy = Checks(out=io.StringIO())

    def __getattr__(self, name):
        return getattr(self.checks, name)


def attempts(checks, cnt, measure, *args):
    """measure(Trial, *args) until its noisy checks pass, @cnt times at most; the last one counts.

    For figures that neighbours and chance disturb: a fault that is always there fails every time. What
    has to be right whatever happens is checked by the Trial itself, and then once wrong is wrong.
    """
    for left in reversed(range(cnt)):
        trial = Trial(checks)
        measure(trial, *args)
        if not trial.noisy.failed or not left:
            break
        checks.note(f"again, for {', '.join(trial.noisy.failed)}; it was:")
        for line in trial.noisy.out.getvalue().splitlines():
            checks.note("     " + line)
    checks.out.write(trial.noisy.out.getvalue())
    checks.out.flush()
    checks.passed += trial.noisy.passed
    checks.failed += trial.noisy.failed


def sigmas(variance):
    """What chance adds: five standard deviations are exceeded once in a million times."""
    return 5 * math.sqrt(max(variance, 0))


def absolute(path):
    return pathlib.Path(path).resolve()


def main(run, description, options=()):
    """Parses what meson gives, runs @run(args, checks), turns the result into an exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cprofctl", required=True, type=absolute)
    parser.add_argument("--workloads", required=True, type=absolute)
    parser.add_argument("--outside", required=True, type=absolute)
    parser.add_argument("--only", help="only the parts whose name contains this")
    for args, kwargs in options:
        parser.add_argument(*args, **kwargs)
    args = parser.parse_args()
    # A shell's background job is born with it ignored, and so would be all that we start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    checks = Checks()
    try:
        if not args.cprofctl.exists():
            raise Skip(f"no cprofctl at {args.cprofctl}")
        if os.geteuid() != 0:
            raise Skip("recording needs root")
        run(args, checks)
    except Skip as skip:
        print(f"SKIP: {skip}", flush=True)
        sys.exit(SKIP if not checks.failed else 1)
    print(f"{checks.passed} passed, {len(checks.failed)} failed", flush=True)
    for name in checks.failed:
        print(f"  failed: {name}", flush=True)
    if not checks.passed and not checks.failed:
        print("SKIP: no part could be run", flush=True)
        sys.exit(SKIP)
    sys.exit(1 if checks.failed else 0)


def play(args, checks, functions, *rest):
    """Runs the parts (those that --only names); a missing tool or a broken part ends that part."""
    for part in functions:
        if args.only and args.only not in part.__name__:
            continue
        try:
            part(*rest)
        except Skip as skip:
            checks.note(f"SKIP {part.__name__}: {skip}")
        except (RuntimeError, OSError, KeyError, TypeError, AssertionError) as error:
            checks.check(f"{part.__name__}: the test could go on", False, repr(error))


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f"no {tool}")


# Recordings


class Recording:
    """One finished `cprofctl record --json`."""

    def __init__(self, status, stdout, stderr, seconds, cwd=None):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds
        self.json = None
        # A recorded command's own output may stand before the object.
        lines = stdout.splitlines(keepends=True)
        for i, line in enumerate(lines):
            if line.startswith("{"):
                with contextlib.suppress(ValueError):
                    self.json = json.loads("".join(lines[i:]))
                    break
        self.ended = self.read_ended(cwd) if self.json else {}

    @property
    def books(self):
        return self.json["books"]

    @property
    def counters(self):
        return self.json["counters"]

    @property
    def files(self):
        return self.json["files"]

    def of_pid(self, pid):
        """Samples and nanoseconds of a process, over its execs."""
        mine = [(f["samples"], f["nanoseconds"]) for f in self.files if f["pid"] == pid]
        mine += self.ended.get(pid, [])
        return sum(v[0] for v in mine), sum(v[1] for v in mine)

    def read_ended(self, cwd):
        """{pid: [(samples, nanoseconds)]} of the files that ended processes share."""
        found = {}
        for file in self.files:
            if file["kind"] != "ended":
                continue
            for sample in pprof_file.Profile(pathlib.Path(cwd or ".") / file["path"]).samples:
                found.setdefault(sample.labels["pid"], []).append(sample.values)
        return found


class Recorder:
    """A recording that runs: `with Recorder(...) as r: ...; done = r.finish()`."""

    def __init__(self, cprofctl, *args, cwd=None, prefix=(), timeout=180, **popen):
        self.timeout = timeout
        self.begun = time.monotonic()
        self.cwd = cwd
        self.process = subprocess.Popen(
            [*map(str, prefix), str(cprofctl), "record", "--json", *map(str, args)], cwd=cwd,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        self.result = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            self.result = self.process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.result = self.process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.reader.join()

    def stop(self):
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def finish(self):
        self.reader.join()
        out, err = (part.decode("utf-8", "surrogateescape") for part in self.result)
        return Recording(self.process.returncode, out, err, time.monotonic() - self.begun, self.cwd)


def record(cprofctl, *args, **kwargs):
    with Recorder(cprofctl, *args, **kwargs) as recorder:
        return recorder.finish()


def good(checks, name, recording, statuses=(0,)):
    """A recording that went well; False (and the stderr) when it did not."""
    ok = checks.check(f"{name}: exit status", recording.status in statuses, recording.status,
                      f"one of {list(statuses)}")
    ok &= checks.check(f"{name}: one JSON object", recording.json is not None,
                       "yes" if recording.json is not None else repr(recording.stdout[:200]))
    if not ok:
        checks.note("stderr: " + recording.stderr.strip()[-1500:])
    return ok


@contextlib.contextmanager
def scratch():
    """A directory that everybody may enter, removed at the end."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Meanwhile:
    """What goes on in a thread of its own: `with` one of these, _run() until self.over is set."""

    def __init__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


# Workloads


class Work:
    """A workload in the background; finish() gives what it printed and what the kernel charged."""

    def __init__(self, *argv, **popen):
        self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, **popen)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def finish(self, stop=False):
        """The last line of its output as JSON, with rusage_ns: what the kernel charged it."""
        if stop:
            self.process.terminate()
        out = self.process.stdout.read().decode()
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        line = out.strip().splitlines()[-1] if out.strip() else "{}"
        result = json.loads(line) if line.startswith("{") else {}
        result["rusage_ns"] = round((usage.ru_utime + usage.ru_stime) * NSEC)
        return result


def wait_until(condition, timeout, what):
    """Polls; the value, or Skip-free failure by RuntimeError."""
    end = time.monotonic() + timeout
    while True:
        late = time.monotonic() > end  # before the look: who was kept from the CPU looks once more
        value = condition()
        if value:
            return value
        if late:
            raise RuntimeError(f"{what}: not within {timeout} s")
        time.sleep(0.05)


# The kernel's accounts


def process_cpu_ns(pid):
    """The process's CPU clock: exact to now, whatever runs (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def _cpuacct_mounted():
    for line in open("/proc/self/mounts", encoding="utf-8"):
        words = line.split()
        if words[2] == "cgroup" and "cpuacct" in words[3].split(","):
            with contextlib.suppress(OSError):
                return open(pathlib.Path(words[1]) / "cpuacct.usage_percpu", encoding="utf-8")
    return None


def _cpuacct_own_mount():
    """Mounted only until the file is open: it can be read beyond that, and no mount is left."""
    with tempfile.TemporaryDirectory(prefix="cprof-test-") as where:
        # Where it is mounted already, out of our sight, only the same set of controllers will do.
        for controllers in ("cpuacct", "cpu,cpuacct"):
            if subprocess.run(["mount", "-t", "cgroup", "-o", controllers, "cprof-test", where],
                              capture_output=True, check=False).returncode:
                continue
            try:
                return open(pathlib.Path(where) / "cpuacct.usage_percpu", encoding="utf-8")
            finally:
                subprocess.run(["umount", "-l", where], check=True)
    return None


class CpuClock:
    """Nanoseconds that each CPU was busy since boot, by the most exact account there is."""

    def __init__(self):
        self.grain_ns, self.note = 0, None
        self.file = _cpuacct_mounted() or _cpuacct_own_mount()
        self.parse = lambda text: [int(word) for word in text.split()]
        if self.file:
            return
        with contextlib.suppress(OSError):
            self.file = open("/proc/schedstat", encoding="utf-8")
            self.parse = lambda text: self._by_cpu(text, lambda words: int(words[7]))
            return
        self.file = open("/proc/stat", encoding="utf-8")
        self.grain_ns = NSEC // os.sysconf("SC_CLK_TCK")
        self.parse = lambda text: self._by_cpu(text, self._ticks_ns)
        self.note = (f"no cpuacct and no schedstat here: CPUs by /proc/stat, which counts ticks of "
                     f"{self.grain_ns // 1000000} ms")

    @staticmethod
    def _by_cpu(text, value):
        """Where a line is missing the CPU is offline: its place is kept."""
        rows = {int(line[3:line.index(" ")]): value(line.split()) for line in text.splitlines()
                if re.match(r"cpu\d+ ", line)}
        return [rows.get(cpu, 0) for cpu in range(max(rows) + 1)]

    def _ticks_ns(self, words):
        # User (with guest), nice, system, irq, softirq; not idle, iowait, and what the host stole.
        return sum(int(words[i]) for i in (1, 2, 3, 6, 7)) * self.grain_ns

    def read(self):
        self.file.seek(0)
        return self.parse(self.file.read())


@functools.cache
def cpu_clock():
    return CpuClock()


def steal_ns():
    """What the machine's own host took of all CPUs, in ticks of the kernel's clock."""
    with open("/proc/stat", encoding="utf-8") as file:
        return int(file.readline().split()[8]) * NSEC // os.sysconf("SC_CLK_TCK")


def wait_for_cpu(pids, seconds, timeout=60):
    """Until each of the processes was given so much CPU time, from now on."""
    goals = {pid: process_cpu_ns(pid) + seconds * NSEC for pid in pids}
    wait_until(lambda: all(process_cpu_ns(pid) >= goal for pid, goal in goals.items()), timeout,
               f"{seconds} s of CPU time for {list(goals)}")


def comm_of(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/comm", "rb") as f:
            return f.read()[:-1].decode("utf-8", "surrogateescape")
    return None


def has_ended(pid):
    """It is gone, or waits to be collected."""
    try:
        return bool(re.search(r"^State:\t[ZX]", open(f"/proc/{pid}/status", encoding="utf-8").read(), re.M))
    except OSError:
        return True


def tree_of(pid):
    """The process and all that descend from it: {pid: comm}. Nobody can have who reads status wait."""
    parents, comms = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                status = open(f"/proc/{entry}/status", encoding="utf-8", errors="replace").read()
                comms[int(entry)] = re.match(r"Name:\t(.*)\n", status)[1]
                parents[int(entry)] = int(re.search(r"^PPid:\t(\d+)$", status, re.M)[1])
    found = {pid}
    while True:
        more = {p for p, parent in parents.items() if parent in found} - found
        if not more:
            return {p: comms.get(p, "?") for p in found}
        found |= more


LOOKER = "cprofd-looker"  # opens one file for the opener, and is gone


def roles_of(pid):
    """The same of a daemon, without who is there for a moment only."""
    return {p: comm for p, comm in tree_of(pid).items() if comm != LOOKER}


# BPF from outside


def bpftool(*args):
    done = subprocess.run(["bpftool", *map(str, args), "-j"], capture_output=True, check=False)
    with contextlib.suppress(ValueError):
        return json.loads(done.stdout)
    return None


def counter_names():
    text = (HERE.parents[1] / "include/cprof/counters.def").read_text(encoding="utf-8")
    return re.findall(r"^COUNTER\((\w+), (\w+), (\w+),", text, re.MULTILINE)


def _number(value):
    """bpftool prints plain numbers where there is BTF, else lists of hex bytes."""
    if isinstance(value, list):
        return int.from_bytes(bytes(int(b, 16) for b in value), "little")
    return int(value)


def dump_cpus(map_id):
    """[{name: value}] by CPU, of the counters that BPF keeps."""
    rows = bpftool("map", "dump", "id", map_id)
    if not isinstance(rows, list):
        raise RuntimeError(f"bpftool cannot dump map {map_id}: {rows}")
    names = {i: name for i, (name, side, _) in enumerate(counter_names()) if side == "BPF"}
    cpus = {}
    for row in rows:
        row = row.get("formatted", row)
        name = names.get(_number(row["key"]))
        for v in row["values"] if name else ():
            cpus.setdefault(v["cpu"], {})[name] = _number(v["value"])
    return [cpus[cpu] for cpu in sorted(cpus)]


def dump_counters(map_id):
    """{name: value} of the counters that BPF keeps, summed over all CPUs."""
    cpus = dump_cpus(map_id)
    return {name: sum(cpu[name] for cpu in cpus) for name in cpus[0]}


def maps_shown():
    """Those that bpftool lists. One that goes meanwhile makes it give up: it is asked again."""
    for _ in range(20):
        listed = bpftool("map", "show")
        if isinstance(listed, list):
            return listed
    raise RuntimeError(f"bpftool cannot list maps: {listed}")


def maps_held(pid):
    """Ids of the maps of which the process has a descriptor: not every bpftool knows the owners."""
    found = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            found |= {int(i) for i in re.findall(r"^map_id:\s*(\d+)$", info.read_text("ascii"), re.M)}
    return found


def maps_of(pids):
    return set().union(*(maps_held(pid) for pid in pids))


class BpfView:
    """The counters of one recording, held beyond its end: attach() to it, then counters()."""

    def __init__(self, outside, running=False):
        """@running: what is attached to later runs already."""
        need("bpftool")
        self.outside = outside
        self.before = set() if running else {m["id"] for m in maps_shown()}
        self.holder = None
        self.roots = set()
        self.id = None

    def _mine(self, prefix):
        """This recording's maps: another one may run on the machine."""
        ours = set().union(*(tree_of(root) for root in self.roots))
        held = maps_of(ours) - self.before
        return [m for m in maps_shown() if m["id"] in held and m.get("name", "").startswith(prefix)]

    def map_bytes(self):
        """{name: bytes} of the recording's maps."""
        return {f"{m.get('name') or '?'}#{m['id']}": int(m.get("bytes_memlock", 0))
                for m in self._mine("")}

    def attach(self, recorder, timeout=30):
        """@recorder: that, or the pid from which the recording descends."""
        self.roots = {recorder if isinstance(recorder, int) else recorder.process.pid}
        found = wait_until(lambda: self._mine("cprof_counters"), timeout, "map cprof_counters")
        if len(found) != 1:
            raise RuntimeError(f"several new maps cprof_counters: {len(found)}")
        self.id = found[0]["id"]
        self.holder = subprocess.Popen([self.outside / "hold-map", str(self.id)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.holder.stdout.readline() != b"holding\n":
            raise RuntimeError("hold-map could not hold the map")
        return self

    def wait_for_samples(self, recorder, timeout=30):
        """Until the recording has seen its first tick."""
        self.attach(recorder, timeout)
        wait_until(lambda: sum(self.counters().get(n, 0) for n in ("runs", "idle", "filtered")),
                   timeout, "first tick")

    def counters(self):
        return dump_counters(self.id)

    def counters_by_cpu(self):
        return dump_cpus(self.id)

    def rate_map(self):
        found = self._mine("cprof_rate")
        return found[0]["id"] if len(found) == 1 else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.holder:
            self.holder.communicate()


# Profiles, by go tool pprof


class Pprof:
    """`go tool pprof`, found once (a toolchain since 1.24 builds it at first use)."""

    # It announces the file that -output makes, and nothing else, on stderr.
    NORMAL = re.compile(r"^Generating report in .*\n?$")

    def __init__(self, tmp):
        need("go")
        found = subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, text=True,
                               check=False)
        self.path = found.stdout.strip()
        if found.returncode or not os.path.exists(self.path):
            # The first use builds it where it is kept.
            subprocess.run(["go", "tool", "pprof", "-h"], capture_output=True, check=False)
            if not os.path.exists(self.path):
                raise Skip(f"go tool pprof: {found.stderr.strip() or 'cannot be built'}")
        self.tmp = pathlib.Path(tmp)
        self.env = dict(os.environ, PPROF_TMPDIR=str(tmp), HOME=str(tmp), TZ="UTC")

    def run(self, *args):
        """(stdout, complaint): the complaint is empty when all went without a word."""
        done = subprocess.run([self.path, *map(str, args)], capture_output=True, env=self.env,
                              stdin=subprocess.DEVNULL, check=False, cwd=self.tmp)
        out = done.stdout.decode("utf-8", "replace")
        err = done.stderr.decode("utf-8", "replace")
        complaint = "" if self.NORMAL.match(err) else err.strip()
        if done.returncode:
            complaint += f" (exit status {done.returncode})"
        return out, complaint

    def raw(self, *files):
        out, complaint = self.run("-raw", *files)
        return Raw(out), complaint

    def top(self, *args):
        """[(flat ns, cum ns, name)] in pprof's order, and the complaint."""
        out, complaint = self.run("-top", "-unit=ns", "-nodecount=100000", "-nodefraction=0", *args)
        rows = []
        for line in out.splitlines():
            found = re.match(r"\s*(\d+(?:ns)?)\s+\S+%\s+\S+%\s+(\d+(?:ns)?)\s+\S+%\s+(.+)$", line)
            if found:
                flat, cum = (int(found[i].removesuffix("ns")) for i in (1, 2))
                rows.append((flat, cum, found[3].strip()))
        return rows, complaint

    def routine_ns(self, text):
        """What the headers of -disasm and -weblist's text say: [(name, flat)] in ns."""
        found = re.findall(r"^ROUTINE =+ (.+?)(?: in .*)?\n\s*(\d+)(?:ns)?\s+(?:\d+)(?:ns)? \(flat",
                           text, re.MULTILINE)
        return [(name, int(flat)) for name, flat in found]

    def weblist(self, *args):
        """The HTML of -weblist, and the complaint."""
        target = self.tmp / "weblist.html"
        target.unlink(missing_ok=True)
        _, complaint = self.run("-unit=ns", f"-output={target}", *args)
        return (target.read_text("utf-8", "replace") if target.exists() else ""), complaint


class Bench:
    """Where the parts of a test find their things."""

    def __init__(self, args, checks, tmp):
        self.args = args
        self.checks = checks
        self.tmp = tmp
        self.pprof = Pprof(tmp)


class Raw:
    """The text of `go tool pprof -raw`."""

    def __init__(self, text):
        head, _, rest = text.partition("\nSamples:\n")
        body, _, rest = rest.partition("\nLocations\n")
        self.locations, _, self.mappings = rest.partition("\nMappings\n")
        self.comments = re.findall(r"^Comment: (.*)$", head, re.MULTILINE)
        lines = body.splitlines()
        self.types = [re.sub(r"\[dflt\]$", "", t) for t in lines[0].split()] if lines else []
        self.rows = []
        for line in lines[1:]:
            found = re.match(r"\s*((?:-?\d+\s+)*-?\d+): ?([\d ]*)$", line)
            if found:
                self.rows.append(([int(v) for v in found[1].split()],
                                  [int(i) for i in found[2].split()], []))
            elif self.rows and line.strip():
                self.rows[-1][2].append(line.strip())

    def total(self, kind):
        column = self.types.index(kind)
        return sum(values[column] for values, _, _ in self.rows)

    @property
    def samples(self):
        return self.total("samples/count") if self.types else 0

    @property
    def nanoseconds(self):
        return self.total("cpu/nanoseconds") if self.types else 0

    @property
    def without_location(self):
        return sum(1 for _, locations, _ in self.rows if not locations)

    def comment(self, key):
        """The value of `#cprofd key=value`, or None."""
        for comment in self.comments:
            for word in comment.removeprefix("#cprofd").split():
                name, is_pair, value = word.partition("=")
                if is_pair and name == key:
                    return value
        return None


def sum_files(pprof, paths, batch=64):
    """(samples, nanoseconds, complaints) over many files, a batch at a time."""
    samples = nanoseconds = 0
    complaints = []
    for i in range(0, len(paths), batch):
        raw, complaint = pprof.raw(*paths[i:i + batch])
        samples += raw.samples
        nanoseconds += raw.nanoseconds
        if complaint:
            complaints.append(complaint)
    return samples, nanoseconds, complaints


# The books


def total(figure):
    """A figure that may be given by reason."""
    return sum(figure.values()) if isinstance(figure, dict) else figure


def check_books(checks, name, recording, bpf, pprof):
    """Every sample is somewhere: BPF's counters, the books, and the files say the same."""
    books = recording.books
    dropped, discarded = total(books["dropped"]), total(books["discarded"])
    kinds = {n: kind for n, _, kind in counter_names()}
    bpf_dropped = sum(v for n, v in bpf.items() if kinds[n] == "DROP")
    samples, nanoseconds, complaints = sum_files(pprof, [f["path"] for f in recording.files])

    checks.equal(f"{name}: runs, BPF against books", books["runs"], bpf["runs"])
    checks.equal(f"{name}: missed, BPF against books", books["missed"], bpf["missed"])
    checks.equal(f"{name}: dropped, BPF against books", dropped, bpf_dropped)
    checks.equal(f"{name}: produced = runs + missed", books["produced"],
                 books["runs"] + books["missed"])
    checks.equal(f"{name}: delivered = runs - dropped", books["delivered"], books["runs"] - dropped)
    checks.equal(f"{name}: in profiles + open + discarded = delivered",
                 books["in_profiles"] + books["open_window"] + discarded, books["delivered"])
    checks.equal(f"{name}: difference", books["difference"], 0)
    checks.equal(f"{name}: open window at the end", books["open_window"], 0)
    checks.equal(f"{name}: samples in files, BPF's runs less known losses", samples,
                 bpf["runs"] - bpf_dropped - discarded)
    checks.equal(f"{name}: samples in files, as --json lists them",
                 sum(f["samples"] for f in recording.files), samples)
    checks.equal(f"{name}: nanoseconds in files, as --json lists them",
                 sum(f["nanoseconds"] for f in recording.files), nanoseconds)
    if discarded == 0:
        checks.equal(f"{name}: nanoseconds in files, BPF's weights", nanoseconds,
                     bpf["weight_ns"] - bpf["weight_dropped_ns"])
    checks.check(f"{name}: pprof opens {len(recording.files)} files without a word",
                 not complaints, "; ".join(complaints)[:300] or "yes")
    checks.at_least(f"{name}: samples", books["runs"], 1)
