# SPDX-License-Identifier: Apache-2.0
"""The whole daemon and its clients: pprof and curl, two who want the same, thousands who want nothing, those
who begin recordings over and over, and those who are mad. Whatever they do, sampling goes on and root is
answered.

How long root waited is told without the time for which the roles and we were ready to run and others had
the CPUs: the kernel keeps it (/proc/PID/schedstat), so the bound is the same on a machine at work.
"""

import collections
import contextlib
import ctypes
import json
import os
import pathlib
import random
import resource
import socket
import subprocess
import sys
import threading
import time

import harness
import pprof_file
from harness import NSEC, Work, need
from cprofd import of_seconds

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "roles"))
import front  # noqa: E402
import wire  # noqa: E402

UIDS = (64241, 64242, 64243, 64244)
IDLE = 10000
ROOT_MAX_S = 1
# Of users who do not see all, as starts.h of the sampler has it.
STARTS_OF_ALL, STARTS_EVERY_S = 12, 2
START_S, MAD_S, PATIENCE_S = 3, 3, 20


def kept_waiting_ns(pid):
    """How long its first thread was ready to run and did not."""
    with contextlib.suppress(OSError, IndexError):
        return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[1])
    return 0


class Bench:
    def __init__(self, args, checks, tmp, daemon, spin):
        self.args, self.checks, self.tmp, self.daemon, self.spin = args, checks, tmp, daemon, spin
        self.session_socket = daemon.socket.parent / "session.sock"

    def ask(self, target):
        answer = front.Answer(front.ask(self.daemon.socket, target))
        if answer.status != 200:
            raise RuntimeError(f"root was answered {answer.status}: {answer.text}")
        return answer

    def root_waits(self, target="/status"):
        """Seconds until root has its answer."""
        pids = [self.daemon.role("front"), self.daemon.role("sampler"), os.getpid()]
        lost, begun = sum(map(kept_waiting_ns, pids)), time.monotonic()
        self.ask(target)
        took = time.monotonic() - begun
        return took - (sum(map(kept_waiting_ns, pids)) - lost) / NSEC

    def root_is_answered(self, trial, name, slowest):
        """Of the front alone, and of the sampler behind it."""
        trial.note(f"root was answered {len(slowest)} times")
        trial.at_least(f"{name}: root was answered", len(slowest), 1)
        trial.noisy.at_most(f"{name}: root waited at most, s", max(slowest, default=0), ROOT_MAX_S)

    def profile(self, query, name):
        """What a client gets of the spinner: the profile, and what the kernel charged it meanwhile."""
        cpu = harness.process_cpu_ns(self.spin.pid)
        answer = self.ask(f"/pid/{self.spin.pid}/debug/pprof/profile?{query}")
        cpu = harness.process_cpu_ns(self.spin.pid) - cpu
        path = self.tmp / name
        path.write_bytes(answer.body)
        return pprof_file.Profile(path), cpu

    def check_profile(self, what, profile, cpu):
        """It holds what the process did in its time, of which the kernel's account is a little longer."""
        ns = sum(s.values[1] for s in profile.samples)
        true_ns = int(profile.comment("cpu_true_ns"))
        count = max(sum(s.values[0] for s in profile.samples), 1)
        self.checks.within(f"{what}: ns of its samples over the kernel's", ns / true_ns, 1,
                           0.02 + harness.sigmas(1 / count))
        self.checks.at_most(f"{what}: the kernel's, of all that was charged", true_ns / cpu, 1.001)
        self.checks.check(f"{what}: names", "hot3" in {n for s in profile.samples for n in profile.stack(s)},
                          "hot3")

    def roles(self):
        """{role: pid}"""
        return {name: self.daemon.role(name) for name in ("sampler", "opener", "symbolizer", "front")}

    def front_descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.role('front')}/fd"))

    def status(self):
        return self.ask("/status").json()

    def figures(self):
        return self.status()["front"]


@contextlib.contextmanager
def relay(path):
    """A TCP port of this machine whose connections lead to the socket."""
    def pump(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

    def serve(server):
        with contextlib.suppress(OSError):
            while True:
                outer, inner = server.accept()[0], front.dial(path, timeout=None)
                for pair in ((outer, inner), (inner, outer)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def tools(bench):
    """As documented: curl for a file, pprof for that file, and pprof by itself through a relay."""
    need("curl")
    checks, pid = bench.checks, bench.spin.pid
    pprof, path = harness.Pprof(bench.tmp), bench.tmp / "curl.pb.gz"
    done = subprocess.run(["curl", "-sSf", "--unix-socket", bench.daemon.socket, "-o", path,
                           f"http://cprofd/pid/{pid}/debug/pprof/profile?seconds=1&hz=499"],
                          capture_output=True, text=True, check=False)
    checks.equal("curl: exit status, and what it says", (done.returncode, done.stderr), (0, ""))
    rows, complaint = pprof.top(path)
    checks.equal("curl: what pprof says besides", complaint, "")
    checks.equal("curl: leads", rows and rows[0][2], "hot3")
    with relay(bench.daemon.socket) as port:
        url = f"http://127.0.0.1:{port}/pid/{pid}/debug/pprof/profile?hz=499"
        done = subprocess.run([pprof.path, "-top", "-seconds", "1", url], capture_output=True, text=True,
                              env=pprof.env, check=False)
    rows = done.stdout.partition("flat%")[2].splitlines()
    checks.check("pprof through a relay: leads", len(rows) > 1 and rows[1].endswith(" hot3"),
                 rows[1:2] or done.stderr[-300:])


def two_rates(bench):
    """Two clients of one process at once: each has its own rate, and all of the time."""
    got = {}

    def client(hz):
        got[hz] = bench.profile(f"seconds=2&hz={hz}", f"at-{hz}.pb.gz")

    threads = [threading.Thread(target=client, args=(hz,)) for hz in (99, 997)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.checks.equal("two at once: answers", sorted(got), [99, 997])
    for hz, (profile, cpu) in sorted(got.items()):
        bench.check_profile(f"two at once, {hz} Hz", profile, cpu)
        bench.checks.equal(f"two at once, {hz} Hz: its file says so", profile.comment("hz"), str(hz))
        ns, count = (sum(s.values[i] for s in profile.samples) for i in (1, 0))
        bench.checks.within(f"two at once, {hz} Hz: samples a second of CPU time", count * NSEC / ns, hz,
                            0.1 * hz + harness.sigmas(hz * NSEC / ns))


def become(uid):
    """Of no group that may see all."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


class Crowd:
    """`with Crowd(work) as c:` a process of each user does work(uid), and gives what it returns (JSON)."""

    def __init__(self, work, uids=UIDS):
        self.work, self.uids, self.children = work, uids, {}

    def __enter__(self):
        for uid in self.uids:
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                self._be(uid, write)
            os.close(write)
            self.children[child] = read
        return self

    def _be(self, uid, write):
        status = 1
        try:
            become(uid)
            # PR_SET_DUMPABLE: or the change of user makes it one that its own user may not see.
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
            with open(write, "w", encoding="utf-8") as f:
                json.dump(self.work(uid), f)
            status = 0
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
        finally:
            os._exit(status)

    def __exit__(self, *_):
        for child, read in self.children.items():
            os.close(read)
            os.waitpid(child, 0)

    def is_busy(self):
        return any(os.waitid(os.P_PID, c, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for c in self.children)

    def results(self):
        """Of all of them, when they are through."""
        found = []
        while self.children:
            child, read = self.children.popitem()
            with open(read, encoding="utf-8") as f:
                text = f.read()
            if os.waitpid(child, 0)[1] or not text:
                raise RuntimeError("a client failed")
            found.append(json.loads(text))
        return found


def while_busy(bench, crowd):
    """What root waited while they were there."""
    slowest = []
    while crowd.is_busy():
        slowest += [bench.root_waits("/debug/pprof/symbol"), bench.root_waits()]
        time.sleep(0.02)
    return slowest


@contextlib.contextmanager
def idle_connections(path, uid, cnt):
    """A process of that user that connects so often and says nothing; given when all are made."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            limit = max(cnt + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            become(uid)
            os.close(done[1])
            # Blocking: where the queue is full they wait.
            kept = [front.dial(path, timeout=None) for _ in range(cnt)]
            os.write(ready[1], b"%d" % len(kept))
            os.read(done[0], 1)
        finally:
            os._exit(0)
    os.close(ready[1])
    os.close(done[0])
    try:
        yield lambda: os.read(ready[0], 16)
    finally:
        os.close(done[1])
        os.close(ready[0])
        os.waitpid(child, 0)


def idle(bench):
    """10,000 connections of several users that say nothing: a recording is exact, root is answered."""
    harness.attempts(bench.checks, 3, measure_idle, bench)


def measure_idle(trial, bench):
    before, result = bench.figures(), []
    with contextlib.ExitStack() as stack:
        recording = threading.Thread(target=lambda: result.append(
            bench.profile("seconds=2&hz=499", "beside-idle.pb.gz")))
        recording.start()
        made = [stack.enter_context(idle_connections(bench.daemon.socket, uid, IDLE // len(UIDS)))
                for uid in UIDS]
        slowest = [bench.root_waits() for _ in range(10)]
        trial.equal("idle: connections that were made", sum(int(m() or 0) for m in made), IDLE)
        slowest += [bench.root_waits() for _ in range(20)]
        harness.wait_until(lambda: bench.figures()["refused_user"] - before["refused_user"] >=
                           IDLE - 8 * len(UIDS), 30, "each user has a share, and no more")
        recording.join()
        after = bench.figures()
    bench.root_is_answered(trial, "idle", slowest)
    trial.at_most("idle: open connections", after["open_connections"], 8 * len(UIDS) + 2)
    if trial.equal("idle: a recording beside them", len(result), 1):
        bench.check_profile("beside idle connections", *result[0])
    harness.wait_until(lambda: bench.figures()["open_connections"] <= 2, 30, "idle connections are closed")


def request_of(pid):
    return b"GET /pid/%d/debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n" % pid


def start_by_http(bench, found):
    """Asks for a minute of its own process, and leaves when it did not hear soon that it may not."""
    with front.dial(bench.daemon.socket, timeout=2) as sock:
        sock.sendall(request_of(os.getpid()))
        sock.settimeout(random.choice((0.01, 0.01, 0.01, 1)))
        with contextlib.suppress(TimeoutError):
            answer = front.Answer(sock.recv(65536))
            found[f"http {answer.status}"] += 1
            found["when"] += "begun" in answer.text and "try again in" in answer.text and \
                int(answer.headers["retry-after"]) >= 1
            return
    found["http left"] += 1


def start_by_session(bench, found, pid):
    with front.dial(bench.session_socket, socket.SOCK_SEQPACKET, timeout=5) as sock:
        m = front.StartMessage(hz=99, duration_ns=60 * NSEC, pids_cnt=1)
        m.pids[0] = pid
        sock.send(m.pack())
        data = sock.recv(65536)
    kind = wire.head(data)[0] if data else 0
    if kind == front.FAILED:
        text = front.FailedMessage.from_buffer_copy(data).text
        found["gone"] += b"no process to record" in text
        found["crowded"] += b"at once" in text and b"begun" not in text
        found["refused"] += b"begun" in text and b"try again in" in text
    found["started"] += kind == front.STARTED


def start_and_leave(bench, seconds):
    """Recordings of their own process, and of one that there is not, over and over."""
    end, found = time.monotonic() + seconds, []

    def client(until, work, *args):
        """For that long, and until it was refused: not all have their turn on a machine at work."""
        mine = collections.Counter()
        while (now := time.monotonic()) < end or (not mine[until] and now < end + PATIENCE_S):
            with contextlib.suppress(OSError):
                work(bench, mine, *args)
        found.append(mine)

    threads = [threading.Thread(target=client, args=args) for args in (
        ("when", start_by_http), ("refused", start_by_session, os.getpid()),
        ("refused", start_by_session, 2**22 + 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(found, collections.Counter())


def starts(bench):
    """Users who begin recordings and leave, over and over, do not have the sampler for themselves."""
    harness.attempts(bench.checks, 3, measure_starts, bench)


def measure_starts(trial, bench):
    before, begun = bench.status(), time.monotonic()
    with Crowd(lambda _: start_and_leave(bench, START_S)) as crowd:
        slowest = while_busy(bench, crowd)
        found = sum(map(collections.Counter, crowd.results()), collections.Counter())
    took = time.monotonic() - begun
    trial.note(f"in {took:.1f} s: {dict(found)}")
    bench.root_is_answered(trial, "starts", slowest)
    # Those that failed for want of a process had their programs loaded, too.
    trial.at_most("starts: recordings that were begun", found["started"] + found["gone"],
                  STARTS_OF_ALL + took / STARTS_EVERY_S)
    trial.at_least("starts: refused by the session's socket, and told when to come again", found["refused"], 1)
    trial.at_least("starts: refused by HTTP", found["http 429"], 1)
    trial.at_least("starts: of these, told when to come again", found["when"], 1)
    trial.equal("starts: HTTP status 503", found["http 503"], 0)
    after = bench.status()
    trial.at_least("starts: counted by the sampler",
                   after["counters"]["starts_refused"] - before["counters"]["starts_refused"],
                   found["refused"] + found["crowded"] + found["when"])
    trial.at_least("starts: counted by the front",
                   after["front"]["recordings_refused"] - before["front"]["recordings_refused"], found["when"])
    bench.check_profile("beside those who begin and leave", *bench.profile("seconds=1&hz=499", "after.pb.gz"))
    harness.wait_until(lambda: bench.status()["sessions"] == 0, 30, "nothing of them is left")


GOOD = b"GET /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /status HTTP/1.1\r\nHost: x\r\nX-Half: "


def nothing(_, rng):
    time.sleep(rng.uniform(0, 0.2))


def everything(sock, rng):
    for _ in range(20):
        sock.sendall(rng.randbytes(rng.randrange(1, 5000)))


def half(sock, rng):
    sock.sendall(HALF[:rng.randrange(1, len(HALF))])
    nothing(sock, rng)


def byte_by_byte(sock, _):
    for byte in GOOD:
        sock.send(bytes([byte]))
    assert b"num_symbols" in sock.recv(4096)


def pipelined(sock, _):
    sock.sendall(GOOD * 20)
    got = b""
    while got.count(b"num_symbols") < 20:
        more = sock.recv(65536)
        if not more:
            return
        got += more


def huge_headers(sock, _):
    sock.sendall(b"GET /status HTTP/1.1\r\n")
    for _ in range(500):
        sock.sendall(b"X-Huge: " + b"x" * 1000 + b"\r\n")


def leaves(sock, rng):
    """Asks for much, and is gone before it comes."""
    sock.sendall(rng.choice((b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /ls HTTP/1.1\r\nHost: x\r\n\r\n",
                             request_of(os.getpid()))))
    nothing(sock, rng)


MAD = (nothing, everything, half, byte_by_byte, pipelined, huge_headers, leaves)


def go_mad(path, uid, seconds):
    """Many clients of one user at once, for that long; how many there were."""
    end, done = time.monotonic() + seconds, []

    def client(seed):
        rng = random.Random(seed)
        while time.monotonic() < end:
            for what in rng.sample(MAD, len(MAD)):
                with contextlib.suppress(OSError, AssertionError):
                    with front.dial(path, timeout=2) as sock:
                        what(sock, rng)
                        done.append(1)

    threads = [threading.Thread(target=client, args=(uid * 100 + i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done)


def mad(bench):
    """All at once, of several users: no role ends, nothing is left of them, no window is missed."""
    harness.attempts(bench.checks, 3, measure_mad, bench)


def measure_mad(trial, bench):
    roles, descriptors, before = bench.roles(), bench.front_descriptors(), bench.status()
    with Crowd(lambda uid: go_mad(bench.daemon.socket, uid, MAD_S)) as crowd:
        slowest = while_busy(bench, crowd)
        trial.note(f"{sum(crowd.results())} of their connections were heard")
    bench.root_is_answered(trial, "mad clients", slowest)
    harness.wait_until(lambda: (now := bench.figures())["open_connections"] <= 2 and
                       now["open_recordings"] == 0, 30, "nobody is left")
    harness.wait_until(lambda: bench.front_descriptors() <= descriptors, 30, "their descriptors are closed")
    after = bench.status()
    trial.equal("mad clients: roles", bench.roles(), roles)
    trial.equal("mad clients: difference of the books", after["books"]["difference"], 0)
    for name in ("closed_bad_request", "clients_gone", "refused_user"):
        trial.at_least(f"mad clients: {name}", after["front"][name] - before["front"][name], 1)
    harness.wait_until(lambda: bench.status()["books"]["in_profiles"] > after["books"]["in_profiles"], 30,
                       "windows are written")
    # Of the disk others may have had all.
    trial.noisy.equal("mad clients: samples that the disk did not take",
                      *(s["books"]["discarded"].get("discard_spool", 0) for s in (after, before)))


def run(args, checks):
    with harness.scratch() as tmp, of_seconds(args, tmp) as daemon, \
            Work(args.workloads / "spin", -1, 600) as spin:
        tmp.chmod(0o777)
        harness.play(args, checks, [tools, two_rates, starts, idle, mad], Bench(args, checks, tmp, daemon, spin))
        for line in daemon.said().splitlines() if checks.failed else ():
            checks.note(f"the daemon: {line}")


if __name__ == "__main__":
    harness.main(run, __doc__)
