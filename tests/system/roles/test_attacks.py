#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Roles that were taken over, and do what they never do: each attack in a process of its own.

All that the symbolizer could be made to do is done in its place under the launcher, which is to count
every one and tell the sampler; the other roles' filters are tried alone, under the role's user.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import crew
import wire

CPROFD = sys.argv.pop(1) if len(sys.argv) > 1 else None
PROGRAMS = {pathlib.Path(path).name.removeprefix("attack-"): path for path in sys.argv[1:]}
del sys.argv[1:]
UIDS = {"sampler": 61180, "opener": 61181, "symbolizer": 61182, "front": 61183}
LEAST = 60
MADE = pathlib.Path("/tmp/cprof-attack")  # attack.c's
BATCH = 16  # deaths: at twenty in a row a recording gives a role up
TIMEOUT = 90


def names(role):
    return subprocess.run([PROGRAMS[role], "--list"], capture_output=True, text=True,
                          check=True).stdout.splitlines()


class Taken(crew.Crew):
    """cprofd --session with one role that attacks, from number @first on."""

    roles = ("sampler", "opener", "symbolizer")

    def __init__(self, role, first):
        super().__init__(programs={role: pathlib.Path("attacker")})
        program = pathlib.Path(shutil.copy(PROGRAMS[role], self.dir / f"attack-{role}"))
        program.chmod(0o755)
        (self.dir / "next").write_text(f"{first:<8}", encoding="ascii")
        (self.dir / "next").chmod(0o666)
        self.role_options = [o.replace("attacker", str(program)) for o in self.role_options]
        self.client, theirs = wire.pair()
        self.spawn([CPROFD, "--verbose", "--session", "--session-fd=5", *self.role_options], {},
                   [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 5)])
        theirs.close()

    def done(self):
        return int((self.dir / "next").read_text(encoding="ascii"))

    def close(self):
        super().close()
        self.client.close()


def without_seccomp():
    with open("/proc/self/status", encoding="utf-8") as f:
        return "Seccomp_filters:" not in f.read()


@unittest.skipIf(without_seccomp(), "no seccomp in this kernel")
class AttackTest(unittest.TestCase):
    def setUp(self):
        # What an attack made where a filter did not hold (a sanitized role's is wider) would decide
        # how the next one is refused, in this run or in another.
        self.forget()
        self.addCleanup(self.forget)

    @staticmethod
    def forget():
        if MADE.is_dir() and not MADE.is_symlink():
            MADE.rmdir()
        MADE.unlink(missing_ok=True)

    def test_in_the_symbolizers_place(self):
        todo = names("symbolizer")
        self.assertGreaterEqual(len(todo), LEAST)
        batches = []
        for first in range(0, len(todo), BATCH):
            batches.append((first, Taken("symbolizer", first)))
            self.addCleanup(batches[-1][1].close)
        deadline = time.monotonic() + TIMEOUT
        for first, taken in batches:
            last = min(first + BATCH, len(todo))
            # The one after the last begins when the last is dead and counted.
            while taken.done() <= last and time.monotonic() < deadline:
                time.sleep(0.05)
            log = taken.log()
            self.assertEqual(re.findall(r"^attack .*", log, re.M), [], todo[first:last])
            self.assertEqual(set(re.findall(r"the symbolizer (was killed|exited)([^;]*)", log)),
                             {("was killed", f" by signal {int(signal.SIGSYS)} (SIGSYS)")}, log)
            self.assertEqual(taken.wait_event("sampler", event="violations", count=last - first)["count"],
                             last - first)
        print(f"{len(todo)} attacks in the symbolizer's place", file=sys.stderr)

    def program(self, role):
        """Where any user can run it."""
        place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="cprof-attack-")))
        place.chmod(0o755)
        return shutil.copy(PROGRAMS[role], place)

    def alone(self, role, uid):
        program, refused = self.program(role), 0
        for i, name in enumerate(names(role)):
            # No test of ours may do harm where a filter does not hold: with the role's user.
            got = subprocess.run([program, str(i)], user=uid, group=uid, extra_groups=[],
                                 capture_output=True, text=True, timeout=20, check=False)
            with self.subTest(attack=name, role=role):
                if got.stderr == f"attack {name}: refused\n":
                    refused += 1
                else:
                    self.assertEqual((got.returncode, got.stderr), (-signal.SIGSYS, ""))
        return len(names(role)), refused

    def test_other_roles(self):
        # By Landlock, where a call as such is the role's own; without it by nothing but the user's rights.
        for role, refused in (("opener", 0), ("front", 1), ("sampler", 5)):
            count, told = self.alone(role, UIDS[role])
            self.assertGreaterEqual(count, LEAST)
            self.assertEqual(told, refused, role)

    def test_an_honest_one_is_not_ended(self):
        """What makes the rest a test: a process that confines itself and does nothing lives on."""
        for role, uid in UIDS.items():
            got = subprocess.run([self.program(role), "100000"], user=uid, group=uid, extra_groups=[],
                                 capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual((got.returncode, got.stderr), (0, ""), role)


if __name__ == "__main__":
    unittest.main(verbosity=2)
