/* SPDX-License-Identifier: Apache-2.0 */

#include "cprof/collect_tasks.h"

#include "collect-internal.h"
#include "iterate.h"

struct telling {
	collect_task_fn fn;
	void *ctx;
};

static int tell(const void *record, void *ctx)
{
	const struct telling *t = ctx;

	return t->fn(record, t->ctx);
}

int collect_tasks(const struct collect *c, collect_task_fn fn, void *ctx)
{
	struct telling t = { .fn = fn, .ctx = ctx };

	return iterate(c->bpf->links.cprof_tasks, sizeof(struct cprof_task), tell, &t);
}
