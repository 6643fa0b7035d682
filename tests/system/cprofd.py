# SPDX-License-Identifier: Apache-2.0
"""The daemon as a whole: the cprofd of the build tree, with sockets and a spool of its own."""

import contextlib
import json
import os
import subprocess

import harness


class Daemon:
    """`with Daemon(args, tmp) as d:` it answers; @settings are its -o, @options other arguments."""

    def __init__(self, args, tmp, settings=(), front=None, options=(), nice=0):
        build = args.cprofctl.parents[2]
        self.cprofctl, self.tmp = args.cprofctl, tmp
        self.socket, self.spool = tmp / "run" / "cprofd.sock", tmp / "profiles"
        self.socket.parent.mkdir()
        self.front = front or build / "daemon/front/cprofd-front"
        if not self.front.exists():
            raise harness.Skip(f"no {self.front}: this build has no front")
        self.log = open(tmp / "log", "w", encoding="utf-8")
        settings = [f"Control.Socket={self.socket}", f"Profiles.Directory={self.spool}", *settings]
        self.process = subprocess.Popen(
            [build / "daemon/launcher/cprofd", *options, "--role", f"front={self.front}",
             *(word for setting in settings for word in ("-o", setting))],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.nice(nice))

    def __enter__(self):
        def answers():
            if self.process.poll() is not None:
                raise harness.Skip("cprofd does not start here: " +
                                   (self.tmp / "log").read_text(encoding="utf-8").strip())
            return self.ctl("--json", "status").returncode == 0

        harness.wait_until(answers, 30, "an answer of the daemon")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        self.log.close()

    def ctl(self, *args, **kwargs):
        return subprocess.run([self.cprofctl, "--socket", self.socket, *map(str, args)],
                              capture_output=True, text=True, check=False, timeout=60,
                              stdin=subprocess.DEVNULL, cwd=self.tmp, **kwargs)

    def json(self, *args, **kwargs):
        done = self.ctl("--json", *args, **kwargs)
        return json.loads(done.stdout) if done.stdout else {}
