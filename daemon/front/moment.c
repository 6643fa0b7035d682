/* SPDX-License-Identifier: Apache-2.0 */

/* Years are those of four digits; anything that does not fit 64 bits of nanoseconds is refused. */

#include "moment.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cprof/base/clock.h"

#define MOMENT_SECONDS_MAX (UINT64_MAX / NSEC_PER_SEC - 1)

/* ".5" or nothing; the rest of the text in *end. */
static int parse_fraction(const char *text, uint64_t *ret_ns, const char **end)
{
	uint64_t scale = NSEC_PER_SEC, ns = 0;

	if (*text == '.') {
		text++;
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		for (; isdigit((unsigned char)*text); text++) {
			scale /= 10;
			ns += (uint64_t)(*text - '0') * scale;
		}
	}
	*ret_ns = ns;
	*end = text;
	return 0;
}

static int parse_seconds(const char *text, uint64_t *ret_s, const char **end)
{
	uint64_t s = 0;

	for (; isdigit((unsigned char)*text); text++) {
		s = s * 10 + (uint64_t)(*text - '0');
		if (s > MOMENT_SECONDS_MAX)
			return -EINVAL;
	}
	*ret_s = s;
	*end = text;
	return 0;
}

/* @form: digits where it has '0', else the same character. */
static bool has_form(const char *text, const char *form)
{
	for (; *form; text++, form++) {
		if (*form == '0' ? !isdigit((unsigned char)*text) : *text != *form)
			return false;
	}
	return true;
}

static int parse_date(const char *text, uint64_t *ret_s)
{
	struct tm tm = {
		.tm_year = atoi(text) - 1900,
		.tm_mon = atoi(text + 5) - 1,
		.tm_mday = atoi(text + 8),
		.tm_hour = atoi(text + 11),
		.tm_min = atoi(text + 14),
		.tm_sec = atoi(text + 17),
	};
	struct tm same = tm;
	time_t s = timegm(&same);

	/* timegm() takes the 31st of June for the 1st of July. */
	if (s < 0 || same.tm_mon != tm.tm_mon || same.tm_mday != tm.tm_mday ||
	    same.tm_hour != tm.tm_hour || same.tm_min != tm.tm_min || same.tm_sec != tm.tm_sec ||
	    (uint64_t)s > MOMENT_SECONDS_MAX)
		return -EINVAL;
	*ret_s = (uint64_t)s;
	return 0;
}

int moment_parse(const char *text, uint64_t *ret_real_ns)
{
	static const char form[] = "0000-00-00T00:00:00";
	bool is_date = has_form(text, form);
	const char *end = text + sizeof(form) - 1;
	uint64_t s, ns;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	if ((is_date ? parse_date(text, &s) : parse_seconds(text, &s, &end)) < 0 ||
	    parse_fraction(end, &ns, &end) < 0 || strcmp(end, is_date ? "Z" : "") != 0)
		return -EINVAL;
	*ret_real_ns = s * NSEC_PER_SEC + ns;
	return 0;
}

void moment_format(char dst[static MOMENT_SZ], uint64_t real_ns)
{
	time_t s = (time_t)(real_ns / NSEC_PER_SEC);
	struct tm tm = { 0 };
	size_t len;

	(void)gmtime_r(&s, &tm);
	len = strftime(dst, MOMENT_SZ, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(dst + len, MOMENT_SZ - len, ".%03uZ",
		       (unsigned int)(real_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}
