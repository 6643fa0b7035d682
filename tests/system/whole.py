# SPDX-License-Identifier: Apache-2.0
"""A whole daemon of the build tree, with all its roles and directories of its own, and what the kernel
says that it holds: descriptors, memory, threads, BPF maps and their entries."""

import contextlib
import functools
import os
import re
import socket

import cprofd
import harness

KIB = 1024
HASHES = {1, 5, 9, 10}  # BPF_MAP_TYPE_HASH and its kin: what has entries that come and go


class Daemon(cprofd.Daemon):
    """A cprofd; @roles are other programs for some of its roles, @settings are Section.Key=VALUE."""

    PATIENCE_S = 120

    def __init__(self, args, tmp, roles=None, settings=()):
        tmp.mkdir(parents=True, exist_ok=True)
        tmp.chmod(0o755)
        (tmp / "cprofd.conf").touch()
        options = ["--config", tmp / "cprofd.conf"]
        for name, program in (roles or {}).items():
            if not program.exists():
                raise harness.Skip(f"{program.name} is not built")
            options += ["--role", f"{name}={program}"]
        super().__init__(args, tmp, ["Control.Group=root", "Profiles.KeepFree=0%", *settings],
                         options=options)

    def __enter__(self):
        # What does not start is no reason to skip: others of its kind run beside it.
        def answers():
            if self.process.poll() is not None:
                raise RuntimeError("cprofd does not start here: " + self.said().strip())
            return self.ctl("--json", "status").returncode == 0

        try:
            harness.wait_until(answers, 60, "an answer of the daemon")
        except RuntimeError:
            self.__exit__()
            raise
        return self

    def get(self, path, read=True):
        """The answer of a request; without @read the client hangs up at once."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.socket))
            s.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = b""
            while read and (some := s.recv(65536)):
                answer += some
        return answer

    def roles(self):
        """{role: pid}; the launcher is cprofd."""
        found = {}
        for pid in harness.roles_of(self.process.pid):
            with contextlib.suppress(OSError):
                name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                found[(name.split("-") + [name])[1] if "-" in name else name] = pid
        return found

    def files(self):
        """(how many, the bytes they take) of the profiles."""
        cnt = taken = 0
        for directory, _, names in os.walk(self.spool):
            for name in names:
                with contextlib.suppress(OSError):
                    taken += os.lstat(os.path.join(directory, name)).st_blocks * 512
                    cnt += not name.startswith(".")
        return cnt, taken


def memory(pid):
    """(Pss, Anonymous) of a process in bytes."""
    text = open(f"/proc/{pid}/smaps_rollup", encoding="ascii").read()
    return tuple(int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1]) * KIB
                 for key in ("Pss", "Anonymous"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def held_maps(pid):
    """{id: (type, bytes, most entries)} of the BPF maps that a process has descriptors of."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError):
            text = open(f"/proc/{pid}/fdinfo/{entry}", encoding="ascii").read()
            facts = dict(re.findall(r"^(map_id|map_type|memlock|max_entries):\s+(\d+)", text, re.M))
            if "map_id" in facts:
                found[int(facts["map_id"])] = tuple(
                    int(facts[key]) for key in ("map_type", "memlock", "max_entries"))
    return found


@functools.cache
def map_name(ident):
    return (harness.bpftool("map", "show", "id", ident) or {}).get("name", "?")


def map_entries(held):
    """{name: (entries, most)} of the maps with entries that come and go; of several of a name the oldest."""
    oldest = {}
    for ident, (kind, _, most) in sorted(held.items()):
        if kind in HASHES:
            oldest.setdefault(map_name(ident), (ident, most))
    found = {}
    for name, (ident, most) in oldest.items():
        rows = harness.bpftool("map", "dump", "id", ident)
        if isinstance(rows, list):
            found[name] = (len(rows), most)
    return found
