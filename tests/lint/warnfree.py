#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every C file compiles without a warning, with gcc and with clang, by the build's own flags.

    warnfree.py BUILD_ROOT        reads its compile_commands.json
"""

import concurrent.futures
import json
import os
import shlex
import shutil
import subprocess

import source

COMPILERS = {'gcc': ['gcc'], 'clang': ['clang-14', '-Wno-unknown-warning-option']}
# Options that name outputs.
DROPPED_WITH_VALUE = ('-o', '-MF', '-MQ')
DROPPED = ('-MD', '-c', '-fdiagnostics-color=always')


def read_flags(command):
    words, flags, i = shlex.split(command), [], 0
    while not words[i].startswith('-'):  # the compiler, perhaps behind a cache
        i += 1
    while i < len(words):
        if words[i] in DROPPED_WITH_VALUE:
            i += 2
            continue
        if words[i] not in DROPPED and not words[i].startswith('-fsanitize'):
            flags.append(words[i])
        i += 1
    return flags


def compile_one(job):
    name, entry = job
    command = [*COMPILERS[name], *read_flags(entry['command']), '-Werror', '-O0', '-U_FORTIFY_SOURCE',
               '-fsyntax-only']
    run = subprocess.run(command, cwd=entry['directory'], capture_output=True, text=True)
    if run.returncode == 0:
        return []
    lines = [line for line in run.stderr.split('\n') if 'error:' in line]
    return [f'{name}: {line.lstrip("./")}' for line in lines or [f'{entry["file"]}: {run.stderr[:200]}']]


def check(build):
    path = os.path.join(build, 'compile_commands.json')
    if not os.path.exists(path):
        source.skip('no compile_commands.json: configure with meson first')
    for tool in ('gcc', 'clang-14'):
        if not shutil.which(tool):
            source.skip(f'{tool} is not installed (tests/packages.build)')
    with open(path, encoding='utf-8') as f:
        entries = {e['file']: e for e in json.load(f) if e['file'].endswith('.c') and '.pb-c.' not in e['file']}
    jobs = [(name, e) for e in entries.values() for name in COMPILERS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [problem for found in pool.map(compile_one, jobs) for problem in found]


if __name__ == '__main__':
    source.main(check)
