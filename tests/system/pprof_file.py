# SPDX-License-Identifier: Apache-2.0
"""A reader of profile.proto for tests over thousands of samples: of each its values, functions, labels.

`go tool pprof` is the judge of the files' form (harness.Pprof); this one only makes their content
quick to ask. Fields: https://github.com/google/pprof/blob/main/proto/profile.proto.
"""

import collections
import gzip
import re


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """(number, value): value is an int, or the bytes of a length-delimited field."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def _packed(value):
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        n, at = _varint(value, at)
        found.append(n)
    return found


Line = collections.namedtuple("Line", "name system_name file line column start_line")


class Sample:
    def __init__(self):
        self.locations = []
        self.values = []
        self.labels = {}


class Profile:
    """samples: of each .values, .labels {key: text or number}, .locations; stack() gives names."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        self.strings, self.samples, self.comments = [], [], []
        self._functions, self._locations, self.mappings, self._offsets = {}, {}, {}, {}
        raw_samples, raw_comments = [], []
        self.time_ns = self.duration_ns = 0
        for number, value in fields(gzip.decompress(data)):
            if number == 2:
                raw_samples.append(value)
            elif number == 3:
                self._add_mapping(value)
            elif number == 4:
                self._add_location(value)
            elif number == 5:
                known = dict(fields(value))
                self._functions[known[1]] = known
            elif number == 6:
                self.strings.append(value.decode("utf-8"))
            elif number == 9:
                self.time_ns = value
            elif number == 10:
                self.duration_ns = value
            elif number == 13:
                raw_comments += _packed(value)
        self.comments = [self.strings[i] for i in raw_comments]
        self.samples = [self._sample(value) for value in raw_samples]

    def _add_mapping(self, value):
        known = dict(fields(value))
        self.mappings[known[1]] = known.get(5, 0)
        self._offsets[known[1]] = known.get(4, 0) - known.get(2, 0)

    def _add_location(self, value):
        lines, ident, mapping, address = [], 0, 0, 0
        for number, inner in fields(value):
            if number == 1:
                ident = inner
            elif number == 2:
                mapping = inner
            elif number == 3:
                address = inner
            elif number == 4:
                lines.append(dict(fields(inner)))
        self._locations[ident] = (lines, mapping, address)

    def _sample(self, value):
        sample = Sample()
        for number, inner in fields(value):
            if number == 1:
                sample.locations += _packed(inner)
            elif number == 2:
                sample.values += _packed(inner)
            elif number == 3:
                label = dict(fields(inner))
                sample.labels[self.strings[label[1]]] = (
                    self.strings[label[2]] if label.get(2) else label.get(3, 0))
        return sample

    def places(self):
        return len(self._locations)

    def names(self, location):
        """Of one location, innermost first."""
        return [line.name for line in self.lines(location)]

    def lines(self, location):
        """Of one location, innermost first."""
        found = []
        for line in self._locations[location][0]:
            function = self._functions[line.get(1, 0)]
            name, system_name, file = (self.strings[function.get(i, 0)] for i in (2, 3, 4))
            found.append(Line(name, system_name or name, file, line.get(2, 0), line.get(3, 0), function.get(5, 0)))
        return found

    def file_offset(self, location):
        """Where it is in its mapping's file."""
        _, mapping, address = self._locations[location]
        return address + self._offsets[mapping]

    def locations(self):
        return self._locations.keys()

    def mapping(self, location):
        return self.strings[self.mappings.get(self._locations[location][1], 0)]

    def stack(self, sample):
        return [name for location in sample.locations for name in self.names(location)]

    def comment(self, key):
        """The value of `#cprofd key=value`, or None."""
        for comment in self.comments:
            found = re.match(r"#cprofd " + re.escape(key) + r"=(.*)$", comment)
            if found:
                return found[1]
        return None

    def owner(self, sample):
        """(pid, start, exec) of a sample: by its labels, or by the file's comments."""
        return tuple(int(sample.labels.get(key, self.comment(key) or 0))
                     for key in ("pid", "start", "exec"))
