/* SPDX-License-Identifier: Apache-2.0 */

#include "refusal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int refuse(struct refusal *ret, unsigned int status, const char *fmt, ...)
{
	va_list ap;

	ret->status = status;
	ret->retry_s = 0;
	va_start(ap, fmt);
	(void)vsnprintf(ret->text, sizeof(ret->text), fmt, ap);
	va_end(ap);
	return -EACCES;
}
