/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rows — how a file's code is undone, as the symbolizer tells it: a block in a file in memory. It is
 * mapped, not copied, so it has to be sealed; every row of it is looked at before anybody is given it.
 * One block is taken for each file that the symbolizer was given. What comes beside that costs no look:
 * nobody can keep us at checking blocks.
 */

#include <sys/mman.h>

#include "cprof/base/sealed.h"
#include "symbolize-internal.h"

/* 0; -EBADMSG: it lies; -ENOMEM and others: it cannot be had. */
static int take_rows(struct symbolize *s, const struct wire_rows *m, int fd)
{
	struct rows_view rows;
	const void *bytes;
	int r;

	r = sealed_map(fd, m->bytes, &bytes);
	if (r < 0)
		return r;
	r = rows_check(bytes, (size_t)m->bytes, &rows);
	/* Who has nothing to tell tells nothing. */
	if (r == 0 && m->status != WIRE_ROWS_OK && m->status != WIRE_ROWS_LIMIT &&
	    rows.head->pages_cnt > 0)
		r = -EBADMSG;
	if (r == 0)
		s->opts.on_rows((uint32_t)m->head.id, &rows, s->opts.ctx);
	(void)munmap((void *)(uintptr_t)bytes, (size_t)m->bytes);
	return r;
}

int symbolize_on_rows(struct symbolize *s, const struct wire_rows *m, int fd)
{
	uint32_t object = (uint32_t)m->head.id;
	struct work *w;
	int r;

	if (fd < 0 || m->head.id > UINT32_MAX ||
	    (object < CPROF_OBJECT_FIRST && object != CPROF_OBJECT_VDSO) ||
	    !objects_knew(s->opts.objects, object))
		return -EBADMSG;
	w = symbolize_work(s, object);
	if (!w || !w->rows_due)
		return 0; /* forgotten meanwhile, or nobody asked */
	w->rows_due = false;
	if (m->status == WIRE_ROWS_LIMIT)
		s->opts.counters->v[COUNTER_rows_limited]++;
	if (!s->opts.on_rows)
		return 0;
	r = take_rows(s, m, fd);
	return r == -EBADMSG ? r : 0; /* without memory it is as of a file that has none */
}
