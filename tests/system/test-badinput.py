# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear line (what: why; next step) and the right exit status, or a counter; nothing
else is lost.
"""

import contextlib
import os
import re
import struct
import subprocess
import time

import harness
from harness import Work

# From asm/unistd_64.h.
NR_PERF_EVENT_OPEN = 298
NR_BPF = 321
EACCES = 13
ENOSYS = 38
NOBODY = 65534
CLEAR_LINE = re.compile(r"^cprofctl: [^:]+: .+; .+$")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def refused(checks, name, done, statuses=(1,), says=None):
    """It failed with one clear line, long before the 20 s were over, and left no empty file behind."""
    lines = done.stderr.strip().splitlines()
    checks.check(f"{name}: exit status", done.status in statuses, done.status,
                 f"one of {list(statuses)}")
    checks.check(f"{name}: one line, what: why; next step",
                 len(lines) == 1 and bool(CLEAR_LINE.match(lines[0])), " | ".join(lines)[:400])
    if says:
        checks.check(f"{name}: the line says", bool(re.search(says, done.stderr, re.IGNORECASE)),
                     " | ".join(lines)[-200:], says)
    checks.at_most(f"{name}: told at once, s", done.seconds, 15)


def no_such_pid(args, checks, tmp):
    with Work("true") as gone:
        gone.finish()
    done = harness.record(args.cprofctl, "--pid", gone.pid, "--seconds", 30, cwd=tmp)
    refused(checks, "no such pid", done, says=str(gone.pid))
    done = harness.record(args.cprofctl, "--pid", "12x", cwd=tmp)
    checks.equal("a pid that is no number: exit status", done.status, 2)


def pid_exits(args, checks, tmp):
    """A process that ends meanwhile ends the recording, and keeps its samples."""
    with Work(args.workloads / "spin", -1, 60) as work, harness.BpfView(args.outside) as view, \
            harness.Recorder(args.cprofctl, "--pid", work.pid, "--seconds", 60, cwd=tmp) as recorder:
        view.wait_for_samples(recorder)
        harness.wait_for_cpu([work.pid], 1)
        work.finish(stop=True)
        ended = time.monotonic()
        done = recorder.finish()
        ended = time.monotonic() - ended
    if harness.good(checks, "pid that exits", done):
        checks.at_most("pid that exits: the recording ends with it, s", ended, 15)
        checks.at_least("pid that exits: samples kept", done.of_pid(work.pid)[0], 50)
        checks.equal("pid that exits: difference", done.books["difference"], 0)


def pid_taken_over(args, checks, tmp):
    """One of two pids exits and its number goes to somebody else: he is not recorded."""
    spin, out = args.workloads / "spin", tmp / "taken"
    with Work(spin, -1, 60) as other, Work(spin, -1, 60) as first, \
            harness.BpfView(args.outside) as view:
        with open(f"/proc/{first.pid}/stat", encoding="ascii") as stat:
            start = int(stat.read().rsplit(")", 1)[1].split()[19])
        recorder = harness.Recorder(args.cprofctl, "--pid", f"{other.pid},{first.pid}",
                                    "--seconds", 60, "-o", f"{out}/", cwd=tmp)
        with recorder:
            view.wait_for_samples(recorder)
            harness.wait_for_cpu([first.pid, other.pid], 0.6)
            first.process.kill()
            first.process.wait()
            for _ in range(50):
                with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
                    last.write(str(first.pid - 1))
                stranger = subprocess.Popen([spin, "-1", "60"], stdout=subprocess.DEVNULL)
                if stranger.pid == first.pid:
                    break
                stranger.kill()
                stranger.wait()
            checks.equal("pid taken over: the stranger has the number", stranger.pid, first.pid)
            harness.wait_for_cpu([stranger.pid, other.pid], 0.5)
            recorder.stop()
            done = recorder.finish()
            stranger.kill()
            stranger.wait()
    harness.good(checks, "pid taken over", done)
    checks.at_least("pid taken over: samples of the other", done.of_pid(other.pid)[0], 50)
    checks.equal("pid taken over: whose files have the number, by start",
                 [f["start"] for f in done.files if f["pid"] == first.pid], [start])


def kernel_thread(args, checks, tmp):
    """A kernel thread may be recorded; one that does nothing has nothing to show."""
    kthreadd = [p for p, comm in harness.tree_of(2).items() if comm == "kthreadd"]
    if not kthreadd:
        checks.note("SKIP kernel thread: none in this pid namespace")
        return
    done = harness.record(args.cprofctl, "--pid", kthreadd[0], "--seconds", 1, cwd=tmp)
    if done.status == 0:
        harness.good(checks, "kernel thread", done)
        return
    refused(checks, "kernel thread", done, statuses=(3,))


def no_such_command(args, checks, tmp):
    done = harness.record(args.cprofctl, "--", "/nonexistent/prog", "x", cwd=tmp)
    refused(checks, "no such command", done, statuses=(127,), says="/nonexistent/prog")
    plain = tmp / "not-executable"
    plain.write_text("x")
    done = harness.record(args.cprofctl, "--", plain, cwd=tmp)
    refused(checks, "command not executable", done, statuses=(126,))


def no_output(args, checks, tmp):
    """An output that cannot be written is known before the time is spent."""
    done = harness.record(args.cprofctl, "-a", "--seconds", 20, "-o", "/proc/nothing/here/",
                          cwd=tmp)
    refused(checks, "output not writable", done, says="/proc/nothing")
    done = harness.record(args.cprofctl, "--pid", os.getpid(), "--seconds", 20, "-o",
                          "/proc/nothing.pb.gz", cwd=tmp)
    refused(checks, "output file not writable", done, says="/proc/nothing")


def wrong_usage(args, checks, tmp):
    for options in ((), ("-a", "--pid", "1"), ("-a", "--hz", "0"), ("-a", "--seconds", "soon"),
                    ("--nonsense",)):
        done = harness.record(args.cprofctl, *options, cwd=tmp)
        checks.equal(f"usage {' '.join(options) or '(nothing)'}: exit status", done.status, 2)
        checks.check(f"usage {' '.join(options) or '(nothing)'}: says why",
                     done.stderr.startswith("cprofctl: "), done.stderr.strip()[:200])


def reachable(path):
    """Whether uid NOBODY can execute it."""
    return all(p.stat().st_mode & 0o001 for p in [path, *path.parents])


def not_root(args, checks, tmp):
    if not reachable(args.cprofctl):
        checks.note(f"SKIP not root: others cannot reach {args.cprofctl}")
        return
    open_dir = tmp / "open"
    open_dir.mkdir()
    open_dir.chmod(0o777)
    done = harness.record(args.cprofctl, "-a", "--seconds", 20, cwd=open_dir, user=NOBODY,
                          group=NOBODY, extra_groups=[])
    refused(checks, "not root", done, says="root|CAP_|sudo")


def no_capability(args, checks, tmp):
    """Root without the capabilities, as in a container."""
    harness.need("setpriv")
    names = "bpf,perfmon,sys_admin"
    prefix = ["setpriv", "--bounding-set=" + ",".join(f"-{n}" for n in names.split(","))]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        checks.note("SKIP no capability: setpriv does not know these names")
        return
    done = harness.record(args.cprofctl, "-a", "--seconds", 20, cwd=tmp, prefix=prefix)
    refused(checks, "no capability", done, says="CAP_")


def denied_calls(args, checks, tmp):
    """What a paranoid kernel, a seccomp profile or a kernel without BPF answers."""
    for name, error, call, says in (
            ("perf_event_open denied", EACCES, NR_PERF_EVENT_OPEN, "perf_event"),
            ("bpf absent", ENOSYS, NR_BPF, "bpf")):
        prefix = [args.outside / "deny", error, call, "--"]
        done = harness.record(args.cprofctl, "-a", "--seconds", 20, cwd=tmp, prefix=prefix)
        refused(checks, name, done, says=says)


def one_cpu_denied(args, checks, tmp):
    """An event that cannot be opened on one CPU: the others are sampled, and it is said."""
    if os.cpu_count() < 2:
        checks.note("SKIP one CPU denied: there is one CPU only")
        return
    prefix = [args.outside / "deny", EACCES, f"{NR_PERF_EVENT_OPEN}:2=1", "--"]
    with Work(args.workloads / "spin", 0, 60) as mine, \
            Work(args.workloads / "spin", 1, 60) as unseen:
        done = harness.record(args.cprofctl, "-a", "--seconds", 2, cwd=tmp, prefix=prefix)
        if not harness.good(checks, "one CPU denied", done):
            return
        checks.at_least("one CPU denied: samples on the other", done.of_pid(mine.pid)[0], 15)
        checks.equal("one CPU denied: samples on it", done.of_pid(unseen.pid)[0], 0)
    said = f"1 of {os.cpu_count()} CPUs are not sampled"
    checks.check("one CPU denied: it is said", any(said in line for line in done.json["degraded"]),
                 done.json["degraded"], said)
    checks.equal("one CPU denied: the books' difference", done.books["difference"], 0)


def no_btf(args, checks, tmp):
    harness.need("unshare", "mount")
    prefix = ["unshare", "-m", "sh", "-c",
              'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        checks.note("SKIP no BTF: cannot mount over /sys/kernel/btf")
        return
    done = harness.record(args.cprofctl, "-a", "--seconds", 20, cwd=tmp, prefix=prefix)
    refused(checks, "no BTF", done, says="BTF")


def daemon_start(args, checks, tmp):
    """The daemon refuses in the same way, before it is ready: one line, status 1."""
    cprofd = args.cprofctl.parents[2] / "daemon/launcher/cprofd"
    deny = [str(args.outside / "deny")]
    hide = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
    for name, prefix, setting, says in (
            ("wrong value", [], "Sampling.FrequencyHz=0", "FrequencyHz=0: out of range; allowed: 1 to 10000"),
            ("no such event", [], "Sampling.Event=nosuch", "Event=nosuch: no such event; allowed: "),
            ("somebody's directory", [], "Profiles.Directory=/etc", "Directory=/etc: not empty"),
            ("no capability", ["setpriv", "--bounding-set=-bpf,-perfmon"], "", "root without CAP_BPF CAP_PERFMON"),
            ("no BTF", hide, "", "no kernel types: .*; mount /sys"),
            ("bpf absent", [*deny, str(ENOSYS), str(NR_BPF), "--"], "", "do not load on this kernel: .*; Linux"),
            ("perf_event_open denied", [*deny, str(EACCES), str(NR_PERF_EVENT_OPEN), "--"], "",
             "refused perf_event_open: .*; CAP_PERFMON")):
        settings = [f"Control.Socket={tmp}/run/s.sock", f"Profiles.Directory={tmp}/p", "Control.Group=root", setting]
        options = [word for s in settings if s for word in ("-o", s)]
        done = subprocess.run([*prefix, cprofd, *options], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=60)
        checks.equal(f"daemon, {name}: exit status", done.returncode, 1)
        lines = done.stderr.splitlines()
        checks.check(f"daemon, {name}: one line that says", len(lines) == 1 and bool(re.search(says, lines[0])),
                     " | ".join(lines)[:300], says)


class Elf:
    """Just enough of an ELF64 file to make its section table lie (elf(5))."""

    SHOFF, SHENTSIZE, SHNUM, SHSTRNDX = 40, 58, 60, 62
    SH_OFFSET, SH_SIZE, SH_LINK, SH_ENTSIZE = 24, 32, 40, 56
    SYMTAB, STRTAB, DYNSYM = 2, 3, 11

    def __init__(self, data):
        self.data = bytearray(data)
        self.shoff, = struct.unpack_from("<Q", data, self.SHOFF)
        self.shnum, = struct.unpack_from("<H", data, self.SHNUM)

    def patch(self, kinds, field, form, value):
        """Sets a field of all section headers of these types."""
        for i in range(self.shnum):
            at = self.shoff + 64 * i
            if struct.unpack_from("<I", self.data, at + 4)[0] in kinds:
                struct.pack_into(form, self.data, at + field, value)
        return self

    def head(self, offset, form, value):
        struct.pack_into(form, self.data, offset, value)
        return self


LIES = {
    "size-huge": lambda e: e.patch((2, 11), Elf.SH_SIZE, "<Q", 0xFFFFFFFFFFFFFF00),
    "size-gib": lambda e: e.patch((2,), Elf.SH_SIZE, "<Q", 24 << 34),
    "offset-beyond": lambda e: e.patch((2, 3), Elf.SH_OFFSET, "<Q", 1 << 40),
    "entsize-zero": lambda e: e.patch((2, 11), Elf.SH_ENTSIZE, "<Q", 0),
    "link-beyond": lambda e: e.patch((2, 11), Elf.SH_LINK, "<I", 0xFFFFFFF0),
    "shnum-huge": lambda e: e.head(Elf.SHNUM, "<H", 0xFEFF),
    "shoff-beyond": lambda e: e.head(Elf.SHOFF, "<Q", 0x7FFFFFFFFFFFFFC0),
    "shstrndx-beyond": lambda e: e.head(Elf.SHSTRNDX, "<H", 0xFEFE),
    "strtab-cut": lambda e: e.patch((3,), Elf.SH_SIZE, "<Q", 3),
}


def lying_elf(args, checks, tmp):
    """Hot programs whose section tables lie: they run, so they are profiled, named or not."""
    honest = (args.workloads / "spin").read_bytes()
    with contextlib.ExitStack() as stack:
        works = {}
        for name, lie in LIES.items():
            path = tmp / f"lie-{name}"
            path.write_bytes(lie(Elf(honest)).data)
            path.chmod(0o755)
            works[name] = stack.enter_context(Work(path, -1, 60))
        true = stack.enter_context(Work(args.workloads / "spin", -1, 60))
        done = harness.record(args.cprofctl, "-a", "--seconds", 5, "-o", f"{tmp}/lies/", cwd=tmp)
    if not harness.good(checks, "lying ELF", done):
        return
    pprof = harness.Pprof(tmp)
    for name, work in works.items():
        samples, _ = done.of_pid(work.pid)
        checks.at_least(f"lying ELF {name}: samples", samples, 5)
    _, _, complaints = harness.sum_files(pprof, [f["path"] for f in done.files], batch=1)
    checks.check("lying ELF: pprof opens every file", not complaints, "; ".join(complaints)[:300])
    mine = [f for f in done.files if f["pid"] == true.pid]
    rows = pprof.top(mine[0]["path"])[0] if mine else []
    checks.check("lying ELF: the honest one beside them is named",
                 bool(rows) and rows[0][2] == "hot3", rows[:1])
    checks.at_least("lying ELF: counted (bad, or without symbols)",
                    done.counters["objects_bad"] + done.counters["objects_unnamed"], 1)
    checks.equal("lying ELF: difference", done.books["difference"], 0)


ODD = [b"a\nb", b"\x1b[31mred", b"../../etc/pw", b"\xff\xfe\x80", b"-rf", b".", b"..",
       b'a"b\\c', b"k=v x", b"\xe2\x82", b"%s%n", b"\x01\x7f"]


def odd_comms(args, checks, tmp):
    """Names with newline, escape, slashes and no encoding."""
    out = tmp / "odd"
    before = set(os.listdir(tmp))
    with contextlib.ExitStack() as stack:
        works = {comm: stack.enter_context(Work(args.workloads / "oddcomm", comm.hex(), 60))
                 for comm in ODD}
        for comm, work in works.items():
            harness.wait_until(lambda c=os.fsdecode(comm), p=work.pid: harness.comm_of(p) == c, 20, comm)
        done = harness.record(args.cprofctl, "-a", "--seconds", 5, "-o", f"{out}/", cwd=tmp)
        text = subprocess.run([args.cprofctl, "record", "-a", "--seconds", "2", "-o", f"{out}-2/"],
                              cwd=tmp, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if not harness.good(checks, "odd comms", done):
        return
    pprof = harness.Pprof(tmp)
    for comm, work in works.items():
        mine = [f for f in done.files if f["pid"] == work.pid]
        name = os.path.relpath(mine[0]["path"], out) if mine else "(none)"
        checks.check(f"comm {comm!r}: file name", bool(re.fullmatch(
            r"[A-Za-z0-9._-]+\.pb\.gz", name)) and not name.startswith((".", "-")), name)
    inside = [str(p.relative_to(out)) for p in out.rglob("*")]
    checks.equal("odd comms: files in the directory", len(inside), len(done.files))
    strange = []
    for found in done.files:
        raw, complaint = pprof.raw(found["path"])
        comments = "\n".join(raw.comments)
        if complaint or CONTROL.search(comments) or \
                any(not c.startswith("#") for c in raw.comments):
            strange.append((found["path"], complaint, comments[:80]))
    checks.check("odd comms: profiles decode, comments are single clean lines", not strange,
                 strange[:2] or "yes")
    printed = (text.stdout + text.stderr).decode("utf-8", "replace")
    checks.check("odd comms: nothing odd on the terminal", not CONTROL.search(printed),
                 repr(CONTROL.findall(printed))[:80])
    there = set(os.listdir(tmp)) - before - {".config"}  # pprof's own
    checks.equal("odd comms: files elsewhere", sorted(there - {"odd", "odd-2"}), [])


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, (no_such_pid, pid_exits, pid_taken_over, kernel_thread, no_such_command,
                                   no_output, wrong_usage, not_root, no_capability, denied_calls,
                                   one_cpu_denied, no_btf, daemon_start, lying_elf,
                                   odd_comms),
                     args, checks, tmp)
        left = [d for d in os.listdir(tmp) if d.endswith((".pb.gz", ".tmp"))]
        checks.check("no file left that nobody asked for", len(left) <= 2, left)


if __name__ == "__main__":
    harness.main(run, __doc__)
