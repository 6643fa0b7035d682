/* SPDX-License-Identifier: Apache-2.0 */

/* One place for the keys that a recording's summary and the daemon's status have in common. */

#include "cprof/counters_json.h"

static void json_of_kind(struct json *j, const char *key, const struct counters *c,
			 enum counter_kind kind)
{
	json_object(j, key);
	for (size_t i = 0; i < COUNTER_MAX; i++) {
		if (counter_descs[i].kind == kind)
			json_u64(j, counter_descs[i].name, c->v[i]);
	}
	json_object_end(j);
}

void counters_json_books(struct json *j, const struct books *b, const struct counters *c)
{
	json_object(j, "books");
	json_u64(j, "produced", b->produced);
	json_u64(j, "runs", b->runs);
	json_u64(j, "missed", b->missed);
	json_u64(j, "delivered", b->delivered);
	json_of_kind(j, "dropped", c, COUNTER_KIND_DROP);
	json_u64(j, "in_profiles", b->in_profiles);
	json_u64(j, "open_window", b->open_window);
	json_of_kind(j, "discarded", c, COUNTER_KIND_DISCARD);
	json_u64(j, "difference", b->difference);
	json_object_end(j);
}

void counters_json_all(struct json *j, const struct counters *c)
{
	json_object(j, "counters");
	for (size_t i = 0; i < COUNTER_MAX; i++)
		json_u64(j, counter_descs[i].name, c->v[i]);
	json_object_end(j);
}
