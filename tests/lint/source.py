# SPDX-License-Identifier: Apache-2.0
"""The tree as the checks see it: which files there are, and C text without what is no code.

Files come from git where there is a checkout (tracked and new ones, nothing ignored), else from a
walk that leaves out build trees. The C reader is a tokeniser, not a compiler: it blanks comments,
strings and preprocessor lines and finds top-level functions by their braces. That is enough for
counting, and it works on a file that does not compile yet.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

SKIP = 77
C_ENDINGS = ('.c', '.h')


def list_files(root):
    """Paths relative to the root, sorted."""
    if os.path.exists(os.path.join(root, '.git')):
        command = ['git', '-c', 'safe.directory=*', '-C', root, 'ls-files', '-z', '--cached',
                   '--others', '--exclude-standard']
        try:
            out = subprocess.run(command, capture_output=True, check=True).stdout
            names = (os.fsdecode(n) for n in out.split(b'\0') if n)
            return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))
        except (OSError, subprocess.CalledProcessError):
            pass
    found = []
    for folder, folders, names in os.walk(root):
        rel = os.path.relpath(folder, root)
        folders[:] = [d for d in folders if not is_ignored(os.path.normpath(os.path.join(rel, d)))]
        found += [os.path.normpath(os.path.join(rel, n)) for n in names]
    return sorted(n for n in found if not n.endswith('.pyc'))


def is_ignored(folder):
    """The folders of .gitignore, for a tree without git."""
    return (folder.startswith(('build', 'cprofd-profiles-')) or
            os.path.basename(folder) in ('.git', '.cache', '__pycache__'))


def list_c_files(root):
    return [f for f in list_files(root) if f.endswith(C_ENDINGS)]


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace') as f:
        return f.read()


def main(check):
    """Runs one check over the tree that is the last argument, prints what it found."""
    problems = check(os.path.abspath(sys.argv[-1]))
    for problem in problems:
        print(problem)
    print(f'{os.path.basename(sys.argv[0])}: {len(problems)} problems')
    sys.exit(1 if problems else 0)


def skip(why):
    print(f'SKIP: {why}')
    sys.exit(SKIP)


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    """The same text, character for character, with spaces for everything but line ends."""
    return re.sub(r'[^\n]', ' ', text)


def strip_comments(text):
    return TOKENS.sub(lambda m: blank(m[0]) if m[0].startswith('/') else m[0], text)


def strip(text):
    """Code alone: no comments, empty strings, no preprocessor lines. Line numbers stay."""
    def one(m):
        return blank(m[0]) if m[0].startswith('/') else m[0][0] + blank(m[0][1:-1]) + m[0][0]
    text = TOKENS.sub(one, text)
    return re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', lambda m: blank(m[0]), text, flags=re.M)


@dataclass
class Include:
    line: int
    name: str
    system: bool


def includes(text):
    found = []
    for i, line in enumerate(strip_comments(text).split('\n'), 1):
        m = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
        if m:
            found.append(Include(i, m[1] or m[2], m[2] is not None))
    return found


@dataclass
class Function:
    name: str
    line: int
    lines: int
    params: int
    body: str
    body_line: int


@dataclass
class Declaration:
    text: str
    line: int


def match_close(text, start, pair='{}'):
    """Where the bracket at start is closed."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i
    return len(text) - 1


def count_params(inside):
    depth, cnt = 0, 1
    for c in inside:
        depth += (c in '([{') - (c in ')]}')
        cnt += c == ',' and depth == 0
    return 0 if inside.strip() in ('', 'void') else cnt


ATTRIBUTE = re.compile(r'\b(?:__attribute__|SEC|_Alignas)\s*\((?:[^()]|\([^()]*(?:\([^()]*\))?[^()]*\))*\)')


def read_function(head, code, start, brace):
    """The function whose head ends at the brace, or None where it is a type or an initialiser."""
    plain = ATTRIBUTE.sub(lambda m: blank(m[0]), head)
    m = re.search(r'(\w+)\s*\(', plain)
    if not m or '=' in plain[:m.start()] or not plain.rstrip().endswith(')'):
        return None
    close = match_close(plain, m.end() - 1, '()')
    name, params = m[1], count_params(plain[m.end():close])
    if re.fullmatch(r'[A-Z][A-Z0-9_]*', name):
        name, params = re.sub(r'\s+', '', plain[m.start():close + 1]), 0
    begin = start + len(head) - len(head.lstrip())
    end = match_close(code, brace)
    line = code.count('\n', 0, begin) + 1
    return Function(name, line, code.count('\n', begin, end) + 1, params,
                    code[brace + 1:end], code.count('\n', 0, brace) + 1)


def top_level(text):
    """The functions and the other declarations of a file."""
    code = strip(text)
    functions, declarations = [], []
    start = i = 0
    while i < len(code):
        if code[i] == '{':
            function = read_function(code[start:i], code, start, i)
            i = match_close(code, i)
            if function:
                functions.append(function)
                start = i + 1
        elif code[i] == '(':
            i = match_close(code, i, '()')
        elif code[i] == ';':
            chunk = code[start:i]
            begin = start + len(chunk) - len(chunk.lstrip())
            declarations.append(Declaration(chunk.strip(), code.count('\n', 0, begin) + 1))
            start = i + 1
        i += 1
    return functions, declarations
