# SPDX-License-Identifier: Apache-2.0
"""How many frames of a mixed load have names: python3, node, Go, Java, Rust, C++, openssl and Chromium under
`cprofctl record -a`, told by `cprofctl explain`, and held against llvm-symbolizer and objdump for each native frame
without one (tests/system/name_judge.py). At least 99 % of those that could have a name must have it.

What is not on this machine is told, and left out. --output writes the page of docs.
"""

import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system"), str(HERE)]

import harness  # noqa: E402
import name_judge  # noqa: E402
import pprof_file  # noqa: E402
import stack_loads  # noqa: E402

PAGE = """<!doctype html><canvas id=c width=600 height=400></canvas><script>
const g = c.getContext('2d'); let n = 0;
function work() { const a = []; for (let i = 0; i < 20000; i++) a.push({k: 'x' + (i * 7919 + n) % 20011});
  a.sort((x, y) => x.k < y.k ? -1 : 1); g.fillText(JSON.stringify(a).length, n % 600, n % 400);
  document.body.append(document.createElement('p')); document.body.lastChild.textContent = a[n % 9].k; n++;
  document.body.offsetHeight; setTimeout(work, 0); } work();</script>"""
LEAST = 0.99


def chromium(args, load, tmp):
    program = args.chromium or shutil.which("chromium")
    if not program:
        return False
    (tmp / "page.html").write_text(PAGE, encoding="ascii")
    load.start([program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                f"--user-data-dir={tmp}/profile", "--remote-debugging-port=0", f"file://{tmp}/page.html"])
    time.sleep(5)
    return load.processes[-1].poll() is None


def table(args, files):
    done = subprocess.run([args.cprofctl, "explain", *files], capture_output=True, text=True, check=True)
    return done.stdout


def of_load(out, pids):
    """The files of the load's own processes; the machine may have others."""
    return [path for path in sorted(out.rglob("*.pb.gz"))
            if int(pprof_file.Profile(path).comment("pid") or 0) in pids]


def write_page(args, share, text, counts, running):
    frames, named, could = (sum(getattr(c, k) for c in counts.values()) for k in ("frames", "named", "could"))
    args.output.write_text(f"""# Names of a mixed load

Made by `tests/bench/mixed-names --output docs/names.md` on Debian 12, {args.seconds} s of `cprofctl record -a` with
{running}.

Of {frames} native frames {named} have a name. Of the {frames - named} others llvm-symbolizer and objdump, asked about each
one's file and its debug file, name {could}: **{100 * share:.2f} %** of the frames that could have a name have it.
What has none lies in files whose symbols were taken out, and whose packages of debug symbols are not installed. Of one of
these `cprofctl explain FILE` says what to do.

The rows are objects with at least a thousandth of all frames, as `cprofctl explain PROFILE...` prints them. `[jit]` is code
of node, Java and Chromium that nobody tells of, for they were started without a perf map.

```
{text}```
""", encoding="utf-8")


def shortened(args, text):
    """Those of a thousandth of the frames; where they were built, and what is not installed, is of no interest."""
    text = text.replace(str(args.cprofctl.parents[2]), "build")
    if args.chromium:
        text = re.sub(r"/\S+(/usr/lib/chromium/chromium)", r"\1", text)
    lines = text.splitlines()
    total = int(lines[-1].split()[1])
    kept = [line for line in lines[1:-1] if int(line.split()[1]) * 1000 >= total]
    return "\n".join([lines[0], *kept, lines[-1]]) + "\n"


def run(args, checks):
    harness.need("readelf", "objdump")
    tool = name_judge.tool()
    args.seconds = int(args.seconds)
    with harness.scratch() as tmp, contextlib.ExitStack() as stack:
        load = stack.enter_context(stack_loads.Mix(args, tmp))
        load.prepare()
        program = stack_loads.compiled_deep(args)
        load.begin()
        load.start([program, 1])
        running = ", ".join([p.name for p in load.programs] + ["C++"])
        if chromium(args, load, tmp):
            running += ", Chromium"
        else:
            checks.note("SKIP: NO CHROMIUM: the load is without it; --chromium PROGRAM, or install it")
        out = tmp / "out"
        recording = harness.record(args.cprofctl, "-a", "--seconds", args.seconds, "-o", out)
        harness.good(checks, "mixed", recording)
        files = of_load(out, set(load.group.pids()))
        text = table(args, files)
        print(text, flush=True)
        counts, could = name_judge.judge(files, tool)
        for where, address, name, frames in could[:20]:
            checks.note(f"{frames} frames of {where} at {address:#x} could be called {name}")
        share = name_judge.share(counts)
        checks.at_least("frames of files that have a name where there is one", share, LEAST)
        checks.at_least("native frames", sum(c.frames for c in counts.values()), 1000)
        if args.output:
            write_page(args, share, shortened(args, text), counts, running)


if __name__ == "__main__":
    harness.main(run, __doc__, [(["--seconds"], {"default": "25"}), (["--chromium"], {}),
                                (["--output"], {"type": pathlib.Path})])
