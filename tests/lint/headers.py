#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header of include/cprof compiles alone, with gcc and with clang; those that BPF includes
also for BPF. So no header leans on what its user happened to include before it.
"""

import os
import shutil
import subprocess

import layers
import source

HOST = ['-std=gnu17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Wundef', '-Wcast-qual', '-Wno-unused-parameter',
        '-Wno-missing-field-initializers', '-Wno-unused-function', '-Werror']
COMPILERS = {
    'gcc': ['gcc', *HOST],
    'clang': ['clang-14', *HOST],
    'bpf': ['clang-14', '-target', 'bpf', '-std=gnu17', '-Wall', '-Werror'],
}


def compile_alone(root, header, name):
    # Twice, so that a header without its guard fails too.
    include = f'#include "{header[len("include/"):]}"\n'
    run = subprocess.run([*COMPILERS[name], '-Iinclude', '-fsyntax-only', '-x', 'c', '-'], cwd=root,
                         input=include * 2, text=True, stderr=subprocess.PIPE)
    if run.returncode == 0:
        return []
    first = next((line for line in run.stderr.split('\n') if 'error' in line), run.stderr)
    return [f'{header}:1: not alone with {name}: {first.strip()}']


def check(root):
    for tool in ('gcc', 'clang-14'):
        if not shutil.which(tool):
            source.skip(f'{tool} is not installed (tests/packages.build)')
    problems = []
    for path in source.list_files(root):
        if not path.startswith('include/cprof/') or not path.endswith('.h'):
            continue
        if '#pragma once' not in source.read(root, path).split('\n')[:2]:
            problems.append(f'{path}:2: no `#pragma once` under the licence')
        names = ['gcc', 'clang'] + (['bpf'] if layers.module_of(path) == 'abi' else [])
        for name in names:
            problems += compile_alone(root, path, name)
    return problems


if __name__ == '__main__':
    source.main(check)
