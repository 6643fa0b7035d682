/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The walk itself, frame by frame as in the kernel (bpf/userstack.h), by the same steps (bpf/walk.h).
 *
 * The stack's words are a stranger's. They are read by one function, which reads nothing beyond what was
 * kept; what the steps make of them ends wherever it leads.
 */

#include <errno.h>
#include <string.h>

#include "../../bpf/walk.h"
#include "late-internal.h"

static int read_kept(const void *memory, void *dst, size_t sz, __u64 addr)
{
	const struct late_kept *k = memory;
	const uint64_t at = addr - k->stack_addr;

	if (addr < k->stack_addr || at > k->stack_sz || sz > k->stack_sz - at)
		return -EFAULT;
	memcpy(dst, k->stack + at, sz);
	return 0;
}

static const struct late_map *find_map(const struct late_kept *k, uint64_t addr)
{
	for (uint32_t i = 0; i < k->maps_cnt; i++) {
		if (addr >= k->maps[i].start && addr < k->maps[i].end)
			return &k->maps[i];
	}
	return NULL;
}

/* True: code may run there. */
static bool locate(const struct late_kept *k, uint64_t addr, struct late_place *ret)
{
	const struct late_map *m = find_map(k, addr);

	*ret = (struct late_place){ .object = CPROF_OBJECT_NONE, .offset = addr };
	if (!m)
		return false;
	ret->object = m->object;
	ret->offset = addr - m->start + m->base;
	return m->exec;
}

static void put_frame(struct late_walked *ret, const struct walk *w, const struct late_place *at)
{
	ret->frames[ret->cnt++] = (struct window_frame){
		.offset = at->offset + walk_is_behind(w),
		.object = at->object,
		.flags = walk_is_behind(w) ? 0 : CPROF_FRAME_EXACT,
	};
}

static bool has_rows(uint32_t object)
{
	return object >= CPROF_OBJECT_FIRST || object == CPROF_OBJECT_VDSO;
}

void late_want_all(const struct late_opts *opts, const struct late_kept *k)
{
	uint64_t low = UINT64_MAX, high = 0, word;
	struct late_place at;

	for (uint32_t i = 0; i < k->maps_cnt; i++) {
		low = MIN(low, k->maps[i].start);
		high = MAX(high, k->maps[i].end);
	}
	if (locate(k, k->pc, &at) && has_rows(at.object))
		opts->want(at.object, at.offset, opts->ctx);
	for (uint32_t pos = 0; pos + sizeof(word) <= k->stack_sz; pos += sizeof(word)) {
		memcpy(&word, k->stack + pos, sizeof(word));
		if (word > low && word <= high && locate(k, word - 1, &at) && has_rows(at.object))
			opts->want(at.object, at.offset, opts->ctx);
	}
}

/* What is not there was not kept. */
static uint8_t end_of(const struct walk *w)
{
	return w->end == CPROF_END_FP_FAULT ? CPROF_END_SNAPSHOT : w->end;
}

/* Why the stack ends at an address where no code is. */
static uint8_t end_without_code(const struct late_kept *k, const struct walk *w)
{
	if (w->by_fp)
		return CPROF_END_FP_BAD;
	return k->flags & CPROF_KEPT_MAPS_CUT ? CPROF_END_SNAPSHOT : CPROF_END_NO_CODE;
}

void late_walk(const struct late_opts *opts, const struct late_kept *k, bool last,
	       struct late_walked *ret)
{
	struct walk w = {
		.pc = k->pc,
		.known = WALK_ALL,
		.syscall = k->syscall,
		.exact = 1,
		.read = read_kept,
		.memory = k,
	};
	struct late_place at;
	struct cprof_rule rule;

	memcpy(w.regs, k->regs, sizeof(w.regs));
	ret->cnt = 0;
	ret->blocked = false;
	ret->end = CPROF_END_LIMIT;
	(void)locate(k, walk_lookup_pc(&w), &at);
	put_frame(ret, &w, &at);
	for (;;) {
		enum rows_answer found = ROWS_NO_FILE;

		if (has_rows(at.object))
			found = opts->find(at.object, at.offset, &rule, opts->ctx);
		if (found == ROWS_UNKNOWN && !last) {
			ret->blocked = true;
			ret->missed = at;
			return;
		}
		if (!walk_step(&w, found, &rule)) {
			ret->end = end_of(&w);
			return;
		}
		if (!locate(k, walk_lookup_pc(&w), &at)) {
			ret->end = end_without_code(k, &w);
			return;
		}
		if (ret->cnt >= opts->frames_max || ret->cnt >= CPROF_USER_FRAMES_MAX)
			return;
		put_frame(ret, &w, &at);
	}
}
