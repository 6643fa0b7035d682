#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Help, manual page and completion of cprofctl name the same commands, options and events; the
manual page and the example of the configuration name the daemon's keys; and the page names the keys
of --json (jsonkeys.py).

The help is asked of the program as built, the completion is run by a real bash, the page is read as
it is. What one has and another has not is an error, in either direction. Events and counters are
written into the page from their lists; what stands there must be what would be written.

    manual.py BUILD_ROOT [SOURCE_ROOT]
    manual.py --write BUILD_ROOT [SOURCE_ROOT]
"""

import os
import re
import shutil
import subprocess
import sys

import configpages
import jsonkeys
import source

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
PAGE = 'docs/man/cprofctl.1'
DAEMON_PAGE = 'docs/man/cprofd.8'
COMPLETION = 'src/ctl/completion/cprofctl.bash'
COUNTERS = 'include/cprof/counters.def'
PLAIN = ('help', 'version')  # commands without options or a help of their own

OPTION = re.compile(r'^  (?:-(\w)(?:, )?|    )(?:--([\w-]+))?(?: ([A-Z]\S*))? +(\S.*)$')
ITEM = re.compile(r'^\.It (?:Fl (\w)(?: , )?)?(?:Fl -([\w-]+))?(?: Ar (\S+))?$')
EVENT = re.compile(r'^  ([a-z-]+(?:, [a-z-]+)?) +(\S.*)$')
COUNTER = re.compile(r'^COUNTER\((\w+), (\w+), (\w+), "((?:[^"\\]|\\.)*)"\)$', re.M)


# The help

def section_of(help_text, title):
    found = re.search(rf'^{title}.*?\n((?:.+\n)*)', help_text, re.M)
    return found[1].splitlines() if found else []


def options_of_help(help_text):
    """{long name: (letter or None, argument or None)}; an option without a description is no row."""
    rows = [OPTION.match(line) for line in section_of(help_text, 'Options:')]
    return {m[2] or m[1]: (m[1], m[3]) for m in rows if m}


def commands_of_help(help_text):
    return [line.split()[0] for line in section_of(help_text, 'Commands:')]


def events_of_help(help_text):
    """[(names, what)]; the first lines of the section are prose."""
    return [(m[1], m[2]) for m in map(EVENT.match, section_of(help_text, 'Events')) if m]


# The page

def parts_of_page(page):
    """{heading: lines}, a command's part by its name."""
    parts, lines = {}, []
    for line in page.splitlines():
        heading = re.match(r'\.S[hs] (.*)$', line)
        if heading:
            lines = parts.setdefault(heading[1], [])
        else:
            lines.append(line)
    return parts


def options_of_part(lines):
    """As options_of_help(); an item is followed by its text."""
    rows = {}
    for line, text in zip(lines, lines[1:] + ['']):
        m = ITEM.match(line)
        if m and (m[1] or m[2]) and text and not text.startswith(('.It', '.El')):
            rows[m[2] or m[1]] = (m[1], m[3])
    return rows


# The completion

def complete(completion, program, words):
    """What bash offers behind @words, the last of which is being typed."""
    script = ('shopt -s progcomp; source "$1"; shift; COMP_WORDS=("$@"); '
              'COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; '
              '_cprofctl 2>&1; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(['bash', '--norc', '-c', script, 'bash', completion, program, *words],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return sorted(filter(None, done.stdout.splitlines() + done.stderr.splitlines()))


# Comparing

def compare(what, name, ours, other, theirs):
    """Both directions; each argument is a dict, or anything with 'in'."""
    problems = [f'{what}: {item} is in {name}, but not in {other}' for item in ours
                if item not in theirs]
    problems += [f'{what}: {item} is in {other}, but not in {name}' for item in theirs
                 if item not in ours]
    if isinstance(ours, dict) and isinstance(theirs, dict):
        problems += [f'{what}: {item} is {ours[item]} in {name}, {theirs[item]} in {other}'
                     for item in ours if item in theirs and ours[item] != theirs[item]]
    return problems


def check_command(command, helps, parts, completed):
    """@completed: the long options that are offered behind the command."""
    what = f'cprofctl {command}'.strip()
    own = options_of_help(helps[command])
    part = parts.get(command or 'OPTIONS')
    if part is None:
        return [f'{what}: has no part in the manual']
    problems = compare(what, 'the help', own, 'the manual', options_of_part(part))
    wanted = {f'--{name}' for name in {**own, **options_of_help(helps[''])}}
    problems += compare(what, 'the help', wanted, 'the completion', completed)
    if f'cprofctl {command}'.strip() not in helps[command].partition('Examples:')[2]:
        problems.append(f'{what}: the help has no example')
    return problems


def check_texts(helps, parts, offered):
    """@offered: what the completion offers, by the words before."""
    commands = commands_of_help(helps[''])
    page = [name for name in parts if name.islower()]
    problems = compare('commands', 'the help', commands, 'the manual', page)
    problems += compare('commands', 'the help', commands, 'the completion', offered[('',)])
    for command in ['', *(c for c in commands if c not in PLAIN)]:
        problems += check_command(command, helps, parts, offered[tuple([command] * bool(command)) + ('--',)])
    names = {n for names, _ in events_of_help(helps.get('record', '')) for n in names.split(', ')}
    if names:
        problems += compare('events', 'the help', names, 'the completion',
                            offered[('record', '--event', '')])
    return problems


# What is written into the page

def mdoc(text):
    """Text that mdoc takes as it is: no line that begins with a control character."""
    text = text.replace('\\', '\\e')
    return '\\&' + text if text[0] in ".'" else text


def written(helps, counters):
    kinds = {'RUNS': 'books', 'DROP': 'drop', 'DISCARD': 'discard', 'NS': 'nanoseconds', 'EVENT': 'count'}
    events = ['.Bl -tag -width Ds']
    for names, prose in events_of_help(helps['record']):
        events += ['.It Cm ' + ' , Cm '.join(names.split(', ')), mdoc(prose) + '.']
    rows = ['.Bl -tag -width Ds']
    for name, _, kind, prose in COUNTER.findall(counters):
        rows += [f'.It Va {name} Pq {kinds[kind]}', mdoc(prose[0].upper() + prose[1:]) + '.']
    return {'events': [*events, '.El'], 'counters': [*rows, '.El']}


def replaced(page, parts):
    for name, lines in parts.items():
        text = '\n'.join(lines)
        page = re.sub(rf'(\.\\" {name}: begin.*?\n).*?(\.\\" {name}: end\n)',
                      lambda m, text=text: m[1] + text + '\n' + m[2], page, flags=re.S)
    return page


# The page as others see it

def formatted(path):
    problems = []
    if shutil.which('groff'):
        done = subprocess.run(['groff', '-mdoc', '-Tutf8', '-ww', '-z', path], capture_output=True,
                              text=True, check=False)
        problems += [f'groff: {line}' for line in done.stderr.splitlines()]
    if shutil.which('mandoc'):
        # Pages that the machine does not have are no fault of this one.
        done = subprocess.run(['mandoc', '-Tlint', '-Wwarning', path], capture_output=True, text=True,
                              check=False)
        problems += [f'mandoc: {line}' for line in done.stdout.splitlines()]
    if not shutil.which('groff') and not shutil.which('mandoc'):
        source.skip('neither groff nor mandoc')
    return problems


def help_of(program, command):
    return subprocess.run([program, *([command] if command else []), '--help'], capture_output=True,
                          text=True, check=True).stdout


def check_completion(completion, program):
    """What is no word of the help: files, processes, several of them, the program's own split of '='."""
    def offers(*words):
        return complete(completion, program, words)
    here = os.path.basename(COMPLETION)
    prefix = os.path.join(os.path.dirname(completion), here[:4])
    own = str(os.getpid())
    cases = {
        'a pid': own in offers('record', '--pid', own),
        'a second pid': f'1,{own}' in offers('record', '-p', f'1,{own}'),
        'a pid behind =': own in offers('record', '--pid', '=', own),
        'an empty word behind =': own in offers('record', '--pid', '='),
        'a file for -o': completion in offers('record', '-o', prefix),
        'a file for top': completion in offers('top', prefix),
        'a command to record': 'bash' in offers('record', '--', 'bas'),
        'nothing for --hz': offers('record', '--hz', '') == [],
        'nothing behind ps': offers('ps', '') == [],
        'times for ls': '1h' in offers('ls', '--since', '') and own in offers('ls', '-p', own),
        'options behind a file': '--cum' in offers('top', completion, '--c'),
        'globals before a command': 'record' in offers('--json', '-v', '--socket', '/x', 'rec'),
        'commands for help': 'top' in offers('help', 'to'),
        'only what fits': all(w.startswith('--n') for w in offers('top', '--n')),
        'no option of a recorded command': '--pid' not in offers('record', '--', 'ls', '--p'),
    }
    return [f'completion: {what}: not as it should be' for what, right in cases.items() if not right]


def put(root, path, text):
    with open(os.path.join(root, path), 'w', encoding='utf-8') as f:
        f.write(text)


def check_config(build, root, write):
    program = os.path.join(build, 'tests/lint/config-keys')
    if not os.path.exists(program):
        source.skip(f'{program} is not built')
    keys = configpages.read_keys(subprocess.run([program], capture_output=True, text=True,
                                                check=True).stdout)
    problems = []
    for path in (configpages.PAGE, configpages.EXAMPLE):
        text = source.read(root, path)
        whole = configpages.written(path, text, keys)
        if whole and write:
            put(root, path, whole)
        elif whole != text:
            problems.append(f'{path}:1: the keys are not as in their table: tests/lint/manual.py --write BUILD')
    return problems + formatted(os.path.join(root, configpages.PAGE))


def check_daemon(build, root):
    program = os.path.join(build, 'daemon/launcher/cprofd')
    if not os.path.exists(program):
        source.skip(f'{program} is not built')
    part = parts_of_page(source.read(root, DAEMON_PAGE)).get('OPTIONS', [])
    return compare('cprofd', 'the help', options_of_help(help_of(program, '')), 'the manual',
                   options_of_part(part)) + formatted(os.path.join(root, DAEMON_PAGE))


def check(build, root=ROOT, write=False):
    program = os.path.join(build, 'src/ctl/cprofctl')
    path, completion = os.path.join(root, PAGE), os.path.realpath(os.path.join(root, COMPLETION))
    if not os.path.exists(program):
        source.skip(f'{program} is not built')
    helps = {'': help_of(program, '')}
    for command in commands_of_help(helps['']):
        helps[command] = help_of(program, command)
    page = source.read(root, PAGE)
    whole = replaced(page, written(helps, source.read(root, COUNTERS)))
    if write:
        put(root, PAGE, whole)
        page = whole
    problems = [] if page == whole else [
        f'{PAGE}:1: events or counters are not as in their lists: tests/lint/manual.py --write BUILD']
    words = [('',), ('--',), ('record', '--event', ''),
             *((c, '--') for c in helps if c and c not in PLAIN)]
    offered = {w: complete(completion, program, w) for w in words}
    return problems + check_texts(helps, parts_of_page(page), offered) + formatted(path) + \
        check_completion(completion, program)


def main():
    words = [w for w in sys.argv[1:] if w != '--write']
    build, root, write = os.path.abspath(words[0]), (words[1:] or [ROOT])[0], '--write' in sys.argv
    problems = check(build, root, write) + check_config(build, root, write) + check_daemon(build, root)
    problems += jsonkeys.check(root)
    for problem in problems:
        print(problem)
    print(f'manual.py: {len(problems)} problems')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
