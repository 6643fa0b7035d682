#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, and which folder may use which library.

The two tables below are the architecture: an include that is no edge of MODULES, a library header
or a meson dependency outside its folders of LIBRARIES, and any cycle of includes are errors.
docs/ARCHITECTURE.md prints the same tables between markers; this check compares them.

    layers.py [--write] ROOT        --write brings the page up to date
"""

import os
import re
import sys
from fnmatch import fnmatch

import source

# module: (its layer, the headers it offers, its folders, what it may include). Lowest first: a
# module may name only modules above it in this table, so the graph has no cycle by construction.
MODULES = {
    'abi': ('base', ['abi.h', 'code_lines.h', 'counters.h', 'counters.def', 'stack_ends.def', 'unwind.h'], [], []),
    'bpf': ('base', [], ['bpf'], ['abi']),
    'base': ('base', ['base/*.h'], ['src/base'], []),
    'procfs': ('base', ['procfs.h'], ['src/procfs'], ['base']),
    'sandbox': ('base', ['sandbox.h'], ['src/sandbox'], ['base']),
    'model': ('model', ['record.h', 'window.h', 'names.h', 'event.h', 'event.def', 'counters_json.h'],
              ['src/model'], ['abi', 'base']),
    'config': ('model', ['config.h'], ['src/config'], ['abi', 'base', 'model']),
    'rows': ('model', ['rows.h', 'ruleset.h'], ['src/rows'], ['abi', 'base']),
    'object': ('tables', ['object.h', 'object_source.h'], ['src/object'], ['abi', 'base', 'model']),
    'pool': ('tables', ['pool.h'], ['src/pool'], ['abi', 'base', 'rows']),
    'cgroups': ('tables', ['cgroups.h'], ['src/cgroups'], ['abi', 'base']),
    'wire': ('messages', ['wire.h', 'session.h', 'session_receive.h', 'control.h'], ['src/wire'],
             ['abi', 'base', 'model', 'config', 'object']),
    'output': ('messages', ['output.h', 'profile_name.h'], ['src/output'], ['base']),
    'pprof': ('messages', ['pprof.h', 'pprof_write.h'], ['src/pprof'], ['base']),
    'collect': ('stages', ['collect.h', 'collect_code.h', 'collect_pool.h', 'collect_tasks.h'], ['src/collect'], ['abi', 'base', 'model', 'pool']),
    'decode': ('stages', ['decode.h'], ['src/decode'], ['abi', 'base', 'model']),
    'locate': ('stages', ['locate.h'], ['src/locate'], ['abi', 'base', 'model', 'object']),
    'fold': ('stages', ['fold.h'], ['src/fold'], ['abi', 'base', 'model']),
    'symbolize': ('stages', ['symbolize.h', 'symbolize_kernel.h'], ['src/symbolize'],
                  ['abi', 'base', 'model', 'rows', 'object', 'wire']),
    'remap': ('stages', ['remap.h'], ['src/remap'], ['abi', 'base', 'model', 'object', 'wire']),
    'late': ('stages', ['late.h'], ['src/late'], ['abi', 'bpf', 'base', 'model']),
    'encode': ('stages', ['encode.h'], ['src/encode'],
               ['abi', 'base', 'model', 'object', 'cgroups', 'pprof']),
    'replay': ('stages', ['replay.h', 'replay_format.h'], ['src/replay'],
               ['abi', 'base', 'model', 'object', 'cgroups']),
    'merge': ('stages', ['merge.h'], ['src/merge'], ['base', 'pprof']),
    'spool': ('stages', ['spool.h'], ['src/spool'], ['base', 'output']),
    'cfi': ('workers', ['cfi.h'], ['src/cfi'], ['abi', 'base', 'rows']),
    'gopclntab': ('workers', ['gopclntab.h', 'gopclntab_lines.h'], ['src/gopclntab'], ['abi', 'base']),
    'symtab': ('workers', ['symtab.h', 'symtab_lean.h', 'symtab_readable.h', 'elf_file.h', 'elf_unpack.h', 'unwind_info.h', 'unwind_pages.h', 'go_lines.h'], ['src/symtab'],
               ['abi', 'base', 'model', 'rows', 'object', 'wire', 'cfi', 'gopclntab']),
    'dwarf': ('workers', ['dwarf.h'], ['src/dwarf'], ['base', 'symtab']),
    'report': ('workers', ['report.h'], ['src/report'], ['base', 'pprof']),
    'explain': ('workers', ['explain_elf.h', 'explain_profile.h'], ['src/explain'],
                ['abi', 'base', 'object', 'pprof', 'symtab']),
    'elfsources': ('workers', ['elf_sources.h'], ['src/elfsources'],
                   ['abi', 'base', 'rows', 'object', 'gopclntab', 'symtab', 'dwarf', 'explain']),
    'cprofctl': ('programs', ['ctl.h'], ['src/ctl'],
                 ['abi', 'base', 'model', 'object', 'wire', 'output', 'report', 'explain']),
    'launcher': ('programs', [], ['daemon/launcher'],
                 ['abi', 'base', 'model', 'config', 'object', 'wire']),
    'opener': ('programs', [], ['daemon/opener'],
               ['abi', 'base', 'procfs', 'sandbox', 'model', 'object', 'wire']),
    'symbolizer': ('programs', [], ['daemon/symbolizer'],
                   ['abi', 'base', 'sandbox', 'model', 'rows', 'object', 'wire', 'symtab', 'gopclntab', 'dwarf', 'explain', 'elfsources']),
    'front': ('programs', [], ['daemon/front'],
              ['abi', 'base', 'sandbox', 'model', 'config', 'object', 'wire', 'output', 'spool']),
    'sampler': ('programs', [], ['daemon/sampler'],
                ['abi', 'base', 'procfs', 'sandbox', 'model', 'config', 'rows', 'object', 'cgroups', 'wire', 'output',
                 'collect', 'decode', 'locate', 'fold', 'symbolize', 'remap', 'late', 'encode', 'replay',
                 'merge', 'spool']),
}

# library: (its headers, its names in meson, the only folders that may use it).
LIBRARIES = {
    'libbpf': (['bpf/*', '*.skel.h'], ['libbpf', 'bpf'], ['src/collect', 'bpf']),
    'libelf': (['libelf.h', 'gelf.h', 'nlist.h'], ['libelf', 'elf'], ['src/symtab']),
    'liblzma': (['lzma.h', 'lzma/*'], ['liblzma', 'lzma'], ['src/symtab']),
    'libiberty': (['libiberty/*', 'demangle.h'], ['libiberty', 'iberty'], ['src/symtab']),
    'protobuf-c': (['protobuf-c/*', '*.pb-c.h'],
                   ['libprotobuf-c', 'protobuf-c', 'protobuf_c', 'libprotobuf_c'],
                   ['src/pprof', 'proto']),
    'lz4': (['lz4.h'], ['lz4'], ['src/symtab']),
    'libdeflate': (['libdeflate.h'], ['libdeflate', 'deflate'], ['src/pprof', 'src/symtab']),
    'zlib': (['zlib.h'], ['zlib', 'z'], ['src/pprof', 'src/symtab']),
    'zstd': (['zstd.h', 'zstd_errors.h'], ['libzstd', 'zstd'], ['src/symtab']),
    'libmicrohttpd': (['microhttpd.h'], ['libmicrohttpd', 'microhttpd'], ['daemon/front']),
    # In systemd/ its directories are asked for, and nothing is linked.
    'libsystemd': (['systemd/*'], ['libsystemd', 'systemd'], ['daemon/launcher', 'systemd']),
}

# Parts of the C library that are linked by name.
LIBC = ('m', 'dl', 'rt', 'pthread')
# Everything else in angle brackets is the C library, the compiler or the kernel's UAPI.
STANDARD_FOLDERS = ('sys/', 'linux/', 'asm/', 'asm-generic/', 'netinet/', 'arpa/', 'net/')
STANDARD = set("""
    assert ctype dirent dlfcn elf endian errno fcntl features fnmatch fts getopt glob grp inttypes limits
    link locale malloc math mntent poll pthread pwd regex sched semaphore setjmp signal spawn stdalign
    stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings termios time
    uchar ucontext unistd wchar wctype cpuid
""".split())

# What stands in for the kernel when BPF's logic is compiled for the host.
STAND_INS = {('bpf/kenv.h', 'kenv-host.h')}

# BPF's logic that user space compiles, too.
SHARED = {'bpf/walk.h'}

BEGIN = '<!-- layers: printed by tests/lint/layers.py --write -->'
END = '<!-- layers: end -->'
PAGE = 'docs/ARCHITECTURE.md'


def module_of(path):
    """The module a file belongs to, or None: tests and docs are outside of the layers."""
    if path.startswith('include/cprof/'):
        name = path[len('include/cprof/'):]
        return next((m for m, (_, headers, _, _) in MODULES.items()
                     if any(fnmatch(name, h) for h in headers)), None)
    return next((m for m, (_, _, folders, _) in MODULES.items()
                 if any(path.startswith(f + '/') for f in folders)), None)


def library_of(name):
    return next((lib for lib, (headers, _, _) in LIBRARIES.items()
                 if any(fnmatch(name, h) for h in headers)), None)


def is_standard(name):
    return name.startswith(STANDARD_FOLDERS) or (name.endswith('.h') and name[:-2] in STANDARD)


def check_library(path, include, library):
    folders = LIBRARIES[library][2]
    if any(path.startswith(f + '/') for f in folders):
        return []
    return [f'{path}:{include.line}: <{include.name}> is {library}: only {", ".join(folders)} may use it']


def check_include(path, include, files):
    """(problems, the project file it names or None)"""
    where = f'{path}:{include.line}'
    if (path, include.name) in STAND_INS:
        return [], None
    if include.name.startswith('cprof/'):
        target = 'include/' + include.name
    else:
        target = os.path.normpath(os.path.join(os.path.dirname(path), include.name))
        if include.system or target not in files:
            library = library_of(include.name)
            if library:
                return check_library(path, include, library), None
            if include.system and is_standard(include.name):
                return [], None
            return [f'{where}: {include.name} is neither ours nor the C library\'s nor a listed library\'s'], None
    if target not in files:
        return [f'{where}: {include.name} does not exist'], None
    mine, theirs = module_of(path), module_of(target)
    if theirs is None:
        return [f'{where}: {include.name} belongs to no module'], target
    offered = target.startswith('include/') or target in SHARED
    if mine != theirs and (theirs not in MODULES[mine][3] or not offered):
        return [f'{where}: {mine} may not include {include.name} of {theirs}'], target
    return [], target


def find_cycle(graph):
    """One cycle of the graph as a list of nodes, or None."""
    state, path = {}, []

    def visit(node):
        state[node] = 1
        path.append(node)
        for target in graph.get(node, ()):
            if state.get(target) == 1:
                return path[path.index(target):] + [target]
            if target not in state:
                cycle = visit(target)
                if cycle:
                    return cycle
        state[node] = 2
        path.pop()
        return None

    for node in graph:
        if node not in state:
            cycle = visit(node)
            if cycle:
                return cycle
    return None


def check_includes(root, files):
    problems, graph = [], {}
    for path in files:
        if not path.endswith(('.c', '.h', '.def')) or path.startswith('tests/'):
            continue
        if module_of(path) is None:
            problems.append(f'{path}:1: belongs to no module of tests/lint/layers.py')
            continue
        for include in source.includes(source.read(root, path)):
            found, target = check_include(path, include, files)
            problems += found
            if target:
                graph.setdefault(path, []).append(target)
    cycle = find_cycle(graph)
    if cycle:
        problems.append('cycle of includes: ' + ' -> '.join(cycle))
    return problems


def check_meson_name(path, name, own):
    """A `<name>_dep` or dependency('<name>') in a folder's meson.build."""
    folder = os.path.dirname(path)
    for library, (_, names, folders) in LIBRARIES.items():
        if name in names:
            if folder in folders:
                return []
            return [f'{path}:1: links {library}: only {", ".join(folders)} may']
    module = module_of(folder + '/x')
    wanted = 'cprofctl' if name == 'ctl' else name
    if wanted in MODULES:
        if module is None or wanted == module or wanted in MODULES[module][3]:
            return []
        return [f'{path}:1: {module} may not link {name}']
    return [] if name in own or name in LIBC else [f'{path}:1: {name} is no module and no listed library']


def check_meson(root, files):
    problems = []
    builds = [f for f in files if os.path.basename(f) == 'meson.build']
    texts = {f: re.sub(r'#[^\n]*', '', source.read(root, f)) for f in builds}
    shared = set(re.findall(r'\b(\w+)_dep\s*=', ''.join(
        t for f, t in texts.items() if f.startswith(('proto/', 'bpf/')))))
    for path, text in texts.items():
        if path == 'meson.build' or path.startswith('tests/'):
            continue
        own = set(re.findall(r'\b(\w+)_dep\s*=', text)) | shared
        names = set(re.findall(r'\b(\w+)_dep\b', text))
        names |= set(re.findall(r"\b(?:dependency|find_library)\(\s*'([^']+)'", text))
        for name in sorted(names):
            problems += check_meson_name(path, name, own)
    return problems


def check_table():
    problems, seen = [], set()
    for module, (layer, _, _, may) in MODULES.items():
        problems += [f'layers.py: {module} names {m}, which is not above it' for m in may
                     if m not in seen]
        problems += [f'layers.py: stage {module} names stage {m}' for m in may
                     if layer == 'stages' and m in seen and MODULES[m][0] == 'stages']
        seen.add(module)
    return problems


def print_tables():
    lines = [BEGIN, '| Layer | Module | Headers in `include/cprof` | Code | May include |',
             '|---|---|---|---|---|']
    for module, (layer, headers, folders, may) in MODULES.items():
        cells = [layer, module, ' '.join(f'`{h}`' for h in headers),
                 ' '.join(f'`{f}`' for f in folders), ' '.join(may)]
        lines.append('| ' + ' | '.join(c or '–' for c in cells) + ' |')
    lines += ['', '| Library | Only in |', '|---|---|']
    lines += [f'| {lib} | {" ".join(f"`{f}`" for f in folders)} |'
              for lib, (_, _, folders) in LIBRARIES.items()]
    return '\n'.join(lines + [END])


def split_page(root):
    """The page before and behind the tables; None where there is no page or no markers."""
    try:
        text = source.read(root, PAGE)
    except FileNotFoundError:
        return None
    if BEGIN not in text or END not in text:
        return None
    return text[:text.index(BEGIN)], text[text.index(END) + len(END):], text


def check_page(root):
    parts = split_page(root)
    if parts is None:
        return [f'{PAGE}:1: no tables of the layers between the markers']
    if parts[0] + print_tables() + parts[1] != parts[2]:
        return [f'{PAGE}:1: the tables are not those of layers.py: run tests/lint/layers.py --write .']
    return []


def write_page(root):
    before, after, _ = split_page(root)
    with open(os.path.join(root, PAGE), 'w', encoding='utf-8') as f:
        f.write(before + print_tables() + after)


def check(root):
    files = set(source.list_files(root))
    return (check_table() + check_includes(root, sorted(files)) + check_meson(root, sorted(files)) +
            check_page(root))


if __name__ == '__main__':
    if '--write' in sys.argv:
        write_page(sys.argv[-1])
    source.main(check)
