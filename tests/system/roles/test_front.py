#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cprofd-front with real clients of several users; the test stands in for launcher and sampler.

The first half is what a client gets, and who gets it. The second is clients that are slow, greedy or
mad, and a sampler that is gone, silent or wrong: none of them may keep root from an answer.
"""

import concurrent.futures
import contextlib
import errno
import gzip
import os
import pathlib
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import front
import wire

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else None
LONG = "--long" in sys.argv
if LONG:
    sys.argv.remove("--long")
OTHER, THIRD = 54321, 54322


class FrontTest(unittest.TestCase):
    def setUp(self):
        self.front = front.Front(PROGRAM)
        self.addCleanup(self.check_end)
        self.sampler = self.front.connect_sampler()

    def check_end(self):
        self.assertEqual(self.front.close(), 0)

    def get(self, target, uid=None, groups=(), **how):
        if uid is None:
            return front.Answer(front.ask(self.front.path, target, **how))
        return front.Answer(front.as_user(
            uid, list(groups), lambda: front.ask(self.front.path, target, **how)))

    def refused(self, answer, status, words):
        self.assertEqual(answer.status, status, answer.text)
        self.assertIn(words, answer.text)
        self.assertEqual(answer.headers["x-go-pprof"], "1")
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertEqual(answer.text.count("\n"), 1)
        self.assertTrue(answer.text.endswith("\n"))

    def count(self, name):
        return self.get("/status").json()["front"][name]

    def eventually(self, what, seconds=15):
        deadline = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), deadline, "it did not happen in time")
            time.sleep(0.02)


class AnswersTest(FrontTest):
    """What each path gives."""

    def test_status(self):
        answer = self.get("/status")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        s = answer.json()
        self.assertEqual((s["version"], s["state"], s["event"], s["hz"], s["uptime_s"]),
                         ("0.1.0", "degraded", "cpu-clock", 99, 90.5))
        self.assertEqual(s["degraded"], ['spool: "full"; make room'])
        self.assertEqual((s["books"]["runs"], s["books"]["produced"]), (100, 105))
        named = [n for n, _ in front.COUNTERS]
        self.assertEqual(list(s["counters"].values()), list(range(1, len(named) + 1)))
        self.assertEqual(list(s["counters"]), named)
        self.assertEqual(set(s["books"]["dropped"]), {n for n, k in front.COUNTERS if k == "DROP"})
        self.assertEqual(s["stacks"]["reasons"]["fp_bad"], 33)
        self.assertNotIn("root", s["stacks"]["reasons"])
        self.assertEqual(s["cost"]["cpu_s"], 6)
        self.assertEqual(s["cost"]["pss_bytes"], 6000)
        self.assertEqual([s["cost"][k] for k in ("cpu_share", "cpu_share_max", "memory_max_bytes")],
                         [0.05, 0.1, 1 << 20])
        self.assertEqual(s["cost"]["roles"]["opener"],
                         {"pid": 12, "cpu_s": 2, "pss_bytes": 2000, "restarts": 1, "sandbox": "full"})
        self.assertEqual({name: s["cost"]["roles"][name]["sandbox"] for name in ("launcher", "symbolizer")},
                         {"launcher": "none", "symbolizer": "no landlock"})
        self.assertEqual((s["spool"]["files"], s["spool"]["bytes"]), (12, 3456))

    def test_ps(self):
        row = front.Process(samples=10, weight_ns=5 * 10**9, complete=9, pid=7, uid=OTHER, euid=OTHER,
                            cred=1, comm=b"a<b>", unit=b"x.service")
        self.sampler.rows = [front.Process(samples=1, weight_ns=10, pid=8, comm=b"idle"), row]
        ps = self.get("/ps").json()
        self.assertEqual((ps["window_s"], ps["cpus"], ps["from"]), (10, 2, "2023-11-14T22:13:20.000Z"))
        self.assertEqual([p["pid"] for p in ps["processes"]], [7, 8])
        first = ps["processes"][0]
        self.assertEqual((first["comm"], first["unit"], first["cpu_s"], first["cpu_share"],
                          first["complete_share"]), ("a<b>", "x.service", 5, 0.5, 0.9))
        page = self.get("/debug/pprof/")
        self.assertIn("a&lt;b&gt;", page.text)
        self.assertNotIn("a<b>", page.text)
        self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn('href="/debug/pprof/profile"', page.text)
        self.assertIn('href="/unit/a%40b.service/debug/pprof/profile"',
                      self.get("/unit/a@b.service/debug/pprof/").text)

    def test_metrics(self):
        self.get("/nothing")
        answer = self.get("/metrics")
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        described, typed, seen = set(), {}, set()
        for line in answer.text.splitlines():
            if m := re.fullmatch(r"# HELP (\w+) (\S.*)", line):
                self.assertNotIn(m[1], described)
                described.add(m[1])
            elif m := re.fullmatch(r"# TYPE (\w+) (counter|gauge)", line):
                typed[m[1]] = m[2]
            else:
                m = re.fullmatch(r'(\w+)(\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? ([0-9.e+-]+)', line)
                self.assertTrue(m, line)
                self.assertIn(m[1], typed)
                self.assertNotIn((m[1], m[2]), seen)
                seen.add((m[1], m[2]))
                self.assertEqual(m[1].endswith("_total"), typed[m[1]] == "counter", m[1])
                self.assertFalse(re.search(r"_(ns|ms|s|sec|kb|count|sum)(_total)?$", m[1]), m[1])
                self.assertTrue(m[1].startswith("cprofd_"))
        self.assertEqual(described, set(typed))
        for i, (name, _) in enumerate(front.COUNTERS):
            if name.endswith("_ns"):
                self.assertIn(f"cprofd_{name[:-3]}_seconds_total {(i + 1) / 1e9:.9f}\n", answer.text)
            else:
                self.assertIn(f"cprofd_{name}_total {i + 1}\n", answer.text)
        self.assertIn("cprofd_front_answers_error_total 1\n", answer.text)
        self.assertIn('cprofd_role_pss_bytes{role="opener"} 2000\n', answer.text)
        self.assertIn("cprofd_spool_files 12\n", answer.text)

    def test_profile(self):
        answer = self.get("/debug/pprof/profile?seconds=1&hz=250")
        self.assertEqual(answer.body, self.sampler.profile)
        self.assertEqual(answer.headers["content-type"], "application/octet-stream")
        self.assertEqual(answer.headers["content-disposition"], 'attachment; filename="profile"')
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        (uid, flags, start), = self.sampler.clients
        self.assertEqual((uid, flags), (0, 1))
        self.assertEqual((start.flags, start.hz, start.duration_ns, start.pids_cnt),
                         (front.ALL | front.MERGED, 250, 10**9, 0))
        self.get("/unit/a%40b.service/debug/pprof/profile?seconds=1")
        start = self.sampler.clients[1][2]
        self.assertEqual((start.flags, start.unit, start.hz),
                         (front.UNIT | front.MERGED, b"a@b.service", 99))
        self.get(f"/pid/{os.getpid()}/debug/pprof/profile?seconds=1")
        start = self.sampler.clients[2][2]
        self.assertEqual((start.flags, start.pids_cnt, start.pids[0]),
                         (front.MERGED, 1, os.getpid()))

    def test_two_at_once_and_idle(self):
        answers = []
        begun = time.monotonic()
        threads = [threading.Thread(target=lambda: answers.append(
            self.get("/debug/pprof/profile?seconds=3"))) for _ in range(2)]
        for t in threads:
            t.start()
        status = self.get("/status").json()
        for t in threads:
            t.join()
        self.assertLess(time.monotonic() - begun, 5.5)  # one after the other takes six
        self.assertEqual([a.body for a in answers], [self.sampler.profile] * 2)
        self.assertEqual(status["front"]["recordings"], 0)
        self.sampler.on_session = "empty"
        answer = self.get("/debug/pprof/profile?seconds=1")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"nanoseconds", gzip.decompress(answer.body))
        shown = self.pprof(answer.body, "-top")
        self.assertIn("Duration: 1s, Total samples = 0", shown)

    def pprof(self, data, *args):
        if not shutil.which("go"):
            print("SKIP: no go tool pprof for a part of this test", file=sys.stderr)
            return "Duration: 1s, Total samples = 0 spin"
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            return subprocess.run(["go", "tool", "pprof", *args, f.name], capture_output=True,
                                  text=True, check=True).stdout

    def test_tools(self):
        self.sampler.profile = front.profile(filler=3_000_000)
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "cpu.pb.gz"
            url = "http://cprofd/debug/pprof/profile?seconds=1"
            subprocess.run(["curl", "-sSf", "--unix-socket", self.front.path, "-o", out, url],
                           check=True)
            self.assertEqual(out.read_bytes(), self.sampler.profile)
            self.assertIn("spin", self.pprof(out.read_bytes(), "-top"))
        if not shutil.which("go"):
            return
        with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
            threading.Thread(target=self.relay, args=(server,), daemon=True).start()
            port = server.getsockname()[1]
            got = subprocess.run(
                ["go", "tool", "pprof", "-top", "-seconds", "1",
                 f"http://127.0.0.1:{port}/pid/{os.getpid()}/debug/pprof/profile"],
                capture_output=True, text=True, env={**os.environ, "PPROF_TMPDIR": folder},
                check=False)
            self.assertIn("spin", got.stdout, got.stderr)
            got = subprocess.run(
                ["go", "tool", "pprof", "-top", f"http://127.0.0.1:{port}/pid/1/debug/pprof/heap"],
                capture_output=True, text=True, check=False)
            self.assertIn("does not collect it yet", got.stderr)

    def relay(self, server):
        def pump(a, b):
            try:
                while data := a.recv(65536):
                    b.sendall(data)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        while True:
            try:
                outer, _ = server.accept()
            except OSError:
                return
            inner = front.dial(self.front.path)
            for pair in ((outer, inner), (inner, outer)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    def test_ls(self):
        self.refused(self.get("/ls"), 503, "stores no profiles")
        self.assertEqual(self.front.close(), 0)
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="cprof-spool-")))
        folder.chmod(0o755)
        hour = folder / "2026-11-21" / "14"
        hour.mkdir(parents=True)
        for name in ("sh-12-345-1.cpu.140000-140100.pb.gz", "vi-13-345-0.cpu.140100-140200.pb.gz",
                     "cc-ended-0123456789abcdef.cpu.140000-140100.pb.gz"):
            (hour / name).write_bytes(b"x" * 100)
        (hour / "junk").write_bytes(b"")
        self.front = front.Front(PROGRAM, folder)
        self.sampler = self.front.connect_sampler()
        answer = self.get("/ls")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        ls = answer.json()
        self.assertEqual(ls["directory"], "/var/lib/cprofd/profiles")
        self.assertEqual(sorted((f["comm"], f["pid"], f["ended"]) for f in ls["files"]),
                         [("cc", 0, True), ("sh", 12, False), ("vi", 13, False)])
        shell, = self.get("/ls?pid=12").json()["files"]
        self.assertEqual((shell["path"], shell["kind"], shell["bytes"] > 0, shell["from"], shell["to"]),
                         ("2026-11-21/14/sh-12-345-1.cpu.140000-140100.pb.gz", "cpu", True,
                          "2026-11-21T14:00:00.000Z", "2026-11-21T14:01:00.000Z"))
        for query, comms in (("comm=vi", ["vi"]), ("kind=heap", []),
                             ("since=2026-11-21T14:01:30Z", ["vi"]),
                             ("until=2026-11-21T14:00:30Z&comm=sh", ["sh"])):
            self.assertEqual([f["comm"] for f in self.get("/ls?" + query).json()["files"]], comms)
        before = self.front.descriptors()
        for _ in range(20):
            with front.dial(self.front.path) as sock:
                sock.sendall(b"GET /ls HTTP/1.1\r\nHost: x\r\n\r\n")
        self.eventually(lambda: self.front.descriptors() <= before)
        self.assertEqual(self.get("/ls").status, 200)
        children = pathlib.Path(f"/proc/{self.front.process.pid}/task/{self.front.process.pid}/children")
        self.eventually(lambda: not children.read_text(encoding="ascii"))

    def test_cmdline_and_symbol(self):
        with open("/proc/self/cmdline", "rb") as f:
            mine = f.read().rstrip(b"\0")
        answer = self.get(f"/pid/{os.getpid()}/debug/pprof/cmdline")
        self.assertEqual(answer.body, mine)
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(self.get("/debug/pprof/cmdline").text, "cprofd")
        for how in ({}, {"method": "POST", "body": b"0x401000+0x401100"}):
            self.assertEqual(self.get("/debug/pprof/symbol?0x401000+0x401100", **how).text,
                             "num_symbols: 1\n")
        self.assertEqual(self.get("/debug/pprof/profile", method="HEAD").body, b"")
        self.assertEqual(self.sampler.clients, [])

    def test_refused(self):
        thread = threading.Thread(target=time.sleep, args=(3,))
        thread.start()
        for target, status, words in (
                ("/", 404, "nothing is at this path"),
                ("/debug", 404, "nothing is at this path"),
                ("/statuses", 404, "nothing is at this path"),
                ("/status/x", 404, "nothing is at this path"),
                ("/debug/pprof/heap", 404, "does not collect it yet"),
                ("/debug/pprof/nonsense", 404, "Unknown profile"),
                ("/pid/abc/debug/pprof/profile", 404, "no number of a process"),
                ("/pid/0/debug/pprof/profile", 404, "no number of a process"),
                ("/pid/4294967297/debug/pprof/profile", 404, "no number of a process"),
                ("/pid/2147483646/debug/pprof/profile", 404, "there is no process 2147483646"),
                (f"/pid/{thread.native_id}/debug/pprof/profile", 404, f"its process, {os.getpid()}"),
                ("/pid/1/status", 404, "nothing is at this path"),
                ("/container/x/debug/pprof/profile", 404, "cannot be asked for yet"),
                ("/unit/a.service/debug/pprof/cmdline", 404, "no command line"),
                ("/debug/pprof/profile?seconds=0", 400, "from 1 to 3600"),
                ("/debug/pprof/profile?seconds=3601", 400, "from 1 to 3600"),
                ("/debug/pprof/profile?seconds=-1", 400, "from 1 to 3600"),
                ("/debug/pprof/profile?seconds=1.5", 400, "from 1 to 3600"),
                ("/debug/pprof/profile?seconds=99999999999999999999", 400, "from 1 to 3600"),
                ("/debug/pprof/profile?seconds=", 400, "from 1 to 3600"),
                ("/debug/pprof/profile?hz=10001", 400, "from 1 to 10000"),
                ("/debug/pprof/profile?second=1", 400, 'unknown parameter "second"'),
                ("/debug/pprof/profile?seconds=1&seconds=2", 400, "given twice"),
                ("/debug/pprof/profile?seconds=1&s%65conds=2", 400, "given twice"),
                ("/debug/pprof/profile?since=1", 400, "cannot be fetched by a URL yet"),
                ("/debug/pprof/profile?debug=1", 400, "can only be 0"),
                ("/status?x=1", 400, "there are none here"),
                ("/status?", 200, ""),
                ("/status?&", 400, "no name"),
                ("/status%00", 400, "control characters"),
                ("/status%0a", 400, "control characters"),
                ("/stat%zzus", 400, "hexadecimal"),
                ("/stat%2fus", 400, "part of its path"),
                ("/../status", 400, "part of its path"),
                ("//status", 400, "part of its path"),
                ("status", 400, "begin with a /"),
                ("/" + "x" * 3000, 400, "too long"),
                ("/" + "x/" * 9, 400, "too many parts"),
                ("/ls?kind=" + "k" * 16, 400, "1 to 15 bytes"),
                ("/ls?since=yesterday", 400, "seconds since 1970"),
                ("/ls?since=2026-02-30T00:00:00Z", 400, "seconds since 1970")):
            with self.subTest(target[:60]):
                answer = self.get(target)
                if status == 200:
                    self.assertEqual(answer.status, 200)
                else:
                    self.refused(answer, status, words)
        for method in ("POST", "DELETE", "PUT"):
            answer = self.get("/status", method=method)
            self.refused(answer, 405, "use GET")
            self.assertEqual(answer.headers["allow"], "GET, HEAD")
        self.assertEqual(self.sampler.clients, [])
        thread.join()

    def test_keep_alive(self):
        with front.dial(self.front.path) as sock:
            for _ in range(3):
                sock.sendall(b"GET /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\n\r\n")
                got = b""
                while b"num_symbols: 1\n" not in got:
                    got += sock.recv(4096)
            sock.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /debug/pprof/symbol "
                         b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            got = front.read_all(sock)
        self.assertIn(b"404 Not Found", got)
        self.assertIn(b"num_symbols", got)


class RightsTest(FrontTest):
    """Who may see what: four users, each kind of request, each kind of process."""

    def test_matrix(self):
        self.sampler.rows = [front.Process(pid=5, weight_ns=3, uid=OTHER, euid=OTHER, cred=1),
                             front.Process(pid=6, weight_ns=2, uid=OTHER, euid=OTHER, cred=5),
                             front.Process(pid=7, weight_ns=2, uid=OTHER, euid=OTHER, cred=0),
                             front.Process(pid=8, weight_ns=2, uid=OTHER, euid=0, cred=1),
                             front.Process(pid=9, weight_ns=1, uid=0, euid=0, cred=1)]
        users = {"root": (0, []), "member": (THIRD, [GROUP := front.GROUP]),
                 "owner": (OTHER, []), "stranger": (THIRD, [12345])}
        del GROUP
        with front.sleeper(OTHER) as own, front.sleeper(OTHER, dumpable=False) as hidden, \
                front.sleeper(0) as roots:
            rows = {
                f"/pid/{own}/debug/pprof/profile?seconds=1": (200, 200, 200, 403),
                f"/pid/{own}/debug/pprof/cmdline": (200, 200, 200, 403),
                f"/pid/{own}/debug/pprof/": (200, 200, 200, 403),
                f"/pid/{hidden}/debug/pprof/profile?seconds=1": (200, 200, 403, 403),
                f"/pid/{hidden}/debug/pprof/cmdline": (200, 200, 403, 403),
                f"/pid/{roots}/debug/pprof/profile?seconds=1": (200, 200, 403, 403),
                "/debug/pprof/profile?seconds=1": (200, 200, 403, 403),
                "/unit/a.service/debug/pprof/profile?seconds=1": (200, 200, 403, 403),
                "/debug/pprof/": (200, 200, 200, 200),
                "/debug/pprof/symbol": (200, 200, 200, 200),
                "/status": (200, 200, 200, 200),
                "/metrics": (200, 200, 200, 200),
                "/ps": (200, 200, 200, 200),
                "/ls?pid=1": (None, None, 403, 403),
            }
            for target, wanted in rows.items():
                for (name, (uid, groups)), status in zip(users.items(), wanted):
                    with self.subTest(f"{target} by {name}"):
                        answer = self.get(target, uid, groups)
                        if status == 403:
                            self.refused(answer, 403, "only root and members of group cprofd may")
                        elif status:
                            self.assertEqual(answer.status, status, answer.text)
                        else:
                            self.assertNotEqual(answer.status, 403)
        for uid, flags, _ in self.sampler.clients:
            self.assertEqual((uid, flags), (uid, 0 if uid == OTHER else 1))
        pids = {name: [p["pid"] for p in self.get("/ps", *user).json()["processes"]]
                for name, user in users.items()}
        everything = [5, 6, 7, 8, 9]
        self.assertEqual(pids, {"root": everything, "member": everything, "owner": [5], "stranger": []})
        for name, user in users.items():
            allowed = name in ("root", "member")
            self.assertEqual("roles" in self.get("/status", *user).json()["cost"], allowed)
            self.assertEqual("cprofd_role_" in self.get("/metrics", *user).text, allowed)

    def test_group_of_the_configuration(self):
        path = "/debug/pprof/profile?seconds=1"
        self.assertEqual(self.get(path, THIRD, [front.GROUP]).status, 200)
        self.front.configure(gid=0xFFFFFFFF)
        self.assertEqual(self.get(path, THIRD, [front.GROUP]).text,
                         "a profile of the machine is of every user's processes: only root may\n")
        self.assertEqual(self.get(path, 0).status, 200)

    def session(self, uid, groups):
        def work():
            with front.dial(self.front.session_path, socket.SOCK_SEQPACKET) as sock:
                sock.send(front.StartMessage(flags=front.ALL, hz=99, duration_ns=10**8).pack())
                data, _ = wire.recv(sock)
            return data
        return front.as_user(uid, groups, work)

    def test_sessions(self):
        for uid, groups, flags in ((0, [], 1), (THIRD, [front.GROUP], 1), (THIRD, [], 0)):
            kind, _ = wire.head(self.session(uid, groups))
            self.assertEqual(kind, front.STARTED)
            self.assertEqual(self.sampler.clients[-1][:2], (uid, flags))
        self.sampler.die()
        self.eventually(lambda: self.get("/ps").status == 503)
        failed = front.FailedMessage.from_buffer_copy(self.session(0, []))
        self.assertEqual(failed.error, -errno.ENOTCONN)
        self.assertIn(b"is being started again", failed.text)
        self.front.connect_sampler()
        self.assertEqual(wire.head(self.session(0, []))[0], front.STARTED)

    def test_sessions_that_say_nothing(self):
        socks = [front.dial(self.front.session_path, socket.SOCK_SEQPACKET) for _ in range(40)]
        late = front.as_user(OTHER, [], lambda: b"".join(
            wire.recv(s)[0] for s in [front.dial(self.front.session_path, socket.SOCK_SEQPACKET)
                                      for _ in range(9)][8:]))
        self.assertIn(b"too many connections of your user", late)
        refused = wire.recv(socks[-1])[0]
        self.assertEqual(front.FailedMessage.from_buffer_copy(refused).error, -errno.EUSERS)
        begun = time.monotonic()
        self.assertIn(b"nothing was asked for in time", wire.recv(socks[0])[0])
        self.assertLess(time.monotonic() - begun, 12)
        for sock in socks:
            sock.close()
        self.assertNotIn(front.CLIENT, self.sampler.questions)


class BadClientsTest(FrontTest):
    def answers_root(self):
        begun = time.monotonic()
        self.assertEqual(self.get("/debug/pprof/symbol").status, 200)
        took = time.monotonic() - begun
        self.assertLess(took, 1)
        return took

    def test_half_requests(self):
        for text in (b"", b"G", b"GET /status", b"GET /status HTTP/1.1\r\n", b"\r\n\r\n",
                     b"GET /status HTTP/1.1\r\nHost: x\r\nX: y", b"GET / FTP/9.9\r\n\r\n",
                     b"GET  /status  HTTP/1.1\r\n\r\n", b"POST /debug/pprof/symbol HTTP/1.1\r\n"
                     b"Host: x\r\nContent-Length: 10\r\n\r\n0x1", b"\0" * 100,
                     b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                     b"\r\nffffffffffffffff\r\n"):
            with self.subTest(text):
                with front.dial(self.front.path) as sock:
                    sock.sendall(text)
                self.answers_root()
        self.eventually(lambda: self.count("open_connections") == 1)
        self.assertGreaterEqual(self.count("closed_bad_request"), 8)

    def test_everything(self):
        seed = int.from_bytes(os.urandom(4), "little")
        rng = random.Random(seed)
        print(f"seed {seed}", file=sys.stderr)
        for i in range(300):
            # The library may miss an end that comes together with data: then the deadline ends it.
            with front.dial(self.front.path, timeout=0.05) as sock, self.swallow():
                sock.sendall(b"GET /" * (i % 2) + rng.randbytes(rng.randrange(1, 3000)))
                sock.shutdown(socket.SHUT_WR)
                front.read_all(sock)
        with front.dial(self.front.path) as sock, self.swallow():
            for _ in range(200):
                sock.sendall(b"X-Header: " + b"x" * 1000 + b"\r\n")
        with front.dial(self.front.path) as sock, self.swallow():
            sock.sendall(b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: x\r\nContent-Length: "
                         b"100000000\r\n\r\n")
            for _ in range(200):
                sock.sendall(b"x" * 1000)
        self.answers_root()
        self.eventually(lambda: self.count("open_connections") == 1)

    @staticmethod
    def swallow():
        return contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError)

    def test_half_closed(self):
        """Who only stopped sending still gets an answer."""
        with front.dial(self.front.path) as sock:
            sock.sendall(b"GET /debug/pprof/profile?seconds=1 HTTP/1.0\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            answer = front.Answer(front.read_all(sock))
        self.assertEqual(answer.body, self.sampler.profile)

    def test_slow(self):
        """A byte a second keeps no place for ever, in either direction."""
        slow = front.dial(self.front.path)
        self.addCleanup(slow.close)
        begun = time.monotonic()
        with self.swallow():
            for c in b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n":
                slow.send(bytes([c]))
                time.sleep(0.5)
        self.assertLess(time.monotonic() - begun, 15)
        self.assertEqual(self.count("closed_slow_request"), 1)
        quiet = front.dial(self.front.path)
        begun = time.monotonic()
        self.assertEqual(quiet.recv(1), b"")
        self.assertTrue(9 < time.monotonic() - begun < 15)

    def test_gone(self):
        """A client that leaves ends its recording."""
        with front.dial(self.front.path) as sock:
            sock.sendall(b"GET /debug/pprof/profile?seconds=3600 HTTP/1.1\r\nHost: x\r\n\r\n")
            self.eventually(lambda: self.sampler.clients)
            self.eventually(lambda: self.count("open_recordings") == 1)
        self.eventually(lambda: self.sampler.hung_up == 1)
        self.assertEqual((self.count("open_recordings"), self.count("clients_gone")), (0, 1))
        self.sampler.on_status = "silent"
        self.sampler.questions.clear()
        with front.dial(self.front.path) as sock:
            sock.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
            self.eventually(lambda: front.STATUS in self.sampler.questions)
        self.sampler.on_status = "answer"
        # After five seconds the question is given up; nobody of it is left.
        self.eventually(lambda: self.count("clients_gone") == 2)
        self.sampler.profile = front.profile(filler=5_000_000)
        with front.dial(self.front.path) as sock:
            sock.sendall(b"GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(sock.recv(100))
        self.answers_root()
        self.eventually(lambda: self.count("open_connections") == 1)

    def test_too_many_recordings(self):
        with front.sleeper(OTHER) as pid:
            def work():
                socks = [front.dial(self.front.path) for _ in range(5)]
                for sock in socks:
                    sock.sendall(f"GET /pid/{pid}/debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: x"
                                 "\r\nConnection: close\r\n\r\n".encode())
                return socks[4].recv(65536)
            answer = front.Answer(front.as_user(OTHER, [], work))
        self.refused(answer, 429, "too many profiles are being recorded")
        self.eventually(lambda: self.count("open_recordings") == 0)
        refused, failed = self.count("recordings_refused"), self.count("recordings_failed")
        self.sampler.on_session = (errno.EBUSY, b"too many recordings: no more than 8; wait")
        self.refused(answer := self.get("/debug/pprof/profile"), 429, "no more than 8")
        self.assertEqual(answer.headers["retry-after"], "2")
        self.sampler.on_session = (errno.EBUSY, b"too often; wait", 17)
        self.refused(answer := self.get("/debug/pprof/profile"), 429, "too often")
        self.assertEqual(answer.headers["retry-after"], "17")
        self.assertEqual(self.count("recordings_refused"), refused + 2)
        self.assertEqual(self.count("recordings_failed"), failed)

    def test_idle_connections(self):
        """Thousands of connections of others: each user has a share, and root an answer."""
        many = 10000 if LONG else 2000
        limit = max(many + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        ready, done = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            os.setresuid(OTHER, OTHER, OTHER)
            kept = []
            for i in range(many):
                kept.append(front.dial(self.front.path))
                if i == many // 2:
                    os.write(ready[1], b"x")
            os.close(done[1])
            os.write(ready[1], b"y")
            os.read(done[0], 1)
            os._exit(0)
        before = self.front.cpu_s()
        os.read(ready[0], 1)
        slowest = max(self.answers_root() for _ in range(20))
        os.read(ready[0], 1)
        slowest = max(slowest, *(self.answers_root() for _ in range(20)))
        self.eventually(lambda: self.count("refused_user") >= many - 8)
        self.eventually(lambda: self.count("open_connections") <= 9)
        self.assertLessEqual(self.front.descriptors(), 40)
        other = self.get("/debug/pprof/symbol", THIRD)
        self.assertEqual(other.status, 200)
        os.close(done[1])
        os.waitpid(child, 0)
        for fd in (*ready, done[0]):
            os.close(fd)
        print(f"{many} connections: root waited {slowest * 1e3:.1f} ms at most, the front took "
              f"{self.front.cpu_s() - before:.2f} s", file=sys.stderr)

    def test_connections_for_a_busy_sampler(self):
        """As many as it takes for its socket to be full: a question has room, and so has root's session."""
        def work():
            for _ in range(500):
                sock = front.dial(self.front.session_path, socket.SOCK_SEQPACKET)
                sock.send(front.StartMessage(hz=99).pack())
                kept.append(sock)
                time.sleep(0.001)
            return b"".join(b"busy" for s in kept if b"is busy" in answer_of(s))

        def answer_of(sock):
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                try:
                    return sock.recv(65536)
                except ConnectionResetError:  # told once, before what was said
                    return sock.recv(65536)
            return b""

        kept = []
        self.sampler.reads.clear()
        busy = front.as_user(OTHER, [], work).count(b"busy")
        self.assertGreater(busy, 50)
        root = front.dial(self.front.session_path, socket.SOCK_SEQPACKET)
        root.send(front.StartMessage(hz=99).pack())
        threading.Timer(0.5, self.sampler.reads.set).start()
        answer = self.get("/status")
        self.assertEqual(answer.status, 200, answer.text)
        self.assertGreaterEqual(answer.json()["front"]["sessions_refused"], busy)
        self.assertEqual(wire.head(wire.recv(root)[0])[0], front.STARTED)
        root.close()

    def test_questions_without_end(self):
        """Those who do not see all have the sampler asked ten times a second, root at once."""
        def work():
            end, cnt = time.monotonic() + 2, 0
            while time.monotonic() < end:
                for target in ("/status", "/metrics", "/ps"):
                    cnt += front.Answer(front.ask(self.front.path, target)).status == 200
            return b"%d" % cnt

        begun, before = time.monotonic(), len(self.sampler.questions)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = [pool.submit(front.as_user, uid, [], work) for uid in (OTHER, THIRD, THIRD + 1)]
            for _ in range(20):
                self.assertEqual(self.get("/status").status, 200)
            roots = time.monotonic() - begun
            answers = [int(a.result()) for a in answers]
        took = time.monotonic() - begun
        asked = len(self.sampler.questions) - before
        self.assertGreaterEqual(min(answers), 3)
        self.assertLessEqual(asked, 2 * (10 * took + 2) + 20)
        print(f"{sum(answers)} answers to others by {asked} questions in {took:.1f} s, 20 to root in "
              f"{roots:.2f} s", file=sys.stderr)

    def test_refusal_is_an_answer(self):
        def work():
            socks = [front.dial(self.front.path) for _ in range(9)]
            return front.read_all(socks[8])
        answer = front.Answer(front.as_user(OTHER, [], work))
        self.refused(answer, 429, "too many connections of your user")


class BadSamplerTest(FrontTest):
    def test_gone_and_back(self):
        self.sampler.die()
        self.eventually(lambda: self.get("/status").status == 503)
        for target in ("/status", "/ps", "/metrics", "/debug/pprof/profile"):
            answer = self.get(target)
            self.refused(answer, 503, "is not running: it is being started again")
            self.assertEqual(answer.headers["retry-after"], "2")
        self.assertEqual(self.get("/debug/pprof/").status, 200)
        self.front.connect_sampler()
        self.assertEqual(self.get("/status").status, 200)

    def test_dies_while_asked(self):
        self.sampler.on_status = "silent"
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.get("/status")))
        thread.start()
        recording = threading.Thread(target=lambda: answers.append(
            self.get("/debug/pprof/profile?seconds=1")))
        self.sampler.on_session = "die"
        recording.start()
        self.eventually(lambda: self.sampler.clients and front.STATUS in self.sampler.questions)
        self.sampler.die()
        thread.join()
        recording.join()
        for answer in answers:
            self.assertEqual(answer.status, 503)

    def test_replaced_while_asked(self):
        self.sampler.on_status = "silent"
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.get("/status")))
        thread.start()
        self.eventually(lambda: front.STATUS in self.sampler.questions)
        self.front.connect_sampler()
        thread.join()
        self.refused(answers[0], 503, "is being started again")
        self.assertEqual(self.get("/status").status, 200)

    def test_never_answers(self):
        self.sampler.on_status = "silent"
        begun = time.monotonic()
        self.refused(self.get("/status"), 503, "does not answer")
        self.assertLess(time.monotonic() - begun, 12)
        self.sampler.on_status = "answer"
        self.assertEqual(self.count("sampler_silent"), 1)

    def test_lies(self):
        good = self.sampler.status().pack(1)
        fd = front.memory(b"")
        processes = front.ProcessesMessage(cnt=1, window_ns=1)
        for lie in ((b"", None), (good[:-8], None), (good, fd), (os.urandom(100), None),
                    (wire.message(front.STATUS), None), (b"x" * 40000, None),
                    (front.ClientMessage().pack(), None), (processes.pack(), None),
                    (processes.pack(7), fd)):
            if not lie[0]:
                continue
            self.sampler.on_processes = lie
            with self.subTest(lie[0][:24]):
                asked = self.sampler.questions.count(front.PROCESSES)
                sock = front.dial(self.front.path)
                sock.sendall(b"GET /ps HTTP/1.1\r\nHost: x\r\n\r\n")
                self.eventually(lambda n=asked: self.sampler.questions.count(front.PROCESSES) > n)
                sock.close()
                self.assertEqual(self.get("/status").status, 200)
        self.eventually(lambda: self.count("sampler_lied") >= 6)

    def test_lies_about_processes(self):
        bad = [front.Process(comm=b"x" * 64), front.Process(comm=b"\x1b[31m"),
               front.Process(complete=2, samples=1), front.Process(pid=2**32 - 1)]
        for row in bad:
            self.sampler.rows = [row]
            self.refused(self.get("/ps"), 503, "makes no sense")
            self.assertEqual(self.get("/debug/pprof/").status, 200)
        self.sampler.processes = lambda ident: (
            front.ProcessesMessage(cnt=3, window_ns=1).pack(ident), front.memory(b"x" * 10))
        self.refused(self.get("/ps"), 503, "makes no sense")
        self.sampler.processes = lambda ident: (
            front.ProcessesMessage(cnt=0, window_ns=1).pack(ident), front.memory(b"", 0))
        self.refused(self.get("/ps"), 503, "makes no sense")

    def test_recordings_that_fail(self):
        for code, status in ((errno.ESRCH, 404), (errno.EPERM, 403), (errno.EINVAL, 400),
                             (errno.EBUSY, 429), (errno.EIO, 503)):
            self.sampler.on_session = (code, b"it failed: a reason; a step")
            self.refused(self.get("/debug/pprof/profile?seconds=1"), status, "it failed: a reason")
        started = front.StartedMessage(hz=99, event=b"x").pack()
        end = front.EndMessage(counters_cnt=len(front.COUNTERS)).pack()
        turn, other, garbage = "out of turn", "something else than one profile", "makes no sense"
        send = self.sampler.send_profile
        lies = {
            "end first": (turn, lambda s: s.send(end)),
            "profile first": (turn, send),
            "unsealed": (other, lambda s: (s.send(started), send(s, seals=0), s.send(end))),
            "another length": (other, lambda s: (s.send(started), send(s, bytes=5), s.send(end))),
            "nothing in it": (other, lambda s: (s.send(started), send(s, bytes=0), s.send(end))),
            "another kind": (other, lambda s: (s.send(started), send(s, kind=0), s.send(end))),
            "two": (other, lambda s: (s.send(started), send(s), send(s), s.send(end))),
            "garbage": (garbage, lambda s: (s.send(os.urandom(50)), s.send(end))),
            "half": ("is gone", lambda s: (s.send(started), send(s), s.close())),
        }
        before = self.front.descriptors()
        for name, (why, lie) in lies.items():
            self.sampler.on_session = lie
            with self.subTest(name):
                self.refused(self.get("/debug/pprof/profile?seconds=1"), 503, why)
        self.eventually(lambda: self.front.descriptors() <= before)
        self.sampler.on_session = "profile"
        self.assertEqual(self.get("/debug/pprof/profile?seconds=1").status, 200)
        self.eventually(lambda: self.count("open_recordings") == 0)


class LauncherTest(FrontTest):
    def test_stop(self):
        with front.dial(self.front.path) as sock:
            sock.sendall(b"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
            self.eventually(lambda: self.sampler.clients)
            wire.send(self.front.control, wire.message(wire.STOP))
            self.assertEqual(self.front.process.wait(15), 0)

    def test_idle_costs_nothing(self):
        before = self.front.cpu_s()
        with front.dial(self.front.path):
            time.sleep(2)
        self.assertLess(self.front.cpu_s() - before, 0.05)


if __name__ == "__main__":
    if PROGRAM is None or os.geteuid() != 0:
        print("SKIP: needs root and the program's path")
        sys.exit(77)
    unittest.main(warnings="ignore")
