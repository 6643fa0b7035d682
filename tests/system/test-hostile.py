# SPDX-License-Identifier: Apache-2.0
"""Users whose files and file systems are made to hurt whoever looks at them.

What each of these attacks is for is told where it is made. Whatever they do: other users' programs keep their
names, the books are exact, the memory of all roles has a bound, and the daemon stops in time.
"""

import contextlib
import lzma
import os
import struct
import subprocess
import sys
import time
import zlib

import harness
import pprof_file
from harness import Recorder, Work

sys.dont_write_bytecode = True

from real_daemon import Daemon  # noqa: E402

MIB = 1 << 20
ATTACKER, VICTIM = 65534, 64202
GROWTH_MAX = 256 * MIB
STOP_MAX_S = 5
CPU_SECONDS, CPU_MAX_S = 600, 2
FUSE_KINDS = ("flush", "lookup", "open", "read", "getattr", "statfs")


class Memory(harness.Meanwhile):
    """The most that all roles of a tree of processes took, and what is in memory files of theirs."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.first, self.peak = pid, None, 0
        self.symbolizers_ns, self.looks = {}, []

    def _run(self):
        while not self.over.wait(0.2):
            total = shmem()
            for pid, comm in harness.tree_of(self.pid).items():
                if comm.startswith("cprofd"):
                    total += pss(pid)
                if comm == "cprofd-symboliz":
                    with contextlib.suppress(OSError):
                        self.symbolizers_ns[pid] = harness.process_cpu_ns(pid)
            self.first = self.first or total
            self.peak = max(self.peak, total)
            self.looks.append((time.monotonic(), sum(self.symbolizers_ns.values()) / harness.NSEC))

    @property
    def growth(self):
        return self.peak - (self.first or 0)

    def symbolizers_s(self, seconds):
        """What symbolizers would take in so many, going on as in the second half of the looks."""
        (begun, _), (middle, half), (end, whole) = self.looks[0], self.looks[len(self.looks) // 2], self.looks[-1]
        return whole + (whole - half) / (end - middle) * max(0, seconds - (end - begun))


def pss(pid):
    with contextlib.suppress(OSError, IndexError):
        text = open(f"/proc/{pid}/smaps_rollup", encoding="utf-8").read()
        return int(text.split("\nPss:")[1].split()[0]) * 1024
    return 0


def shmem():
    for line in open("/proc/meminfo", encoding="utf-8"):
        if line.startswith("Shmem:"):
            return int(line.split()[1]) * 1024
    return 0


def as_user(uid):
    return {"user": uid, "group": uid, "extra_groups": []}


def folder(tmp, name, uid):
    path = tmp / name
    path.mkdir(parents=True)
    os.chown(path, uid, uid)
    return path


class Victims:
    """Programs of others that are started while the attack goes on: each is a file of its own, with a function of its
    own that tells which."""

    def __init__(self, args, tmp, first=0):
        self.where = folder(tmp, f"victims-{first}", VICTIM)
        self.template = (args.workloads / "own-only").read_bytes()
        self.first = first
        self.works = {}

    def start(self):
        name = f"only_{self.first + len(self.works):06}"
        path = self.where / name
        path.write_bytes(self.template.replace(b"only_000000", name.encode()))
        path.chmod(0o755)
        # Every other one is root's.
        who = as_user(VICTIM) if len(self.works) % 2 else {}
        self.works[name] = Work(path, 1 << 34, **who)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for work in self.works.values():
            work.__exit__()

    def check(self, checks, what, files, least=5):
        """Each was sampled, and has its name."""
        for name, work in self.works.items():
            count = named = 0
            for file in files:
                if file["pid"] != work.pid:
                    continue
                profile = pprof_file.Profile(file["path"])
                for sample in profile.samples:
                    count += sample.values[0]
                    named += sample.values[0] * (name in profile.stack(sample))
            checks.at_least(f"{what}: samples of a victim", count, least)
            checks.at_least(f"{what}: those with its name, share", named / max(1, count), 0.9)


def attacked(args, checks, tmp, what, seconds=6, hz=199, least=5):
    """A recording during which victims start; (recording, memory)."""
    with Victims(args, tmp, 100 * len(os.listdir(tmp))) as victims:
        with Recorder(args.cprofctl, "-a", "--seconds", seconds, "--hz", hz, "-o", f"{tmp}/{what.replace(' ', '-')}/",
                      cwd=tmp) as recorder, Memory(recorder.process.pid) as memory:
            for _ in range(4):
                time.sleep(seconds / 8)
                victims.start()
            done = recorder.finish()
        if not harness.good(checks, what, done):
            raise RuntimeError("no recording")
        victims.check(checks, what, [{**f, "path": tmp / f["path"]} for f in done.files], least)
    checks.equal(f"{what}: difference of the books", done.books["difference"], 0)
    checks.equal(f"{what}: openers lost", done.counters["opener_lost"], 0)
    checks.at_most(f"{what}: memory of all roles grew, MiB", memory.growth / MIB, GROWTH_MAX / MIB)
    checks.at_most(f"{what}: later than it should end, s", done.seconds - seconds, STOP_MAX_S)
    # A few seconds are too few to say how it goes on.
    done.symbolizer_s = memory.symbolizers_s(CPU_SECONDS if args.long else 0)
    return done


# A user's own file system


@contextlib.contextmanager
def hanging(args, tmp, cnt):
    """So many servers, of each kind by turns, in namespaces of the user's own and mounted by root."""
    if not os.path.exists("/dev/fuse"):
        raise harness.Skip("NO /dev/fuse HERE: that a user's own file system hurts nobody is NOT TESTED")
    device = tmp / "fuse"
    os.mknod(device, 0o20666, os.makedev(10, 229))
    device.chmod(0o666)
    with contextlib.ExitStack() as stack:
        works = []
        for i in range(cnt):
            kind, whose = FUSE_KINDS[i // 2 % len(FUSE_KINDS)], ("user", "root")[i % 2]
            where = folder(tmp, f"hang-{i}", ATTACKER)
            folder(where, "mnt", ATTACKER)
            works.append(stack.enter_context(Work(args.workloads / "fusehang", kind, device,
                                                  args.workloads / "libown-lib.so", where, 120, ATTACKER, whose)))
        for work in works:
            if work.process.stdout.readline() != b"hangs\n":
                raise RuntimeError("a server did not begin")
        time.sleep(0.5)
        yield


def fuse(args, checks, tmp):
    """Servers that take requests and never answer. Who is asked by the kernel, and what locks somebody holds while he
    waits, is theirs to choose."""
    with hanging(args, tmp, 50 if args.long else 2 * len(FUSE_KINDS)):
        done = attacked(args, checks, tmp, "hanging servers", 60 if args.long else 8)
        # Without that the attack was none.
        checks.at_least("hanging servers: their files were met", done.counters["objects_refused"], 1)
        checks.at_least("hanging servers: their perf maps were", done.counters["perf_maps_refused"], 1)
        with Daemon(args, tmp) as daemon:
            daemon.wait_windows(3)
            status = daemon.status()
            checks.equal("hanging servers, daemon: openers lost", status["counters"]["opener_lost"], 0)
            checks.equal("hanging servers, daemon: difference of the books", status["books"]["difference"], 0)
            code, seconds = daemon.stop()
        checks.equal("hanging servers, daemon: exit status", code, 0)
        checks.at_most("hanging servers, daemon: stops, s", seconds, STOP_MAX_S)


# Files that are more than they seem


def tool(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


def set_section(path, name, field, form, value):
    """Sets a field of the header of a section by name (elf(5))."""
    data = path.read_bytes()
    shoff, = struct.unpack_from("<Q", data, 40)
    shnum, shstrndx = struct.unpack_from("<HH", data, 60)
    names, = struct.unpack_from("<Q", data, shoff + 64 * shstrndx + 24)
    for i in range(shnum):
        at, = struct.unpack_from("<I", data, shoff + 64 * i)
        if data[names + at:].split(b"\0", 1)[0] == name:
            with open(path, "r+b") as file:
                file.seek(shoff + 64 * i + field)
                file.write(struct.pack(form, value))
            return
    raise RuntimeError(f"no section {name}")


SH_FLAGS, SH_OFFSET, SH_SIZE, SHF_COMPRESSED = 8, 24, 32, 0x800


def with_section(path, name, bytes_):
    part = path.with_suffix(".part")
    part.write_bytes(bytes_)
    tool("objcopy", f"--add-section={name}={part}", path)
    part.unlink()


def xz_bomb(path):
    """642 KB that become 4 GiB, as one section and many streams."""
    tool("strip", path)
    with_section(path, ".gnu_debugdata", lzma.compress(bytes(64 * MIB)) * 64)


def zlib_bomb(path):
    """Debugging information that says 1 GiB of itself, and is."""
    tool("strip", "--strip-debug", path)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(1024)) + packer.flush()
    with_section(path, ".debug_info", struct.pack("<IIQQ", 1, 0, 1024 * MIB, 1) + packed)
    with_section(path, ".debug_abbrev", b"\0")
    set_section(path, b".debug_info", SH_FLAGS, "<Q", SHF_COMPRESSED)


def sparse_file(path):
    os.truncate(path, 1 << 40)


def sparse_symbols(path):
    """A symbol table of 900 GB, and the file is as large."""
    set_section(path, b".symtab", SH_OFFSET, "<Q", 1 << 20)
    set_section(path, b".symtab", SH_SIZE, "<Q", 900 << 30)
    os.truncate(path, 901 << 30)


def demangle_bomb(path):
    """Each level is a pair of the one before: eleven bytes more, and twice the text."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    levels = "".join(f"S0_IS{digits[i + 1]}_S{digits[i + 1]}_E" for i in range(30))
    tool("objcopy", f"--redefine-sym={path.name}=_Z1fI1pIiiE{levels}EvT_", path)


def cyclic_dies(path):
    """A function that is an instance of itself, within itself."""
    tool("strip", "--strip-debug", path)
    source, made = path.with_suffix(".s"), path.with_suffix(".o")
    source.write_text(CYCLE, encoding="ascii")
    tool("as", "-o", made, source)
    for section in (".debug_info", ".debug_abbrev"):
        part = path.with_suffix(".part")
        tool("objcopy", "-O", "binary", f"--only-section={section}", "--set-section-flags", f"{section}=alloc", made,
             part)
        with_section(path, section, part.read_bytes())
    source.unlink()
    made.unlink()


CYCLE = """
	.section .debug_abbrev
	.byte 1, 0x11, 1, 0x11, 1, 0x12, 7, 0, 0	# compile unit: low_pc, high_pc
	.byte 2, 0x2e, 1, 0x11, 1, 0x12, 7, 0x31, 0x13, 0, 0	# subprogram: and abstract_origin
	.byte 3, 0x1d, 1, 0x11, 1, 0x12, 7, 0x31, 0x13, 0, 0, 0	# inlined: likewise
	.section .debug_info
0:	.long 2f - 1f
1:	.short 4
	.long 0
	.byte 8
	.byte 1
	.quad 0x400000, 0x100000
3:	.byte 2
	.quad 0x400000, 0x100000
	.long 4f - 0b
4:	.byte 3
	.quad 0x400000, 0x100000
	.long 3b - 0b
	.byte 0, 0, 0
2:
"""

BOMBS = (xz_bomb, zlib_bomb, sparse_file, sparse_symbols, demangle_bomb, cyclic_dies)


def bombs(args, checks, tmp):
    """Programs that run, and whose files take all there is from whoever believes them."""
    harness.need("objcopy", "strip", "as")
    where = folder(tmp, "bombs", ATTACKER)
    template = (args.workloads / "own-only").read_bytes()
    with contextlib.ExitStack() as stack:
        works = {}
        for i, bomb in enumerate(BOMBS):
            path = where / f"only_{900000 + i}"
            path.write_bytes(template.replace(b"only_000000", path.name.encode()))
            path.chmod(0o755)
            bomb(path)
            path.chmod(0o755)
            works[bomb.__name__] = stack.enter_context(Work(path, 1 << 34, **as_user(ATTACKER)))
        done = attacked(args, checks, tmp, "bombs", 60 if args.long else 10)
        for name, work in works.items():
            checks.at_least(f"bombs: samples of {name}", done.of_pid(work.pid)[0], 5)
        pace = f" in {CPU_SECONDS} s, at the pace of the second half" if args.long else ""
        checks.at_most(f"bombs: CPU time of symbolizers, s for each{pace}", done.symbolizer_s / len(BOMBS), CPU_MAX_S)


PARTS = (fuse, bombs)


def run(args, checks):
    harness.need("mount", "umount")
    for part in PARTS:
        with harness.scratch() as tmp:
            harness.play(args, checks, [part], args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true", "help": "the whole counts"})])
