/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * times — moments as people type them and read them. All are of the wall clock, in nanoseconds since
 * 1970; what names no zone is in the local one (TZ).
 */

#include <stddef.h>
#include <stdint.h>

#define TIMES_ALLOWED "a time: 5m or -5m (ago), 14:00, 2026-01-31, or RFC 3339"

/*
 * Ago: "30s", "5m", "-10m", "2h", "7d". "now". The last time that clocks showed "14:00", "14:00:30".
 * "2026-01-31" (its midnight), "2026-01-31 14:00", RFC 3339: "2026-01-31T14:00:00.5Z", "...+01:00".
 * 0, -EINVAL, or -ERANGE: there is no such day or time, or it is before 1970.
 */
int times_parse(const char *text, uint64_t now_real_ns, uint64_t *ret_ns);

/* RFC 3339 alone, as daemons write it. 0 or -EINVAL, -ERANGE. */
int times_parse_rfc3339(const char *text, uint64_t *ret_ns);

/* RFC 3339 in UTC, "2026-01-31T14:00:00Z", cut to whole seconds. */
#define TIMES_SZ 40
const char *times_rfc3339(uint64_t ns, char dst[static TIMES_SZ]);
/* In the local zone: "2026-01-31 14:00:00". */
const char *times_local(uint64_t ns, char dst[static TIMES_SZ]);

/* The two largest of days, hours, minutes and seconds: "3h 12min", "45s". */
const char *times_span(uint64_t ns, char dst[static TIMES_SZ]);
