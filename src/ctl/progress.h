/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* progress — one line on a terminal that is written over, so that waiting is not guessing. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cprof/session.h"

struct progress {
	FILE *f; /* NULL: nobody looks */
	bool shown;
};

/* Without newline; "recording 3 s of 10 s: 297 samples, 0 lost, 12 processes". */
void progress_text(char *dst, size_t dst_sz, const struct session_progress *p,
		   uint64_t duration_ns);

void progress_show(struct progress *p, const char *text);
/* Before anything else is written to the terminal. */
void progress_clear(struct progress *p);
