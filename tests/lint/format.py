#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every C file is as clang-format-14 writes it (.clang-format). `format.py --write ROOT` does so.

Version 14 and no other: versions differ in what they do to the same file.
"""

import os
import shutil
import subprocess
import sys

import source

TOOL = 'clang-format-14'


def check(root):
    files = source.list_c_files(root)
    if not files:
        return []
    # A wrong version is no defect of the tree, but it must not pass for a check either.
    if not shutil.which(TOOL):
        source.skip(f'{TOOL} is not installed (tests/packages.test)')
    mode = ['-i'] if '--write' in sys.argv else ['--dry-run', '-Werror', '--ferror-limit=1']
    run = subprocess.run([TOOL, '--style=file', *mode, *files], cwd=root, text=True,
                         stderr=subprocess.PIPE)
    problems = [line.replace(root + os.sep, '') for line in run.stderr.split('\n')
                if 'error:' in line]
    if run.returncode != 0 and not problems:
        problems.append(f'{TOOL}: {run.stderr.strip()}')
    return problems


if __name__ == '__main__':
    source.main(check)
