/* SPDX-License-Identifier: Apache-2.0 */

/* A rule has no padding, so rules are alike when their bytes are. */

#include "cprof/ruleset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"

static bool same_rule(uint32_t value, const void *key, const void *ctx)
{
	const struct ruleset *s = ctx;

	return memcmp(&s->rules.v[value], key, sizeof(struct cprof_rule)) == 0;
}

/* Where it is remembered when it was asked for lately: code has few ways to begin and to end. */
static uint32_t *recent_of(struct ruleset *s, const struct cprof_rule *rule)
{
	uint64_t w[4], mixed;

	_Static_assert(sizeof(w) == sizeof(*rule), "all of it counts");
	memcpy(w, rule, sizeof(w));
	/* Odd constants of no meaning; side by side, for one product at a time is the longest part of it. */
	mixed = (w[0] * 0x9e3779b97f4a7c15) ^ (w[1] * 0xc2b2ae3d27d4eb4f) ^
		(w[2] * 0x165667b19e3779f9) ^ (w[3] * 0xd6e8feb86659fd93);
	return &s->recent[mixed >> 56 & (RULESET_RECENT - 1)];
}

int ruleset_number(struct ruleset *s, const struct cprof_rule *rule, uint32_t max)
{
	uint32_t *recent = recent_of(s, rule), found;
	uint64_t hash;
	int r;

	if (*recent < s->rules.cnt && same_rule(*recent, rule, s))
		return (int)*recent;
	hash = hash_bytes(rule, sizeof(*rule), 0);
	if (map_find(&s->index, hash, rule, same_rule, s, &found)) {
		*recent = found;
		return (int)found;
	}
	if (s->rules.cnt >= max)
		return -E2BIG;
	r = vec_reserve(&s->rules, 1);
	if (r < 0)
		return r;
	r = map_add(&s->index, hash, (uint32_t)s->rules.cnt);
	if (r < 0)
		return r;
	*recent = (uint32_t)s->rules.cnt;
	s->rules.v[s->rules.cnt++] = *rule;
	return (int)*recent;
}

void ruleset_done(struct ruleset *s)
{
	vec_done(&s->rules);
	map_done(&s->index);
}
