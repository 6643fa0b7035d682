/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Progress. The line is rewritten with a carriage return and "erase to the end of line" (ECMA-48
 * EL), which every terminal of today understands.
 */

#include <inttypes.h>
#include <limits.h>
#include <sys/ioctl.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "progress.h"

void progress_text(char *dst, size_t dst_sz, const struct session_progress *p, uint64_t duration_ns)
{
	char of[48] = "";

	if (p->phase == SESSION_NAMING) {
		(void)snprintf(dst, dst_sz, "finding the names of functions: %" PRIu64 " samples",
			       p->samples);
		return;
	}
	if (p->phase == SESSION_WRITING) {
		(void)snprintf(dst, dst_sz, "writing the profiles of %" PRIu32 " process%s",
			       p->processes, p->processes == 1 ? "" : "es");
		return;
	}
	if (duration_ns)
		(void)snprintf(of, sizeof(of), " of %" PRIu64 " s",
			       (uint64_t)((duration_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC));
	(void)snprintf(dst, dst_sz,
		       "recording %" PRIu64 " s%s: %" PRIu64 " samples, %" PRIu64 " lost, %" PRIu32
		       " process%s",
		       (uint64_t)(p->elapsed_ns / NSEC_PER_SEC), of, p->samples, p->lost,
		       p->processes, p->processes == 1 ? "" : "es");
}

/* A line that wraps could not be written over: only its last part is where the cursor is. */
static int columns_of(FILE *f)
{
	struct winsize size;

	if (ioctl(fileno(f), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return INT_MAX;
	return MAX(size.ws_col - 1, 1);
}

void progress_show(struct progress *p, const char *text)
{
	if (!p->f)
		return;
	fprintf(p->f, "\r%.*s\033[K", columns_of(p->f), text);
	(void)fflush(p->f);
	p->shown = true;
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", p->f);
	(void)fflush(p->f);
	p->shown = false;
}
