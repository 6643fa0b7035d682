/* SPDX-License-Identifier: GPL-2.0-only */

/*
 * case-walk — see its header. What userstack.h does over a process is done here over what was kept: an
 * object's number in the file is its slot.
 */

#include "kenv-host.h"

struct kenv_image kenv_image;
struct kenv_pool kenv_pool;

#include "rows.h"
#include "walk.h"

#include "../unit/pool-fixture.h"
#include "case-walk.h"

#define POOL_BYTES (200u << 20)

static struct image image;
static struct pool *pool;

/* The slabs that walks find are the image's. */
static int slab_new(void *ctx, uint32_t index, uint32_t **ret)
{
	int r = image_slab_new(ctx, index, ret);

	if (r == 0)
		kenv_pool.slabs[index] = *ret;
	return r;
}

static void slab_free(void *ctx, uint32_t index)
{
	kenv_pool.slabs[index] = NULL;
	image_slab_free(ctx, index);
}

void case_walk_begin(const struct case_file *f)
{
	image_init(&image);
	image.memory.slab_new = slab_new;
	image.memory.slab_free = slab_free;
	kenv_pool.objects = image.memory.objects;
	kenv_pool.pages = image.memory.pages;
	kenv_pool.rules = image.memory.rules;
	CHECK_EQ(pool_new(&image.memory, POOL_BYTES, 1, &pool), 0);
	for (uint32_t i = 0; i < case_objects_cnt(f); i++) {
		const struct cprof_known known = { .id = i, .slot = i };

		if (case_object(f, i)->has_rows)
			CHECK_EQ(pool_put(pool, known, 0, &case_object(f, i)->rows, 1), 0);
	}
}

void case_walk_end(void)
{
	if (!pool)
		return;
	pool = pool_free(pool);
	image_done(&image);
}

struct memory {
	const struct case_stack *stack;
	bool *missed; /* what was not kept was asked for */
};

static int read_kept(const void *memory, void *dst, size_t sz, __u64 addr)
{
	const struct memory *m = memory;
	const struct cprof_kept *k = m->stack->kept;

	if (addr >= k->stack_addr && addr - k->stack_addr <= k->stack_sz &&
	    sz <= k->stack_sz - (addr - k->stack_addr)) {
		memcpy(dst, (const char *)m->stack->memory + (addr - k->stack_addr), sz);
		return 0;
	}
	/* Behind a block that is not all there each word is read by itself. */
	if (sz != WALK_BLOCK)
		*m->missed = true;
	return -14;
}

static bool put_frame(const struct case_stack *s, const struct walk *w, uint8_t way,
		      struct case_walked *to)
{
	const struct cprof_kept_map *m = case_map(s, walk_lookup_pc(w));
	uint64_t in = walk_lookup_pc(w) - (m ? m->start - m->base : 0);

	to->frames[to->cnt++] = (struct case_frame){
		.pc = w->pc,
		.sp = walk_sp(w),
		.offset = in + walk_is_behind(w),
		.object = m ? m->object : CPROF_OBJECT_NONE,
		.exact = !walk_is_behind(w),
		.way = way,
	};
	return m && m->exec;
}

/* As userstack_step(): the way that was taken, or -1 at the end. */
static int step(const struct case_stack *s, struct walk *w)
{
	const struct cprof_kept_map *m = case_map(s, walk_lookup_pc(w));
	struct rows_found at = { 0 };
	int found = ROWS_NO_FILE;

	if (m && (m->object >= CPROF_OBJECT_FIRST || m->object == CPROF_OBJECT_VDSO))
		found = rows_find(m->object, m->object, walk_lookup_pc(w) - m->start + m->base,
				  &at);
	if (!walk_step(w, found, &at.rule))
		return -1;
	if (w->by_fp)
		return CASE_FP;
	if (found != ROWS_FOUND)
		return CASE_CLONE;
	return at.rule.cfa == CPROF_CFA_SIGNAL ? CASE_SIGNAL : CASE_RULE;
}

static struct walk begin(const struct cprof_kept *k, const struct memory *m)
{
	struct walk w = {
		.pc = k->pc,
		.known = WALK_ALL,
		.syscall = k->syscall,
		.exact = 1,
		.read = read_kept,
		.memory = m,
	};

	memcpy(w.regs, k->regs, sizeof(w.regs));
	return w;
}

void case_walk(const struct case_stack *s, struct case_walked *ret)
{
	const struct memory m = { .stack = s, .missed = &ret->beyond };
	struct walk w = begin(s->kept, &m);

	ret->cnt = 0;
	ret->end = CPROF_END_LIMIT;
	(void)put_frame(s, &w, CASE_FIRST, ret);
	while (ret->cnt < CPROF_USER_FRAMES_MAX) {
		int way;

		ret->beyond = false;
		way = step(s, &w);
		if (way < 0) {
			ret->end = w.end;
			break;
		}
		if (!put_frame(s, &w, (uint8_t)way, ret)) {
			ret->end = w.by_fp ? CPROF_END_FP_BAD : CPROF_END_NO_CODE;
			ret->cnt--;
			break;
		}
	}
}
