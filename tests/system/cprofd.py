# SPDX-License-Identifier: Apache-2.0
"""The daemon as a whole: the cprofd of the build tree, with sockets and a spool of its own, and what lies in a spool."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

import harness
import pprof_file


class Spool:
    """A directory of profiles, read as anybody may."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(exist_ok=True)

    def files(self):
        return sorted(p for p in self.path.glob("[0-9]*/*/*") if not p.name.startswith("."))

    def windows(self):
        """{(day, hour, span): [path]}: the files of each window, oldest first."""
        found = {}
        for path in self.files():
            found.setdefault((*path.parts[-3:-1], path.name.rsplit(".", 3)[-3].split("~")[0]), []).append(path)
        return dict(sorted(found.items()))

    def read(self):
        """[(path, Profile)]: one that cannot be read is an error of the spool's."""
        return [(p, pprof_file.Profile(p)) for p in self.files()]

    def samples(self):
        return sum(s.values[0] for _, profile in self.read() for s in profile.samples)

    def litter(self):
        return [p.name for p in self.path.glob(".new-*")] + \
            [p.name for p in self.path.glob(".window-*")]


def comments(profile):
    pairs = (c.removeprefix("#cprofd ").partition("=") for c in profile.comments)
    return {key: value for key, _, value in pairs}


def build_of(args):
    return args.cprofctl.parents[2]


def of_kind(counters, kind):
    """Those of the counters that are of this kind, by name."""
    kinds = {name: k for name, _, k in harness.counter_names()}
    return {name: value for name, value in counters.items() if kinds[name] == kind}


def check_bpf(checks, name, looks, of_status, counters=("runs", "missed")):
    """A status was asked for between two looks by bpftool: (before, after)."""
    before, after = looks
    for counter in counters:
        value = of_status[counter]
        checks.check(f"{name}: {counter} of status, between two of bpftool",
                     before[counter] <= value <= after[counter], value,
                     f"{before[counter]} to {after[counter]}")


def check_all_kept(checks, name, bpf, spool_samples, discarded):
    """After the end: BPF's runs are in the files, but for what was lost as told."""
    lost = sum(of_kind(bpf, "DROP").values()) + discarded
    checks.equal(f"{name}: samples in files, BPF's runs less known losses", spool_samples,
                 bpf["runs"] - lost)


def of_seconds(args, tmp, settings=(), options=()):
    """Windows of a second, and nothing of what this machine's configuration says."""
    (tmp / "cprofd.conf").touch()
    settings = ["Profiles.Window=1s", "Profiles.KeepFree=0%", "Control.Group=root", *settings]
    return Daemon(args, tmp, settings, options=["--config", tmp / "cprofd.conf", *options])


def command(build, settings, options=()):
    """The launcher's; @settings are Section.Key=VALUE."""
    return [build / "daemon/launcher/cprofd", *options, *(word for s in settings for word in ("-o", s))]


class Asked:
    """What is asked of a daemon that listens at self.socket and writes its log to self.tmp."""

    PATIENCE_S = 60

    def ctl(self, *args, **kwargs):
        return subprocess.run([self.cprofctl, "--socket", self.socket, *map(str, args)],
                              capture_output=True, text=True, check=False,
                              timeout=self.PATIENCE_S, stdin=subprocess.DEVNULL, cwd=self.tmp, **kwargs)

    def json(self, *args, **kwargs):
        done = self.ctl("--json", *args, **kwargs)
        return json.loads(done.stdout) if done.stdout else {}

    def said(self):
        return (self.tmp / "log").read_text(encoding="utf-8", errors="replace")


class Daemon(Asked):
    """`with Daemon(args, tmp) as d:` it answers; @settings are its -o, @options other arguments."""

    def __init__(self, args, tmp, settings=(), front=None, options=(), nice=0):
        build = build_of(args)
        self.cprofctl, self.tmp = args.cprofctl, tmp
        self.socket, self.spool = tmp / "run" / "cprofd.sock", tmp / "profiles"
        self.socket.parent.mkdir()
        self.front = front or build / "daemon/front/cprofd-front"
        if not self.front.exists():
            raise harness.Skip(f"no {self.front}: this build has no front")
        self.log = open(tmp / "log", "w", encoding="utf-8")
        settings = [f"Control.Socket={self.socket}", f"Profiles.Directory={self.spool}", *settings]
        self.process = subprocess.Popen(
            command(build, settings, [*options, "--role", f"front={self.front}"]),
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

    def role(self, name):
        """Its pid; None when there is none."""
        found = [p for p, comm in harness.tree_of(self.process.pid).items()
                 if comm.startswith(f"cprofd-{name}"[:15])]
        return found[0] if found else None

    def stop(self, timeout=20):
        """As systemctl stop does: the seconds that it took."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout)
        return time.monotonic() - begun
