/* SPDX-License-Identifier: Apache-2.0 */

/* What goes into a line may be a stranger's text: the whole line is cleaned, once. */

#include "problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/str.h"

int problem_set(struct problem *p, int r, const char *fmt, ...)
{
	char raw[PROBLEM_WHY_MAX];
	va_list ap;

	errno = -r;
	va_start(ap, fmt);
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	(void)str_clean(p->why, sizeof(p->why), raw, strlen(raw), NULL);
	return r;
}
