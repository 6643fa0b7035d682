/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A recording without a sample is either of something that did not run or a failure of ours, and
 * only the loss counters tell which. Summed up by kind as counters_books() does, so that a reason
 * appended to counters.def is said here without a change; only its advice is then a general one.
 */

#include <inttypes.h>
#include <stdio.h>

#include "cprof/base/cleanup.h"
#include "losses.h"

static const char *const next_steps[COUNTER_MAX] = {
	[COUNTER_drop_ring_full] = "try a larger --ring or a lower --hz",
	[COUNTER_drop_scratch] = "this is a fault of cprofd, please report it",
	[COUNTER_discard_memory] = "free memory, or try a shorter --seconds or a lower --hz",
	[COUNTER_discard_malformed] = "this is a fault of cprofd, please report it",
	[COUNTER_discard_encode] = "free memory, or try a shorter --seconds or a lower --hz",
	[COUNTER_discard_client] = "record again with less load, or fewer processes",
};

/* What may not be seen is withheld, not lost. */
static bool is_loss(enum counter i)
{
	return counter_descs[i].kind == COUNTER_KIND_DROP ||
	       (counter_descs[i].kind == COUNTER_KIND_DISCARD && i != COUNTER_discard_forbidden);
}

static bool is_loss_of_profile(enum counter i)
{
	return i == COUNTER_discard_encode || i == COUNTER_discard_client;
}

static bool losses_sum(const struct counters *c, bool (*counts)(enum counter), struct losses *ret)
{
	struct losses l = { 0 };
	enum counter most = 0;
	size_t len = 0;

	for (enum counter i = 0; i < COUNTER_MAX; i++) {
		int n;

		if (c->v[i] == 0 || !counts(i))
			continue;
		if (l.samples == 0 || c->v[i] > c->v[most])
			most = i;
		l.samples += c->v[i];
		n = snprintf(l.counters + len, sizeof(l.counters) - len, "%s%s %" PRIu64,
			     len > 0 ? ", " : "", counter_descs[i].name, (uint64_t)c->v[i]);
		len = MIN(len + (size_t)n, sizeof(l.counters) - 1);
	}
	if (l.samples == 0)
		return false;
	l.why = counter_descs[most].prose;
	l.next = next_steps[most] ? next_steps[most] : "try again, or report it";
	*ret = l;
	return true;
}

bool losses_find(const struct counters *c, struct losses *ret)
{
	return losses_sum(c, is_loss, ret);
}

bool losses_find_profiles(const struct counters *c, struct losses *ret)
{
	return losses_sum(c, is_loss_of_profile, ret);
}
