# SPDX-License-Identifier: Apache-2.0
"""Runs a program where seccomp(2) and Landlock are not to be had: a filter refuses the calls that ask for them.

    without.py PROGRAM [ARG...]
"""

import ctypes
import errno
import os
import struct
import sys

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7fff0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
REFUSED = {317: errno.EPERM, 444: errno.EOPNOTSUPP}  # seccomp, landlock_create_ruleset


def refuse():
    code = [(LOAD, 0, 0, 0)]
    for number, error in REFUSED.items():
        code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | error)]
    code.append((RETURN, 0, 0, ALLOW))
    text = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *row) for row in code))
    program = struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter")


if __name__ == "__main__":
    refuse()
    os.execv(sys.argv[1], sys.argv[1:])
