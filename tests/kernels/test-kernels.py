# SPDX-License-Identifier: Apache-2.0
"""The whole profiler on another kernel: Debian's own, in an emulated machine of two CPUs.

What was built here is booted with the kernel as its initramfs; the guest plays its scenes (guest.sh)
and this looks at what they print. Emulation needs no rights and no hardware, and is slow: figures of
time mean nothing in there, counts and names do.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

import debian  # noqa: E402
import harness  # noqa: E402
from initramfs import Image  # noqa: E402

SECONDS_MAX = 420
PROGRAMS = ("src/ctl/cprofctl", "daemon/launcher/cprofd", "daemon/opener/cprofd-opener",
            "daemon/symbolizer/cprofd-symbolizer", "daemon/sampler/cprofd-sampler",
            "daemon/sampler/cprofd-sampler-checking", "daemon/sampler/cprofd-sampler-patient",
            "daemon/sampler/cprofd-sampler-astray",
            "tests/system/workloads/spin", "tests/system/workloads/mapstorm",
            "tests/system/workloads/algload", "tests/system/pool/test-pool-maps")
MODULES = ("af_alg", "algif_hash", "wp512")


def make_image(build, kernel, path):
    image = Image()
    for name in ("proc", "sys", "dev", "tmp", "etc", "run"):
        image.add_dir(name)
    image.add_file("bin/busybox", shutil.which("busybox"))
    image.add_program("bin/nice", shutil.which("nice"))  # not every busybox has it
    for name in PROGRAMS:
        image.add_program(f"build/{name}", build / name)
    for name in MODULES:
        image.add_bytes(f"modules/{name}.ko", kernel.module(name))
    image.add_bytes("init", (HERE / "guest.sh").read_bytes(), 0o755)
    image.write(path)


def boot(kernel, initrd, tmp):
    """Runs the guest to its end. What it said: {name: text}."""
    console, results = tmp / "console", tmp / "results"
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
               "-m", "1G", "-nodefaults", "-display", "none", "-no-reboot",
               "-serial", f"file:{console}", "-serial", f"file:{results}",
               "-kernel", kernel.image, "-initrd", initrd,
               "-append", "console=ttyS0 loglevel=4 panic=-1 mitigations=off no_timer_check"]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=SECONDS_MAX, check=True,
                       preexec_fn=lambda: os.nice(10))
    except subprocess.TimeoutExpired:
        print(f"     the guest did not end within {SECONDS_MAX} s", flush=True)
    text = results.read_text(encoding="utf-8", errors="replace") if results.exists() else ""
    parts = re.split(r"^=== (\S+)\n", text.replace("\r", ""), flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2]))
    if "over" not in said:
        tail = console.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]
        print("\n".join(f"     | {line}" for line in tail), flush=True)
    return said


def recording(checks, said, name):
    """The scene's JSON; None when the recording failed. What holds for each: books, and no loss."""
    status = said.get(f"{name}.status", "").strip()
    if not checks.equal(f"{name}: exit status", status, "0"):
        checks.note("stderr: " + said.get(f"{name}.stderr", "nothing")[-1500:])
        return None
    done = json.loads(said[f"{name}.json"])
    checks.equal(f"{name}: the books' difference", done["books"]["difference"], 0)
    checks.equal(f"{name}: samples in profiles and files",
                 sum(f["samples"] for f in done["files"]), done["books"]["in_profiles"])
    checks.at_least(f"{name}: samples", done["books"]["in_profiles"], 50)
    return done


def plain(checks, said):
    done = recording(checks, said, "plain")
    if not done:
        return
    checks.equal("plain: the walk", done["walk"], "tree")
    checks.equal("plain: nothing degraded", done["degraded"], [])
    # Whole, or "confined, without" and what the kernel lacks.
    confined = re.findall(r"the (\w+) is confined(.*)$", said["plain.stderr"], re.MULTILINE)
    checks.equal("plain: confined", sorted(confined),
                 [("opener", ""), ("sampler", ""), ("symbolizer", "")])
    checks.equal("plain: violations", done["counters"]["sandbox_violations"], 0)
    seconds = sum(f["nanoseconds"] for f in done["files"]) / harness.NSEC
    checks.within("plain: CPUs that the weights tell of", seconds / done["seconds"], 2, 0.2)


def checking(checks, said):
    done = recording(checks, said, "checking")
    if not done:
        return
    counters = done["counters"]
    checks.at_least("checking: compared", counters["walk_checked"], 300)
    checks.equal("checking: of these different", counters["walk_differs"], 0)
    checks.equal("checking: the walk", done["walk"], "tree")
    checks.note(f"{counters['walk_unchecked']} locked, {counters['walk_retry']} tried again, "
                f"{counters['walk_failed']} failed")


def astray(checks, said):
    done = recording(checks, said, "astray")
    if done:
        checks.equal("astray: the walk", done["walk"], "proc")
        checks.check("astray: it says why", "/proc/self/maps" in " ".join(done["degraded"]),
                     done["degraded"])


def hotplug(checks, said):
    done = recording(checks, said, "hotplug")
    if not done:
        return
    checks.equal("hotplug: CPUs online again", said["hotplug.online"].strip(), "0-1")
    checks.at_least("hotplug: events opened anew", done["counters"]["events_reopened"], 2)
    # The one that began and ended within the recording.
    mine = [f for f in done["files"] if f["comm"] == "spin" and f["kind"] == "ended"]
    after = json.loads(said["hotplug.after"].strip() or '{"cpu_ns": 0}')
    checks.at_least("hotplug: CPU time of what ran there afterwards, s", after["cpu_ns"] / harness.NSEC, 1)
    checks.within("hotplug: of it told by samples",
                  sum(f["nanoseconds"] for f in mine) / max(after["cpu_ns"], 1), 1, 0.25)
    checks.at_least("hotplug: samples of it", sum(f["samples"] for f in mine), 60)


def names(checks, said):
    """By a sampler that is slow to call another role hanging: nobody keeps time in an emulator."""
    done = recording(checks, said, "names")
    if not done:
        return
    top = [row["function"] for row in done["top"]]
    checks.check("names: the program's function among the hottest", "hot3" in top[:3], top[:3], "hot3")
    checks.check("names: a function of the module, too", any("wp512" in name for name in top), top,
                 "wp512_...")
    checks.at_least("names: of all frames",
                    done["frames"]["symbolized"] / max(done["frames"]["total"], 1), 0.7)


def rows(checks, said):
    lines = said.get("rows", "nothing").strip().splitlines()
    checks.equal("rows: the test's exit status", lines[-1], "0")
    checks.note("; ".join(lines[:-1]))


def run(args, checks):
    if not shutil.which("qemu-system-x86_64") or not shutil.which("busybox"):
        raise harness.Skip("no qemu-system-x86_64 or no busybox")
    try:
        kernel = debian.Kernel(args.kernel, args.cache)
    except debian.Missing as missing:
        raise harness.Skip(f"Debian's {args.kernel} kernel is not to be had: {missing}") from None
    with tempfile.TemporaryDirectory(prefix="cprof-test-") as tmp:
        tmp = pathlib.Path(tmp)
        make_image(args.build, kernel, tmp / "initrd")
        said = boot(kernel, tmp / "initrd", tmp)
    version, _, paranoid = said.get("kernel", "nothing\n").strip().partition("\n")
    checks.check("the guest's kernel", version.startswith(args.kernel + "."), version)
    checks.note(f"kernel.perf_event_paranoid is {paranoid}; the guest was up for "
                f"{said.get('over', 'ever ').split()[0]} s")
    checks.check("the guest came to its end", "over" in said, list(said)[-1:])
    checks.equal("the loads have nothing to complain of",
                 [line for line in said.get("loads", "").splitlines() if not line.startswith("{")], [])
    for scene in (plain, checking, astray, hotplug, names, rows):
        scene(checks, said)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", required=True, choices=sorted(debian.SUITES))
    parser.add_argument("--build", required=True, type=harness.absolute)
    parser.add_argument("--cache", required=True, type=harness.absolute)
    checks = harness.Checks()
    try:
        run(parser.parse_args(), checks)
    except harness.Skip as skip:
        print(f"SKIP: {skip}", flush=True)
        sys.exit(harness.SKIP)
    print(f"{checks.passed} passed, {len(checks.failed)} failed", flush=True)
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
