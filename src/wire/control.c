/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The checks of what front and sampler say to each other. A question is a bare head and its answer a
 * full structure of the same type, so a message has one of two right sizes; whoever asks takes the
 * long one alone, whoever is asked the short one. Both sides are of one build: a message of another
 * is refused by its size.
 */

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#include "cost.h"
#include "cprof/control.h"
#include "text.h"

struct control_kind {
	size_t question_sz; /* 0: there is none */
	size_t answer_sz;
	bool (*check)(const void *msg); /* of an answer */
};

static bool check_status(const void *msg)
{
	const struct control_status *m = msg;

	if (!wire_field_is_clean(m->version, sizeof(m->version)) ||
	    !wire_field_is_clean(m->event, sizeof(m->event)))
		return false;
	if (m->degraded_cnt > CONTROL_DEGRADED_MAX || m->counters_cnt != COUNTER_MAX)
		return false;
	for (uint32_t i = 0; i < m->degraded_cnt; i++)
		if (!wire_field_is_clean(m->degraded[i], sizeof(m->degraded[i])))
			return false;
	return wire_costs_are_valid(m->roles, m->roles_cnt);
}

static bool check_processes(const void *msg)
{
	const struct control_processes *m = msg;

	return m->cnt <= CONTROL_PROCESSES_MAX;
}

static bool check_client(const void *msg)
{
	const struct control_client *m = msg;

	return (m->flags & ~(uint32_t)CONTROL_ALL) == 0;
}

static const struct control_kind control_kinds[CONTROL_TYPE_MAX - CONTROL_STATUS] = {
	[CONTROL_STATUS - CONTROL_STATUS] = { sizeof(struct wire_head),
					      sizeof(struct control_status), check_status },
	[CONTROL_PROCESSES - CONTROL_STATUS] = { sizeof(struct wire_head),
						 sizeof(struct control_processes),
						 check_processes },
	[CONTROL_CLIENT - CONTROL_STATUS] = { 0, sizeof(struct control_client), check_client },
};

int control_check(const void *msg, size_t sz)
{
	const struct wire_head *head = msg;
	const struct control_kind *kind;

	assert((uintptr_t)msg % _Alignof(uint64_t) == 0);

	if (sz < sizeof(*head) || head->size != sz)
		return -EBADMSG;
	if (head->type < CONTROL_STATUS || head->type >= CONTROL_TYPE_MAX)
		return -EBADMSG;
	kind = &control_kinds[head->type - CONTROL_STATUS];
	if (sz == kind->question_sz)
		return head->type;
	return sz == kind->answer_sz && kind->check(msg) ? head->type : -EBADMSG;
}

bool control_process_is_valid(const struct control_process *p)
{
	return p->pid <= INT_MAX && p->complete <= p->samples &&
	       wire_field_is_clean(p->comm, sizeof(p->comm)) &&
	       wire_field_is_clean(p->unit, sizeof(p->unit)) &&
	       wire_field_is_clean(p->container, sizeof(p->container));
}
