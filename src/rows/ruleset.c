/* SPDX-License-Identifier: Apache-2.0 */

/* A rule has no padding, so rules are alike when their bytes are. */

#include "cprof/ruleset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool same_rule(uint32_t value, const void *key, const void *ctx)
{
	const struct ruleset *s = ctx;

	return memcmp(&s->rules.v[value], key, sizeof(struct cprof_rule)) == 0;
}

int ruleset_number(struct ruleset *s, const struct cprof_rule *rule, uint32_t max)
{
	const uint64_t hash = hash_bytes(rule, sizeof(*rule), 0);
	uint32_t found;
	int r;

	if (map_find(&s->index, hash, rule, same_rule, s, &found))
		return (int)found;
	if (s->rules.cnt >= max)
		return -E2BIG;
	r = vec_reserve(&s->rules, 1);
	if (r < 0)
		return r;
	r = map_add(&s->index, hash, (uint32_t)s->rules.cnt);
	if (r < 0)
		return r;
	s->rules.v[s->rules.cnt++] = *rule;
	return (int)s->rules.cnt - 1;
}

void ruleset_done(struct ruleset *s)
{
	vec_done(&s->rules);
	map_done(&s->index);
}
