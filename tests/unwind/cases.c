/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cases FILE... — walks each stack of files that `cprofctl record --raw --with-memory` wrote, without
 * root, and says where it ended. What the kernel's walk found of it is in the file too: up to where the
 * kept memory ends both must be the same. Text goes to stdout, the same each time; status 1 where
 * they differ, or there is none.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case-walk.h"

struct summary {
	uint64_t stacks, frames, compared, guessed, differ;
	uint64_t ends[CPROF_END_MAX];
	bool begun;
};

/* Offsets of what is not in a file are not told by samples. */
static bool is_same(const struct case_frame *ours, const struct cprof_frame *theirs)
{
	if (ours->object < CPROF_OBJECT_FIRST && ours->object != CPROF_OBJECT_VDSO)
		return true;
	return ours->object == theirs->object && ours->offset == theirs->offset;
}

static void print_frames(const struct case_file *f, const struct case_stack *s,
			 const struct case_walked *w)
{
	const struct case_sample *k = s->sample;

	printf("differs: %s, pid %u: here %u frames, %s; there %u, %s\n", k->comm, k->pid, w->cnt,
	       case_end_name(w->end), k->user_cnt, case_end_name(k->user_end));
	for (uint32_t i = 0; i < w->cnt || i < k->user_cnt; i++) {
		const struct case_frame *a = i < w->cnt ? &w->frames[i] : NULL;
		const struct cprof_frame *b = i < k->user_cnt ? &k->user[i] : NULL;
		const struct case_object *o = a ? case_object(f, a->object) : NULL;

		printf("  %u: %s+%llx | %u+%llx\n", i, o && o->path ? o->path : "-",
		       a ? (unsigned long long)a->offset : 0, b ? b->object : 0,
		       b ? (unsigned long long)b->offset : 0);
	}
}

/* Where rows were still missing the kernel's walk followed frame pointers, which may have led anywhere. */
static bool was_guessed(const struct case_stack *s, const struct case_walked *w)
{
	const uint8_t end = s->sample->user_end;

	return end == CPROF_END_NO_ROWS || end == CPROF_END_STALE ||
	       (end != w->end && (end == CPROF_END_FP_ROOT || end == CPROF_END_FP_BAD));
}

/* The same frames, and fewer only where what the next one takes was not kept. */
static bool is_equal(const struct case_stack *s, const struct case_walked *w)
{
	const struct case_sample *k = s->sample;
	const bool is_cut = w->beyond || (s->kept->flags & CPROF_KEPT_MAPS_CUT);

	for (uint32_t i = 0; i < w->cnt && i < k->user_cnt; i++)
		if (!is_same(&w->frames[i], &k->user[i]))
			return false;
	return is_cut ? w->cnt <= k->user_cnt : w->cnt == k->user_cnt && w->end == k->user_end;
}

static void on_stack(const struct case_file *f, const struct case_stack *s, void *ctx)
{
	static struct case_walked w;
	struct summary *sum = ctx;

	if (!sum->begun)
		case_walk_begin(f);
	sum->begun = true;
	case_walk(s, &w);
	sum->stacks++;
	sum->frames += w.cnt;
	sum->ends[w.beyond ? CPROF_END_SNAPSHOT : w.end]++;
	if (!s->sample)
		return;
	if (was_guessed(s, &w)) {
		sum->guessed++;
		return;
	}
	sum->compared++;
	if (is_equal(s, &w))
		return;
	sum->differ++;
	if (sum->differ <= 5)
		print_frames(f, s, &w);
}

static int look(const char *path)
{
	struct summary sum = { 0 };
	int r = case_file_read(path, on_stack, &sum);

	if (sum.begun)
		case_walk_end();
	if (r < 0)
		return r;
	printf("%llu stacks of %llu frames; %llu compared with the kernel's, which had no rows yet "
	       "of %llu; "
	       "%llu differ; ends:",
	       (unsigned long long)sum.stacks, (unsigned long long)sum.frames,
	       (unsigned long long)sum.compared, (unsigned long long)sum.guessed,
	       (unsigned long long)sum.differ);
	for (unsigned int i = 0; i < CPROF_END_MAX; i++)
		if (sum.ends[i] > 0)
			printf(" %s %llu", case_end_name(i), (unsigned long long)sum.ends[i]);
	putchar('\n');
	return sum.differ > 0 || sum.stacks == 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	int r = argc < 2 ? -1 : 0;

	for (int i = 1; i < argc; i++)
		if (look(argv[i]) < 0)
			r = -1;
	return r < 0;
}
