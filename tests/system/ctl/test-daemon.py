#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofctl status, ps and ls against a daemon that speaks HTTP, well or badly."""

import argparse
import json
import os
import pathlib
import pty
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from http_daemon import Daemon, answer

CPROFCTL = ""

STATUS = {
    "version": "0.1.0", "state": "running", "degraded": [], "event": "cpu-clock", "hz": 99,
    "uptime_s": 61.5,
    "books": {"produced": 100, "runs": 99, "missed": 1, "delivered": 97, "dropped": {"drop_ring_full": 2},
              "in_profiles": 90, "open_window": 7, "discarded": {}, "difference": 0},
    "stacks": {"complete": 9, "truncated": 1, "reasons": {"fp_bad": 1}},
    "frames": {"total": 200, "symbolized": 150},
    "cost": {"cpu_s": 0.5, "bpf_s": 0.115, "pss_bytes": 30 << 20, "bpf_bytes": 2 << 20,
             "cpu_share": 0.0104, "cpu_share_max": 0.05, "memory_max_bytes": 256 << 20,
             "roles": {"sampler": {"pid": 12, "cpu_s": 0.4, "pss_bytes": 20 << 20,
                                   "sandbox": "full"}}},
    "spool": {"files": 1, "bytes": 2048, "evicted": 0, "quarantined": 0},
    "counters": {"runs": 99, "drop_ring_full": 2},
}
STATUS_TEXT = """\
cprofd 0.1.0 is running, for 1min 1s

  sampling      cpu-clock, 99 times a second on each busy CPU
  samples       90 in profiles, 7 in the open window; 1 (1.0%) missed, 2 lost:
                2  drop_ring_full  the sample ring had no room: too little CPU for cprofd, or too many samples
  books         balanced: every sample is accounted for
  stacks        90.0% reached their root; 1 ended early:
                1  fp_bad  the frame pointer does not point to a frame: code without frame pointers
  names         75.0% of frames have a function's name
  cost          1.04% of one CPU in the last minute (CPU= allows 5.00%), 32MB of memory (Memory= allows 256MB):
                ROLE     PID    CPU  MEMORY  SANDBOX
                sampler   12  400ms    20MB  full
                in BPF        115ms     2MB
  spool         1 profile, 2kB
  problems      none since the start
"""


def process(pid, comm, cpu_s, unit="", container=""):
    return {"pid": pid, "start": 5, "exec": 1, "uid": 0, "comm": comm, "unit": unit,
            "container": container, "samples": 200, "cpu_s": cpu_s, "cpu_share": cpu_s / 120,
            "complete": 150}


PS = {"window_s": 60.0, "from": "2026-01-31T14:00:00Z", "cpus": 2, "processes": [
    process(5, "idle", 0.06), process(31234, "nginx", 30.0, "nginx.service"),
    process(77, "od\u001bd \u00e9", 6.0, "", "0123456789abcdef0123")]}
PS_TEXT = """\
60s from 2026-01-31 15:00:00, 2 CPUs

  PID    CPU    TIME  STACKS  UNIT           CONTAINER     COMMAND
31234  50.0%  30.00s   75.0%  nginx.service  -             nginx
   77  10.0%   6.00s   75.0%  -              0123456789ab  od\ufffdd \u00e9
    5   0.1%   0.06s   75.0%  -              -             idle
"""


def stored(comm, pid, minute, **more):
    at = f"2026-01-31T13:{minute:02}:00Z"
    return {"path": f"2026-01-31/13/{comm}-{pid}.pb.gz", "comm": comm, "pid": pid, "start": 5,
            "exec": 1, "kind": "cpu", "from": at, "to": f"2026-01-31T13:{minute + 1:02}:00Z",
            "bytes": 1024, "ended": False, **more}


LS = {"directory": "/var/lib/cprofd/profiles", "files": [
    stored("nginx", 31234, 59 - 1, bytes=2048), stored("sh", 0, 10, ended=True),
    stored("python3", 77, 30)]}
LS_TEXT = """\
FROM                 TO        KIND    PID  COMMAND  SIZE  PATH
2026-01-31 14:10:00  14:11:00  cpu   ended  sh        1kB  2026-01-31/13/sh-0.pb.gz
2026-01-31 14:30:00  14:31:00  cpu      77  python3   1kB  2026-01-31/13/python3-77.pb.gz
2026-01-31 14:58:00  14:59:00  cpu   31234  nginx     2kB  2026-01-31/13/nginx-31234.pb.gz
3 profiles, 4kB in /var/lib/cprofd/profiles
"""
ANSWERS = {"/status": STATUS, "/ps": PS, "/ls": LS}


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="test-daemon-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.dir.chmod(0o755)
        self.path = self.dir / "cprofd.sock"

    def daemon(self, handler=None, raw=None):
        def well(conn, target):
            conn.sendall(answer(ANSWERS[target.partition("?")[0]]) if raw is None else raw)

        daemon = Daemon(self.path, handler or well)
        self.path.chmod(0o666)
        self.addCleanup(self.path.unlink)
        self.addCleanup(daemon.close)
        return daemon

    def argv(self, *args):
        return [CPROFCTL, "--socket", str(self.path), *map(str, args)]

    def ctl(self, *args, **kwargs):
        env = {**os.environ, "TZ": "CET-1CEST,M3.5.0,M10.5.0/3", **kwargs.pop("env", {})}
        return subprocess.run(self.argv(*args), capture_output=True, text=True, check=False,
                              timeout=60, env=env, stdin=subprocess.DEVNULL, **kwargs)

    def assert_says(self, done, text, status=1):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertRegex(done.stderr, r"^cprofctl: (status|ps|ls): .+: .+; .+|^cprofctl: \w+: .+; .+")
        self.assertIn(text, done.stderr)
        self.assertNotIn("\033", done.stderr)


class Good(Case):
    def test_texts(self):
        self.daemon()
        for command, text in (("status", STATUS_TEXT), ("ps", PS_TEXT), ("ls", LS_TEXT)):
            with self.subTest(command):
                done = self.ctl(command)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(done.stdout, text)
                self.assertEqual(self.ctl("-q", command).stdout, "")

    def test_json(self):
        """What the daemon said, to the byte for status, row by row for lists."""
        self.daemon()
        self.assertEqual(self.ctl("--json", "status").stdout, json.dumps(STATUS) + "\n")
        ps = json.loads(self.ctl("--json", "ps").stdout)
        self.assertEqual([p["pid"] for p in ps["processes"]], [31234, 77, 5])
        self.assertEqual({**ps, "processes": []}, {**PS, "processes": []})
        self.assertEqual(ps["processes"][1], PS["processes"][2])
        ls = json.loads(self.ctl("--json", "ls", "--pid", 77).stdout)
        self.assertEqual(ls, {**LS, "files": [LS["files"][2]]})

    def test_chunked(self):
        body = json.dumps(STATUS).encode()
        chunks = b"".join(f"{len(body[i:i + 100]):x}\r\n".encode() + body[i:i + 100] + b"\r\n"
                          for i in range(0, len(body), 100))
        self.daemon(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        self.assertEqual(self.ctl("status").stdout, STATUS_TEXT)

    def test_byte_by_byte(self):
        def slowly(conn, _):
            for byte in answer(STATUS):
                conn.send(bytes([byte]))

        self.daemon(slowly)
        self.assertEqual(self.ctl("status").stdout, STATUS_TEXT)

    def test_large(self):
        """A week of profiles: a second or two, not more memory than the answer and its table."""
        files = [stored("nginx", i + 1, i % 59) for i in range(50000)]
        self.daemon(raw=answer({"files": files}))
        done = self.ctl("ls")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("\n"), 50002)
        self.assertTrue(done.stdout.endswith("50000 profiles, 48.83MB\n"), done.stdout[-100:])

    def test_limit(self):
        self.daemon()
        done = self.ctl("ps", "--limit", 1)
        self.assertIn("nginx", done.stdout)
        self.assertNotIn("idle", done.stdout)
        self.assertEqual(len(json.loads(self.ctl("--json", "ps", "-n2").stdout)["processes"]), 2)

    def test_selectors(self):
        daemon = self.daemon()
        for args, comms in ((("--pid", "77,31234"), ["python3", "nginx"]),
                            (("--comm", "^(sh|py)"), ["sh", "python3"]),
                            (("--kind", "cpu,heap"), ["sh", "python3", "nginx"]),
                            (("--since", "2026-01-31T13:31:00Z"), ["nginx"]),
                            (("--since", "2026-01-31 14:30:30"), ["python3", "nginx"]),
                            (("--until", "2026-01-31T13:30:00Z"), ["sh"]),
                            (("--since", "2026-01-31T13:10:59Z", "--until", "2026-01-31T13:31:00Z"),
                             ["sh", "python3"])):
            with self.subTest(args):
                done = self.ctl("--json", "ls", *args)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual([f["comm"] for f in json.loads(done.stdout)["files"]], comms)
        self.assertEqual(daemon.targets[0], "/ls")
        self.assertEqual(daemon.targets[-1], "/ls?since=2026-01-31T13:10:59Z&until=2026-01-31T13:31:00Z")

    def test_nothing(self):
        self.daemon(raw=answer({**PS, "processes": [], "files": []}))
        self.assert_says(self.ctl("ps"), "no process of yours used the CPU", 3)
        self.assert_says(self.ctl("ls"), "no profile is stored yet", 3)
        self.assert_says(self.ctl("ls", "--until", "1h"), "no stored profile fits", 3)
        done = self.ctl("--json", "-q", "ls")
        self.assertEqual((done.returncode, done.stderr, json.loads(done.stdout)["files"]), (3, "", []))

    def test_no_window_yet(self):
        self.daemon(raw=answer({"window_s": 0, "processes": []}))
        self.assert_says(self.ctl("ps"), "the daemon's first window is not over", 3)

    def test_unbalanced(self):
        self.daemon(raw=answer({**STATUS, "books": {**STATUS["books"], "difference": 7}}))
        for args in (["status"], ["--json", "status"], ["-q", "status"]):
            self.assertEqual(self.ctl(*args).returncode, 1, args)
        self.assertIn("THE BOOKS DO NOT BALANCE: 7 samples", self.ctl("status").stdout)

    def test_terminal(self):
        """Colours, and a pager that gets them; neither when it is not wanted."""
        self.daemon()
        self.assertIn("\033[32mcprofd 0.1.0 is running\033[0m", self.on_terminal("status"))
        plain = self.on_terminal("--no-pager", "ps", env={"NO_COLOR": "1", "PAGER": "sed s/^/paged/"})
        self.assertNotIn("\033", plain)
        self.assertNotIn("paged", plain)
        paged = self.on_terminal("ls", env={"PAGER": "sed s/^/paged/"})
        self.assertIn("paged\033[1mFROM", paged)
        self.assertEqual(paged.count("paged"), 5)
        self.assertIn("FROM", self.on_terminal("ls", env={"PAGER": "no-such-pager-anywhere"}))

    def test_long_lines(self):
        """Rows are cut at the terminal's edge, sentences are wrapped; but as the user wants it."""
        self.daemon()
        shown = {"PAGER": "echo \"LESS=$LESS.\"; cat"}
        os.environ.pop("LESS", None)
        self.assertIn("LESS=FRX.", self.on_terminal("status", env=shown))
        self.assertIn("LESS=FRSX.", self.on_terminal("ps", env=shown))
        self.assertIn("LESS=i.", self.on_terminal("status", env={"LESS": "i", **shown}))

    def on_terminal(self, *args, env=None):
        ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "PAGER": "cat", **(env or {})}
        p = subprocess.Popen(self.argv(*args), env=env, stdin=subprocess.DEVNULL, stdout=theirs,
                             stderr=theirs)
        os.close(theirs)
        got = b""
        while select.select([ours], [], [], 20)[0]:
            try:
                more = os.read(ours, 4096)
            except OSError:
                break
            got += more
        self.assertEqual(p.wait(20), 0)
        os.close(ours)
        return got.decode()


class Faults(Case):
    def test_no_daemon(self):
        for command in ("status", "ps", "ls"):
            self.assert_says(self.ctl(command), f"{command}: no daemon answers on {self.path}: No such "
                             "file or directory; start it with systemctl start cprofd")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(self.path))
        stale.close()
        self.assert_says(self.ctl("status"), "Connection refused; start it with systemctl start cprofd")
        done = subprocess.run([CPROFCTL, "--socket", "/\033[31m\n", "ps"], capture_output=True, text=True,
                              check=False)
        self.assert_says(done, "no daemon answers on /\ufffd[31m\ufffd: ")

    def test_usual_place(self):
        if os.path.exists("/run/cprofd/cprofd.sock"):
            self.skipTest("a daemon runs here")
        done = subprocess.run([CPROFCTL, "status"], capture_output=True, text=True, check=False)
        self.assert_says(done, "no daemon answers on /run/cprofd/cprofd.sock")

    def test_no_permission(self):
        self.daemon()
        self.path.chmod(0o600)
        if os.geteuid() != 0:
            self.skipTest("needs root to be somebody else")
        done = self.ctl("status", user=65534, group=65534, extra_groups=[])
        self.assert_says(done, f"cannot speak to the daemon on {self.path}: Permission denied; run it "
                               "with sudo")

    def test_refused(self):
        for status, text, said in (
                ("403 Forbidden", "only root and the group cprofd may see this.\n",
                 "the daemon refuses: only root and the group cprofd may see this; run it with sudo"),
                ("404 Not Found", "there is no such page\n",
                 "the daemon has no /status: there is no such page; are cprofctl and cprofd of one"),
                ("429 Too Many Requests", "too many clients\n",
                 "the daemon cannot answer now: too many clients; try again"),
                ("503 Service Unavailable", "the sampler starts\n",
                 "the daemon cannot answer now: the sampler starts; try again\n"),
                ("503 Service Unavailable", "it starts; try again soon\n",
                 "the daemon cannot answer now: it starts; try again soon\n"),
                ("500 Internal Server Error", "\033[31mred\n",
                 "the daemon failed: \ufffd[31mred; see journalctl -u cprofd"),
                ("500 Internal Server Error", "", "HTTP status 500 without a reason; see journalctl")):
            with self.subTest(status):
                self.setUp()
                self.daemon(raw=answer(text.encode(), status, "text/plain; charset=utf-8"))
                self.assert_says(self.ctl("status"), said)
        self.setUp()
        self.daemon(raw=answer(b"<html>no</html>", "502 Bad Gateway", "text/html"))
        self.assert_says(self.ctl("--json", "ls"), "HTTP status 502 without a reason")

    def test_garbage(self):
        for raw in (b"SSH-2.0-OpenSSH_9.2p1\r\n", os.urandom(5000), b"\0" * 100000, b"{}",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "):
            with self.subTest(raw[:40]):
                self.setUp()
                self.daemon(raw=raw)
                self.assert_says(self.ctl("status"), "what answers on")

    def test_no_json(self):
        for body in (b"", b"hello", b'{"a": 1', b"[]", b"5", b'{"a": "\xff"}', b"[" * 100000):
            with self.subTest(body[:40]):
                self.setUp()
                self.daemon(raw=answer(body))
                for command in ("status", "ps", "ls"):
                    self.assert_says(self.ctl(command), "it is no JSON object; are cprofctl and cprofd")

    def test_other_json(self):
        """Of another kind than it should be: nothing to show, and nothing breaks."""
        self.daemon(raw=answer({"files": 7, "processes": {"a": [1, {}]}, "version": [], "books": "x"}))
        self.assertEqual(self.ctl("status").returncode, 0)
        self.assertEqual(self.ctl("ls").returncode, 3)
        self.assertEqual(self.ctl("ps").returncode, 0)

    def test_half(self):
        whole = answer(STATUS)
        for raw in (b"", whole[:10], whole[:60], whole[:-1],
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\""):
            with self.subTest(raw[:40]):
                self.setUp()
                self.daemon(raw=raw)
                done = self.ctl("status")
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, "broke off in the middle of its answer|is no cprofd")
                self.assertEqual(done.stdout, "")

    def test_huge(self):
        def endless(conn, _):
            conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                conn.sendall(b"[" * 65536)

        def heads(conn, _):
            while True:
                conn.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10000)

        self.daemon(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}")
        self.assert_says(self.ctl("status"), "too large; ask for less")
        for handler in (endless, heads):
            self.setUp()
            self.daemon(handler)
            self.assert_says(self.ctl("ls"), "too large; ask for less")

    def test_silent(self):
        """It takes the connection and hangs: eleven seconds, and a line."""
        self.daemon(lambda conn, _: time.sleep(40))
        begun = time.monotonic()
        self.assert_says(self.ctl("status"), "does not answer: Connection timed out; see journalctl")
        self.assertLess(time.monotonic() - begun, 20)

    def test_slow_list(self):
        """A list may take its time: the daemon walks through its files before it says a word."""
        def slowly(conn, _):
            time.sleep(14)
            conn.sendall(answer(LS))

        self.daemon(slowly)
        self.assertEqual(self.ctl("ls").stdout, LS_TEXT)

    def test_stops_midway(self):
        def midway(conn, _):
            conn.sendall(answer(STATUS)[:100])
            time.sleep(40)

        self.daemon(midway)
        self.assert_says(self.ctl("status"), "does not answer: Connection timed out")

    def test_full_queue(self):
        """Nobody accepts, and the queue is full: connect(2) says so at once, and we wait a while."""
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(self.path))
        sock.listen(0)
        self.addCleanup(sock.close)
        waiting = []
        for _ in range(4):
            s = socket.socket(socket.AF_UNIX)
            s.setblocking(False)
            waiting.append(s)
            self.addCleanup(s.close)
            try:
                s.connect(str(self.path))
            except BlockingIOError:
                break
        begun = time.monotonic()
        self.assert_says(self.ctl("status"), "takes no connection: its queue is full; try again")
        self.assertLess(time.monotonic() - begun, 20)


class Usage(Case):
    def test_wrong(self):
        for args in (["status", "x"], ["status", "--limit", "1"], ["ps", "1"], ["ps", "--limit", "x"],
                     ["ls", "file"], ["ls", "--comm", "("], ["ls", "--since", "soon"],
                     ["ls", "--since", "5m", "--until", "10m"], ["ls", "--pid", "x"]):
            done = self.ctl(*args)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
            self.assertRegex(done.stderr, rf"^cprofctl: {args[0]}: .+; see cprofctl {args[0]} --help\n$")

    def test_allowed(self):
        self.assertIn("--since takes a time: 5m or -5m (ago), 14:00, 2026-01-31, or RFC 3339, not 'soon'",
                      self.ctl("ls", "--since", "soon").stderr)


def main():
    global CPROFCTL
    parser = argparse.ArgumentParser()
    parser.add_argument("--cprofctl", required=True)
    args, rest = parser.parse_known_args()
    CPROFCTL = os.path.abspath(args.cprofctl)
    unittest.main(argv=[sys.argv[0], *rest])


main()
