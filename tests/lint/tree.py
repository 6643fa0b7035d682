#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What belongs together is there together, and nothing is there that does not belong.

A header whose module is written has its unit test; counters are described and somebody moves them;
links in the pages lead somewhere; git holds no compiled files and no path of somebody's machine.
"""

import os
import re

import source

# Headers without a unit test of their own, and why.
UNTESTED = {
    'abi.h': 'layout only: asserted where it is compiled, for the host and for BPF',
    'record.h': 'plain data: filled by decode and tested there',
    'collect.h': 'a live kernel is its only input: the system suite',
    'base/cleanup.h': 'macros that every other test runs',
    'base/clock.h': 'three calls of clock_gettime()',
    'pprof_write.h': 'what writes is checked by what reads: test-pprof.c',
    'profile_name.h': 'names of files: test-output.c',
    'replay_format.h': 'the layout of a file: test-replay.c',
    'base/log.h': 'writes to stderr of a program: the system suite reads it',
}

COUNTER = re.compile(r'^COUNTER\((\w+), (\w+), (\w+), "((?:[^"\\]|\\.)*)"\)$')
MOVERS = ('bpf/', 'daemon/sampler/', 'src/collect/', 'src/fold/', 'src/late/', 'src/remap/',
          'src/symbolize/')
SIDES = ('BPF', 'USER')
KINDS = ('RUNS', 'DROP', 'DISCARD', 'NS', 'EVENT')
BINARY = (b'\x7fELF', b'!<arch>', b'BC\xc0\xde', b'\0asm')
# Split, so that this file does not find itself.
MACHINE = re.compile('/' + r'home/[a-z]|/' + r'work/(?:main|shared)|/tmp/' + r'wt-|/' + r'root/\.')


def check_tests(files):
    """Every header of include/cprof has a test, or a reason not to."""
    sources = {os.path.basename(f) for f in files if f.startswith('src/') and f.endswith('.c')}
    folders = {f.split('/')[1] for f in files if f.startswith('src/') and f.count('/') > 1}
    problems = []
    for path in files:
        if not path.startswith('include/cprof/') or not path.endswith('.h'):
            continue
        name = path[len('include/cprof/'):]
        stem = os.path.basename(name)[:-2]
        if name in UNTESTED or f'tests/unit/test-{stem}.c' in files:
            continue
        # A contract without code yet has nothing to test.
        if stem + '.c' in sources or stem in folders:
            problems.append(f'{path}:1: no tests/unit/test-{stem}.c, and no reason in tests/lint/tree.py')
    problems += [f'tests/lint/tree.py: {name} has a reason, but does not exist'
                 for name in UNTESTED if f'include/cprof/{name}' not in files]
    return problems


def check_counters(root, files):
    path = 'include/cprof/counters.def'
    if path not in files:
        return []
    problems, names, proses = [], set(), set()
    text = re.sub(r'/\*.*?\*/', lambda m: source.blank(m[0]), source.read(root, path), flags=re.S)
    for i, line in enumerate(text.split('\n'), 1):
        if not line.strip() or line.startswith('#undef'):
            continue
        m = COUNTER.match(line)
        if not m:
            problems.append(f'{path}:{i}: not COUNTER(name, side, kind, "prose")')
            continue
        name, side, kind, prose = m.groups()
        if side not in SIDES or kind not in KINDS:
            problems.append(f'{path}:{i}: {name}: side {side} or kind {kind} is unknown')
        if len(prose.split()) < 2 or prose in proses:
            problems.append(f'{path}:{i}: {name}: its prose says nothing, or what another says')
        if name in names:
            problems.append(f'{path}:{i}: {name} is there twice')
        names.add(name)
        proses.add(prose)
    return problems


def check_counted(root, files):
    """A counter that nothing moves says that all is well when it is not."""
    path = 'include/cprof/counters.def'
    # Before the sampler is written the counters are a plan.
    if path not in files or not any(f.startswith('daemon/sampler/') for f in files):
        return []
    names = re.findall(r'^COUNTER\((\w+)', source.read(root, path), re.M)
    code = ''.join(source.strip(source.read(root, f)) for f in files
                   if f.startswith(MOVERS) and f.endswith(source.C_ENDINGS))
    return [f'{path}:1: {name}: nothing in {" ".join(MOVERS)} moves it' for name in names
            if not re.search(rf'\bCOUNTER_{name}\b', code)]


def check_links(root, files):
    """Relative links of the pages; anchors are not looked at."""
    problems = []
    for path in files:
        if not path.endswith('.md'):
            continue
        for target in re.findall(r'\]\(([^)\s#:]+)(?:#[^)]*)?\)', source.read(root, path)):
            if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
                problems.append(f'{path}:1: the link to {target} leads nowhere')
    return problems


def check_content(root, files):
    problems = []
    for path in files:
        with open(os.path.join(root, path), 'rb') as f:
            data = f.read()
        if data.startswith(BINARY) and not path.startswith(('tests/data/', 'tests/fuzz/')):
            problems.append(f'{path}: a compiled file')
            continue
        for i, line in enumerate(data.decode('utf-8', 'replace').split('\n'), 1):
            if MACHINE.search(line):
                problems.append(f'{path}:{i}: a path of one machine')
    return problems


def check(root):
    files = source.list_files(root)
    return (check_tests(files) + check_counters(root, files) + check_counted(root, files) +
            check_links(root, files) + check_content(root, files))


if __name__ == '__main__':
    source.main(check)
