/* SPDX-License-Identifier: Apache-2.0 */

/*
 * late — the object: which stacks may get better, what was kept of them, and what they wait for.
 *
 * What was kept of a stack is gone as soon as it was walked through. One that waits costs a look-up of the
 * place that it waits for, each time.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"
#include "cprof/base/share.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "late-internal.h"

struct entry {
	struct cprof_sample sample;
	uint32_t stack;
	struct late_place missed; /* where the walk did not go on; no object: it did not begin */
	struct late_kept *kept;	  /* one allocation with what it points to */
	size_t kept_sz;
};

struct late {
	struct late_opts opts;
	uint64_t seed;
	VEC(struct entry) entries;
	struct map map;	       /* by (cpu, seq) */
	VEC(uint32_t) waiting; /* entries */
	struct shares shares;  /* of bytes, by user */
	size_t kept_bytes;
	struct late_walked walked; /* scratch */
};

struct entry_key {
	uint64_t seq;
	uint64_t cpu;
};

int late_new(const struct late_opts *opts, uint64_t seed, struct late **ret)
{
	struct late *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->opts = *opts;
	l->seed = seed;
	l->map = MAP_INIT;
	*ret = l;
	return 0;
}

struct late *late_free(struct late *l)
{
	if (!l)
		return NULL;
	for (size_t i = 0; i < l->entries.cnt; i++)
		free(l->entries.v[i].kept);
	vec_done(&l->entries);
	vec_done(&l->waiting);
	map_done(&l->map);
	free(l);
	return NULL;
}

static struct entry_key key_of(uint16_t cpu, uint64_t seq)
{
	return (struct entry_key){ .seq = seq, .cpu = cpu };
}

static bool entry_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct late *l = ctx;
	const struct entry_key *k = key;
	const struct cprof_sample *s = &l->entries.v[value].sample;

	return s->seq == k->seq && s->cpu == k->cpu;
}

static bool find_entry(const struct late *l, uint16_t cpu, uint64_t seq, uint32_t *ret)
{
	const struct entry_key key = key_of(cpu, seq);

	return map_find(&l->map, hash_bytes(&key, sizeof(key), l->seed), &key, entry_eq, l, ret);
}

void late_remember(struct late *l, const struct cprof_sample *s, uint32_t stack)
{
	const struct entry_key key = key_of(s->cpu, s->seq);

	if (vec_reserve(&l->entries, 1) < 0 ||
	    map_add(&l->map, hash_bytes(&key, sizeof(key), l->seed), (uint32_t)l->entries.cnt) < 0)
		return;
	l->entries.v[l->entries.cnt++] = (struct entry){ .sample = *s, .stack = stack };
}

const struct cprof_sample *late_sample(const struct late *l, uint16_t cpu, uint64_t seq)
{
	uint32_t i;

	return find_entry(l, cpu, seq, &i) ? &l->entries.v[i].sample : NULL;
}

/* A copy in one piece; NULL: no memory. */
static struct late_kept *copy_kept(const struct record *rec, const uint32_t *objects, size_t sz)
{
	const struct cprof_kept *h = rec->kept.head;
	struct late_kept *k = malloc(sz);
	struct late_map *maps;
	uint8_t *stack;

	if (!k)
		return NULL;
	maps = (void *)(k + 1);
	stack = (void *)(maps + h->maps_cnt);
	for (uint32_t i = 0; i < h->maps_cnt; i++) {
		const struct cprof_kept_map *m = &rec->kept.maps[i];

		maps[i] = (struct late_map){ m->start, m->end, m->base, objects[i], m->exec };
	}
	if (h->stack_sz > 0)
		memcpy(stack, rec->kept.stack, h->stack_sz);
	*k = (struct late_kept){
		.pc = h->pc,
		.syscall = h->syscall,
		.flags = h->flags,
		.maps_cnt = h->maps_cnt,
		.maps = maps,
		.stack_addr = h->stack_addr,
		.stack_sz = h->stack_sz,
		.stack = stack,
	};
	memcpy(k->regs, h->regs, sizeof(k->regs));
	return k;
}

void late_keep(struct late *l, const struct record *rec, const uint32_t *objects)
{
	const struct cprof_kept *h = rec->kept.head;
	const size_t sz =
		sizeof(struct late_kept) + h->maps_cnt * sizeof(struct late_map) + h->stack_sz;
	struct entry *e;
	uint32_t i;

	if (!find_entry(l, h->cpu, h->seq, &i) || l->entries.v[i].kept)
		return;
	e = &l->entries.v[i];
	if (!shares_allow(&l->shares, e->sample.uid, sz, l->opts.bytes_max) ||
	    vec_reserve(&l->waiting, 1) < 0) {
		l->opts.counters->v[COUNTER_kept_dropped]++;
		return;
	}
	e->kept = copy_kept(rec, objects, sz);
	if (!e->kept) {
		l->opts.counters->v[COUNTER_kept_dropped]++;
		return;
	}
	if (l->opts.want)
		late_want_all(&l->opts, e->kept);
	shares_take(&l->shares, e->sample.uid, sz);
	e->kept_sz = sz;
	l->kept_bytes += sz;
	l->waiting.v[l->waiting.cnt++] = i;
}

static void drop_kept(struct late *l, struct entry *e)
{
	shares_give_back(&l->shares, e->sample.uid, e->kept_sz);
	l->kept_bytes -= e->kept_sz;
	free(e->kept);
	e->kept = NULL;
}

static uint32_t count_kernel(const struct window_stack *s)
{
	uint32_t i = 0;

	while (i < s->cnt && s->frames[i].object == CPROF_OBJECT_KERNEL)
		i++;
	return i;
}

/* Is that more than the stack has? A walk that had all rows knows better than one that had not. */
static bool is_better(const struct window_stack *s, uint32_t kernel_cnt,
		      const struct window_user *user, bool knows)
{
	if (window_end_is_complete(user->end))
		return true;
	if (s->complete)
		return false;
	return user->cnt > s->cnt - kernel_cnt || (knows && user->end != CPROF_END_SNAPSHOT);
}

/* True: the stack got them. The frames of a window are charged until it ends. */
static bool mend(struct late *l, struct window *w, const struct entry *e,
		 const struct window_user *user, bool knows)
{
	const struct window_stack *s = &w->stacks.v[e->stack];
	const uint32_t kernel_cnt = count_kernel(s);
	const size_t sz = (kernel_cnt + user->cnt) * sizeof(*user->frames);

	if (!is_better(s, kernel_cnt, user, knows))
		return false;
	if (!shares_allow(&l->shares, e->sample.uid, sz, l->opts.bytes_max) ||
	    window_set_user(w, e->stack, kernel_cnt, user) < 0) {
		l->opts.counters->v[COUNTER_kept_dropped]++;
		return false;
	}
	shares_take(&l->shares, e->sample.uid, sz);
	l->opts.counters->v[COUNTER_stacks_mended]++;
	return true;
}

bool late_take_rest(struct late *l, struct window *w, const struct record *rec,
		    const struct window_frame *user)
{
	const struct cprof_rest *h = rec->rest.head;
	const struct window_user frames = {
		.frames = user,
		.cnt = h->user_cnt,
		.end = h->user_end,
	};
	uint32_t i;

	return find_entry(l, h->cpu, h->seq, &i) && mend(l, w, &l->entries.v[i], &frames, false);
}

/* Is it still without rows what the walk waits for? */
static bool is_missed(const struct late *l, const struct entry *e)
{
	struct cprof_rule rule;

	return e->missed.object != CPROF_OBJECT_NONE &&
	       l->opts.find(e->missed.object, e->missed.offset, &rule, l->opts.ctx) == ROWS_UNKNOWN;
}

/* 1: the stack got other frames; 0: it did not; -1: it waits on. */
static int walk_entry(struct late *l, struct window *w, struct entry *e, bool last)
{
	struct late_walked *walked = &l->walked;
	struct window_user user;
	bool mended;

	late_walk(&l->opts, e->kept, last, walked);
	if (walked->blocked) {
		e->missed = walked->missed;
		if (l->opts.want)
			l->opts.want(e->missed.object, e->missed.offset, l->opts.ctx);
		return -1;
	}
	user = (struct window_user){ walked->frames, walked->cnt, walked->end };
	mended = mend(l, w, e, &user, !last);
	drop_kept(l, e);
	return mended;
}

static unsigned int walk_waiting(struct late *l, struct window *w, bool last)
{
	unsigned int mended = 0;
	size_t left = 0;

	for (size_t n = 0; n < l->waiting.cnt; n++) {
		struct entry *e = &l->entries.v[l->waiting.v[n]];
		int r = !last && is_missed(l, e) ? -1 : walk_entry(l, w, e, last);

		if (r < 0)
			l->waiting.v[left++] = l->waiting.v[n];
		else
			mended += (unsigned int)r;
	}
	l->waiting.cnt = left;
	return mended;
}

unsigned int late_window(struct late *l, struct window *w)
{
	return walk_waiting(l, w, false);
}

unsigned int late_finish(struct late *l, struct window *w)
{
	return walk_waiting(l, w, true);
}

unsigned int late_pending(struct late *l)
{
	unsigned int cnt = 0;

	for (size_t n = 0; n < l->waiting.cnt; n++) {
		const struct entry *e = &l->entries.v[l->waiting.v[n]];

		cnt += e->missed.object == CPROF_OBJECT_NONE ||
		       l->opts.awaits(e->missed.object, l->opts.ctx);
	}
	return cnt;
}

size_t late_bytes(const struct late *l)
{
	if (!l)
		return 0;
	return sizeof(*l) + l->kept_bytes + l->entries.cap * sizeof(*l->entries.v) +
	       l->waiting.cap * sizeof(*l->waiting.v) + l->map.cap * sizeof(*l->map.slots);
}
