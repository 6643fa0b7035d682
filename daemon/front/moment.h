/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* moment: a time as a URL tells it, and as JSON does. */

#include <stdint.h>
#include <stddef.h>

#define MOMENT_SZ 32

/* Seconds since 1970, with or without a fraction, or RFC 3339 in UTC ("2026-11-21T14:00:00Z"). 0, -EINVAL. */
int moment_parse(const char *text, uint64_t *ret_real_ns);

/* RFC 3339 in UTC with milliseconds. */
void moment_format(char dst[static MOMENT_SZ], uint64_t real_ns);
