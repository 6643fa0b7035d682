/* SPDX-License-Identifier: Apache-2.0 */

/* shunned — see its header. A pid that somebody else has by now has another start. */

#include "shunned.h"

#include "cprof/base/clock.h"

#define SHUN_NS (600 * NSEC_PER_SEC)

void shunned_add(struct shunned *s, const struct shunned_process *p, uint64_t now_ns)
{
	s->v[s->next] = *p;
	s->until_ns[s->next] = now_ns + SHUN_NS;
	s->next = (s->next + 1) % SHUNNED_MAX;
}

bool shunned_has(const struct shunned *s, const struct shunned_process *p, uint64_t now_ns)
{
	for (size_t i = 0; i < SHUNNED_MAX; i++) {
		if (s->v[i].pid == p->pid && s->v[i].start_ns == p->start_ns &&
		    now_ns < s->until_ns[i])
			return true;
	}
	return false;
}
