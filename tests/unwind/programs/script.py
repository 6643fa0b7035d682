# SPDX-License-Identifier: Apache-2.0
"""An interpreter's work, for ever: calls, classes, sorts, regular expressions, JSON, digests."""

import hashlib
import json
import re


class Node:
    def __init__(self, depth):
        self.children = [Node(depth - 1) for _ in range(2)] if depth else []

    def __len__(self):
        return 1 + sum(len(child) for child in self.children)


def work(n):
    words = [f"word {i * n % 97}" for i in range(500)]
    words.sort(key=lambda w: (len(w), w))
    found = re.findall(r"(\w+) (\d+)", " ".join(words))
    text = json.dumps({w: n for w in words})
    return len(found) + len(json.loads(text)) + len(Node(6)) + hashlib.sha256(text.encode() * 50).digest()[0]


n = 1
while n:
    n = 1 + work(n) % 1000
