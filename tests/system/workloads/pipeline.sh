#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pipeline.sh [LINES]: a pipeline of four programs that all have something to do.
seq -f %.0f "${1:-600000}" | awk '{ print ($1 * 7919) % 1000003, $1 }' | sort -n | md5sum
