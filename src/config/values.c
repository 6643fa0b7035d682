/* SPDX-License-Identifier: Apache-2.0 */
/*
 * values — see values.h. Strict: no sign, no trailing text, and what does not fit into 64 bits is out
 * of range instead of small.
 */

#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/config.h"
#include "cprof/event.h"
#include "values.h"

#define SHARE_DECIMALS 4 /* of a percent: one in a million */

struct unit {
	const char *name;
	uint64_t factor;
};

/* As systemd.time(7), down to the millisecond. */
static const struct unit span_units[] = {
	{ "", NSEC_PER_SEC },
	{ "ms", NSEC_PER_MSEC },
	{ "msec", NSEC_PER_MSEC },
	{ "s", NSEC_PER_SEC },
	{ "sec", NSEC_PER_SEC },
	{ "second", NSEC_PER_SEC },
	{ "seconds", NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "min", 60 * NSEC_PER_SEC },
	{ "minute", 60 * NSEC_PER_SEC },
	{ "minutes", 60 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
	{ "hr", 3600 * NSEC_PER_SEC },
	{ "hour", 3600 * NSEC_PER_SEC },
	{ "hours", 3600 * NSEC_PER_SEC },
	{ "d", 86400 * NSEC_PER_SEC },
	{ "day", 86400 * NSEC_PER_SEC },
	{ "days", 86400 * NSEC_PER_SEC },
	{ "w", 7 * 86400 * NSEC_PER_SEC },
	{ "week", 7 * 86400 * NSEC_PER_SEC },
	{ "weeks", 7 * 86400 * NSEC_PER_SEC },
	{ "M", 2629800 * NSEC_PER_SEC },
	{ "month", 2629800 * NSEC_PER_SEC },
	{ "months", 2629800 * NSEC_PER_SEC },
	{ "y", 31557600 * NSEC_PER_SEC },
	{ "year", 31557600 * NSEC_PER_SEC },
	{ "years", 31557600 * NSEC_PER_SEC },
};

static const struct unit size_units[] = {
	{ "", 1 },	     { "B", 1 },	  { "K", 1ULL << 10 }, { "M", 1ULL << 20 },
	{ "G", 1ULL << 30 }, { "T", 1ULL << 40 }, { "P", 1ULL << 50 }, { "E", 1ULL << 60 },
};

/* The digits at *text, which moves behind them. NULL, @none without a digit, or out of range. */
static const char *read_digits(const char **text, const char *none, uint64_t *ret)
{
	const char *p = *text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return none;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return VALUE_RANGE;
	}
	*text = p;
	*ret = v;
	return NULL;
}

/* The letters at *text, which moves behind them, as a unit; NULL: there is no such. */
static const struct unit *read_unit(const char **text, const struct unit *units, size_t cnt)
{
	size_t len = 0;

	while (((*text)[len] | 0x20) >= 'a' && ((*text)[len] | 0x20) <= 'z')
		len++;
	for (size_t i = 0; i < cnt; i++) {
		if (strlen(units[i].name) != len || strncmp(units[i].name, *text, len) != 0)
			continue;
		*text += len;
		return &units[i];
	}
	return NULL;
}

const char *value_number(const char *text, uint64_t *ret)
{
	const char *why = read_digits(&text, "no number", ret);

	return why || !*text ? why : "no number";
}

const char *value_span(const char *text, uint64_t *ret)
{
	static const char none[] = "no time span";
	uint64_t sum = 0, v;

	if (!*text)
		return none;
	while (*text) {
		const char *why = read_digits(&text, none, &v);
		const struct unit *unit;

		if (why)
			return why;
		text += strspn(text, VALUE_SPACE);
		unit = read_unit(&text, span_units, ELEMENTSOF(span_units));
		if (!unit)
			return none;
		if (__builtin_mul_overflow(v, unit->factor, &v) ||
		    __builtin_add_overflow(sum, v, &sum))
			return VALUE_RANGE;
		text += strspn(text, VALUE_SPACE);
	}
	*ret = sum;
	return NULL;
}

const char *value_size(const char *text, uint64_t *ret)
{
	static const char none[] = "no size";
	const char *why = read_digits(&text, none, ret);
	const struct unit *unit;

	if (why)
		return why;
	unit = read_unit(&text, size_units, ELEMENTSOF(size_units));
	if (!unit || *text)
		return none;
	return __builtin_mul_overflow(*ret, unit->factor, ret) ? VALUE_RANGE : NULL;
}

const char *value_share(const char *text, uint64_t *ret)
{
	static const char none[] = "no percentage";
	uint64_t v, factor = CONFIG_PPM / 100;
	const char *why = read_digits(&text, none, &v);

	if (why)
		return why;
	if (__builtin_mul_overflow(v, factor, &v))
		return VALUE_RANGE;
	if (*text == '.') {
		size_t digits = strspn(++text, "0123456789");

		if (digits == 0 || digits > SHARE_DECIMALS)
			return none;
		for (; digits > 0; digits--) {
			factor /= 10;
			v += (uint64_t)(*text++ - '0') * factor;
		}
	}
	if (strcmp(text, "%") != 0)
		return none;
	*ret = v;
	return NULL;
}

const char *value_bool(const char *text, uint64_t *ret)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on",
					     "0",  "1",	  "n",	   "y",	   "f",	  "t" };

	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret = i % 2;
			return NULL;
		}
	}
	return "neither yes nor no";
}

const char *value_event(const char *text)
{
	return event_find(text) ? NULL : "no such event";
}

const char *value_path(const char *text)
{
	if (text[0] != '/')
		return "no absolute path";
	return text[strspn(text, "/")] ? NULL : "the root directory";
}

const char *value_socket(const char *text)
{
	static const char neighbour[] = "session.sock";
	const char *name = strrchr(text, '/');
	const char *why = value_path(text);

	if (why)
		return why;
	if (!name[1])
		return "a directory";
	if (strcmp(name + 1, neighbour) == 0)
		return "the name of the socket beside it";
	if ((size_t)(name + 1 - text) + sizeof(neighbour) >
	    sizeof(((struct sockaddr_un *)0)->sun_path))
		return "too long for a socket";
	return NULL;
}

const char *value_group(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	if (!strchr(letters, text[0]) || text[0] == '\0')
		return "no name of a group";
	for (const char *p = text; *p; p++) {
		if (!strchr(letters, *p) && !strchr("0123456789.-", *p))
			return "no name of a group";
	}
	return NULL;
}
