# SPDX-License-Identifier: Apache-2.0
"""`cprofctl explain`: programs built in several ways, a separate debug file below a root, a recording of them, files that lie,
and who it is that reads a file."""

import json
import os
import pathlib
import shutil
import subprocess

import harness
import name_judge

SOURCE = """
#include <math.h>
volatile double sink;
static __attribute__((noipa)) void inner(void) { for (int i = 0; i < 1000; i++) sink = sin(sink + i); }
__attribute__((noipa)) void outer(void) { inner(); inner(); }
int main(int argc, char **argv) { for (int i = 0; i < 3000 || argc > 1; i++) outer(); return 0; }
"""


def tool(*argv):
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


def explain(args, *files, status=0):
    done = subprocess.run([args.cprofctl, "--json", "explain", *map(str, files)], capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode != status:
        raise RuntimeError(f"explain {files}: {done.returncode}, {done.stderr}")
    return json.loads(done.stdout) if done.stdout else None


def sources(told):
    return {s["source"]: s for s in told["names"]}


def files(args, checks, tmp):
    """What each has, by nm; and a debug file where its build id says."""
    (tmp / "p.c").write_text(SOURCE, encoding="ascii")
    root = tmp / "root"
    (root / "bin").mkdir(parents=True)
    tool("gcc", "-O1", "-g", "-Wl,--build-id=sha1", "-o", tmp / "whole", tmp / "p.c", "-lm")
    tool("strip", "-o", root / "bin/bare", tmp / "whole")
    whole = explain(args, tmp / "whole")["files"][0]
    names = subprocess.run(["nm", tmp / "whole"], capture_output=True, text=True, check=True).stdout
    functions = {line.split()[0] for line in names.splitlines() if line.split()[-2] in "tT"}
    told = sources(whole)[".symtab"]["functions"]
    checks.equal("whole: its debugging information", whole["dwarf"]["state"], "there")
    checks.within("whole: functions, as nm has them", told, len(functions), 1)

    bare = explain(args, "--root", root, "/bin/bare")["files"][0]
    checks.equal("bare: symbols", sources(bare)[".symtab"]["state"], "none")
    checks.check("bare: next", "debug symbols" in bare["next"], bare["next"])
    place = root / "usr/lib/debug/.build-id" / bare["build_id"][:2] / (bare["build_id"][2:] + ".debug")
    checks.check("bare: its debug file was looked for", str(place) in bare["tried"], bare["tried"])
    checks.equal("bare: and not found", bare["debug_file"], "")
    place.parent.mkdir(parents=True)
    tool("objcopy", "--only-keep-debug", tmp / "whole", place)
    found = explain(args, "--root", root, "/bin/bare")["files"][0]
    checks.equal("with a debug file: which", found["debug_file"], str(place))
    checks.equal("with a debug file: functions", sources(found)["debug file"]["functions"], told)
    checks.equal("with a debug file: next", found["next"], "")
    checks.equal("with a debug file: places with lines", found["debug_dwarf"]["lined"], whole["dwarf"]["lined"])


def profiles(args, checks, tmp):
    """The static function of a program with symbols has its name, and by what; one of a stripped program has none."""
    tool("strip", "-o", tmp / "nameless", tmp / "whole")
    for name in ("whole", "nameless"):
        out = tmp / f"{name}.pb.gz"
        recording = harness.record(args.cprofctl, "--hz", "499", "-o", out, "--", tmp / name)
        harness.good(checks, name, recording)
        told = explain(args, out)
        row = next(o for o in told["objects"] if o["file"] == str(tmp / name))
        stripped = name == "nameless"
        share = row["frames_named"] / row["frames"]
        if stripped:
            checks.at_most(f"{name}: named", share, 0.1)
        else:
            checks.at_least(f"{name}: named", share, 0.99)
        checks.equal(f"{name}: by its symbols", row["names"].startswith("symtab"), not stripped)
        checks.equal(f"{name}: why not", row["why"] in ("stripped", "no_debug_file"), stripped)
        checks.equal(f"{name}: lines by", row["lines"], "" if stripped else "dwarf")
        checks.equal(f"{name}: the total", told["total"]["frames"], sum(o["frames"] for o in told["objects"]))
        shown = subprocess.run([args.cprofctl, "explain", out], capture_output=True, text=True, check=True).stdout
        checks.check(f"{name}: the table ends with the total", shown.splitlines()[-1].endswith("total"), "yes")


def judge_sees(args, checks, tmp):
    """Frames without a name are found out where the file has one: here the symbols came after the recording."""
    judge = name_judge.tool()
    out = tmp / "nameless.pb.gz"
    checks.at_least("judge: nothing is wrong with a stripped file", name_judge.share(name_judge.judge([out], judge)[0]), 0.99)
    shutil.copy(tmp / "whole", tmp / "nameless")
    counts, could = name_judge.judge([out], judge)
    seen = counts[str(tmp / "nameless")]
    checks.at_least("judge: frames that could be named, with symbols", seen.could / seen.frames, 0.9)
    checks.check("judge: it says which", any(name == "inner" for _, _, name, _ in could), could[:3])


def mixed(args, checks, tmp):
    """The short form of tests/bench/mixed-names: what is here of it in any case."""
    judge = name_judge.tool()
    commands = [["openssl", "speed", "-seconds", "4", "sha256"], [tmp / "whole", "forever"],
                ["/usr/bin/python3", "-c", "while True: sorted(str(i) for i in range(9999))"],
                ["node", "-e", "for (;;) JSON.stringify([...Array(9999).keys()])"]]
    running = [subprocess.Popen([str(w) for w in c], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for c in commands if shutil.which(str(c[0]))]
    try:
        recording = harness.record(args.cprofctl, "-a", "--seconds", "3", "-o", tmp / "mixed")
    finally:
        for process in running:
            process.kill()
            process.wait()
    harness.good(checks, "mixed", recording)
    counts, could = name_judge.judge(sorted((tmp / "mixed").rglob("*.pb.gz")), judge)
    for where, address, name, frames in could[:10]:
        checks.note(f"{frames} frames of {where} at {address:#x} could be called {name}")
    checks.at_least("mixed: names where there are some", name_judge.share(counts), 0.99)
    checks.at_least("mixed: native frames", sum(c.frames for c in counts.values()), 300)


def liars(args, checks, tmp):
    whole = (tmp / "whole").read_bytes()
    for cut in (65, 1000, len(whole) // 2, len(whole) - 100):
        (tmp / "cut").write_bytes(whole[:cut])
        checks.equal(f"cut at {cut}: is told of", len(explain(args, tmp / "cut")["files"]), 1)
    (tmp / "text").write_text("no profile", encoding="ascii")
    for name in ("text", "nowhere"):
        explain(args, tmp / name, status=1)
    os.mkfifo(tmp / "pipe")
    done = subprocess.run([args.cprofctl, "explain", "--root", tmp, "/pipe"], capture_output=True, timeout=30, check=False)
    checks.equal("a pipe below a root", done.returncode, 1)


def rights(args, checks, _):
    """Who reads the file has no rights, and a filter."""
    seen = {}
    files = ["/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/python3"] * 4
    with subprocess.Popen([args.cprofctl, "explain", *files], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
                pids = children.read().split()
            for pid in pids:
                try:
                    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                except OSError:
                    continue
                lines = dict(line.split(":", 1) for line in status.splitlines())
                if lines.get("Seccomp", "").strip() == "2":
                    seen = lines
    checks.check("a confined helper was seen", bool(seen), bool(seen))
    checks.equal("the helper's users", set(seen["Uid"].split()), {"65534"})
    checks.equal("the helper's capabilities", int(seen["CapEff"], 16) | int(seen["CapPrm"], 16), 0)
    checks.equal("the helper gains no privileges", seen["NoNewPrivs"].strip(), "1")


def run(args, checks):
    harness.need("gcc", "objcopy", "nm", "strip", "readelf", "objdump")
    with harness.scratch() as tmp:
        harness.play(args, checks, (files, profiles, judge_sees, mixed, liars, rights), args, checks, tmp)


if __name__ == "__main__":
    harness.main(run, __doc__)
