/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A seqlock for each object, whose readers never wait: a walk reads gen, then what it needs of objects,
 * pages, slabs and rules, then gen again.
 *
 * All those stores and loads are atomic, and there is one writer. Odd gen, release fence, stores: a walk
 * that read the result of one of these stores and then, behind its acquire fence, gen, finds the odd one
 * or a later one. That holds for whatever is stored after the fence, for another object too: so what one
 * object had can be given to another as soon as pool_publish() took it from the first. The even gen is a
 * release store, and who reads it first (acquire) finds all that was stored before.
 */

#include "pool-internal.h"

static void add_gen(struct pool *p, uint32_t object, int order)
{
	uint32_t *gen = &p->m.objects[object].gen;
	uint32_t next = __atomic_load_n(gen, __ATOMIC_RELAXED) + 1;

	if (order == __ATOMIC_RELEASE)
		__atomic_store_n(gen, next, __ATOMIC_RELEASE);
	else
		__atomic_store_n(gen, next, __ATOMIC_RELAXED);
}

void pool_change_begin(struct pool *p, uint32_t object)
{
	add_gen(p, object, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void pool_change_end(struct pool *p, uint32_t object)
{
	add_gen(p, object, __ATOMIC_RELEASE);
}

void pool_publish(struct pool *p, uint32_t object, enum cprof_unwind_state state,
		  uint32_t page_first)
{
	const struct pool_object *o = &p->objects[object];
	struct cprof_unwind_object *to = &p->m.objects[object];
	bool rows = state == CPROF_UNWIND_ROWS;

	pool_change_begin(p, object);
	__atomic_store_n(&to->id, o->id, __ATOMIC_RELAXED);
	__atomic_store_n(&to->state, state, __ATOMIC_RELAXED);
	__atomic_store_n(&to->page_first, rows ? page_first : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&to->pages_cnt, rows ? o->pages_cnt : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&to->pages_at, rows ? o->pages_at : 0, __ATOMIC_RELAXED);
	pool_change_end(p, object);
}
