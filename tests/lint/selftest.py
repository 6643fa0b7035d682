#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every check can fail: each is given a small tree with one fault in it and must name the fault.

The same tree without the fault must pass, so that a check which calls everything bad fails too.
"""

import io
import os
import shutil
import stat
import subprocess
import tempfile
import unittest
from contextlib import redirect_stdout

import configpages
import format as format_check
import headers
import jsonkeys
import layers
import ldd
import manual
import sizes
import source
import spdx
import tree
import units
import warnfree

APACHE = '/* SPDX-License-Identifier: Apache-2.0 */\n'
BOTH = '/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */\n'
GPL = '/* SPDX-License-Identifier: GPL-2.0-only */\n'
HERE = os.path.dirname(os.path.abspath(__file__))

GOOD = {
    'include/cprof/abi.h': BOTH + '#pragma once\n\nstruct cprof_x {\n\tint a;\n};\n',
    'include/cprof/fold.h': APACHE + '#pragma once\n\n#include "cprof/abi.h"\n\n'
                                     'int fold_add(struct cprof_x *x);\n',
    'include/cprof/decode.h': APACHE + '#pragma once\n\nint decode_record(void);\n',
    'src/fold/fold.c': APACHE + '\n#include "cprof/fold.h"\n\nint fold_add(struct cprof_x *x)\n{\n'
                                '\tif (x->a)\n\t\tx->a = 0;\n\treturn 0;\n}\n',
    'tests/unit/test-fold.c': APACHE,
    'bpf/cpu.bpf.c': GPL + '#include "cprof/abi.h"\n',
    'src/fold/meson.build': "fold_dep = declare_dependency(dependencies: [base_dep])\n",
    'LICENSES/Apache-2.0.txt': 'x\n',
    'LICENSES/GPL-2.0-only.txt': 'x\n',
    'docs/ARCHITECTURE.md': f'# x\n{layers.BEGIN}\n{layers.END}\nend\n',
}


def body(text):
    return 'void f(int a, int b)\n{\n' + text + '}\n'


class LintTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix='lint-')
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in GOOD.items():
            self.write(path, text)
        for name in tree.UNTESTED:
            if 'include/cprof/' + name not in GOOD:
                self.write('include/cprof/' + name, APACHE + '#pragma once\n')
        shutil.copy(os.path.join(HERE, '../../.clang-format'), self.root)
        layers.write_page(self.root)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as f:
            f.write(text)

    def finds(self, check, what, path=None, text=None):
        """The check is content, then the fault comes in, then it names it once or more."""
        self.assertEqual(check(self.root), [])
        if path:
            self.write(path, text)
        problems = check(self.root)
        self.assertTrue(any(what in p for p in problems), f'{what!r} is not in {problems}')


class Layers(LintTest):
    def finds_include(self, what, path, name):
        self.finds(layers.check, what, path, APACHE + f'#include {name}\n')

    def test_stage_includes_stage(self):
        self.finds_include('fold may not include cprof/decode.h', 'src/fold/x.c', '"cprof/decode.h"')

    def test_base_includes_stage(self):
        self.finds_include('base may not include', 'include/cprof/base/x.h', '"cprof/fold.h"')

    def test_bpf_includes_stage(self):
        self.finds_include('bpf may not include', 'bpf/x.h', '"cprof/fold.h"')

    def test_private_header_of_another(self):
        self.write('src/decode/inner.h', APACHE)
        self.finds_include('sampler may not include', 'daemon/sampler/x.c', '"../../src/decode/inner.h"')

    def test_libbpf(self):
        self.finds_include('is libbpf', 'src/fold/x.c', '<bpf/libbpf.h>')

    def test_libelf(self):
        self.finds_include('is libelf', 'src/collect/x.c', '<gelf.h>')

    def test_demangler(self):
        self.finds_include('is libiberty', 'daemon/sampler/x.c', '<libiberty/demangle.h>')

    def test_zlib(self):
        self.finds_include('is zlib', 'src/ctl/x.c', '<zlib.h>')

    def test_generated(self):
        self.finds_include('is protobuf-c', 'src/ctl/x.c', '"profile.pb-c.h"')

    def test_libsystemd(self):
        self.finds_include('is libsystemd', 'daemon/sampler/x.c', '<systemd/sd-daemon.h>')

    def test_unknown_library(self):
        self.finds_include('neither ours', 'src/fold/x.c', '<curl/curl.h>')

    def test_no_module(self):
        self.finds_include('belongs to no module', 'src/misc/x.c', '<stdio.h>')

    def test_missing(self):
        self.finds_include('does not exist', 'src/fold/x.c', '"cprof/nothing.h"')

    def test_cycle(self):
        self.write('include/cprof/base/a.h', APACHE + '#include "cprof/base/b.h"\n')
        self.write('include/cprof/base/b.h', APACHE)
        self.finds_include('cycle of includes', 'include/cprof/base/b.h', '"cprof/base/a.h"')

    def test_comment_is_no_include(self):
        self.write('src/fold/x.c', APACHE + '/*\n#include <curl/curl.h>\n*/\n')
        self.assertEqual(layers.check(self.root), [])

    def test_meson_library(self):
        self.finds(layers.check, 'links libbpf', 'src/fold/meson.build', 'x = [libbpf_dep]\n')

    def test_meson_found_library(self):
        self.finds(layers.check, 'links libiberty', 'src/collect/meson.build',
                   "x = cc.find_library('iberty')\n")

    def test_meson_module(self):
        self.finds(layers.check, 'fold may not link decode', 'src/fold/meson.build', 'x = [decode_dep]\n')

    def test_meson_unknown(self):
        self.finds(layers.check, 'curl is no module', 'src/fold/meson.build', "x = dependency('curl')\n")

    def test_page(self):
        self.finds(layers.check, 'the tables are not', 'docs/ARCHITECTURE.md',
                   source.read(self.root, 'docs/ARCHITECTURE.md').replace('| fold |', '| folds |'))

    def test_page_without_tables(self):
        self.finds(layers.check, 'no tables', 'docs/ARCHITECTURE.md', '# x\n')


class Sizes(LintTest):
    def check(self, root):
        return sizes.check(root, {})

    def finds_in(self, what, text, path='src/fold/x.c'):
        self.finds(self.check, what, path, APACHE + text)

    def test_long_function(self):
        self.finds_in('lines, limit 70', body('\ta = b;\n' * 68))

    def test_long_bpf_function(self):
        self.write('bpf/y.bpf.c', APACHE + 'SEC("perf_event")\n' + body('\ta = b;\n' * 70))
        self.finds_in('lines, limit 80', 'SEC("perf_event")\n' + body('\ta = b;\n' * 80), 'bpf/x.bpf.c')

    def test_long_macro_function(self):
        self.finds_in('TEST(x): 71 lines', 'TEST(x)\n{\n' + '\ta = b;\n' * 68 + '}\n', 'tests/unit/x.c')

    def test_long_main(self):
        self.finds_in('main: 41 lines', 'int main(void)\n{\n' + '\ta = b;\n' * 38 + '}\n')

    def test_long_file(self):
        self.finds_in('lines, limit 600', 'int f(void);\n' * 600)

    def test_long_test(self):
        self.finds_in('lines, limit 900', 'int f(void);\n' * 900, 'tests/unit/x.c')

    def test_long_header(self):
        self.finds_in('lines, limit 150', 'int f(void);\n' * 150, 'include/cprof/x.h')

    def test_params(self):
        self.finds_in('f: 6 parameters', 'int f(int a, int b, int c, int (*d)(int, int), int e, int g)\n{\n}\n')

    def test_params_of_prototype(self):
        self.finds_in('f: 6 parameters', 'int f(int a, int b, int c, int d, int e, int g);\n')

    def test_nesting(self):
        deep = '\tif (a)\n\t\tfor (;;) {\n\t\t\twhile (b) {\n\t\t\t\tswitch (a) {\n\t\t\t\tcase 1:\n' \
               '\t\t\t\t\tif (b)\n\t\t\t\t\t\treturn;\n\t\t\t\t}\n\t\t\t}\n\t\t}\n'
        self.finds_in('nested 5 deep', body(deep))

    def test_nesting_of_loop_macro(self):
        deep = '\tvec_foreach(v, a) {\n\t\tdo {\n\t\t\tif (a) {\n\t\t\t\tif (b) {\n\t\t\t\t\tif (a)\n' \
               '\t\t\t\t\t\tb = 1;\n\t\t\t\t}\n\t\t\t}\n\t\t} while (a);\n\t}\n'
        self.finds_in('nested 5 deep', body(deep))

    def test_else_if_is_not_deeper(self):
        chain = '\tif (a)\n\t\tb = 1;\n' + '\telse if (b)\n\t\ta = (struct x){ 1 }.a;\n' * 6
        self.write('src/fold/x.c', APACHE + body(chain))
        self.assertEqual(self.check(self.root), [])

    def test_global(self):
        for text in ('int state;\n', 'static int state = 1;\n', 'static const char *name;\n',
                     'static struct x state = { .a = f(1) };\n', 'static char state[8];\n',
                     'static const char *names[] = { "a" };\n', 'static int (*hook)(int);\n',
                     'static struct { int a; } state;\n', 'static struct { int a; } state = { .a = 1 };\n',
                     'static int (*hooks[])(int *const) = { f };\n'):
            with self.subTest(text):
                problems = [k for _, k, _, _ in sizes.check_file('src/x.c', text)]
                self.assertEqual(problems, ['global'])

    def test_no_global(self):
        for text in ('static const int limit = 1;\n', 'static const char *const names[] = { "a" };\n',
                     'extern const int x;\n', 'struct x {\n\tint a;\n};\n', 'int f(char *a);\n', 'struct x;\n',
                     'typedef int (*x_fn)(void *);\n', 'CPROF_ASSERT(1);\n', 'enum { A = 1, B };\n',
                     'char LICENSE[] SEC("license") = "GPL";\n', 'const volatile int hz;\n',
                     'static const struct x t[] = {\n\t{ "a", f },\n};\n', 'DEFINE_CLEANUP(struct x *, x_free);\n',
                     'struct { int a; } cprof_map SEC(".maps");\n',
                     'static int (*const hooks[])(int *) = { f };\n'):
            with self.subTest(text):
                self.assertEqual(list(sizes.check_file('src/x.c', text)), [])

    def test_static_in_function(self):
        self.finds_in('a static variable', body('\tstatic char buffer[8];\n'))

    def test_static_in_test(self):
        self.write('tests/unit/x.c', APACHE + 'static int state;\n' + body('\tstatic char buffer[8];\n'))
        self.assertEqual(self.check(self.root), [])

    def test_goto(self):
        self.finds_in('[goto]', body('\tgoto out;\nout:\n'))

    def test_goto_in_text_only(self):
        self.write('src/fold/x.c', APACHE + '/* goto, alloca(1) */\n' + body('\ta = "goto //";\n'))
        self.assertEqual(self.check(self.root), [])

    def test_alloca(self):
        self.finds_in('[alloca]', body('\tchar *p = alloca(a);\n'))

    def test_comment(self):
        self.finds_in('[comment]', '// no\n')

    def test_todo(self):
        self.finds_in('[todo]', '/* TODO: later */\n')

    def test_idle_exception(self):
        self.assertIn('no longer needed', sizes.check(self.root, {('file', 'src/x.c'): 'why'})[0])

    def test_exception(self):
        self.write('src/fold/x.c', APACHE + 'int state;\n')
        self.assertEqual(sizes.check(self.root, {('global', 'src/fold/x.c:state'): 'why'}), [])


class Rest(LintTest):
    def test_format(self):
        self.finds(format_check.check, 'src/fold/x.c', 'src/fold/x.c', APACHE + 'int  f( void );\n')

    def test_spdx_missing(self):
        self.finds(spdx.check, 'no SPDX', 'src/fold/x.c', 'int f(void);\n')

    def test_spdx_of_script(self):
        self.finds(spdx.check, 'no SPDX', 'run', '#!/bin/sh\n:\n')

    def test_spdx_of_bpf(self):
        self.finds(spdx.check, 'must be GPL', 'bpf/x.h', APACHE)

    def test_spdx_of_user_space(self):
        self.finds(spdx.check, 'must be Apache-2.0', 'src/fold/x.c', GPL)

    def test_spdx_without_text(self):
        os.unlink(os.path.join(self.root, 'LICENSES/Apache-2.0.txt'))
        self.assertIn('does not exist', spdx.check(self.root)[0])

    def test_header_leans(self):
        self.finds(headers.check, 'not alone with gcc', 'include/cprof/x.h',
                   APACHE + '#pragma once\nsize_t x(void);\n')

    def test_header_guard(self):
        self.finds(headers.check, 'no `#pragma once`', 'include/cprof/x.h', APACHE + 'int x(void);\n')

    def test_header_for_bpf(self):
        self.finds(headers.check, 'not alone with bpf', 'include/cprof/abi.h',
                   BOTH + '#pragma once\n#ifdef __bpf__\nnothing x;\n#endif\n')

    def test_untested(self):
        self.finds(tree.check, 'no tests/unit/test-decode.c', 'src/decode/decode.c', APACHE)

    def test_reason_for_nothing(self):
        os.unlink(os.path.join(self.root, 'include/cprof/record.h'))
        self.assertIn('does not exist', tree.check(self.root)[0])

    def test_counters(self):
        for line, what in (('COUNTER(a, BPF, NS, "")', 'prose'), ('COUNTER(a, CPU, NS, "a b c")', 'unknown'),
                           ('COUNTER(a)', 'not COUNTER'),
                           ('COUNTER(a, BPF, NS, "a b c")\nCOUNTER(a, BPF, NS, "d e f")', 'twice')):
            with self.subTest(line):
                self.write('include/cprof/counters.def', BOTH + line + '\n')
                self.assertTrue(any(what in p for p in tree.check(self.root)))

    def test_counter_that_nothing_moves(self):
        self.write('include/cprof/counters.def', BOTH + 'COUNTER(lost_x, BPF, NS, "a b c")\n')
        self.finds(tree.check, 'lost_x: nothing', 'daemon/sampler/x.c', APACHE + '/* COUNTER_lost_x */\n')
        self.write('daemon/sampler/x.c', APACHE + 'int x = COUNTER_lost_x;\n')
        self.assertEqual(tree.check(self.root), [])

    def test_link(self):
        self.finds(tree.check, 'leads nowhere', 'docs/x.md', '[x](https://x) [y](ARCHITECTURE.md#z) [z](no.md)\n')

    def test_compiled_file(self):
        self.finds(tree.check, 'a compiled file', 'src/fold/x.o', '\x7fELF')

    def test_machine_path(self):
        self.finds(tree.check, 'a path of one machine', 'docs/x.md', 'see /ho' + 'me/user/x\n')

    def test_warning(self):
        self.write('src/a.c', 'int f(void);\nint f(void)\n{\n\treturn 0;\n}\n')
        entry = '[{{"directory": "{0}", "file": "src/a.c", "command": "ccache cc -fdiagnostics-color=always -Wall -Wshadow -c src/a.c -o a.o"}}]'
        self.write('compile_commands.json', entry.format(self.root))
        self.finds(warnfree.check, 'gcc: src/a.c', 'src/a.c',
                   'int f(int a);\nint f(int a)\n{\n\tint b = a;\n\treturn a;\n}\n')

    def test_files_without_git(self):
        self.write('build/x.c', 'x')
        self.assertNotIn('build/x.c', source.list_files(self.root))

    def test_files_with_git(self):
        if not shutil.which('git'):
            self.skipTest('no git')
        self.write('.gitignore', '/ignored.c\n')
        self.write('ignored.c', 'x')
        subprocess.run(['git', 'init', '-q', self.root], check=True)
        files = source.list_files(self.root)
        self.assertIn('src/fold/fold.c', files)
        self.assertNotIn('ignored.c', files)


class Ldd(LintTest):
    def program(self, path, text, *libs):
        self.write('x.c', text)
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        subprocess.run(['gcc', '-o', full, os.path.join(self.root, 'x.c'), '-Wl,--no-as-needed', *libs], check=True)
        self.assertTrue(os.stat(full).st_mode & stat.S_IXUSR)

    def build(self, **libs):
        for name, (folder, _, _, _) in ldd.PROGRAMS.items():
            self.program(f'{folder}/{name}', 'int main(void) { return 0; }\n', *libs.get(name.replace('-', '_'), ()))

    def test_good(self):
        self.build()
        self.assertEqual(ldd.check(self.root, self.root), [])

    def test_direct(self):
        self.build(cprofd_sampler=['-lelf'])
        self.assertIn('cprofd-sampler links libelf, which it may not', ldd.check(self.root, self.root))

    def test_closure(self):
        self.build(cprofctl=['-lbpf'])
        problems = ldd.check(self.root, self.root)
        self.assertIn('cprofctl links libbpf, which it may not', problems)
        self.assertIn('cprofctl brings in libelf', problems)

    def test_opener(self):
        self.build(cprofd_opener=['-lz'])
        self.assertEqual(ldd.check(self.root, self.root), ['cprofd-opener links libz, which it may not'])

    def test_demangler(self):
        self.build()
        self.program('daemon/sampler/cprofd-sampler', 'void cplus_demangle_v3(void) {}\nint main(void) { return 0; }\n')
        self.assertEqual(ldd.check(self.root, self.root), ['cprofd-sampler holds the demangler (cplus_demangle_v3)'])

    def test_missing(self):
        self.build()
        os.unlink(os.path.join(self.root, 'daemon/opener/cprofd-opener'))
        self.assertEqual(ldd.check(self.root, self.root), ['cprofd-opener is not built'])

    def test_nothing_written(self):
        with self.assertRaises(SystemExit) as end, redirect_stdout(io.StringIO()):
            ldd.check(self.root, self.root)
        self.assertEqual(end.exception.code, source.SKIP)


MAIN_HELP = """Commands:
  go                         goes
  help                       this text

Options:
      --json                 an object
  -q, --quiet                nothing

Examples:
  cprofctl go
"""
GO_HELP = """Options:
  -p, --pid P[,P...]         these
      --cum                  by cum

Events (prose). More
prose.
  clock, c                   time

Examples:
  cprofctl go --pid 1
"""
GO_PAGE = r""".Sh OPTIONS
.Bl -tag
.It Fl -json
An object.
.It Fl q , Fl -quiet
Nothing.
.El
.Sh COMMANDS
.Ss go
.It Fl p , Fl -pid Ar P[,P...]
These.
.It Fl -cum
By cum.
.El
.Ss help
Text.
.Sh EVENTS
.\" events: begin
.\" events: end
"""


class ManualTest(unittest.TestCase):
    """Each of help, page and completion lacks something, has too much, or says it otherwise."""

    OFFERED = {('',): ['go', 'help'], ('--',): ['--json', '--quiet'],
               ('go', '--'): ['--json', '--quiet', '--pid', '--cum']}

    def problems(self, main=MAIN_HELP, go=GO_HELP, page=GO_PAGE, **offered):
        offers = dict(self.OFFERED)
        offers.update({('',) if k == 'commands' else (k, '--'): v for k, v in offered.items()})
        return manual.check_texts({'': main, 'go': go}, manual.parts_of_page(page), offers)

    def test_good(self):
        self.assertEqual(self.problems(), [])

    def test_options(self):
        row = '  -p, --pid P[,P...]         these\n'
        for name, changed in (('help', {'go': GO_HELP.replace(row, '')}),
                              ('page', {'page': GO_PAGE.replace('.It Fl -cum\nBy cum.\n', '')}),
                              ('no text', {'page': GO_PAGE.replace('.It Fl -cum\nBy cum.', '.It Fl -cum')}),
                              ('argument', {'page': GO_PAGE.replace('P[,P...]', 'PID')}),
                              ('letter', {'page': GO_PAGE.replace('Fl p ,', 'Fl x ,')}),
                              ('global', {'main': MAIN_HELP.replace('--json', '--text')}),
                              ('completion lacks', {'go': GO_HELP.replace('--cum', '--bum'),
                                                    'page': GO_PAGE.replace('-cum', '-bum')}),
                              ('example', {'go': GO_HELP.replace('cprofctl go', 'cprofctl')})):
            with self.subTest(name):
                self.assertNotEqual(self.problems(**changed), [])
        offered = dict(self.OFFERED)
        offered['go', '--'] = [*offered['go', '--'], '--extra']
        self.assertIn('cprofctl go: --extra is in the completion, but not in the help',
                      manual.check_texts({'': MAIN_HELP, 'go': GO_HELP},
                                         manual.parts_of_page(GO_PAGE), offered))

    def test_commands(self):
        more = MAIN_HELP.replace('  help ', '  stop                       stops\n  help ')
        self.assertIn('commands: stop is in the help, but not in the manual',
                      manual.check_texts({'': more, 'go': GO_HELP, 'stop': GO_HELP},
                                         manual.parts_of_page(GO_PAGE),
                                         {**self.OFFERED, ('stop', '--'): []}))
        self.assertIn('commands: stop is in the manual, but not in the help',
                      self.problems(page=GO_PAGE + '.Ss stop\n'))
        self.assertIn('commands: help is in the help, but not in the completion',
                      self.problems(commands=['go']))

    def test_written(self):
        """What stands between the marks is what the lists say, whatever was there."""
        parts = manual.written({'record': GO_HELP}, 'COUNTER(x, BPF, DROP, "gone")')
        self.assertIn('.It Cm clock , Cm c', parts['events'])
        self.assertIn('.It Va x Pq drop', parts['counters'])
        page = manual.replaced(GO_PAGE, parts)
        self.assertIn('time.', page)
        self.assertEqual(manual.replaced(page, parts), page)

    def test_json_keys(self):
        code = jsonkeys.keys_of_code('json_u64(j, "pid", 1); json_object_end(&j);\n'
                                     'json_double(&w.json,\n  "cpu_s", 2); json_string(j, NULL, x);\n'
                                     'json_u64(j, a ? "hz" : "count", 3);')
        self.assertEqual(code, {'pid', 'cpu_s', 'hz', 'count'})
        page = jsonkeys.keys_of_page('.Sh JSON\n.It Cm ps\n.Va pid , cpu_s :\nso\n.It Cm ls\n'
                                     '.Va pid\n.Sh TIMES\n.Va no\n')
        self.assertEqual(page, {'ps': {'pid', 'cpu_s'}, 'ls': {'pid'}})
        self.assertEqual(jsonkeys.compare({'ps': (code, {'hz'})}, page), [
            'docs/man/cprofctl.1:1: --json ls: pid is in the manual, but not written',
            'docs/man/cprofctl.1:1: --json ps: count is written, but not in the manual'])

    def test_config_pages(self):
        """A key that is missing, changed or too much is seen in both files; without marks nothing is right."""
        keys = configpages.read_keys('Limits\tCPU\t1% to 9%\t1%\tHow much. Of all.\n'
                                     'Control\tGroup\ta name\t\tWho may see all.\n')
        page = configpages.written(configpages.PAGE, '.\\" keys: begin\n.\\" keys: end\n', keys)
        example = configpages.written(configpages.EXAMPLE, '# keys: begin\n# keys: end\n', keys)
        self.assertIn('.It Va CPU=\nHow much.\nOf all.\nAllowed: 1% to 9%.\nThe default is\n.Ql 1% .\n', page)
        self.assertIn('[Limits]\n#CPU=1%\n\n[Control]\n#Group=\n', example)
        for path, text in ((configpages.PAGE, page), (configpages.EXAMPLE, example)):
            self.assertEqual(configpages.written(path, text, keys), text)
            for changed in (text.replace('1%', '2%'), text.replace('CPU', 'GPU')):
                self.assertNotEqual(configpages.written(path, changed, keys), changed)
            self.assertNotEqual(configpages.written(path, text, keys[:1]), text)
            self.assertIsNone(configpages.written(path, 'nothing\n', keys))

    def test_completion_is_run(self):
        """By a real bash, over a program that is no more than its help."""
        folder = tempfile.mkdtemp(prefix='lint-')
        self.addCleanup(shutil.rmtree, folder)
        program = os.path.join(folder, 'cprofctl')
        with open(program, 'w', encoding='utf-8') as f:
            f.write(f'#!/bin/sh\ncase $1 in go) cat <<X\n{GO_HELP}\nX\n;; *) cat <<X\n{MAIN_HELP}\nX\n;; esac\n')
        os.chmod(program, 0o755)
        completion = os.path.realpath(os.path.join(HERE, '../..', manual.COMPLETION))
        for words, expected in ((('',), ['go', 'help']), (('go', '--'), sorted(self.OFFERED['go', '--'])),
                                (('go', '--event', ''), ['c', 'clock']), (('go', '--p'), ['--pid'])):
            self.assertEqual(manual.complete(completion, program, words), expected)


class UnitsTest(unittest.TestCase):
    """A key that systemd does not know, a unit that is loose, and what the code says otherwise."""

    UNIT = '[Service]\nExecStart=/nowhere/cprofd\nCapabilityBoundingSet=CAP_KILL\n'
    SOCKET = '[Socket]\nListenStream=/run/cprofd/cprofd.sock\n'
    USERS = 'u cprofd-front 61183 "front"\n'
    CODE = '.program = "cprofd-front",\n\t\t.identity = { .uid = 61183 },\nIDENTITY_CAP(CAP_KILL)\n'

    def setUp(self):
        self.place = tempfile.mkdtemp(prefix='lint-')
        self.addCleanup(shutil.rmtree, self.place)

    @unittest.skipUnless(shutil.which('systemd-analyze'), 'no systemd-analyze')
    def test_systemd(self):
        self.assertEqual(units.check_verify(self.place, self.UNIT, self.SOCKET), [])
        self.assertNotEqual(units.check_exposure(self.place), [])
        for unit, sock in ((self.UNIT + 'WatchdogSeconds=3\n', self.SOCKET),
                           (self.UNIT, self.SOCKET.replace('ListenStream', 'ListenOn')),
                           (self.UNIT + 'Type=sometimes\n', self.SOCKET)):
            self.assertNotEqual(units.check_verify(self.place, unit, sock), [])
        self.assertEqual(units.check_users(self.place, self.USERS), [])
        self.assertNotEqual(units.check_users(self.place, self.USERS.replace('61183', 'many')), [])
        if os.geteuid() == 0:
            self.assertNotEqual(units.check_tmpfiles(self.place, 'd /run/cprofd 0755 root root\n'), [])

    @unittest.skipUnless(shutil.which('systemd-analyze'), 'no systemd-analyze')
    def test_sampler(self):
        root = os.path.join(HERE, '../..')
        files = [source.read(root, path) for path in (units.ROLES, units.CONFINE, units.COMMON)]
        with open(os.path.join(root, 'systemd/cprofd.service.in'), encoding='utf-8') as f:
            unit = f.read().replace('@sbindir@', '/usr/sbin')
        self.assertEqual(units.check_sampler(self.place, unit, *files), [])
        more = ' '.join(f'SANDBOX_CALL({call})' for call in ('mount', 'reboot', 'swapon', 'init_module', 'iopl',
                                                             'settimeofday'))
        self.assertNotEqual(units.check_sampler(self.place, unit, files[0], files[1] + more, files[2]), [])

    def test_generator(self):
        text = source.read(os.path.join(HERE, '../..'), units.GENERATOR)
        for script, problems in ((text, 0), (text.replace('-gt 2', '-gt 3'), 1), (text.replace('-gt 2', '-gt 1'), 1),
                                 (text.replace('SYS_ADMIN', 'BPF'), 1)):
            place = tempfile.mkdtemp(dir=self.place)
            self.assertEqual(len(units.check_generator(place, script)), problems, script)

    def test_harmful(self):
        self.assertEqual(units.check_harmful(self.UNIT + '# No ProtectProc=\n'), [])
        self.assertNotEqual(units.check_harmful(self.UNIT + 'ProtectProc=invisible\n'), [])

    def test_code(self):
        self.assertEqual(units.check_code(self.UNIT, self.USERS, self.CODE), [])
        admin = self.CODE + 'IDENTITY_CAP(CAP_SYS_ADMIN)\n'
        self.assertNotEqual(units.check_code(self.UNIT, self.USERS, admin), [])
        self.assertEqual(units.check_code(self.UNIT, self.USERS, admin, 'CapabilityBoundingSet=CAP_SYS_ADMIN'), [])
        for unit, users, code in ((self.UNIT.replace('CAP_KILL', ''), self.USERS, self.CODE),
                                  (self.UNIT.replace('CAP_KILL', 'CAP_KILL CAP_BPF'), self.USERS, self.CODE),
                                  (self.UNIT, self.USERS.replace('61183', '61184'), self.CODE),
                                  (self.UNIT, '', self.CODE), (self.UNIT, self.USERS, '')):
            self.assertNotEqual(units.check_code(unit, users, code), [])


if __name__ == '__main__':
    unittest.main()
