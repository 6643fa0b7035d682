# SPDX-License-Identifier: Apache-2.0
"""What do whole stacks cost? The daemon as it ships beside perf and the OpenTelemetry eBPF profiler.

Four loads (stack_loads.py), each repeated, and in each repetition once under every profiler by turns
(stack_profilers.py): noise hits all alike. With --together they run at the same time over the same load, which
is quicker, but each warms the others' caches. Of all is said how much of the load's CPU time they
delivered (by the kernel's account of its control group), how many of the user stacks reach their outermost frame,
how many frames have a name as delivered, what a delivered sample cost (CPU of all processes, BPF included; of
perf, whose work in the kernel is charged to whom it interrupts, `perf script` included), the memory (PSS and
maps), which processes do not appear; and by how much each slows the deep load down, by pairs with and without.

The peer is not ours to ship: --peer is its binary (ebpf-profiler), --sink the program of otlp-sink. Medians count.
Figures want an idle machine; shares and ratios stand some noise. A pass is two windows long: what is read once of
a file counts in it, as in a service that was just started. That it comes from a disk does not: all files of a load are
read before its first pass, or who is first would pay for the others.
"""

import contextlib
import importlib.util
import json
import math
import pathlib
import statistics
import sys
import time

import stack_profilers
from stack_loads import LOADS, Deep, Group, compiled_deep

import accounts  # noqa: E402 - it is where stack_loads looks
import harness  # noqa: E402
from harness import NSEC  # noqa: E402

MIB = 1 << 20
SETTLE_S, LOOK_S = 8, 5  # to look is a load of its own
PROFILERS = (stack_profilers.Ours, stack_profilers.OursAt19, stack_profilers.PerfFramePointers,
             stack_profilers.PerfDwarf, stack_profilers.Otel)
DELIVERED, PEERS_COST = 0.99, 1 / 3
WHOLE = {"W1": 0.995, "W2": 0.97, "W3": 0.97, "W4": 0.995}
PEERS_COST_SHORT = 1 / 10  # on W2
RUN_US, MEMORY = 12, 1 / 3
SURE_TICKS = 10


def shipped():
    """daemon-cost.py's: its name is no identifier."""
    spec = importlib.util.spec_from_file_location("daemon_cost", pathlib.Path(__file__).parent / "daemon-cost.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.shipped


def figures(load, profiler):
    seen, hz = profiler.seen, profiler.hz
    due = load.truth_ns / NSEC * hz
    # Which of short processes that take turns on the CPUs meet a tick is chance: by so many of them at least one.
    likely = sum(1 - math.exp(-ns * hz / NSEC) for ns in load.pids.values())
    unseen = sum(1 for pid, ns in load.pids.items() if ns * hz >= SURE_TICKS * NSEC and not seen.pids[pid])
    cost_ns = profiler.cpu_ns + profiler.bpf_ns
    return {
        "delivered": seen.samples / due,
        "due": due,
        "whole": seen.rooted / max(seen.with_user, 1),
        "native_whole": seen.native_rooted / max(seen.native, 1),
        "with_user": seen.with_user / max(seen.samples, 1),
        "named": seen.named / max(seen.frames, 1),
        "all_named": seen.all_named / max(seen.with_user, 1),
        "depth": seen.frames / max(seen.with_user, 1),
        "cost_us": cost_ns / 1000 / max(profiler.samples, 1),
        "bpf_us": profiler.bpf_ns / 1000 / max(profiler.samples, 1),
        "run_us": profiler.run_ns / 1000,
        "memory": statistics.median(profiler.memory) if profiler.memory else 0,
        "memory_max": max(profiler.memory, default=0),
        "maps": profiler.maps,
        "processes": len(seen.pids) / max(likely, 1),
        "likely": likely,
        "seen": len(seen.pids),
        "unseen": unseen,
        "lost": getattr(profiler, "lost", 0),
        "samples": profiler.samples,
        "ends": seen.ends.most_common(5),
    }


def run_pass(args, tmp, kind, kinds):
    """One load under these profilers at once: {name: figures}."""
    with contextlib.ExitStack() as stack:
        load = stack.enter_context(kind(args, tmp))
        load.prepare()
        profilers = [stack.enter_context(k(args, tmp)) for k in kinds]
        for profiler in profilers:
            profiler.start()
        time.sleep(SETTLE_S)
        for profiler in profilers:
            profiler.await_turn(args.seconds)
        for profiler in profilers:
            profiler.mark()
        load.begin()
        end = time.monotonic() + args.seconds
        while time.monotonic() < end:
            time.sleep(min(LOOK_S, max(end - time.monotonic(), 0)))
            load.look()
            for profiler in profilers:
                profiler.look()
        load.end()
        for profiler in profilers:
            profiler.finish(load)
        return {profiler.name: figures(load, profiler) for profiler in profilers}


def warm(args, kinds):
    for kind in kinds:
        with harness.scratch() as tmp, contextlib.suppress(harness.Skip), kind(args, tmp) as load:
            load.warm()


def medians(runs):
    """Of several passes, figure by figure; what is no number is the last one's."""
    return {key: statistics.median(run[key] for run in runs) if isinstance(value, (int, float)) else value
            for key, value in runs[-1].items()}


def bound_of_due(due, repetitions):
    """What chance may take of so many ticks: three standard deviations."""
    return DELIVERED - 3 / (max(due, 1) * repetitions) ** 0.5


def judge_ours(checks, name, load, f, repetitions):
    what = f"{load}, {name}"
    checks.at_least(f"{what}: samples of those that the CPU time calls for (0.99, and chance)", f["delivered"],
                    bound_of_due(f["due"], repetitions))
    checks.equal(f"{what}: processes of {SURE_TICKS} ticks or more that do not appear", f["unseen"], 0)
    checks.at_least(f"{what}: processes that appear, to those that meet a tick by chance (1, and chance)", f["processes"],
                    1 - 3 / (max(f["likely"], 1) * repetitions) ** 0.5)
    checks.equal(f"{what}: samples that are lost or in no profile", f["lost"], 0)
    if name != "cprofd":
        return
    key = "native_whole" if load == "W3" else "whole"
    checks.at_least(f"{what}: user stacks that reach their root", f[key], WHOLE[load])
    if f[key] < WHOLE[load]:
        for text, count in f["ends"]:
            checks.note(f"ends, {count}: {text}")
    if load == "W1":
        checks.at_most(f"{what}: us for each run of the sampling program, {f['depth']:.0f} frames", f["run_us"], RUN_US)


def judge(checks, load, found, repetitions):
    for name in ("cprofd", "cprofd-19"):
        if name in found:
            judge_ours(checks, name, load, found[name], repetitions)
    ours = found.get("cprofd")
    part = PEERS_COST_SHORT if load == "W2" else PEERS_COST
    for name, theirs in found.items():
        if not ours or name.startswith("cprofd"):
            continue
        checks.at_most(f"{load}: cost of a sample, to that of {name}",
                       ours["cost_us"] / max(theirs["cost_us"], 1e-9), part)
        if name == "otel":
            checks.at_most(f"{load}: memory, to that of {name}", ours["memory"] / max(theirs["memory"], 1), MEMORY)
            checks.at_least(f"{load}: share of frames with names, beside {name}", ours["named"], theirs["named"])
        else:
            checks.at_least(f"{load}: processes that appear, to those of {name}",
                            ours["seen"] * (1 + 3 / max(theirs["seen"], 1) ** 0.5) / max(theirs["seen"], 1), 1)


COLUMNS = (
    ("delivered", lambda f: f"{f['delivered']:.1%}"), ("whole", lambda f: f"{f['whole']:.1%}"),
    ("whole, native", lambda f: f"{f['native_whole']:.1%}"), ("depth", lambda f: f"{f['depth']:.0f}"),
    ("frames named", lambda f: f"{f['named']:.1%}"), ("stacks all named", lambda f: f"{f['all_named']:.1%}"),
    ("us a sample", lambda f: f"{f['cost_us']:.0f}"), ("of it BPF", lambda f: f"{f['bpf_us']:.1f}"),
    ("MiB", lambda f: f"{f['memory'] / MIB:.0f}"), ("of it maps", lambda f: f"{f['maps'] / MIB:.0f}"),
    ("processes", lambda f: f"{f['processes']:.0%}"), ("unseen", lambda f: f"{f['unseen']:.0f}"),
)


def markdown(tables, slowed, args):
    lines = ["# What whole stacks cost", "",
             "Made by `tests/bench/stacks-cost --peer BINARY --sink BINARY --markdown FILE`; what its columns mean stands in",
             f"`tests/bench/stacks-cost.py`. Medians of {args.repetitions} repetitions of {args.seconds} s each, "
             f"{'all at once' if args.together else 'by turns'}, at {stack_profilers.HZ} Hz.", ""]
    for kind in LOADS:
        if kind.name not in tables:
            continue
        lines += [f"**{kind.name}**: {kind.title}", "", "| | " + " | ".join(name for name, _ in COLUMNS) + " |",
                  "|---" * (len(COLUMNS) + 1) + "|"]
        lines += [f"| {name} | " + " | ".join(show(f) for _, show in COLUMNS) + " |"
                  for name, f in tables[kind.name].items()]
        lines.append("")
    if slowed:
        lines += ["| | Slowdown of W1 | Spread without |", "|---|---|---|"]
        lines += [f"| {name} | {value:.2%} | {spread:.2%} |" for name, (value, spread) in slowed.items()]
    return "\n".join(lines) + "\n"


def speed(args):
    """Work of the deep load for each second of its CPU time; at its end it says both."""
    with Group("speed") as group:
        process = group.popen([compiled_deep(args), 2], stdout=-1)
        time.sleep(args.pair_seconds)
        process.terminate()
        said = json.loads(process.stdout.read())
        process.wait()
    return said["units"] / said["cpu_ns"]


def slowdown(args, tmp, kind):
    """(median by which it is slower, spread of what it is without), by pairs one after the other."""
    pairs = []
    for i in range(args.pairs):
        def under():
            with kind(args, tmp) as profiler:
                profiler.start()
                time.sleep(SETTLE_S)
                profiler.mark()
                value = speed(args)
                with contextlib.suppress(AttributeError):
                    profiler.daemon.stop()
            for left in tmp.iterdir():
                harness.shutil.rmtree(left) if left.is_dir() else left.unlink()
            return value
        pairs.append((speed(args), under()) if i % 2 else (under(), speed(args))[::-1])
    without = [a for a, _ in pairs]
    return (statistics.median(1 - b / a for a, b in pairs),
            (max(without) - min(without)) / statistics.median(without))


def compare(args, checks):
    kinds = [k for k in PROFILERS if not args.profiler or k.name in args.profiler]
    loads = [k for k in LOADS if not args.load or k.name in args.load]
    tables, slowed = {}, {}
    runs = {}
    warm(args, loads)
    for repetition in range(args.repetitions):
        for kind in loads:
            turned = kinds[repetition % len(kinds):] + kinds[:repetition % len(kinds)]
            for group in [kinds] if args.together else [[k] for k in turned]:
                with harness.scratch() as tmp:
                    try:
                        found = run_pass(args, tmp, kind, group)
                    except harness.Skip as skip:
                        checks.note(f"SKIP {kind.name} under {group[0].name}: {skip}")
                        continue
                for name, f in found.items():
                    runs.setdefault(kind.name, {}).setdefault(name, []).append(f)
                    print(f"     {kind.name} {name:10} " + ", ".join(f"{n} {show(f)}" for n, show in COLUMNS),
                          flush=True)
    for load, found in runs.items():
        ordered = {k.name: medians(found[k.name]) for k in kinds if k.name in found}
        tables[load] = ordered
        judge(checks, load, ordered, args.repetitions)
    for kind in kinds if args.pairs and (not args.load or Deep.name in args.load) else ():
        with harness.scratch() as tmp:
            slowed[kind.name] = slowdown(args, tmp, kind)
    for name, (value, spread) in slowed.items():
        checks.note(f"{name}: slows W1 down by {value:.2%}; without it differs by {spread:.2%}")
        if name == "cprofd":
            checks.at_most("W1: slowdown below what pairs can show", value, spread)
    return tables, slowed


def run(args, checks):
    if bool(args.peer) != bool(args.sink):
        raise harness.Skip("--peer goes with --sink (tests/bench/otlp-sink)")
    harness.need("perf", "g++", "readelf")
    args.shipped = shipped()
    args.profiler = args.profiler or [k.name for k in PROFILERS if args.peer or k.name != "otel"]
    with accounts.bpf_stats():
        tables, slowed = compare(args, checks)
    text = markdown(tables, slowed, args)
    print(text)
    if args.markdown:
        pathlib.Path(args.markdown).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    harness.main(run, __doc__, [
        (("--peer",), {"type": harness.absolute}),
        (("--sink",), {"type": harness.absolute}),
        (("--load",), {"action": "append", "choices": [k.name for k in LOADS], "help": "only this one"}),
        (("--profiler",), {"action": "append", "choices": [k.name for k in PROFILERS], "help": "only this one"}),
        (("--together",), {"action": "store_true", "help": "all profilers at once"}),
        (("--seconds",), {"type": int, "default": 116, "help": "of each pass: shorter ones show the start"}),
        (("--repetitions",), {"type": int, "default": 3}),
        (("--pairs",), {"type": int, "default": 5, "help": "to see the slowdown; 0: do not"}),
        (("--pair-seconds",), {"type": float, "default": 10}),
        (("--keep-log",), {"action": "store_true", "help": "what the daemon said"}),
        (("--markdown",), {"help": "write the tables here"}),
    ])
