/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One pass over the list of functions. A row is held back until the next one is known: equal neighbours are
 * joined, and the row of a signal's return begins one byte before its function, since that is where a return
 * address is looked up, and no call stands before it.
 */

#include "cprof/gopclntab.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "frame.h"

struct walk {
	const struct gopclntab_sink *sink;
	struct gopclntab_facts *facts;
	struct tables tables;
	uint64_t floor; /* no function begins below */
	uint64_t start; /* of the row that is held back */
	uint64_t end;	/* the same as start: there is none */
	struct cprof_rule rule;
	int stopped; /* by the sink: what it said */
};

/* -ECANCELED, where a sink said something. */
static int told(struct walk *w, int said)
{
	w->stopped = said;
	return said == 0 ? 0 : -ECANCELED;
}

static int flush(struct walk *w)
{
	uint64_t start = w->start, end = w->end;

	w->start = w->end;
	if (start >= end)
		return 0;
	if (w->rule.cfa == CPROF_CFA_UNSUPPORTED)
		w->facts->unsupported++;
	return w->sink->row ? told(w, w->sink->row(w->sink->ctx, start, end, &w->rule)) : 0;
}

static int add(struct walk *w, uint64_t start, uint64_t end, const struct cprof_rule *rule)
{
	int r;

	if (w->start < w->end && w->end == start && memcmp(&w->rule, rule, sizeof(*rule)) == 0) {
		w->end = end;
		return 0;
	}
	if (rule->cfa == CPROF_CFA_SIGNAL && start > 0) {
		start--;
		w->end = MIN(w->end, start);
	}
	r = flush(w);
	w->start = start;
	w->end = end;
	w->rule = *rule;
	return r;
}

static int add_step(struct walk *w, struct frame *fr, const struct step *step,
		    const struct step *next)
{
	int r = frame_enter(fr, step, next);

	for (uint64_t pc = step->start, end; r == 0 && pc < step->end; pc = end) {
		struct cprof_rule rule = frame_rule(fr, step, next, pc, &end);

		r = add(w, pc, end, &rule);
	}
	return r;
}

/* Each stretch is given together with the one behind it; an empty one stands for none. */
static int walk_steps(struct walk *w, struct frame *fr)
{
	struct step step, next;
	struct steps steps;
	int r, r2 = 0;

	steps_init(&steps, &w->tables, fr->func, fr->func->pcsp);
	r = steps_next(&steps, &step);
	while (r > 0) {
		r = steps_next(&steps, &next);
		if (r <= 0)
			next = (struct step){ .start = step.end, .end = step.end };
		r2 = add_step(w, fr, &step, &next);
		if (r2 < 0)
			return r2;
		step = next;
	}
	return r;
}

static int walk_func(struct walk *w, const struct gopclntab_func *f)
{
	struct frame fr;
	int r;

	if (w->sink->func) {
		r = told(w, w->sink->func(w->sink->ctx, f));
		if (r < 0)
			return r;
	}
	if (f->pcsp == 0) {
		w->facts->foreign++;
		return 0;
	}
	r = frame_init(&fr, &w->tables, f);
	return r < 0 ? r : walk_steps(w, &fr);
}

static int walk_funcs(struct walk *w)
{
	for (uint64_t i = 0; i < w->tables.head.funcs_cnt; i++) {
		struct gopclntab_func f;
		int r;

		if (!tables_may(&w->tables, 1))
			return -E2BIG;
		w->facts->funcs++;
		r = tables_func(&w->tables, i, &f);
		if (r == 0 && f.start < w->floor)
			r = -EBADMSG;
		if (r == 0) {
			w->floor = f.end;
			r = walk_func(w, &f);
		}
		if (r == -EBADMSG)
			w->facts->bad++;
		else if (r < 0)
			return r;
	}
	return 0;
}

static int walk(struct walk *w, const struct gopclntab_file *file)
{
	int r = tables_open(&w->tables, file), r2;

	if (r < 0)
		return r == -EBADMSG ? GOPCLNTAB_NONE : r;
	r = walk_funcs(w);
	if (r < 0 && r != -E2BIG)
		return r;
	r2 = flush(w);
	if (r2 < 0)
		return r2;
	return r == 0 ? GOPCLNTAB_OK : GOPCLNTAB_LIMIT;
}

int gopclntab_walk(const struct gopclntab_file *file, const struct gopclntab_sink *sink,
		   struct gopclntab_facts *ret_facts)
{
	_cleanup_free_ struct walk *w = calloc(1, sizeof(*w));
	int r;

	*ret_facts = (struct gopclntab_facts){ 0 };
	if (!w)
		return -ENOMEM;
	w->sink = sink;
	w->facts = ret_facts;
	r = walk(w, file);
	return w->stopped != 0 ? w->stopped : r;
}

int gopclntab_name(const struct gopclntab_file *file, const struct gopclntab_head *head,
		   uint32_t name, char *dst, size_t sz)
{
	uint64_t at = head->names + name;
	size_t len;
	int r;

	if (sz == 0 || at >= file->table.size)
		return -EBADMSG;
	len = (size_t)MIN((uint64_t)sz - 1, file->table.size - at);
	r = file->table.read(file->table.ctx, at, dst, len);
	if (r < 0)
		return r;
	dst[len] = '\0';
	return (int)strlen(dst);
}
