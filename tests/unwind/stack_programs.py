# SPDX-License-Identifier: Apache-2.0
"""The programs whose stacks are looked at: how each is made, started, and what its stacks must be.

What cannot be made or started here is a row all the same, with the reason. Each program works for ever
and stops with its recording.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent / "programs"
GO_VERSIONS = ("1.16.15", "1.17.13", "1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12",
               "1.24.13", "1.25.9", "1.26.8", "1.27.1")
DEBIAN_PYTHON = "/usr/bin/python3"

CC = ("gcc", "-O2", "-fomit-frame-pointer", "-fcf-protection=none", "-pthread")
CXX = ("g++", "-O2", "-fomit-frame-pointer")
# Neither .eh_frame nor what it is made of but in .debug_frame.
DEBUG_FRAME = ("-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-exceptions", "-g")


class Missing(Exception):
    """It cannot be made or started here; the text says why."""


@dataclasses.dataclass
class Program:
    """@whole: all code on its stacks has unwinding information. @exact: what a stack with @bottom is,
    from the root, joined by " > "; the kernel's frames may follow. @loose: the share that may differ.
    @covered: at least this share of a whole program's stacks has information for every frame."""

    name: str
    argv: tuple
    whole: bool = True
    exact: str = None
    bottom: str = "bottom"
    loose: float = 0.0
    covered: float = 0.98
    children: bool = False
    stdin: str = os.devnull
    missing: str = None
    says: str = ""


def run(argv, **kwargs):
    if not shutil.which(argv[0]):
        raise Missing(f"no {argv[0]}")
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, **kwargs)
    if done.returncode:
        raise Missing(f"{argv[0]}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")


def compiled(out, name, command, source, *flags):
    path = out / name
    run([*command, "-o", path, HERE / source, *flags])
    return path


MAIN = r"_start > \S+ > \S+ > main > "


def recursion(name, path, depth, main=MAIN):
    return Program(name, (path, depth), exact=main + rf"(stacks::descend > ){{{depth}}}stacks::bottom")


def cxx(out):
    path = compiled(out, "recurse", CXX, "recurse.cc")
    for depth in (10, 100, 1000):
        yield recursion(f"C++, recursion {depth}", path, depth)


def stripped(out):
    """Nothing tells the bottom from the way to it, which is short."""
    path = compiled(out, "recurse-stripped", CXX, "recurse.cc", "-s")
    own = r"\[recurse-stripped\]"
    yield Program("C++, stripped", (path, 100), bottom="[recurse-stripped]", loose=0.02,
                  exact=rf"{own} > \S+ > \S+ > {own} > ({own} > ){{100}}{own}")


def static_glibc(out):
    path = compiled(out, "recurse-static", CXX, "recurse.cc", "-static")
    yield recursion("C++, static", path, 100)


def static_pie(out):
    path = compiled(out, "recurse-static-pie", CXX, "recurse.cc", "-static-pie", "-fPIE")
    yield recursion("C++, static-pie", path, 100)


def shapes(out):
    path = compiled(out, "shapes", CC, "shapes.c")
    repeated = r"({} > ){{20}}bottom"
    for name, says, exact in (
            ("tails", "C, tail calls", MAIN + "caller_of_tails > bottom"),
            ("alloca", "C, alloca", MAIN + repeated.format("with_alloca")),
            ("aligned", "C, stack aligned anew", MAIN + repeated.format("with_aligned")),
            ("altstack", "C, signal on an alternate stack",
             MAIN + r"(interrupted > ){10}(\S+ > ){1,5}on_signal > bottom"),
            ("vfork", "C, vfork", MAIN + "with_vfork > bottom"),
            ("threads", "C, threads", r"\S+ > \S+ > in_thread > bottom"),
            ("clones", "C, threads made and ended", None),
            ("absent", "C, pages of the stack not in memory",
             r"\S+ > \S+ > in_absent > (with_absent > ){21}bottom"),
            ("libc", "C, libc's functions", None)):
        # Of clone() C libraries say nothing from the system call on.
        yield Program(says, (path, name), exact=exact, children=name == "vfork",
                      covered=0.0 if name == "clones" else 0.98)


def debug_frame(out):
    path = compiled(out, "shapes-debug", (*CC, *DEBUG_FRAME), "shapes.c")
    for shape, count in (("alloca", 20), ("tails", 0)):
        exact = rf"(with_{shape} > ){{{count}}}bottom" if count else "caller_of_tails > bottom"
        yield Program(f"C, only .debug_frame, {shape}", (path, shape), exact=MAIN + exact)


def musl(out):
    """Debian's musl is compiled without unwinding information: below main there is one frame of it."""
    path = compiled(out, "shapes-musl", ("musl-gcc", *CC[1:-1]), "shapes.c", "-static")
    says = "musl itself has no unwinding information"
    yield Program("C, musl, static", (path, "alloca"), whole=False, says=says,
                  exact=r"(\S+ > ){1,4}main > (with_alloca > ){20}bottom")
    run(["strip", "-o", out / "shapes-musl-stripped", path])
    yield Program("C, musl, static, stripped", (out / "shapes-musl-stripped", "alloca"), whole=False, says=says)
    yield Program("C, musl, its functions", (path, "libc"), whole=False, says=says)


def rust(out):
    path = out / "release"
    run(["rustc", "--edition", "2021", "-O", "-o", path, HERE / "release.rs"])
    yield Program("Rust, release", (path,))


def scripts(out):
    yield Program("python3, Debian's", (DEBIAN_PYTHON, HERE / "script.py"))
    yield Program("node", ("node", HERE / "script.js"), whole=False, says="code compiled at run time")
    run(["javac", "-d", out, HERE / "Work.java"])
    yield Program("Java", ("java", "-XX:+PreserveFramePointer", "-cp", out, "Work"), whole=False,
                  says="code compiled at run time, with frame pointers")
    yield Program("Java, as shipped", ("java", "-cp", out, "Work"), whole=False,
                  says="code compiled at run time, without frame pointers")


def tools(_):
    for name in ("aes-256-cbc", "aes-256-gcm", "chacha20-poly1305", "sha256", "sha512"):
        yield Program(f"openssl speed {name}", ("openssl", "speed", "-seconds", 60, "-evp", name))
    for name in ("rsa2048", "ecdsap256", "ecdhx25519"):
        yield Program(f"openssl speed {name}", ("openssl", "speed", "-seconds", 60, name))
    yield Program("xz", ("xz", "-6", "-c"), stdin="/dev/urandom")
    yield Program("gzip", ("gzip", "-c"), stdin="/dev/urandom")


# Down into C, and back into Go: nothing of either is between these but the runtime's and what cgo makes.
OTHERS = r"(?:(?!cDown > |main\.goBack > )\S+ > )+"
CALLBACKS = rf"runtime\.goexit\S* > runtime\.main > main\.main > ({OTHERS}cDown > {OTHERS}main\.goBack > )*" \
    rf"{OTHERS}cDown > cWork"


# What goes with `go` is called by a wrapper of the compiler, whose name went with its versions. A stack that grows is
# left on its way down, and goes on below that on the thread's own.
GROWTH = r"runtime\.goexit\S* > (main\.main(\.gowrap1|[·.]dwrap[·.]1|\.func1) > )?main\.start > (main\.deep > )+" \
    r"runtime\.morestack\S* > (\S+ > )*runtime\.copystack"
GO_EXACT = {"callback": {"exact": CALLBACKS, "bottom": "cWork"},
            "growth": {"exact": GROWTH, "bottom": "runtime.copystack"}}


def go_programs(out, go, version, env):
    """Both programs by one toolchain, and the first without its tables for debuggers."""
    env = dict(os.environ, GOENV="off", GO111MODULE="off", GOTOOLCHAIN="local", GOPROXY="off",
               GOFLAGS="", CGO_ENABLED="1", **env)
    for name, says, flags in (("plain", "", ()), ("plain", ", stripped", ("-ldflags=-s -w",)),
                              ("growth", ", growing stacks", ()), ("callback", ", cgo callbacks", ())):
        path = out / re.sub(r"\W+", "-", f"go-{version}-{name}{says}")
        run([go, "build", *flags, "-o", path, HERE / "golang" / f"{name}.go"], env=env, cwd="/")
        yield Program(f"Go {version}{says}", (path,), **GO_EXACT.get(name, {}))


def go_installed(out):
    if not shutil.which("go"):
        raise Missing("no go")
    text = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/").stdout
    yield from go_programs(out, "go", text.strip().removeprefix("go"), {})


def go_of_version(version, cache):
    def make(out):
        root = cache / f"mod/golang.org/toolchain@v0.0.1-go{version}.linux-amd64"
        if not os.access(root / "bin/go", os.X_OK):
            raise Missing(f"no {root}: test gopclntab-go-long fetches it")
        yield from go_programs(out, str(root / "bin/go"), version,
                               {"GOROOT": str(root), "GOCACHE": str(cache / "build")})

    make.__name__ = f"go_{version}"
    return make


def makers(go_cache):
    found = [cxx, stripped, static_glibc, static_pie, shapes, debug_frame, musl, rust, scripts, tools]
    if go_cache:
        return found + [go_of_version(version, go_cache) for version in GO_VERSIONS]
    return found + [go_installed]


def programs(out, go_cache, only):
    """All of them; what is missing here has a reason instead of an argv."""
    out.mkdir(parents=True, exist_ok=True)
    for maker in makers(go_cache):
        if only and not any(word in maker.__name__ for word in only):
            continue
        try:
            for program in maker(out):
                if not shutil.which(program.argv[0]):
                    program.missing = f"no {program.argv[0]}"
                yield program
        except Missing as missing:
            yield Program(maker.__name__.replace("_", " "), (), missing=str(missing))
