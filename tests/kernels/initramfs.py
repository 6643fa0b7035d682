# SPDX-License-Identifier: Apache-2.0
"""An initramfs of just the files that a guest needs: programs, what they link, modules, one script.

Nothing is unpacked by the guest that it does not use: under emulation each megabyte costs. The
format is cpio "newc" (Documentation/driver-api/early-userspace/buffer-format.rst).
"""

import os
import pathlib
import re
import stat
import subprocess


class Image:
    """Collects files; write() makes the archive."""

    def __init__(self):
        self.entries = {}

    def add_bytes(self, name, data, mode=0o644):
        name = name.strip("/")
        parent = os.path.dirname(name)
        if parent and parent not in self.entries:
            self.add_bytes(parent, b"", stat.S_IFDIR | 0o755)
        if not stat.S_IFMT(mode):
            mode |= stat.S_IFREG
        self.entries.setdefault(name, (mode, data))

    def add_dir(self, name, mode=0o755):
        self.add_bytes(name, b"", stat.S_IFDIR | mode)

    def add_file(self, name, source):
        """The file that @source names, whatever links lead there."""
        path = pathlib.Path(source).resolve()
        self.add_bytes(str(name), path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)

    def add_program(self, name, source):
        """With its loader and libraries, each at its own place."""
        self.add_file(name, source)
        done = subprocess.run(["ldd", str(source)], capture_output=True, text=True, check=False)
        for path in re.findall(r"(/\S+) \(0x", done.stdout):
            self.add_file(path, path)

    def write(self, path):
        with open(path, "wb") as out:
            for i, (name, (mode, data)) in enumerate(self.entries.items(), 1):
                self._entry(out, name, mode, data, i)
            self._entry(out, "TRAILER!!!", 0, b"", 0)

    @staticmethod
    def _entry(out, name, mode, data, ino):
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (ino, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
