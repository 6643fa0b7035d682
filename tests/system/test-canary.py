# SPDX-License-Identifier: Apache-2.0
"""What only root may read is read for nobody: not one byte of it is in a profile, a status, a log or an answer.

A user has programs whose names are said to be where he cannot look: perf maps and separate debugging information of all
kinds, by links, by mounts in namespaces of his own, by a number that another process has. All of it is played twice. Once
everybody may read the files: names must come out of them, or the attack was none. Then only root may.
"""

import contextlib
import ctypes
import gzip
import os
import re
import shutil
import subprocess
import sys

import harness

sys.dont_write_bytecode = True
sys.path.insert(0, str(harness.HERE / "roles"))

import front  # noqa: E402
import namespaces  # noqa: E402
from real_daemon import Daemon  # noqa: E402

USER = 54321
CANARY = b"CANARY"
MS_BIND, PR_SET_DUMPABLE, CLONE_NEWPID = 0x1000, 4, 0x20000000
SOURCE = """
volatile unsigned sink;
static inline __attribute__((always_inline)) void CANARY_inlined(void) { for (unsigned i = 0; i < 100000; i++) sink += i; }
__attribute__((noipa)) static void CANARY_static(void) { CANARY_inlined(); }
void _start(void) { for (;;) CANARY_static(); }
"""
FLAGS = ["-O2", "-nostdlib", "-static", "-fno-omit-frame-pointer", "-Wl,--build-id=sha1"]
MAP = "10000000 1000 CANARY_map\n"
# push rbp; mov rbp, rsp; again: dec rdi; jnz again; pop rbp; ret
MAKES_CODE = """
#include <string.h>
#include <sys/mman.h>
int main(void)
{
	static const char code[] = "\\x55\\x48\\x89\\xe5\\x48\\xff\\xcf\\x75\\xfb\\x5d\\xc3";
	void *p = mmap((void *)0x10000000, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (memcpy(p, code, sizeof(code));;)
		((void (*)(unsigned long))p)(1000000);
}
"""


def tool(*argv, **kwargs):
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True, **kwargs).stdout


class Bench:
    """The root of all attackers: @top, where all is below /secrets that is secret."""

    def __init__(self, args, tmp):
        self.args, self.tmp, self.top = args, tmp, tmp / "top"
        for name in ("tmp", "secrets/src", "secrets/bin", "home", "proc", "usr/lib/debug"):
            (self.top / name).mkdir(parents=True)
        (self.top / "tmp").chmod(0o1777)
        self.secrets = self.top / "secrets"
        self.made = self.secrets / "src/x.c"
        self.made.write_text(SOURCE, encoding="ascii")
        source = tmp / "code.c"
        source.write_text(MAKES_CODE, encoding="ascii")
        tool("gcc", "-O2", "-fno-omit-frame-pointer", "-static", "-o", self.top / "code", source)

    def own(self, name):
        """A directory of the user's below /home."""
        path = self.top / "home" / name
        path.mkdir()
        return path

    def built(self, name, *flags):
        path = self.own(name) / "prog"
        tool("gcc", *FLAGS, *flags, "-o", path, self.made)
        return path

    def stripped(self, name):
        """The program without names, and where its debug file is; its build id."""
        path = self.built(name, "-g")
        debug = self.secrets / f"{name}.debug"
        tool("objcopy", "--only-keep-debug", path, debug)
        tool("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", path)
        return path, debug, re.search(r"Build ID: ([0-9a-f]+)", tool("readelf", "-n", path))[1]

    def split(self, name, *flags):
        """The program, and where the rest of its information is, as it says itself."""
        path, made = self.own(name) / "prog", self.secrets / "src" / name
        tool("gcc", *FLAGS, *flags, "-g", "-gsplit-dwarf", "-c", self.made, "-o", f"{made}.o", cwd=made.parent)
        tool("gcc", *FLAGS, f"{made}.o", "-o", path)
        tool("objcopy", "--strip-symbol=CANARY_static", "--remove-section=.debug_gnu_pubnames",
             "--remove-section=.debug_gnu_pubtypes", path)
        return path, made.with_suffix(".dwo")

    def inside(self, path):
        return "/" + str(path.relative_to(self.top))

    def lock(self, shut):
        """Whether only root may read what is secret. All programs are the user's own: he says what is in them."""
        for path in self.top.glob("home/*/prog"):
            os.chown(path, USER, USER)
        for path in [self.secrets, *self.secrets.rglob("*"), *(self.top / "tmp").iterdir()]:
            if path.is_symlink() or path.stat().st_uid:
                continue
            mode = 0o755 if path.is_dir() else 0o644
            path.chmod(mode & 0o700 if shut else mode)

    @contextlib.contextmanager
    def attacker(self, attack):
        """What @attack does is done in namespaces of the user's own, as far as the kernel lets him."""
        prepare, enter, argv = attack
        done, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
                prepare()
                os.setgroups([])
                os.setresgid(USER, USER, USER)
                os.setresuid(USER, USER, USER)
                namespaces.call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
                alone()
                bind(self.top, self.top)
                os.chroot(self.top)
                os.chdir("/")
                enter()
                os.write(theirs, b"x")
                os.execv(argv[0], argv)
            except BaseException as error:
                os.write(theirs, repr(error).encode())
            finally:
                os._exit(1)
        os.close(theirs)
        try:
            said = os.read(done, 200)
            if said != b"x":
                raise RuntimeError(f"an attacker did not begin: {said}")
            inner = open(f"/proc/{child}/task/{child}/children", encoding="ascii").read().split()
            yield int(inner[0]) if inner else child
        finally:
            os.close(done)
            os.kill(child, 9)
            os.waitpid(child, 0)


def alone():
    """Root in a user namespace of one's own, and in one of mounts."""
    namespaces.call("unshare", namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS)
    for name, text in {"setgroups": "deny", "uid_map": f"0 {USER} 1", "gid_map": f"0 {USER} 1"}.items():
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def bind(what, where):
    namespaces.call("mount", os.fsencode(what), os.fsencode(where), None, MS_BIND, None)


def nothing():
    pass


# Each attack: (what root did, what the user does in his root, what is executed)


def code_of_run_time(bench):
    argv = ["/code"]

    def write(path):
        path.write_text(MAP, encoding="ascii")

    def linked():
        os.symlink("/secrets/map", f"{bench.top}/tmp/perf-{os.getpid()}.map")

    def hard():
        os.link(bench.secrets / "map", f"{bench.top}/tmp/perf-{os.getpid()}.map")

    def numbered():
        shutil.copy(bench.secrets / "map", bench.secrets / f"perf-{os.getpid()}.map")
        shutil.copymode(bench.secrets / "map", bench.secrets / f"perf-{os.getpid()}.map")

    def first():
        namespaces.call("unshare", CLONE_NEWPID)
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            os._exit(0)
        ctypes.CDLL(None).prctl(1, 9)

    write(bench.secrets / "map")
    write(bench.top / "tmp/perf-1.map")
    return {
        "map, a link": (linked, nothing, argv),
        "map, a hard link": (hard, nothing, argv),
        "map, in a directory mounted there": (numbered, lambda: bind("/secrets", "/tmp"), argv),
        "map, of another with this number": (nothing, first, argv),
    }


def debug_files(bench):
    attacks = {}
    for name, place in {"link": lambda path, debug: (path.parent / debug.name).symlink_to(f"/secrets/{debug.name}"),
                        "hard": lambda path, debug: os.link(debug, path.parent / debug.name)}.items():
        path, debug, _ = bench.stripped(name)
        place(path, debug)
        attacks[f"debug file, {name}"] = (nothing, nothing, [bench.inside(path)])
    path, debug, _ = bench.stripped("mounted")
    (path.parent / ".debug").mkdir()
    attacks["debug file, in a directory mounted there"] = (
        nothing, lambda where=bench.inside(path.parent / ".debug"): bind("/secrets", where), [bench.inside(path)])
    path, debug, ident = bench.stripped("numbered")
    numbered = bench.secrets / ".build-id" / ident[:2] / f"{ident[2:]}.debug"
    numbered.parent.mkdir(parents=True)
    debug.rename(numbered)
    attacks["debug file, by its build id"] = (nothing, lambda: bind("/secrets", "/usr/lib/debug"), [bench.inside(path)])
    return attacks


def companions(bench):
    top = str(bench.top)
    path, _ = bench.split("unit", f"-fdebug-prefix-map={top}=")
    attacks = {"unit, where it says": (nothing, nothing, [bench.inside(path)])}
    path, unit = bench.split("moved", f"-fdebug-prefix-map={top}=/nowhere")
    os.link(unit, path.parent / unit.name)
    attacks["unit, a hard link"] = (nothing, nothing, [bench.inside(path)])
    if shutil.which("dwz"):
        paths = [bench.built(f"dwz-{i}", "-g") for i in range(2)]
        tool("dwz", "-m", bench.secrets / "shared", "-M", "/secrets/shared", *paths)
        for path in paths:
            tool("objcopy", "--strip-symbol=CANARY_static", path)
        attacks["supplement, where it says"] = (nothing, nothing, [bench.inside(paths[0])])
    return attacks


LINKS = {"map, a link", "debug file, link"}


def everything_in(directory):
    """{path: bytes} of all that was written, unpacked."""
    found = {}
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found[path.name] = gzip.decompress(data) if path.name.endswith(".gz") else data
    return found


def of_attackers(files, pids):
    """Which of the attacks a canary came out by."""
    found = set()
    for name, data in files.items():
        if CANARY in data:
            found |= {what for what, pid in pids.items() if f"{pid}" in name} or {name}
    return found


def record(bench, checks, attacks, what, seconds):
    """(files, what was said): all processes recorded while the attackers work."""
    out = bench.tmp / what
    out.mkdir()
    with contextlib.ExitStack() as stack:
        pids = {name: stack.enter_context(bench.attacker(attack)) for name, attack in attacks.items()}
        done = harness.record(bench.args.cprofctl, "-v", "-a", "--seconds", seconds, "--hz", 199, "-o", f"{out}/files/",
                              cwd=out)
    harness.good(checks, what, done)
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)
    files = everything_in(out)
    for name, pid in pids.items():
        checks.at_least(f"{what}: samples of an attacker ({name})", done.of_pid(pid)[0], 5)
    return of_attackers(files, pids), {"stdout": done.stdout.encode(), "stderr": done.stderr.encode(), **files}


def watched(bench, checks, attacks):
    """The same for the daemon: {what it keeps, writes, and answers to whom: bytes}."""
    where = bench.tmp / "daemon"
    where.mkdir()
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(bench.attacker(attack)) for attack in attacks.values()]
        daemon = stack.enter_context(Daemon(bench.args, where, options=["--verbose"]))
        daemon.wait_windows(3)
        targets = ["/debug/pprof/profile?seconds=1", "/debug/pprof/profile?since=0", "/ps", "/ls?since=0", "/metrics",
                   *(f"/pid/{pid}/debug/pprof/profile?since=0" for pid in pids)]
        said = {}
        for uid in (0, USER):
            for target in targets:
                answer = front.Answer(front.as_user(uid, [], lambda t=target: front.ask(daemon.socket, t)))
                packed = answer.body.startswith(b"\x1f\x8b")
                said[f"{target} to {uid}"] = gzip.decompress(answer.body) if packed else answer.body
        said["status"] = daemon.ctl("status").stdout.encode() + daemon.ctl("--json", "status").stdout.encode()
        checks.at_least("daemon: samples of the user's in an answer to him",
                        sum(data.count(b"prog") for name, data in said.items() if name.endswith(f"to {USER}")), 1)
        daemon.stop()
    return {**said, **everything_in(where)}


def recorded(args, checks, tmp):
    harness.need("gcc", "objcopy", "readelf")
    bench = Bench(args, tmp)
    attacks = {**code_of_run_time(bench), **debug_files(bench), **companions(bench)}
    bench.lock(False)
    found, _ = record(bench, checks, attacks, "open", 6)
    for name in attacks:
        checks.check(f"open: a name came out by an attack ({name})", (name in found) == (name not in LINKS), name in found,
                     "a link is not followed" if name in LINKS else "or it is none")
    bench.lock(True)
    found, said = record(bench, checks, attacks, "shut", 6)
    checks.equal("what only root may read came out by", sorted(found), [])
    said |= watched(bench, checks, attacks)
    checks.equal(f"it is in one of {len(said)} files, logs and answers", [n for n, data in said.items() if CANARY in data],
                 [])


def run(args, checks):
    with harness.scratch() as tmp:
        harness.play(args, checks, [recorded], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__)
