# SPDX-License-Identifier: Apache-2.0
"""The keys of --json: those that the code writes and those that the manual promises are the same.

Scripts lean on them, so that one cannot come, go or change its name unnoticed. The code is read for
calls of cprof/base/json.h with a literal key; names that are data (counters, roles) are none.
"""

import re

import source

PAGE = 'docs/man/cprofctl.1'
BOOKS, TOP = 'src/model/counters-json.c', 'src/ctl/top-table.c'
WRITERS = {
    'status': ['daemon/front/status-page.c', BOOKS],
    'ps': ['daemon/front/ps-page.c'],
    'ls': ['daemon/front/listing.c'],
    'record': ['src/ctl/accounting-json.c', BOOKS, TOP],
    'top': ['src/ctl/cmd-top.c', TOP],
    'explain': ['src/ctl/cmd-explain.c', 'src/ctl/explain-elf-text.c', 'src/ctl/explain-profile-text.c'],
    'check': ['src/ctl/checklist.c'],
    'version': ['src/ctl/main.c'],
}
KEY = re.compile(r'\bjson_(?:u64|i64|double|string|bool|object|array|of_kind)\(\s*[^,()]+,\s*"(\w+)"')
EITHER = re.compile(r'\bjson_u64\(\s*[^,]+,\s*[^,"]*\?\s*"(\w+)"\s*:\s*"(\w+)"')


def keys_of_code(text):
    return set(KEY.findall(text)) | {k for pair in EITHER.findall(text) for k in pair}


def keys_of_page(page):
    """{command: keys}: what is marked as a variable in each item of the section."""
    section = re.search(r'^\.Sh JSON\n(.*?)^\.Sh ', page, re.M | re.S)
    items = re.split(r'^\.It Cm (\w+)\n', section[1], flags=re.M)[1:] if section else []
    return {name: {w for line in re.findall(r'^\.Va (.*)$', text, re.M)
                   for w in re.findall(r'\w+', line)}
            for name, text in zip(items[::2], items[1::2])}


def compare(code, page):
    """@code: {command: (keys, those of them that the item may leave to another's)}."""
    problems = []
    for command in sorted(set(code) | set(page)):
        written, elsewhere = code.get(command, (set(), set()))
        told = page.get(command, set())
        problems += [f'{PAGE}:1: --json {command}: {key} is written, but not in the manual'
                     for key in sorted(written - told - elsewhere)]
        problems += [f'{PAGE}:1: --json {command}: {key} is in the manual, but not written'
                     for key in sorted(told - written)]
    return problems


def check(root):
    keys = {path: keys_of_code(source.read(root, path)) for paths in WRITERS.values() for path in paths}
    page = keys_of_page(source.read(root, PAGE))
    code = {}
    for command, paths in WRITERS.items():
        own = keys[paths[0]]
        shared = set().union(*(keys[p] for p in paths[1:]))
        # "as of status": the books within, and the rows of top.
        elsewhere = page.get('status', set()) | page.get('top', set()) if command == 'record' else set()
        code[command] = (own | shared, elsewhere & shared)
    return compare(code, page)
