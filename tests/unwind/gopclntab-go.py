#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules that are made of Go's tables of functions, held against what the linker, the symbol table and
the instructions say of the same programs.

    gopclntab-go.py --check gopclntab-check ELF...
    gopclntab-go.py --check gopclntab-check --rows test-unwind-go --shapes DIR --cache DIR [--installed | --go VERSION...]

Of each program: the CFA at every row is that of .debug_frame, but for the functions in SEAMS; no code is
without a row that has one there; functions and their names are those of the symbol table; rbp is said to be
saved exactly behind the instruction that saves it, and to be in its register only where nothing has changed
it. With --shapes the programs are built from DIR by toolchains of the module proxy, with and without cgo,
relocatable and stripped; rows of stripped ones are those of their originals. --installed builds one program by
the toolchain that is there. With --rows the blocks of rows are looked at, too.
"""

import argparse
import bisect
import collections
import json
import os
import re
import shutil
import subprocess
import sys

TOOLCHAINS = ['1.16.15', '1.17.13', '1.18.10', '1.19.13', '1.20.14', '1.21.13', '1.22.12', '1.23.12',
              '1.24.13', '1.25.9', '1.26.8', '1.27.1']

# What differs from .debug_frame, which knows of one stack only: functions of the runtime, and the rules
# that they have instead. docs/adr/0029 says why.
ROOT, SWITCH, NONE, SIGNAL, POPPED, GROWTH = 'root', 'switch', '?', 'signal', 'popped', 'goroutine'
SEAMS = {
    **dict.fromkeys(['_rt0_amd64', '_rt0_amd64_linux', 'runtime.rt0_go', 'runtime.mstart', 'runtime.goexit',
                     'runtime.mcall', 'runtime.clone', 'runtime.gopreempt_m', 'runtime.goschedImpl',
                     'runtime.preemptPark', 'runtime.gogo', 'gogo'], ROOT),
    **dict.fromkeys(['runtime.systemstack', 'runtime.asmcgocall', 'runtime.asmcgocall_no_g',
                     'runtime.cgocallback', 'runtime.nanotime1', 'runtime.walltime', 'runtime.walltime1',
                     'time.now', 'runtime.vgetrandom1', 'runtime.sigfwd', 'runtime.callCgoMmap',
                     'runtime.callCgoMunmap', 'runtime.callCgoSigaction'], SWITCH),
    **dict.fromkeys(['runtime.jmpdefer', 'runtime.switchToCrashStack0',
                     'goshapes/asm.Aligned'], NONE),
    **dict.fromkeys(['runtime.sigreturn', 'runtime.sigreturn__sigaction'], SIGNAL),
    'syscall.rawVforkSyscall': POPPED,
    'runtime.morestack': GROWTH,
}
# Assembly without a frame that uses rbp for something else: its callers' is lost while it runs.
CLOBBERS = {'runtime.rt0_go', 'runtime.mcall', 'runtime.gogo', 'gogo', 'runtime.morestack'}


class Table:
    """What gopclntab-check prints."""

    def __init__(self, check, path):
        out = subprocess.run([check, path], capture_output=True, text=True)
        if out.returncode != 0:
            raise SystemExit(f'{path}: {out.stderr.strip() or out.stdout[-300:]}')
        self.funcs, self.rows, self.differ, self.missing, self.summary = [], [], [], [], {}
        for line in out.stdout.splitlines():
            kind, rest = line.split(' ', 1)
            words = rest.split(' ')
            if kind == 'F':
                self.funcs.append((int(words[0], 16), int(words[1], 16), ' '.join(words[3:])))
            elif kind == 'R':
                self.rows.append((int(words[0], 16), int(words[1], 16), ' '.join(words[2:])))
            elif kind == 'D':
                self.differ.append((int(words[0], 16), ' '.join(words[1:])))
            elif kind == 'M':
                self.missing.append(int(words[0], 16))
            else:
                self.summary = dict(zip(words[::2], words[1::2]))
        self.starts = [f[0] for f in self.funcs]
        self.row_starts = [r[0] for r in self.rows]

    def name(self, addr):
        return self.funcs[bisect.bisect_right(self.starts, addr) - 1][2]

    def rule(self, addr):
        i = bisect.bisect_right(self.row_starts, addr) - 1
        return self.rows[i][2] if i >= 0 and addr < self.rows[i][1] else ''


def kind_of(rule):
    ours = rule.split(' | ')[0]
    for kind in (SWITCH, ROOT, SIGNAL, GROWTH, NONE):
        if kind in ours:
            return kind
    return POPPED if re.fullmatch(r'rsp\+0 r\d+', ours) else ours


def check_cfi(table, problems):
    summary = table.summary
    for key in ('outcome', 'bad', 'missing'):
        if summary[key] != '0':
            problems.append(f'{key} {summary[key]}: {[table.name(m) for m in table.missing[:5]]}')
    for addr, rule in table.differ:
        name = table.name(addr)
        if SEAMS.get(name) != kind_of(rule):
            problems.append(f'{addr:#x} {name}: {rule}')


def plain(name):
    """A name as both tables have it: one lacks type arguments, the other has another dot."""
    return re.sub(r'\[.*\]', '', re.sub(r'\.abi(0|internal)$', '', name)).replace('·', '.')


def check_names(table, path, problems):
    symbols = collections.defaultdict(set)
    for line in subprocess.run(['nm', path], capture_output=True, text=True).stdout.splitlines():
        words = line.split(' ', 2)
        if words[0] and words[1] in 'tT':
            symbols[int(words[0], 16)].add(plain(words[2]))
    wrong = [(hex(start), name) for start, _, name in table.funcs
             if plain(name) not in symbols.get(start, ())]
    if wrong:
        problems.append(f'{len(wrong)} names are not in the symbol table: {wrong[:5]}')
    return len(table.funcs)


INSTRUCTION = re.compile(r'^ *([0-9a-f]+):\t(\S+) *(.*)$')
SAVE = re.compile(r'^%rbp,(?:0x([0-9a-f]+))?\(%rsp\)$')
RESTORE = re.compile(r'^(?:0x([0-9a-f]+))?\(%rsp\),%rbp$')


class Frame:
    """Where one function's caller's rbp is, from instruction to instruction in the order of the file."""

    def __init__(self):
        self.saved = None  # from here on in memory
        self.dirty = False  # the register has another value

    def jump(self):
        """What follows is jumped to: with nothing on the stack, from the prologue."""
        self.dirty = False

    def step(self, after, op, args, rule):
        at = re.match(r'rsp\+(\d+)', rule)
        cfa = int(at[1]) if at else None
        save, restore = SAVE.match(args), RESTORE.match(args)
        if op == 'push' and args == '%rbp' and cfa == 8 or \
                op == 'mov' and save and cfa is not None and int(save[1] or '0', 16) == cfa - 16:
            if self.saved is None and not self.dirty:
                self.saved = after
        elif op in ('pop', 'popq') and args == '%rbp' or \
                op == 'mov' and restore and (cfa is None or int(restore[1] or '0', 16) == cfa - 16):
            self.dirty = False
        elif re.search(r'%[er]?bpl?$', args) and not op.startswith(('cmp', 'test', 'push', 'call', 'jmp', 'bt')):
            self.dirty = True


def instructions(path):
    out = subprocess.Popen(['objdump', '-d', '--no-show-raw-insn', path], stdout=subprocess.PIPE, text=True)
    for line in out.stdout:
        m = INSTRUCTION.match(line)
        if m:
            yield int(m[1], 16), m[2], m[3].split(' #')[0].split(' <')[0].strip()
    out.wait()


def leaves(before, rule, after):
    """Does control not go on behind this instruction? A call of what never returns shows by the rules."""
    if before[1].startswith(('jmp', 'ud2', 'ret', 'int3')):
        return True
    return not rule.startswith('rsp+8 ') and after.startswith('rsp+8 ') and \
        before[1].startswith(('call', 'nop', 'xchg', 'data16'))


def check_rbp(table, path, problems):
    """How many instructions were looked at."""
    cnt, frame, name, end, before = 0, None, '', 0, None
    first = {}
    for addr, op, args in instructions(path):
        if before and addr < end:
            frame.step(addr, before[1], before[2], table.rule(before[0]))
            if leaves(before, table.rule(before[0]), table.rule(addr)):
                frame.jump()
        if addr >= end:
            i = bisect.bisect_right(table.starts, addr) - 1
            if i < 0 or addr >= table.funcs[i][1]:
                before = None
                continue
            frame, end, name = Frame(), table.funcs[i][1], table.funcs[i][2]
        before = (addr, op, args)
        rule = table.rule(addr)
        if not rule.startswith('rsp') or ' r1' in rule:
            continue
        cnt += 1
        if 'c-16' in rule:
            if frame.saved is None or addr < frame.saved:
                problems.append(f'{addr:#x} {name}: not saved yet')
            elif first.setdefault(name + hex(end), addr) == addr and addr != frame.saved:
                problems.append(f'{addr:#x} {name}: saved since {frame.saved:#x}')
        elif frame.dirty and name not in CLOBBERS:
            problems.append(f'{addr:#x} {name}: rbp has changed')
    return cnt


def check_program(check, path):
    table, problems = Table(check, path), []
    check_cfi(table, problems)
    names = check_names(table, path, problems)
    looked = check_rbp(table, path, problems)
    if int(table.summary['equal']) < 1000 or looked < 10000:
        problems.append('hardly anything was compared')
    print(f"{os.path.basename(path)}: {names} functions, CFA equal at {table.summary['equal']} rows, "
          f"differs as listed at {table.summary['differ']}, rbp at {looked} instructions", flush=True)
    for problem in problems[:20]:
        print('  ' + problem)
    return not problems


def check_stripped(check, path, original):
    ours, theirs = Table(check, path), Table(check, original)
    same = ours.rows == theirs.rows and ours.funcs == theirs.funcs and len(ours.rows) > 1000
    print(f"{os.path.basename(path)}: {'the same' if same else 'OTHER ROWS'}", flush=True)
    return same


def check_rows(args, path):
    """The block of rows of the program, also of one without its section headers or what the loader writes."""
    good = True
    for way in [[], ['bare']] + [['blank']] * ('-pie' in path) if args.rows else ():
        out = subprocess.run([args.rows, path] + way, capture_output=True, text=True)
        print((out.stdout + out.stderr).strip(), flush=True)
        good &= out.returncode == 0
    return good


def toolchain(version, cache):
    """The GOROOT of this version; fetched once."""
    env = dict(os.environ, GOENV='off', GOFLAGS='', GO111MODULE='on', GOTOOLCHAIN='local',
               GOMODCACHE=os.path.join(cache, 'mod'))
    out = subprocess.run(['go', 'mod', 'download', '-json',
                          f'golang.org/toolchain@v0.0.1-go{version}.linux-amd64'],
                         env=env, capture_output=True, text=True, cwd='/')
    root = json.loads(out.stdout or '{}').get('Dir')
    if not root:
        return None
    for base, folders, files in os.walk(root):
        if base.startswith((os.path.join(root, 'bin'), os.path.join(root, 'pkg/tool'))):
            for name in files:
                os.chmod(os.path.join(base, name), 0o755)
        elif base != root:
            folders[:] = [f for f in folders if os.path.join(base, f).startswith(os.path.join(root, 'pkg'))]
    return root


def build(go, mode, cgo, args, path, **env):
    """Builds the shapes. Programs under version control are not stamped, where that can be asked for."""
    env = dict(os.environ, GOENV='off', GO111MODULE='on', GOTOOLCHAIN='local', GOPROXY='off', CGO_ENABLED=cgo,
               GOFLAGS='' if re.search(r'-1\.1[67]', path) else '-buildvcs=false', **env)
    subprocess.run([go, 'build', f'-buildmode={mode}', '-o', path, '.'], env=env, cwd=args.shapes, check=True)


def check_installed(args):
    path = os.path.join(args.cache, 'shapes-installed')
    build('go', 'exe', '1' if shutil.which('gcc') else '0', args, path)
    stripped = path + '-stripped'
    subprocess.run(['strip', '-o', stripped, path], check=True)
    return check_program(args.check, path) & check_rows(args, path) & check_rows(args, stripped)


def check_version(root, args, version):
    good = True
    for cgo in ('0', '1') if shutil.which('gcc') else ('0',):
        for mode in ('exe', 'pie'):
            path = os.path.join(args.cache, f'shapes-{version}-{"cgo" if cgo == "1" else "go"}-{mode}')
            build(os.path.join(root, 'bin/go'), mode, cgo, args, path, GOROOT=root,
                  GOCACHE=os.path.join(args.cache, 'build'))
            subprocess.run(['strip', '-o', path + '-stripped', path], check=True)
            good &= check_program(args.check, path)
            good &= check_stripped(args.check, path + '-stripped', path)
            good &= check_rows(args, path) & check_rows(args, path + '-stripped')
    return good


def check_shapes(args):
    os.makedirs(args.cache, exist_ok=True)
    if args.installed:
        return check_installed(args)
    good = True
    for version in args.go or TOOLCHAINS:
        root = toolchain(version, args.cache)
        if not root:
            print(f'SKIP: no Go {version} from the module proxy')
            sys.exit(77)
        good &= check_version(root, args, version)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--check', required=True)
    parser.add_argument('--rows')
    parser.add_argument('--shapes')
    parser.add_argument('--cache')
    parser.add_argument('--go', nargs='*')
    parser.add_argument('--installed', action='store_true')
    parser.add_argument('elf', nargs='*')
    args = parser.parse_args()
    for tool in ('nm', 'objdump', 'strip') + (('go',) if args.shapes else ()):
        if not shutil.which(tool):
            print(f'SKIP: no {tool}')
            sys.exit(77)
    good = all([check_program(args.check, path) for path in args.elf])
    if args.shapes:
        good &= check_shapes(args)
    sys.exit(not good)


if __name__ == '__main__':
    main()
