# SPDX-License-Identifier: Apache-2.0
"""cprofd with scripts in the place of roles: started, watched, and nothing of it left behind."""

import json
import os
import pathlib
import shutil
import signal
import tempfile
import time

import wire

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
TIMEOUT = 20


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Crew:
    """cprofd with fake roles; `modes` per role, `programs` instead of a fake."""

    roles = ()

    def __init__(self, modes=None, programs=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cprof-test-"))
        self.dir.chmod(0o755)
        self.events_path = self.dir / "events"
        self.events_path.touch()
        self.events_path.chmod(0o666)
        for name in ("wire.py", "fake.py"):
            shutil.copy(HERE / name, self.dir)
        self.role_options = []
        for role in self.roles:
            path = (programs or {}).get(role) or self.script(role, (modes or {}).get(role, ""))
            self.role_options.append(f"--role={role}={path}")
        self.pid = None
        self.log_path = self.dir / "log"

    def spawn(self, args, environ, file_actions=()):
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.pid = os.posix_spawn(args[0], args, environ, file_actions=[
            (os.POSIX_SPAWN_DUP2, log, 2), *file_actions])
        os.close(log)

    def script(self, role, mode):
        path = self.dir / f"fake-{role}"
        path.write_text(f"#!{PYTHON} -B\nimport sys\nsys.path.insert(0, {str(self.dir)!r})\n"
                        f"import fake\nfake.main({role!r}, {str(self.events_path)!r}, {mode!r})\n")
        path.chmod(0o755)
        return path

    def events(self, role=None, **facts):
        # The last line may be half written.
        whole, _, _ = self.events_path.read_text().rpartition("\n")
        found = [json.loads(line) for line in whole.splitlines()]
        if role:
            facts["role"] = role
        return [e for e in found if all(e.get(k) == v for k, v in facts.items())]

    def wait_event(self, role, count=1, **facts):
        """The count-th such event."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            found = self.events(role, **facts)
            if len(found) >= count:
                return found[count - 1]
            time.sleep(0.01)
        for event in self.events():
            print({k: v for k, v in event.items() if k not in ("status", "environ")})
        raise AssertionError(f"no {count} events {role} {facts}; log: {self.log()}")

    def role_pid(self, role, count=1):
        return self.wait_event(role, count, event="start")["pid"]

    def wait(self, timeout=TIMEOUT):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        raise AssertionError(f"cprofd did not end; log: {self.log()}")

    def left(self):
        return [e["role"] for e in self.events(event="start") if alive(e["pid"])]

    def log(self):
        return self.log_path.read_text()

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        shutil.rmtree(self.dir)
