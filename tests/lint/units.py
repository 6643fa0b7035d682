#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What systemd is given: it parses, it is as tight as promised, and it says what the code says.

The unit as configured goes through systemd's own checks, which need no running systemd: unknown keys
and sections, and the exposure score. The capabilities and the users' numbers stand in the code too.

    units.py BUILD_ROOT [SOURCE_ROOT]
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import source

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
ROLES = 'daemon/launcher/roles.c'
EXPOSURE, EXPOSURE_SAMPLER = 25, 18  # tenths
CONFINE, COMMON = 'daemon/sampler/confine.c', 'include/cprof/sandbox.h'
GENERATOR = 'systemd/cprofd-generator'

# What would make the unit look tighter, and profiles poorer or empty.
HARMFUL = {
    'ProtectKernelTunables': 'hides /proc/kallsyms: kernel functions lose their names',
    'ProtectKernelLogs': 'takes CAP_SYSLOG: kernel functions lose their addresses',
    'ProtectProc': 'hides the processes of other users',
    'ProcSubset': 'hides /proc/sys, /proc/modules, /proc/kallsyms',
    'PrivateUsers': 'takes all rights outside of its namespace',
    'PrivatePIDs': 'hides the processes of other services',
}


def run(*command, **environ):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, **environ})
    return done.returncode, done.stdout + done.stderr


def check_verify(place, unit, sock):
    """Of the installed paths none need be there: another program stands in."""
    with open(os.path.join(place, 'cprofd.service'), 'w', encoding='utf-8') as f:
        f.write(re.sub(r'^(ExecStart(?:Pre)?)=.*$', r'\1=/bin/true', unit, flags=re.M))
    with open(os.path.join(place, 'cprofd.socket'), 'w', encoding='utf-8') as f:
        f.write(sock)
    status, said = run('systemd-analyze', 'verify', '--man=no', '--recursive-errors=no',
                       os.path.join(place, 'cprofd.service'), os.path.join(place, 'cprofd.socket'),
                       SYSTEMD_UNIT_PATH=place + ':')
    # A key that is not known is told and passes.
    ours = [line for line in said.splitlines() if 'cprofd' in line]
    return ours if ours or status == 0 else [f'systemd-analyze verify: {said}']


def check_exposure(place, name='cprofd.service', most=EXPOSURE):
    path = os.path.join(place, name)
    status, said = run('systemd-analyze', 'security', '--offline=true', '--no-pager',
                       f'--threshold={most}', path)
    found = re.search(r'Overall exposure level.*: ([\d.]+)', said)
    if status == 0 and found:
        return []
    return [f'{name}: exposure {found[1] if found else said}, at most {most / 10}']


def sampler_unit(unit, roles, confine, common):
    """What the sampler has left of the unit's rights, as a unit: its user, its capabilities and its own calls.

    It writes nowhere in /proc and /sys (Landlock), and has no right to the kernel's log.
    """
    role = re.search(r'\.name = "sampler",(.*?)\n\t\},', roles, re.S)[1]
    caps = ' '.join(re.findall(r'IDENTITY_CAP\((CAP_\w+)\)', role))
    calls = re.findall(r'SANDBOX_CALL(?:_IFS?)?\((\w+)', confine + common)
    calls = sorted(set(calls) - {'name', 'command'} | {'bpf'})
    text = re.sub(r'^(CapabilityBoundingSet|SystemCallFilter|ExecStartPre|LimitNICE)=.*\n', '', unit, flags=re.M)
    return text.rstrip('\n').replace('[Install]', f"""User=cprofd-sampler
CapabilityBoundingSet={caps}
AmbientCapabilities={caps}
SystemCallFilter={' '.join(calls)}
ProtectKernelTunables=yes
ProtectKernelLogs=yes
[Install]""") + '\n'


def check_sampler(place, unit, *sources):
    with open(os.path.join(place, 'sampler.service'), 'w', encoding='utf-8') as f:
        f.write(sampler_unit(unit, *sources))
    return check_exposure(place, 'sampler.service', EXPOSURE_SAMPLER)


def check_users(place, users):
    os.makedirs(os.path.join(place, 'etc'), exist_ok=True)
    path = os.path.join(place, 'sysusers.conf')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(users)
    status, said = run('systemd-sysusers', '--dry-run', f'--root={place}', path)
    return [] if status == 0 else [f'cprofd.sysusers: {said}']


def check_tmpfiles(place, text):
    if os.geteuid() != 0:
        return []  # its directories are root's
    path = os.path.join(place, 'tmpfiles.conf')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    status, said = run('systemd-tmpfiles', '--create', f'--root={place}', path)
    made = [d for d in ('run/cprofd', 'var/lib/cprofd') if os.path.isdir(os.path.join(place, d))]
    return [] if status == 0 and len(made) == 2 else [f'cprofd.tmpfiles: {said} {made}']


def check_generator(place, text):
    """It adds the right where the kernel asks for it, and nothing elsewhere."""
    problems, level = [], os.path.join(place, 'level')
    script = text.replace('/proc/sys/kernel/perf_event_paranoid', level)
    for value, added in (('-1', False), ('2', False), ('3', True)):
        out = os.path.join(place, f'generated{value}')
        os.mkdir(out)
        with open(level, 'w', encoding='ascii') as f:
            f.write(value + '\n')
        status, said = run('sh', '-c', script, 'sh', out)
        path = os.path.join(out, 'cprofd.service.d/50-perf-event-paranoid.conf')
        found = source.read(out, os.path.relpath(path, out)) if os.path.exists(path) else ''
        if status != 0 or ('\nCapabilityBoundingSet=CAP_SYS_ADMIN\n' in found) != added or bool(found) != added:
            problems.append(f'cprofd-generator: at level {value}: status {status}, {said}{found!r}')
    return problems


def check_harmful(unit):
    return [f'cprofd.service: {key}= {why}' for key, why in HARMFUL.items()
            if re.search(rf'^{key}=', unit, re.M)]


def check_code(unit, users, roles, generator=''):
    """Both directions, as the launcher drops what it has not and asks for what it has."""
    given = set(re.findall(r'CAP_\w+', ' '.join(re.findall(r'^CapabilityBoundingSet=(.*)$', unit, re.M))))
    given |= set(re.findall(r'CapabilityBoundingSet=(CAP_\w+)', generator))
    taken = set(re.findall(r'IDENTITY_CAP\((CAP_\w+)\)', roles))
    problems = [f'cprofd.service: {cap} is in the unit, but nobody has it' for cap in given - taken]
    problems += [f'cprofd.service: {cap} is not in the unit' for cap in taken - given]
    named = dict(re.findall(r'^u (\S+) (\d+)', users, re.M))
    coded = dict(re.findall(r'\.program = "(\S+)",\s+\.identity = \{ \.uid = (\d+)', roles))
    if named != coded or not coded:
        problems.append(f'cprofd.sysusers: {named}, in {ROLES}: {coded}')
    return problems


def main():
    build, root = os.path.abspath(sys.argv[1]), (sys.argv[2:] or [ROOT])[0]
    for program in ('systemd-analyze', 'systemd-sysusers', 'systemd-tmpfiles'):
        if not shutil.which(program):
            source.skip(f'no {program}')
    unit = source.read(build, 'systemd/cprofd.service')
    users = source.read(root, 'systemd/cprofd.sysusers')
    with tempfile.TemporaryDirectory() as place:
        problems = check_verify(place, unit, source.read(root, 'systemd/cprofd.socket'))
        problems += check_exposure(place)
        problems += check_sampler(place, unit, *(source.read(root, path) for path in (ROLES, CONFINE, COMMON)))
        problems += check_users(place, users)
        problems += check_tmpfiles(place, source.read(root, 'systemd/cprofd.tmpfiles'))
        problems += check_generator(place, source.read(root, GENERATOR))
    problems += check_harmful(unit) + check_code(unit, users, source.read(root, ROLES),
                                                   source.read(root, GENERATOR))
    for problem in problems:
        print(problem)
    print(f'units.py: {len(problems)} problems')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
