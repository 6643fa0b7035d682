# SPDX-License-Identifier: Apache-2.0
"""A process that changes what somebody else opens: the workload swaps, as a context."""

import contextlib
import os


@contextlib.contextmanager
def swapping(program, *args, enter=()):
    """(pid, address) of a process that swaps; @enter it does before that. PID in @args is its own."""
    said, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            handle = os.open(program, os.O_PATH)
            for step in enter:
                step()
            os.dup2(theirs, 1)
            os.execve(handle, ["swaps", *(str(arg).replace("PID", str(os.getpid())) for arg in args)], {})
        finally:
            os._exit(1)
    os.close(theirs)
    try:
        word = os.read(said, 64).split()
        assert word and word[0] == b"swaps", "it does not swap"
        yield pid, int(word[1], 16)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it ended"
    finally:
        os.close(said)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, 9)
            os.waitpid(pid, 0)
