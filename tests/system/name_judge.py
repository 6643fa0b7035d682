# SPDX-License-Identifier: Apache-2.0
"""Which frames of profiles could have had a name: llvm-symbolizer and objdump are asked about each that has none.

A native frame lies in a file that is still here as it was (by its build id, where it has one). llvm-symbolizer reads symbols, also
those of a separate debug file; stubs of the PLT it does not know, so objdump is asked for these.
"""

import collections
import os
import re
import shutil
import subprocess

import harness
import pprof_file

Counts = collections.namedtuple("Counts", "frames named could")


def tool():
    found = next((t for t in ("llvm-symbolizer", "llvm-symbolizer-14") if shutil.which(t)), None)
    if not found:
        raise harness.Skip("no llvm-symbolizer")
    return found


def is_named(profile, location):
    """By docs/formats/profile.md: what has no name is called after its object."""
    name, path = profile.names(location)[-1], profile.mapping(location)
    return name not in (f"[{os.path.basename(path)}]", path)


def addresses(path, offsets):
    """{file offset: address before relocation}, of those in a loaded segment."""
    out = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=False).stdout
    loads = [(int(o, 16), int(v, 16), int(s, 16))
             for o, v, s in re.findall(r"^ +LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", out, re.M)]
    return {offset: v + offset - o for offset in offsets for o, v, s in loads if o <= offset < o + s}


def stubs(path):
    """[(from, to)] of what objdump calls NAME@plt; those that it has a number for only are left out."""
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got", path],
                         capture_output=True, text=True, check=False).stdout
    return [(int(a, 16), int(a, 16) + 8) for a in re.findall(r"^([0-9a-f]+) <[^*>]*@plt>:$", out, re.M)]


def names_there(tool, path, wanted):
    """{address: name} of these addresses that have one."""
    done = subprocess.run([tool, f"--obj={path}", "--no-inlines", "--no-demangle", "--output-style=GNU", "--functions=linkage"],
                          input="".join(f"0x{a:x}\n" for a in wanted), capture_output=True, text=True, check=False)
    said = done.stdout.splitlines()[::2]
    found = {a: name for a, name in zip(wanted, said) if name not in ("??", "")}
    if len(found) < len(wanted):
        for begin, end in stubs(path):
            found |= {a: "stub@plt" for a in wanted if begin <= a < end}
    return found


def native(path):
    return path.startswith("/") and os.path.isfile(path)


def judge(paths, tool):
    """({object: Counts}, [(object, address, the name that it could have, frames)]); frames count once in a stack."""
    frames, missing = collections.Counter(), collections.defaultdict(collections.Counter)
    for path in paths:
        profile = pprof_file.Profile(path)
        weights = collections.Counter()
        for sample in profile.samples:
            for location in set(sample.locations):
                weights[location] += sample.values[0]
        for location, weight in weights.items():
            where = profile.mapping(location)
            if not native(where):
                continue
            frames[where] += weight
            if not is_named(profile, location):
                missing[where][profile.file_offset(location)] += weight
    counts, could = {}, []
    for where, total in frames.items():
        offsets = missing.get(where, {})
        at = addresses(where, offsets)
        known = names_there(tool, where, sorted(at.values())) if at else {}
        lacks = [(where, a, known[a], offsets[o]) for o, a in at.items() if a in known]
        could += lacks
        counts[where] = Counts(total, total - sum(offsets.values()), sum(l[3] for l in lacks))
    return counts, sorted(could, key=lambda l: -l[3])


def share(counts):
    """Of the frames that have a name in their file or its debug file, those that have one in the profile."""
    named, could = (sum(getattr(c, key) for c in counts.values()) for key in ("named", "could"))
    return named / (named + could) if named + could else 0.0
