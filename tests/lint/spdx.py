#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every source says its licence in its first line (behind #!), the right one for its place.

bpf/ is GPL-2.0-only because the kernel gives the helpers we call to GPL programs only; the headers
that both sides include carry both licences; all the rest is Apache-2.0.
"""

import os
import re

import layers
import source

ENDINGS = ('.c', '.h', '.def', '.py', '.sh', '.S', '.cc', '.cpp', '.rs', '.go')
GPL = {'GPL-2.0-only'}
BOTH = {'GPL-2.0-only OR Apache-2.0'}
APACHE = {'Apache-2.0'}


def is_source(path, text):
    return path.endswith(ENDINGS) or text.startswith('#!')


def allowed(path):
    if path.startswith('bpf/'):
        return GPL | BOTH
    # Compiles the kernel side's headers into itself.
    if path.startswith('tests/bpf/'):
        return GPL
    return BOTH if layers.module_of(path) == 'abi' else APACHE


def check_file(root, path, text):
    lines = text.split('\n', 2)
    line = lines[1] if lines[0].startswith('#!') and len(lines) > 1 else lines[0]
    m = re.match(r'(?:/\* |// |# )SPDX-License-Identifier: (.*?)(?: \*/)?$', line)
    if not m:
        return [f'{path}:1: the first line is no SPDX-License-Identifier']
    problems = []
    if m[1] not in allowed(path):
        problems.append(f'{path}:1: {m[1]} here, but it must be {" or ".join(sorted(allowed(path)))}')
    for licence in m[1].split(' OR '):
        if not os.path.exists(os.path.join(root, 'LICENSES', licence + '.txt')):
            problems.append(f'{path}:1: LICENSES/{licence}.txt does not exist')
    return problems


def check(root):
    problems = []
    for path in source.list_files(root):
        text = source.read(root, path)
        if is_source(path, text):
            problems += check_file(root, path, text)
    return problems


if __name__ == '__main__':
    source.main(check)
