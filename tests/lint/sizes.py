#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits of size and shape: what makes code hard to read is its tail, not its average.

An exception is listed with its reason, by check and place; one that is no longer needed is an error
as well, so that the list cannot rot.
"""

import re

import source

FUNCTION_LINES = 70
BPF_FUNCTION_LINES = 80
MAIN_LINES = 40
FILE_LINES = 600
TEST_FILE_LINES = 900  # a flat list of cases reads well at any length, up to a point
HEADER_LINES = 150
PARAMS = 5
BPF_PARAMS = 6  # always inlined: no register is at stake, and a struct of options costs stack
NESTING = 4

EXCEPTIONS = {
    ('header', 'include/cprof/abi.h'): 'both sides of the border to BPF in one place, with asserts',
    ('header', 'include/cprof/unwind.h'): 'as abi.h',
    ('header', 'include/cprof/replay_format.h'): 'all entries of the file side by side',
    ('header', 'include/cprof/wire.h'): 'all messages between the roles side by side',
    ('params', 'include/cprof/base/map.h:map_find'): 'a key, how to compare it, and the answer',
    ('params', 'src/base/map.c:map_find'): 'as its header',
    ('params', 'include/cprof/base/loop.h:loop_add_io'): 'a source is its descriptor, priority and callback',
    ('params', 'src/base/loop.c:loop_add_io'): 'as its header',
    ('params', 'daemon/front/http.c:http_on_request'): 'a callback of libmicrohttpd, whose signature it is',
    ('global', 'src/base/log.c:log_state'): 'name and level of the program, set once by main()',
    ('global', 'bpf/code.h:code_question'): 'a value of a BPF map: user space asks, our program answers',
    ('global', 'bpf/maps.h:our_level'): 'a value of a BPF map: known only once our program ran',
    ('global', 'bpf/maps.h:our_inum'): 'as our_level',
    ('global', 'bpf/maps.h:walk_off'): 'a value of a BPF map: user space switches it while our programs run',
    ('global', 'bpf/maps.h:tree_growing'): 'as walk_off',
    ('global', 'bpf/maps.h:objects_forgotten'): 'as walk_off',
    ('global', 'bpf/maps.h:reader_sleeps'): 'as walk_off',
    ('global', 'bpf/maps.h:tree_born'): 'a value of a BPF map: our programs count, user space compares',
    ('global', 'bpf/maps.h:tree_gone'): 'as tree_born',
}

CONTROL = ('if', 'for', 'while', 'switch', 'do', 'else')


def check_text(path, text):
    """Words and marks that are not used here."""
    found = []
    code = source.strip(text)
    bare = source.TOKENS.sub(lambda m: source.blank(m[0]) if m[0].startswith('"') else m[0], text)
    for i, (line, shown) in enumerate(zip(code.split('\n'), bare.split('\n')), 1):
        if re.search(r'\bgoto\b', line) and not path.startswith('bpf/'):
            found.append((i, 'goto', 'goto', 'in user space: use a cleanup variable'))
        if re.search(r'\b(alloca|strdupa|strndupa)\s*\(', line):
            found.append((i, 'alloca', 'alloca', 'memory of unknown size on the stack'))
        if re.search(r'\b(TODO|FIXME|XXX)\b(?!\(#\d+\))', shown):
            found.append((i, 'todo', 'todo', 'a debt without the number of an issue'))
    for m in source.TOKENS.finditer(text):
        if m[0].startswith('//'):
            found.append((text.count('\n', 0, m.start()) + 1, 'comment', '//', 'comments are /* */'))
    return found


def is_loop_macro(body, i):
    """An identifier at i, with brackets and a brace behind: vec_foreach(...) {"""
    m = re.match(r'\w+\s*\(', body[i:])
    if not m:
        return False
    close = source.match_close(body, i + m.end() - 1, '()')
    return bool(re.match(r'\s*\{', body[close + 1:]))


def skip_space(body, i):
    return i + len(body[i:]) - len(body[i:].lstrip())


def end_of_simple(body, i):
    """Behind the ';' of a statement without substatements; brackets in it are skipped whole."""
    while i < len(body) and body[i] != ';':
        if body[i] in '({[':
            i = source.match_close(body, i, {'(': '()', '{': '{}', '[': '[]'}[body[i]])
        i += 1
    return i + 1


def read_statement(body, i, depth):
    """(position behind the statement at i, deepest nesting of control structures in it)"""
    i = skip_space(body, i)
    if i >= len(body):
        return i, depth
    if body[i] == '{':
        end = source.match_close(body, i)
        return end + 1, read_statements(body[i + 1:end], depth)
    label = re.match(r'(?:case\b[^;{}]*?(?<!:):(?!:)|default\s*:|[a-z_]\w*\s*:(?!:))', body[i:])
    if label:
        return read_statement(body, i + label.end(), depth)
    word = re.match(r'\w*', body[i:])[0]
    if word not in CONTROL and not is_loop_macro(body, i):
        return end_of_simple(body, i), depth
    i = skip_space(body, i + len(word))
    if word == 'else' and re.match(r'if\b', body[i:]):
        return read_statement(body, i, depth)
    if word not in ('do', 'else'):
        i = source.match_close(body, i, '()') + 1
    end, deepest = read_statement(body, i, depth + 1)
    after = re.match(r'\s*while\b', body[end:]) if word == 'do' else None
    return (end_of_simple(body, end) if after else end), deepest


def read_statements(body, depth=0):
    i, deepest = 0, depth
    while i < len(body):
        i, found = read_statement(body, i, depth)
        deepest = max(deepest, found)
    return deepest


def check_function(path, f):
    limit = BPF_FUNCTION_LINES if path.startswith('bpf/') else FUNCTION_LINES
    limit = MAIN_LINES if f.name == 'main' else limit
    if f.lines > limit:
        yield f.line, 'function', f.name, f'{f.lines} lines, limit {limit}'
    if f.params > (BPF_PARAMS if path.startswith('bpf/') else PARAMS):
        yield f.line, 'params', f.name, f'{f.params} parameters, limit {PARAMS}'
    deepest = read_statements(f.body)
    if deepest > NESTING:
        yield f.line, 'nesting', f.name, f'nested {deepest} deep, limit {NESTING}'
    for i, line in enumerate(f.body.split('\n')):
        m = re.match(r'\s*static\s+(.*)', line)
        if m and not is_constant(m[1]):
            yield f.body_line + i, 'global', f.name, 'a static variable that can change'


def is_constant(text):
    """Of a definition's text before '=' : the object itself is const, not only what it points to."""
    text = re.split(r'=', text, maxsplit=1)[0]
    if re.search(r'\bSEC\b', text):
        return True
    pointer_to_function = re.search(r'\(\s*\*\s*(const\b)?', text)
    if pointer_to_function:
        return pointer_to_function[1] is not None
    if '*' in text:
        return bool(re.match(r'\s*const\b', text[text.rindex('*') + 1:]))
    return bool(re.search(r'\bconst\b', text))


def without_body(text):
    """`static struct { ... } x` and `struct x { ... }` as if the type stood elsewhere."""
    m = re.match(r'((?:(?:static|const|volatile)\s+)*(?:struct|union|enum)\b)\s*(\w*)\s*\{', text)
    if not m:
        return text
    return f'{m[1]} {m[2] or "x"} {text[source.match_close(text, m.end() - 1) + 1:]}'.strip()


def check_declaration(d):
    text = source.ATTRIBUTE.sub(lambda m: 'SEC' if m[0].startswith('SEC') else '', d.text).strip()
    call = re.match(r'[^={]*?(\w+)\s*\(', text, re.S)
    if call and not re.match(r'[^={]*\(\s*\*', text):
        if re.fullmatch(r'[A-Z_]+[A-Z0-9_]*', call[1]) or call[1] == '_Static_assert':
            return
        if not text.startswith('typedef'):
            params = source.count_params(text[call.end():source.match_close(text, call.end() - 1, '()')])
            if params > PARAMS:
                yield d.line, 'params', call[1], f'{params} parameters, limit {PARAMS}'
        return
    if re.match(r'(typedef|extern)\b', text) or not text:
        return
    plain = without_body(text)
    if re.fullmatch(r'\s*(struct|union|enum)\s+\w+', plain) or is_constant(plain):
        return
    name = re.search(r'(\w+)\s*(?:\[[^\]]*\]\s*)*$', re.split('=', plain, maxsplit=1)[0].strip())
    yield d.line, 'global', name[1] if name else '?', 'a variable at file scope that can change'


def check_file(path, text):
    lines = text.count('\n')
    limit = HEADER_LINES if path.endswith('.h') and path.startswith('include/') else FILE_LINES
    if path.startswith('tests/'):
        limit = TEST_FILE_LINES
    if lines > limit:
        kind = 'header' if limit == HEADER_LINES else 'file'
        yield 1, kind, '', f'{lines} lines, limit {limit}'
    yield from check_text(path, text)
    functions, declarations = source.top_level(text)
    for f in functions:
        yield from check_function(path, f)
    for d in declarations:
        yield from check_declaration(d)


def check(root, exceptions=None):
    exceptions = EXCEPTIONS if exceptions is None else exceptions
    problems, used = [], set()
    for path in source.list_c_files(root):
        for line, kind, name, what in check_file(path, source.read(root, path)):
            key = (kind, f'{path}:{name}' if name else path)
            # A test program is one run: its state may stand where it likes.
            if kind == 'global' and path.startswith('tests/'):
                continue
            used.add(key)
            if key not in exceptions:
                problems.append(f'{path}:{line}: {name + ": " if name else ""}{what} [{kind}]')
    problems += [f'tests/lint/sizes.py: the exception {key} is no longer needed'
                 for key in exceptions if key not in used]
    return problems


if __name__ == '__main__':
    source.main(check)
