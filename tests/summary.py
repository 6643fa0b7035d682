#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up meson's logs for people: what was skipped and why, what failed, and one last line.

    summary.py LOG...        exit status 1 when a test failed, or when there was none
"""

import json
import sys

PASSED = ('OK', 'EXPECTEDFAIL')


def read(path):
    try:
        with open(path, encoding='utf-8') as f:
            return [dict(json.loads(line), log=path) for line in f if line.strip()]
    except FileNotFoundError:
        return []


def reason(test):
    lines = (test.get('stdout', '') + '\n' + test.get('stderr', '')).split('\n')
    said = [line.split('SKIP:', 1)[1].strip() for line in lines if 'SKIP:' in line]
    return said[-1] if said else next((line for line in reversed(lines) if line.strip()), 'no reason given')


def parts(test):
    """What a test that passed left out, by its own words."""
    lines = (test.get('stdout', '') + '\n' + test.get('stderr', '')).split('\n')
    return [line.strip()[4:].lstrip(': ') for line in lines if line.strip().startswith('SKIP')]


def main(paths):
    tests = [t for path in paths for t in read(path)]
    skipped = [t for t in tests if t['result'] == 'SKIP']
    failed = [t for t in tests if t['result'] not in PASSED + ('SKIP',)]
    if skipped:
        print('\n*** SKIPPED, so nothing was learnt from:')
    for t in skipped:
        print(f'***   {t["name"]} ({t["log"].split("/")[0]}): {reason(t)}')
    partly = [(t, text) for t in tests if t['result'] in PASSED for text in parts(t)]
    if partly:
        print('\n*** PASSED, but for parts that could not be shown here:')
    for t, text in partly:
        print(f'***   {t["name"]} ({t["log"].split("/")[0]}): {text}')
    if failed:
        print('\n!!! FAILED:')
    for t in failed:
        print(f'!!!   {t["name"]}: {t["result"]}: see {t["log"].replace(".json", ".txt")}')
    if not tests:
        print('\n!!! no test ran')
    print('\nnext: ' + ('meson test -C build NAME --verbose repeats one test; ./runtests SUITE one suite' if failed
                        else './quickstart profiles this machine; ./runtests bench measures what that costs'))
    line = f'{len(tests) - len(skipped) - len(failed)} passed, {len(failed)} failed'
    print(line + (f', {len(skipped)} skipped' if skipped else ''))
    return 1 if failed or not tests else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
