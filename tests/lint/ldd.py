#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs link, as built: the border between the roles, seen from outside.

Root code must not parse strangers' files, so the libraries that do are looked for in the binaries,
not in the build files. NEEDED is what a program asks for by itself; the closure is what the loader
brings in the end.

    ldd.py BUILD_ROOT
"""

import os
import re
import subprocess

import source

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
LIBC = r'libc|libm|ld-linux-x86-64'
# program: (where its source is; the program is somewhere below the same top folder of the build tree,
# what it may need, what must not even come with that, a symbol that must not be linked in statically)
PROGRAMS = {
    'cprofd': ('daemon/launcher', LIBC + '|libsystemd', 'libbpf|libelf|libdw|libstdc++', 'cplus_demangle_v3'),
    'cprofd-sampler': ('daemon/sampler', LIBC + '|libbpf|libdeflate|libprotobuf-c|libz', r'libdw|liblzma|libstdc\+\+|libsystemd',
                       'cplus_demangle_v3'),
    'cprofd-opener': ('daemon/opener', LIBC, '', 'cplus_demangle_v3'),
    'cprofd-symbolizer': ('daemon/symbolizer', LIBC + '|libdeflate|libelf|liblz4|liblzma|libz|libzstd', 'libbpf|libsystemd', ''),
    'cprofd-front': ('daemon/front', LIBC + '|libmicrohttpd', r'libbpf|libelf|libdw|liblzma|libsystemd|libprotobuf-c|libz',
                     'cplus_demangle_v3'),
    'cprofctl': ('src/ctl', LIBC + '|libdeflate|libprotobuf-c|libz', 'libbpf|libelf|libdw|libsystemd', 'cplus_demangle_v3'),
}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def stem(name):
    return name.split('.so')[0]


def needed(path):
    return [stem(n) for n in re.findall(r'\(NEEDED\).*\[(.+)\]', run('readelf', '-dW', path))]


def closure(path):
    return [stem(os.path.basename(line.split()[0])) for line in run('ldd', path).splitlines()
            if line.strip()]


def judge(name, path):
    _, may, must_not, symbol = PROGRAMS[name]
    problems = [f'{name} links {lib}, which it may not' for lib in needed(path)
                if not re.fullmatch(may, lib)]
    problems += [f'{name} brings in {lib}' for lib in closure(path)
                 if must_not and re.fullmatch(must_not, lib)]
    if symbol and re.search(rf'\b{symbol}\b', run('readelf', '-sW', path)):
        problems.append(f'{name} holds the demangler ({symbol})')
    return problems


def find(build, name):
    for folder, _, names in os.walk(os.path.join(build, PROGRAMS[name][0].split('/', maxsplit=1)[0])):
        path = os.path.join(folder, name)
        if name in names and os.access(path, os.X_OK):
            return path
    return None


def check(build, root=ROOT):
    written = [n for n in PROGRAMS if os.path.isdir(os.path.join(root, PROGRAMS[n][0]))]
    paths = {name: find(build, name) for name in written}
    if not paths:
        source.skip('no program is written yet')
    problems = [f'{name} is not built' for name, path in paths.items() if not path]
    for name, path in paths.items():
        if path:
            problems += judge(name, path)
    return problems


if __name__ == '__main__':
    source.main(check)
