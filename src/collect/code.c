/* SPDX-License-Identifier: Apache-2.0 */

/*
 * code — the program that looks at all BPF programs is run at each question: a descriptor is made of its
 * link, and reading that is what runs it.
 */

#include <errno.h>
#include <string.h>

#include "cprof/collect_code.h"
#include "collect-internal.h"
#include "iterate.h"

static void ask(struct collect *c, const uint64_t *places, size_t cnt)
{
	struct cprof_code_question *q = &c->bpf->bss->code_question;

	*q = (struct cprof_code_question){ .cnt = (__u32)cnt, .lowest = UINT64_MAX };
	for (size_t i = 0; i < cnt; i++) {
		q->places[i] = places[i];
		q->lowest = MIN(q->lowest, places[i]);
		q->highest = MAX(q->highest, places[i]);
	}
}

struct telling {
	collect_code_fn fn;
	void *ctx;
};

static int tell(const void *record, void *ctx)
{
	const struct telling *t = ctx;
	struct cprof_code_line line;

	memcpy(&line, record, sizeof(line));
	line.file[sizeof(line.file) - 1] = '\0';
	t->fn(&line, t->ctx);
	return 0;
}

int collect_code_find(struct collect *c, const uint64_t *places, size_t cnt, collect_code_fn fn,
		      void *ctx)
{
	struct telling t = { .fn = fn, .ctx = ctx };

	_Static_assert(sizeof(struct cprof_code_line) <= ITERATE_RECORD_MAX,
		       "a line goes in whole");

	if (cnt == 0 || cnt > CPROF_CODE_PLACES_MAX)
		return cnt == 0 ? 0 : -EINVAL;
	ask(c, places, cnt);
	return iterate(c->bpf->links.cprof_code, sizeof(struct cprof_code_line), tell, &t);
}
