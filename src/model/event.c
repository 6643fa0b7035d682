/* SPDX-License-Identifier: Apache-2.0 */

/* The table of events, made of event.def, and perf's way of writing one: "page-faults/100". */

#include <errno.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cprof/event.h"

#define EVENT_NAME_SZ 64

const struct event event_table[EVENT_MAX] = {
#define EVENT(id, name_, alias_, kind_, type_, number_, value_, unit_, prose_) \
	[EVENT_##id] = {                                                       \
		.name = (name_),                                               \
		.alias = (alias_),                                             \
		.value = (value_),                                             \
		.unit = (unit_),                                               \
		.prose = (prose_),                                             \
		.kind = EVENT_##kind_,                                         \
		.perf_type = PERF_TYPE_##type_,                                \
		.perf_config = PERF_COUNT_##number_,                           \
	},
#include "cprof/event.def"
};

const struct event *event_find(const char *name)
{
	if (!*name)
		return &event_table[0];
	for (size_t i = 0; i < EVENT_MAX; i++) {
		const struct event *e = &event_table[i];

		if (strcmp(e->name, name) == 0 || (e->alias && strcmp(e->alias, name) == 0))
			return e;
	}
	return NULL;
}

int event_check_count(const struct event *event, uint64_t count)
{
	if (count == 0)
		return 0;
	if (event->kind == EVENT_CLOCK)
		return count >= EVENT_CLOCK_MIN && count <= EVENT_CLOCK_MAX ? 0 : -ERANGE;
	return count <= EVENT_COUNT_MAX ? 0 : -ERANGE;
}

/* Decimal digits only, and not 0. */
static int parse_count(const char *text, uint64_t *ret)
{
	uint64_t v = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	if (v == 0)
		return -ERANGE;
	*ret = v;
	return 0;
}

int event_parse(const char *text, const struct event **ret, uint64_t *ret_count)
{
	size_t len = strcspn(text, "/");
	const struct event *event;
	char name[EVENT_NAME_SZ];
	uint64_t count = 0;
	int r;

	if (len == 0 || len >= sizeof(name))
		return -ENOENT;
	(void)snprintf(name, sizeof(name), "%.*s", (int)len, text);
	event = event_find(name);
	if (!event)
		return -ENOENT;
	if (text[len] == '/') {
		r = parse_count(text + len + 1, &count);
		if (r < 0)
			return r;
	}
	r = event_check_count(event, count);
	if (r < 0)
		return r;
	*ret = event;
	*ret_count = count;
	return 0;
}
