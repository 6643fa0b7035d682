/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pipeline — a record of the ring through decode, locate and fold into the window.
 *
 * Every sample that arrives is counted as delivered, and ends in the window or in a discard by
 * reason. Equal stacks are found by their raw bytes, so that most samples are never located.
 */

#include "cprof/base/clock.h"
#include "cprof/decode.h"
#include "cprof/fold.h"
#include "cprof/locate.h"
#include "sampler.h"

/*
 * Of a window and the objects that it names. Stacks stop at the first (then samples count without their
 * stack), all samples at the second: processes that were sampled once take the rest of the room.
 */
#define WINDOW_STACKS_MAX (((size_t)128 << 20) >> CPROF_BOUNDS_SHIFT)
#define WINDOW_BYTES_MAX (((size_t)192 << 20) >> CPROF_BOUNDS_SHIFT)
/* What an object and what symbolize keeps for it take beside objects_bytes(), and a stack beside its
 * bytes and frames. */
#define OBJECT_EXTRA 256
#define STACK_EXTRA 128

/* Sequence numbers are dense on each CPU: what is missing between two was dropped in the kernel. */
static void check_sequence(struct sampler *s, const struct cprof_sample *h)
{
	while (s->seqs.cnt <= h->cpu) {
		if (vec_push(&s->seqs, 0) < 0)
			return;
	}
	if (h->seq > s->seqs.v[h->cpu] + 1)
		s->counters.v[COUNTER_seq_gaps] += h->seq - s->seqs.v[h->cpu] - 1;
	s->seqs.v[h->cpu] = h->seq;
}

static size_t used_bytes(const struct sampler *s)
{
	return window_bytes(s->window) + objects_bytes(s->objects) +
	       objects_cnt(s->objects) * (size_t)OBJECT_EXTRA;
}

/* Room for another stack of this user, who is charged for it. */
static bool take_room(struct sampler *s, const struct cprof_sample *h)
{
	size_t sz = h->head.size + STACK_EXTRA +
		    (h->kernel_cnt + h->user_cnt) * sizeof(struct window_frame);

	if (used_bytes(s) > WINDOW_STACKS_MAX ||
	    !shares_allow(&s->stacks, h->uid, sz, WINDOW_STACKS_MAX))
		return false;
	shares_take(&s->stacks, h->uid, sz);
	return true;
}

static int add_stack(struct sampler *s, const struct record *rec, uint32_t *ret_stack)
{
	struct window_frame frames[CPROF_KERNEL_FRAMES_MAX + CPROF_USER_FRAMES_MAX];
	int cnt;

	cnt = locate_stack(s->objects, rec, frames);
	if (cnt < 0)
		return cnt;
	return fold_add_stack(s->window, rec, frames, (uint32_t)cnt, ret_stack);
}

/* The sample counts, and its time, but not where it was. */
static int find_no_stack(struct sampler *s, const struct record *rec, uint32_t *ret_stack)
{
	struct cprof_sample head = *rec->sample.head;
	struct record bare = *rec;

	s->counters.v[COUNTER_stacks_limited]++;
	head.kernel_cnt = head.user_cnt = head.interp_cnt = head.keys_cnt = 0;
	head.kernel_end = head.interp_end = CPROF_END_NONE;
	head.user_end = CPROF_END_LIMIT;
	head.flags = 0;
	bare.sample.head = &head;
	if (fold_find_stack(s->window, &bare, ret_stack))
		return 0;
	return fold_add_stack(s->window, &bare, NULL, 0, ret_stack);
}

static int find_stack(struct sampler *s, const struct record *rec, uint32_t *ret_stack)
{
	if (used_bytes(s) > WINDOW_BYTES_MAX)
		return -ENOMEM;
	if (fold_find_stack(s->window, rec, ret_stack))
		return 0;
	if (!take_room(s, rec->sample.head))
		return find_no_stack(s, rec, ret_stack);
	return add_stack(s, rec, ret_stack);
}

static int add_sample(struct sampler *s, const struct record *rec)
{
	uint32_t stack, process, exe;
	int r;

	r = find_stack(s, rec, &stack);
	if (r < 0)
		return r;
	r = locate_exe(s->objects, rec, &exe);
	if (r < 0)
		return r;
	r = fold_process(s->window, rec, exe, &process);
	if (r < 0)
		return r;
	r = fold_add(s->window, rec, process, stack);
	if (r == 0)
		raw_keep(s, rec->sample.head, process, stack);
	return r;
}

/* Told later than the window's end, of one that ended in it; others lived on beyond. */
static bool is_exit_within(const struct sampler *s, const struct cprof_exit *e)
{
	if (s->phase != PHASE_SAMPLING && s->phase != PHASE_NAMING)
		return false;
	return s->window->to_boot_ns == 0 || e->time_ns <= s->window->to_boot_ns;
}

int pipeline_on_sample(const void *bytes, size_t sz, void *ctx)
{
	struct sampler *s = ctx;
	struct record rec;
	int r;

	r = decode_record(bytes, sz, &rec);
	if (r == 0 && rec.type == CPROF_RECORD_EXIT) {
		if (is_exit_within(s, rec.exit))
			fold_exit(s->window, rec.exit);
		return 0;
	}
#ifdef CPROF_DROP_ONE_IN
	if (++s->drop_count % CPROF_DROP_ONE_IN == 0)
		return 0;
#endif
	s->counters.v[COUNTER_delivered]++;
	if (r < 0 || rec.type != CPROF_RECORD_SAMPLE) {
		s->counters.v[COUNTER_discard_malformed]++;
		return 0;
	}
	check_sequence(s, rec.sample.head);
	if (add_sample(s, &rec) < 0)
		s->counters.v[COUNTER_discard_memory]++;
	return 0;
}

/* The unit that is recorded was started again: its new group is wanted, the old one is gone. */
static void want_cgroup(struct sampler *s, const struct cprof_cgroup *c)
{
	char path[CGROUPS_PATH_SZ];

	if (c->removed)
		collect_remove_group(s->collect, c->hierarchy, c->id);
	else if (cgroups_path(s->cgroups, c->hierarchy, c->id, path) == 0 &&
		 cgroups_is_unit(path, s->start.unit))
		(void)collect_add_group(s->collect, c->hierarchy, c->id);
}

/* One that cannot be kept has no path: units_unknown tells of its processes. */
static void take_cgroup(struct sampler *s, const struct cprof_cgroup *c)
{
	const struct cgroups_group g = {
		.id = c->id,
		.parent = c->parent,
		.name = c->name,
		.name_len = c->name_len,
		.hierarchy = c->hierarchy,
	};

	(void)cgroups_put(s->cgroups, &g);
	if (c->removed)
		cgroups_remove(s->cgroups, c->hierarchy, c->id);
	if (s->start.flags & SESSION_UNIT)
		want_cgroup(s, c);
}

int pipeline_on_event(const void *bytes, size_t sz, void *ctx)
{
	struct sampler *s = ctx;
	struct record rec;

	if (decode_record(bytes, sz, &rec) < 0)
		s->counters.v[COUNTER_events_malformed]++;
	else if (rec.type == CPROF_RECORD_OBJECT || rec.type == CPROF_RECORD_EXEC)
		symbolize_announce(s->symbolize, rec.announce, clock_mono_ns());
	else if (rec.type == CPROF_RECORD_CGROUP)
		take_cgroup(s, rec.cgroup);
	else
		s->counters.v[COUNTER_events_malformed]++;
	return 0;
}
