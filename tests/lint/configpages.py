# SPDX-License-Identifier: Apache-2.0
"""Where people read of the daemon's keys: cprofd.conf(5) and the example file.

Both hold, between marks, what is written from the table of keys (config_key()), so that a key, its
default and its bounds are said once. For manual.py.
"""

import re

PAGE = 'docs/man/cprofd.conf.5'
EXAMPLE = 'systemd/cprofd.conf'
MARKS = r'({0} keys: begin.*?\n).*?({0} keys: end\n)'


def read_keys(text):
    """[(section, name, allowed, default, prose)] of the lines that tests/lint/config-keys prints."""
    return [tuple(line.split('\t')) for line in text.splitlines()]


def sections(keys):
    """[(section, its keys)], in the table's order."""
    found = {}
    for key in keys:
        found.setdefault(key[0], []).append(key)
    return list(found.items())


def mdoc(text):
    """One sentence a line, as mdoc wants it."""
    return re.sub(r'(?<=[.?!]) +(?=[A-Z])', '\n', text.replace('\\', '\\e'))


def page_lines(keys):
    lines = []
    for section, members in sections(keys):
        lines += [f'.Ss [{section}]', '.Bl -tag -width Ds']
        for _, name, allowed, default, prose in members:
            lines += [f'.It Va {name}=', mdoc(prose), f'Allowed: {allowed}.',
                      'The default is', f'.Ql {default} .' if default else 'empty.']
        lines.append('.El')
    return lines


def example_lines(keys):
    lines = []
    for section, members in sections(keys):
        lines += ['', f'[{section}]']
        lines += [f'#{name}={default}' for _, name, _, default, _ in members]
    return lines


def replaced(text, comment, lines):
    """@text with @lines between its marks; None where it has none."""
    whole, cnt = re.subn(MARKS.format(re.escape(comment)),
                         lambda m: m[1] + '\n'.join(lines) + '\n' + m[2], text, flags=re.S)
    return whole if cnt == 1 else None


def written(path, text, keys):
    """What the file should hold; None where it has no marks."""
    if path == PAGE:
        return replaced(text, '.\\"', page_lines(keys))
    return replaced(text, '#', example_lines(keys))
