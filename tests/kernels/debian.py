# SPDX-License-Identifier: Apache-2.0
"""Debian's cloud kernels, by apt with a configuration of its own: nothing is installed here.

Lists and packages lie in the cache directory; what was unpacked once is used again without a network.
"""

import lzma
import pathlib
import shutil
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org"
PACKAGE = "linux-image-cloud-amd64"
SUITES = {
    "6.1": [("debian", "bookworm"), ("debian-security", "bookworm-security")],
    "6.12": [("debian", "trixie"), ("debian-security", "trixie-security")],
}


class Missing(Exception):
    """No such kernel to be had; the text says why."""


class Apt:
    """apt over the suites of one kernel, under @where."""

    def __init__(self, series, where):
        self.where = where
        (where / "lists/partial").mkdir(parents=True, exist_ok=True)
        (where / "archives/partial").mkdir(parents=True, exist_ok=True)
        sources = where / "sources.list"
        sources.write_text("".join(f"deb [signed-by={KEYRING}] {MIRROR}/{archive} {suite} main\n"
                                   for archive, suite in SUITES[series]), encoding="utf-8")
        settings = {
            "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-",
            "Dir::State::Lists": where / "lists", "Dir::Cache": where, "APT::Sandbox::User": "root",
            "Acquire::Languages": "none", "Acquire::Retries": 2,
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        self.options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def run(self, program, *args):
        done = subprocess.run([program, *self.options, *args], cwd=self.where, capture_output=True,
                              text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise Missing(f"{program} {args[0]}: {last[0] if last else 'failed'}")
        return done.stdout


def fetch(series, where):
    """The package's files below @where / tree."""
    if not shutil.which("apt-get") or not pathlib.Path(KEYRING).exists():
        raise Missing("no apt-get or no Debian keyring here")
    apt = Apt(series, where)
    apt.run("apt-get", "update")
    # The newest stands first.
    for line in apt.run("apt-cache", "show", PACKAGE).splitlines():
        if line.startswith("Depends: linux-image-"):
            apt.run("apt-get", "download", line.split()[1].rstrip(","))
            break
    for package in where.glob("linux-image-*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, where / "unpacked"], check=True)
        (where / "unpacked").rename(where / "tree")
        package.unlink()
        return
    raise Missing(f"{PACKAGE} depends on no kernel")


class Kernel:
    def __init__(self, series, cache):
        where = cache / f"linux-{series}"
        if not list(where.glob("tree/boot/vmlinuz-*")):
            shutil.rmtree(where, ignore_errors=True)
            where.mkdir(parents=True)
            fetch(series, where)
        self.tree = where / "tree"
        self.image, = self.tree.glob("boot/vmlinuz-*")

    def module(self, name):
        """The module's bytes."""
        for path in self.tree.glob(f"**/lib/modules/**/{name}.ko*"):
            data = path.read_bytes()
            return lzma.decompress(data) if path.suffix == ".xz" else data
        raise Missing(f"no module {name} in {self.image.name}")
