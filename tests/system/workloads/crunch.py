# SPDX-License-Identifier: Apache-2.0
"""crunch.py [CPU [SECONDS]]: comparisons of small numbers, so that the interpreter's loop leads."""

import sys
import time


def tally(numbers, x):
    for a in numbers:
        for b in numbers:
            if a is b:
                x = a
            elif a is x:
                x = b
    return x


def main():
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3600.0
    end = time.monotonic() + seconds
    numbers = list(range(200))
    x = 1
    while time.monotonic() < end:
        x = tally(numbers, x)


main()
