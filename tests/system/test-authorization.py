# SPDX-License-Identifier: Apache-2.0
"""Who may see what: the table of docs/rights.md, cell by cell, and processes that change while they are asked for.

Four users put each request for each of nine processes to the whole daemon. The table is read from the page,
so that the two cannot part. Then a pid changes hands between two users, as fast as it can, while one of
them asks for it (--long: 100,000 times); a process is dumpable and not in turns; and root's works
under a user's credentials and inside of his overlay file system.
"""

import concurrent.futures.thread  # now: another user may not read it
import contextlib
import ctypes
import grp
import gzip
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import sys
import tempfile
import time

import harness
import pprof_file
from cprofd import of_seconds
from container import group, hierarchies
from harness import NSEC, Work

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "roles"))
import front  # noqa: E402
import wire  # noqa: E402

PAGE = harness.HERE.parents[1] / "docs/rights.md"
A, B, MEMBER = 64301, 64302, 64303
# Each part has a user of its own, who has not begun recordings yet.
TURNS, OVERLAY, SAME = 64304, 64305, 64306
UNIT, HZ = "cprof-rights.service", 499
CLONE_NEWUSER = 0x10000000
PROCESS = 0  # SESSION_PROFILE_PROCESS
CAP_NET_RAW = 13
TRIES = 5
PATIENCE_S = 60  # who begins recordings too often waits: starts.h of the sampler


def expected():
    """(kinds, {request: {kind: cell}}) of the page."""
    text = PAGE.read_text(encoding="utf-8")
    table = text[text.index("<!-- rights:"):text.index("<!-- rights: end")]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()
            if line.startswith("|")]
    kinds = rows[0][1:]
    return kinds, {row[0]: dict(zip(kinds, row[1:])) for row in rows[2:]}


class User:
    def __init__(self, letter, uid, groups):
        self.letter, self.uid, self.groups = letter, uid, groups

    def do(self, work):
        """What @work returns, in a process of that user."""
        return json.loads(front.as_user(self.uid, self.groups, lambda: json.dumps(work()).encode()))


class Bench:
    def __init__(self, args, checks, tmp, daemon, gid):
        self.args, self.checks, self.tmp, self.daemon = args, checks, tmp, daemon
        self.session_socket = daemon.socket.parent / "session.sock"
        self.users = [User("R", 0, []), User("G", MEMBER, [12345, gid]), User("A", A, []), User("B", B, [B + 1])]
        self.processes = {}

    def ask(self, target):
        """(status, body) of what may be asked again: who begins too much is told when to come back."""
        end = time.monotonic() + PATIENCE_S
        while True:
            answer = front.Answer(front.ask(self.daemon.socket, target))
            # Or the sampler was kept from the CPU for so long that it was started again.
            if answer.status not in (429, 503) or time.monotonic() > end:
                return answer.status, answer.body
            time.sleep(float(answer.headers.get("retry-after", 1)))


# The processes of the columns


def start(stack, argv, uid=0, **popen):
    """One that says when it is ready, with that user alone."""
    if uid:
        popen.update(user=uid, group=uid, extra_groups=[])
    work = stack.enter_context(Work(*argv, **popen))
    if work.process.stdout.readline() != b"ready\n":
        raise RuntimeError(f"{argv[0]} does not start")
    return work.pid


def copy_of(bench, name, uid=0, gid=0, mode=0o755):
    path = bench.tmp / name
    shutil.copy(bench.args.workloads / "canary", path)
    os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def file_capability(path):
    """As setcap(8) cap_net_raw+ep: struct vfs_cap_data of Linux's uapi/linux/capability.h, revision 2."""
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << CAP_NET_RAW, 0, 0, 0))
    return path


def in_roots_namespace(stack, argv):
    """A user namespace that root makes, in which A is root."""
    done, mapped, said = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if ctypes.CDLL(None).unshare(CLONE_NEWUSER):
                raise OSError("unshare")
            os.write(done[1], b"x")
            os.read(mapped[0], 1)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            os.dup2(said[1], 1)
            os.execv(argv[0], [str(a) for a in argv])
        finally:
            os._exit(1)

    def end():
        os.kill(child, 9)
        os.waitpid(child, 0)
        for fd in (*done, *mapped, *said):
            with contextlib.suppress(OSError):
                os.close(fd)

    stack.callback(end)
    os.read(done[0], 1)
    for what in ("uid", "gid"):
        pathlib.Path(f"/proc/{child}/{what}_map").write_text(f"0 {A} 1\n", encoding="ascii")
    os.write(mapped[1], b"x")
    if os.read(said[0], 6) != b"ready\n":
        raise RuntimeError("the process in a user namespace does not start")
    return child


def start_all(bench, stack):
    """{column: pid}. Each makes itself dumpable, but for the one that does not."""
    canary = bench.args.workloads / "canary"
    ambient = ["setpriv", f"--reuid={A}", f"--regid={A}", "--clear-groups", "--inh-caps=+net_raw",
               "--ambient-caps=+net_raw", canary, 1]
    return {
        "A's own": start(stack, [canary], A),
        "B's": start(stack, [canary], B),
        "set-user-ID, run by A": start(stack, [copy_of(bench, "suid", B, B, 0o4755), 1], A),
        "set-group-ID, run by A": start(stack, [copy_of(bench, "sgid", 0, B, 0o2755), 1], A),
        "with a file's capabilities": start(stack, [file_capability(copy_of(bench, "caps")), 1], A),
        "with ambient ones": start(stack, ambient),
        "A's, not dumpable": start(stack, [canary, 0], A),
        "in a user namespace of A's": start(stack, ["unshare", "--user", canary, 1], A),
        "in one of root's, with A's uid": in_roots_namespace(stack, [canary, 1]),
    }


# The requests of the rows: {kind: "x" it is in the answer, "." it is not, "-" refused}


def judge(answer, pids, found):
    """@found: the pids of an answer of several."""
    status, body = answer
    if status != 200:
        assert status in (400, 403), (status, body[:200])
        assert b"canary" not in body, body
        return {kind: "-" for kind in pids}
    present = found(body)
    return {kind: "x" if pid in present else "." for kind, pid in pids.items()}


def profile_of(body):
    with tempfile.NamedTemporaryFile() as f:
        f.write(body)
        f.flush()
        return pprof_file.Profile(f.name)


def of_profile(body):
    """The pids whose samples a profile holds: by their label, or by the file's comment."""
    profile = profile_of(body)
    return {profile.owner(sample)[0] for sample in profile.samples}


def each_pid(bench, target, present):
    """A request for each of the processes, some at a time."""
    def one(kind_pid):
        kind, pid = kind_pid
        return judge(bench.ask(target.replace("/N/", f"/{pid}/").replace("pid=N", f"pid={pid}")), {kind: pid},
                     lambda body: present(body, pid))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return {k: v for found in pool.map(one, bench.processes.items()) for k, v in found.items()}


def profile_of_each(bench, target):
    return each_pid(bench, target, lambda body, _: of_profile(body))


def text_of_each(bench, target):
    """What is answered at all is of the process."""
    return each_pid(bench, target, lambda body, pid: {pid} if body else set())


def profile_of_all(bench, target):
    return judge(bench.ask(target.replace("/U/", f"/{UNIT}/")), bench.processes, of_profile)


def ps(bench, target):
    return judge(bench.ask(target), bench.processes,
                 lambda body: {p["pid"] for p in json.loads(body)["processes"]})


def index(bench, target):
    return judge(bench.ask(target), bench.processes,
                 lambda body: {int(n) for n in re.findall(rb'"/pid/(\d+)/', body)})


def ls(bench, target):
    return each_pid(bench, target, lambda body, _: {f["pid"] for f in json.loads(body)["files"]})


def session(bench, pids=(), seconds=1, hz=HZ, keep=None):
    """The pids of which a session sends profiles; @keep(pid, bytes) is given each."""
    start_message = front.StartMessage(flags=0 if pids else front.ALL, hz=hz, duration_ns=round(seconds * NSEC),
                                       pids_cnt=len(pids))
    for i, pid in enumerate(pids):
        start_message.pids[i] = pid
    end = time.monotonic() + PATIENCE_S
    while True:
        with front.dial(bench.session_socket, socket.SOCK_SEQPACKET, timeout=seconds + 30) as sock:
            sock.send(start_message.pack())
            found, failed = follow(sock, keep)
        if failed is None:
            return found
        if time.monotonic() > end:
            raise RuntimeError(failed.text)
        time.sleep(max(failed.retry_s, 1))


def follow(sock, keep):
    """({pid}, None) at its end, or (None, why)."""
    found = set()
    while True:
        data, fd = wire.recv(sock)
        kind = wire.head(data)[0] if data else 0
        if kind == front.PROFILE:
            m = front.ProfileMessage.from_buffer_copy(data)
            with open(fd, "rb") as f:
                f.seek(0)
                body = f.read()
            if keep:
                keep(m.pid, body)
            # Those that began and ended in it share a file.
            found |= {m.pid} if m.kind == PROCESS else of_profile(body)
        elif fd is not None:
            os.close(fd)
        if kind == front.END:
            return found, None
        if kind == front.FAILED:
            return None, front.FailedMessage.from_buffer_copy(data)
        if not kind:
            return None, front.FailedMessage(text=b"the sampler is gone")


def session_of_each(bench, _):
    found = session(bench, list(bench.processes.values()))
    return {kind: "x" if pid in found else "." for kind, pid in bench.processes.items()}


def session_of_all(bench, _):
    found = session(bench)
    return {kind: "x" if pid in found else "." for kind, pid in bench.processes.items()}


def stored(bench, _):
    """The files as root was told of them, opened by the user."""
    def may_read(path):
        with contextlib.suppress(PermissionError):
            with open(path, "rb") as f:
                return bool(gzip.decompress(f.read()))
        return False
    return {kind: "x" if may_read(bench.stored[pid]) else "-" for kind, pid in bench.processes.items()}


REQUESTS = {
    "/pid/N/debug/pprof/profile?seconds=1": profile_of_each,
    "/pid/N/debug/pprof/profile?since=0": profile_of_each,
    "/pid/N/debug/pprof/cmdline": text_of_each,
    "/pid/N/debug/pprof/": text_of_each,
    "/debug/pprof/profile?seconds=1": profile_of_all,
    "/debug/pprof/profile?since=0": profile_of_all,
    "/unit/U/debug/pprof/profile?seconds=1": profile_of_all,
    "/ps": ps,
    "/debug/pprof/": index,
    "/ls?pid=N&since=0": ls,
    "a session of the process": session_of_each,
    "a session of the machine": session_of_all,
    "its stored file": stored,
}


def cell(user, mark):
    return {"x": user.letter, ".": user.letter.lower(), "-": "-"}[mark]


def wait_until_stored(bench):
    """{pid: path}: there is a window of each, and a whole one in which all were."""
    def known():
        (status, files), (other, processes) = bench.ask("/ls"), bench.ask("/ps")
        if (status, other) != (200, 200):
            return None
        listed = json.loads(files)
        found = {f["pid"]: os.path.join(listed["directory"], f["path"]) for f in listed["files"]}
        seen = {p["pid"] for p in json.loads(processes)["processes"]}
        return set(bench.processes.values()) <= found.keys() & seen and found
    bench.stored = harness.wait_until(known, 60, "all processes in a window")


def ask_until(bench, user, request, put, wanted):
    """{kind: letter}. Who had no CPU is in no answer, so a lack is asked for again; too much is final."""
    for left in reversed(range(TRIES)):
        found = {kind: cell(user, mark) for kind, mark in
                 user.do(lambda: put(bench, request)).items()}
        wrong = [kind for kind in found if found[kind] not in wanted[kind]]
        if not left or any(found[kind].isupper() for kind in wrong) or not wrong:
            return found


def play_row(bench, request, put, wanted):
    found = [ask_until(bench, user, request, put, wanted) for user in bench.users]
    cells = {kind: "".join(f[kind] for f in found) for kind in wanted}
    wrong = {kind: f"{cells[kind]}, not {wanted[kind]}" for kind in wanted if cells[kind] != wanted[kind]}
    bench.checks.check(f"table: {request}", not wrong, wrong or " ".join(cells.values()))


def table(bench):
    """Every cell."""
    kinds, rows = expected()
    with contextlib.ExitStack() as stack:
        bench.processes = start_all(bench, stack)
        bench.checks.check("table: its columns", kinds == list(bench.processes), kinds)
        bench.checks.check("table: its rows", list(rows) == list(REQUESTS), list(rows))
        unit = stack.enter_context(group(hierarchies()[""], "cprof-rights", UNIT))
        for pid in bench.processes.values():
            pathlib.Path(unit, "cgroup.procs").write_text(str(pid), encoding="ascii")
        # The directory of profiles is anybody's to walk to, so that its own mode is what counts.
        wait_until_stored(bench)
        for request, put in REQUESTS.items():
            play_row(bench, request, put, rows[request])
        bench.processes = {}


# Processes that change


def functions(bodies):
    """{function: samples} over profiles."""
    found = {}
    for body in bodies:
        profile = profile_of(body)
        for sample in profile.samples:
            for name in set(profile.stack(sample)):
                found[name] = found.get(name, 0) + sample.values[0]
    return found


def seen_by(bench, user, seconds, hz=997):
    """{function: samples} of what a session of the machine gives him."""
    def work():
        bodies = []
        session(bench, seconds=seconds, hz=hz, keep=lambda _, body: bodies.append(body))
        return functions(bodies)
    return user.do(work)


def check_masks(bench, what, found):
    hidden = {name: n for name, n in found.items() if "hidden" in name}
    bench.checks.equal(f"{what}: samples that he may not see", hidden, {})


def by_turns(bench):
    """A process that is dumpable and not, and root's that acts as the user."""
    with contextlib.ExitStack() as stack:
        start(stack, [bench.args.workloads / "masks", TURNS], TURNS)
        start(stack, [bench.args.workloads / "masks", TURNS])
        found = seen_by(bench, User("T", TURNS, []), 3)
        both = seen_by(bench, bench.users[0], 1)
    check_masks(bench, "by turns", found)
    bench.checks.at_least("by turns: samples that he may see", found.get("shown", 0), 50)
    bench.checks.at_least("by turns: hidden ones that root sees", both.get("hidden", 0), 50)


def users_overlay(bench, stack):
    """Where root sees a file in an overlay file system that the user mounted in namespaces of his own."""
    home = bench.tmp / "overlay"
    home.mkdir()
    os.chown(home, OVERLAY, OVERLAY)
    script = (f"cd {home} && mkdir -p lower/d/e upper work merged && touch lower/d/e/f && "
              "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged && echo ready && "
              "exec sleep 600")
    work = stack.enter_context(Work("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script,
                                    user=OVERLAY, group=OVERLAY, extra_groups=[]))
    if work.process.stdout.readline() != b"ready\n":
        raise harness.Skip("no overlay file system in a user namespace here")
    return f"/proc/{work.pid}/root{home}/merged/d/e"


def in_overlay(bench):
    """Root's process inside of the user's file system acts under the user's credentials."""
    with contextlib.ExitStack() as stack:
        place = users_overlay(bench, stack)
        start(stack, [bench.args.workloads / "masks", OVERLAY, *[f"{place}/{n}" for n in ("f", "none", "f", "none")]])
        found = seen_by(bench, User("O", OVERLAY, []), 3)
        both = seen_by(bench, bench.users[0], 1)
    check_masks(bench, "overlay", found)
    bench.checks.at_least("overlay: hidden looks that root sees", both.get("hidden_looks", 0), 50)


ANSWERS = ("theirs", "mine", "samepid", "not yours", "no process", "is a thread", "has ended")


def ask_for(bench, pid, seconds):
    """{what the command line was: how often}, over and over, on one connection."""
    found, end = {}, time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), front.dial(bench.daemon.socket) as sock:
            request = f"GET /pid/{pid}/debug/pprof/cmdline HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            for _ in range(1000):
                sock.sendall(request * 8)
                data = b""
                while data.count(b"HTTP/1.1 ") < 8 or not whole(data):
                    piece = sock.recv(65536)
                    if not piece:
                        raise ConnectionResetError
                    data += piece
                for body in bodies_of(data):
                    key = next((w for w in ANSWERS if w.encode() in body), body.decode())
                    found[key] = found.get(key, 0) + 1
                if time.monotonic() > end:
                    break
    return found


def split(data):
    """(head, body or None while it is not whole, rest)"""
    head, sep, rest = data.partition(b"\r\n\r\n")
    size = re.search(rb"content-length: (\d+)", head, re.I) if sep else None
    if not size or len(rest) < int(size[1]):
        return head, None, b""
    return head, rest[:int(size[1])], rest[int(size[1]):]


def bodies_of(data):
    found = []
    while data:
        _, body, data = split(data)
        if body is None:
            break
        found.append(body)
    return found


def whole(data):
    return len(bodies_of(data)) == data.count(b"HTTP/1.1 ")


def same_pid(bench):
    """A pid changes hands while both its users ask for it: nobody hears of the other's."""
    turns = 100000 if bench.args.long else 1000
    samepid = bench.args.workloads / "samepid"
    user = User("S", SAME, [])
    with Work(samepid, SAME, B, turns) as storm, concurrent.futures.ThreadPoolExecutor(3) as pool:
        pid = int(storm.process.stdout.readline())
        asked, heard = {}, {}
        end = pool.submit(storm.finish)
        while not end.done():
            jobs = [pool.submit(user.do, lambda: ask_for(bench, pid, 2)),
                    pool.submit(seen_by, bench, user, 2)]
            for total, more in zip((asked, heard), (job.result() for job in jobs)):
                for key, n in more.items():
                    total[key] = total.get(key, 0) + n
        done = end.result()
    bench.checks.at_least("same pid: processes", done["turns"], 0.99 * turns)
    bench.checks.note(f"{turns} processes; asked: {asked}; heard of: "
                      f"{ {k: v for k, v in heard.items() if k in ('shown', 'hidden')} }")
    bench.checks.equal("same pid: command lines of the other's", asked.get("theirs", 0), 0)
    # Of one that is no more than its exit status nothing is told.
    bench.checks.equal("same pid: answers of something else", asked.keys() - {*ANSWERS, ""}, set())
    for key in ("mine", "not yours"):
        bench.checks.at_least(f"same pid: answers with '{key}'", asked.get(key, 0), 5)
    check_masks(bench, "same pid", heard)
    bench.checks.at_least("same pid: samples of one's own", heard.get("shown", 0), 5)


def run(args, checks):
    gid = grp.getgrnam("daemon").gr_gid
    # Names are not to be put off: what was seen is told by them.
    settings = ["Control.Group=daemon", "Limits.CPU=100%"]
    with harness.scratch() as tmp, of_seconds(args, tmp, settings) as daemon:
        bench = Bench(args, checks, tmp, daemon, gid)
        harness.play(args, checks, [table, by_turns, in_overlay, same_pid], bench)
        for line in daemon.said().splitlines() if checks.failed else ():
            checks.note(f"the daemon: {line}")


if __name__ == "__main__":
    harness.main(run, __doc__, [(("--long",), {"action": "store_true"})])
