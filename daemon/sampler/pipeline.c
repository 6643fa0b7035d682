/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pipeline — a record of the ring through decode, locate and fold into the window.
 *
 * Every sample that arrives is counted as delivered, and ends in the window or in a discard by
 * reason. Equal stacks are found by their raw bytes, so that most samples are never located.
 */

#include "ceiling.h"
#include "cprof/base/clock.h"
#include "cprof/decode.h"
#include "cprof/fold.h"
#include "cprof/locate.h"
#include "stream.h"

/* What an object and what symbolize keeps for it take beside objects_bytes(), and a stack beside its
 * bytes and frames. */
#define OBJECT_EXTRA 256
#define STACK_EXTRA 128
/* What part of a window's room a small one has. */
#define SMALL_PART 4

/* Sequence numbers are dense on each CPU: what is missing between two was dropped in the kernel. */
static void check_sequence(struct stream *s, const struct cprof_sample *h)
{
	while (s->seqs.cnt <= h->cpu) {
		if (vec_push(&s->seqs, 0) < 0)
			return;
	}
	if (h->seq > s->seqs.v[h->cpu] + 1)
		s->counters.v[COUNTER_seq_gaps] += h->seq - s->seqs.v[h->cpu] - 1;
	s->seqs.v[h->cpu] = h->seq;
}

/* Those of clients share one window's room, however many there are. */
static size_t small_bytes(const struct sampler *s)
{
	size_t sum = 0;

	for (size_t i = 0; i < s->intervals.cnt; i++) {
		if (s->intervals.v[i]->is_small && s->intervals.v[i]->window)
			sum += interval_bytes(s->intervals.v[i]);
	}
	return sum;
}

/*
 * The ceiling of all memory moves with what others take, and may fall below what windows hold: then
 * new samples count without their stacks, which takes little, until the open window has ended.
 */
static bool is_over_ceiling(const struct sampler *s)
{
	return s->windows_max > 0 && intervals_bytes(s) > ceiling_stacks(s->windows_max);
}

/* Is more taken than @max, of what a window of full size may take? */
static bool is_over(const struct interval *iv, size_t max)
{
	const struct objects *objects = iv->sampler->objects;
	size_t shared = objects_bytes(objects) + objects_cnt(objects) * (size_t)OBJECT_EXTRA;
	size_t own = interval_bytes(iv);

	if (!iv->is_small)
		return own + shared > max;
	return own > max / SMALL_PART || small_bytes(iv->sampler) + shared > max;
}

/* Room for another stack of this user, who is charged for it. */
static bool take_room(struct interval *iv, const struct cprof_sample *h)
{
	size_t sz = h->head.size + STACK_EXTRA +
		    (h->kernel_cnt + h->user_cnt) * sizeof(struct window_frame);
	size_t max = INTERVAL_STACKS_MAX / (iv->is_small ? SMALL_PART : 1);

	if (is_over(iv, INTERVAL_STACKS_MAX) || is_over_ceiling(iv->sampler) ||
	    !shares_allow(&iv->stacks, h->uid, sz, max))
		return false;
	shares_take(&iv->stacks, h->uid, sz);
	return true;
}

static int add_stack(struct interval *iv, const struct record *rec, uint32_t *ret_stack)
{
	struct window_frame frames[CPROF_KERNEL_FRAMES_MAX + CPROF_USER_FRAMES_MAX];
	int cnt;

	cnt = locate_stack(iv->sampler->objects, rec, frames);
	if (cnt < 0)
		return cnt;
	unwinding_use(iv->sampler, rec->sample.head, frames, (uint32_t)cnt);
	cnt = fold_add_stack(iv->window, rec, frames, (uint32_t)cnt, ret_stack);
	if (cnt == 0 && (rec->sample.head->flags & CPROF_SAMPLE_LATE))
		late_remember(iv->late, rec->sample.head, *ret_stack);
	return cnt;
}

/* The sample counts, and its time, but not where it was. */
static int find_no_stack(struct interval *iv, const struct record *rec, uint32_t *ret_stack)
{
	struct cprof_sample head = *rec->sample.head;
	struct record bare = *rec;

	iv->counters->v[COUNTER_stacks_limited]++;
	head.kernel_cnt = head.user_cnt = head.interp_cnt = head.keys_cnt = 0;
	head.kernel_end = head.interp_end = CPROF_END_NONE;
	head.user_end = CPROF_END_LIMIT;
	head.flags = 0;
	bare.sample.head = &head;
	if (fold_find_stack(iv->window, &bare, ret_stack))
		return 0;
	return fold_add_stack(iv->window, &bare, NULL, 0, ret_stack);
}

static int find_stack(struct interval *iv, const struct record *rec, uint32_t *ret_stack)
{
	if (is_over(iv, INTERVAL_BYTES_MAX))
		return -ENOMEM;
	if (fold_find_stack(iv->window, rec, ret_stack))
		return 0;
	if (!take_room(iv, rec->sample.head))
		return find_no_stack(iv, rec, ret_stack);
	return add_stack(iv, rec, ret_stack);
}

static int add_sample(struct stream *st, struct interval *iv, const struct record *rec)
{
	uint32_t stack, process, exe;
	int r;

	r = find_stack(iv, rec, &stack);
	if (r < 0)
		return r;
	r = locate_exe(iv->sampler->objects, rec, &exe);
	if (r < 0)
		return r;
	r = fold_process(iv->window, rec, exe, &process);
	if (r < 0)
		return r;
	r = fold_add(iv->window, rec, process, stack);
	if (r < 0)
		return r;
	iv->samples++;
	if (st->opts.on_kept)
		st->opts.on_kept(rec->sample.head, process, stack, st->opts.ctx);
	return 0;
}

/* One that ended lately and has not all yet that ran in it; else the open one. */
static struct interval *interval_at(const struct stream *st, uint64_t time_ns)
{
	const struct sampler *s = st->sampler;

	if (time_ns >= st->open->window->from_boot_ns)
		return st->open;
	for (size_t i = 0; i < s->intervals.cnt; i++) {
		struct interval *iv = s->intervals.v[i];

		if (iv->stream == st && !iv->settled && iv->window->from_boot_ns <= time_ns &&
		    time_ns < iv->window->to_boot_ns)
			return iv;
	}
	return st->open;
}

/* Told later than the window's end, of one that ended in it; others lived on beyond. */
static void take_exit(const struct stream *st, const struct cprof_exit *e)
{
	const struct interval *iv = interval_at(st, e->time_ns);

	if (st->sampler->symbolize)
		symbolize_gone(st->sampler->symbolize, e->pid, e->start_ns);
	if (iv->settled || (iv->window->to_boot_ns > 0 && e->time_ns > iv->window->to_boot_ns))
		return;
	fold_exit(iv->window, e);
}

static bool may_see(const struct stream *st, const struct cprof_sample *h)
{
	const struct record_owner owner = { .uid = h->uid, .euid = h->euid, .cred = h->cred };

	return !st->opts.own_only || record_may_see(st->opts.uid, &owner);
}

static void take_sample(struct stream *st, const struct record *rec)
{
	const struct cprof_sample *h = rec->sample.head;

	check_sequence(st, h);
	if (!may_see(st, h))
		st->counters.v[COUNTER_discard_forbidden]++;
	else if (add_sample(st, interval_at(st, h->time_ns), rec) < 0)
		st->counters.v[COUNTER_discard_memory]++;
}

int pipeline_on_sample(const void *bytes, size_t sz, void *ctx)
{
	struct stream *st = ctx;
	struct record rec;
	int r;

	r = decode_record(bytes, sz, &rec);
	if (r == 0 && rec.type == CPROF_RECORD_EXIT) {
		take_exit(st, rec.exit);
		return 0;
	}
	if (r == 0 && (rec.type == CPROF_RECORD_KEPT || rec.type == CPROF_RECORD_REST)) {
		latecoming_take(st, &rec);
		if (rec.type == CPROF_RECORD_KEPT && st->opts.on_memory)
			st->opts.on_memory(&rec, st->opts.ctx);
		return 0;
	}
#ifdef CPROF_DROP_ONE_IN
	if (++st->drop_count % CPROF_DROP_ONE_IN == 0)
		return 0;
#endif
	st->counters.v[COUNTER_delivered]++;
	if (r < 0 || rec.type != CPROF_RECORD_SAMPLE)
		st->counters.v[COUNTER_discard_malformed]++;
	else
		take_sample(st, &rec);
	return 0;
}

/* One that cannot be kept has no path: units_unknown tells of its processes. */
static void take_cgroup(struct stream *st, const struct cprof_cgroup *c)
{
	const struct cgroups_group g = {
		.id = c->id,
		.parent = c->parent,
		.name = c->name,
		.name_len = c->name_len,
		.hierarchy = c->hierarchy,
	};

	(void)cgroups_put(st->sampler->cgroups, &g);
	if (c->removed)
		cgroups_remove(st->sampler->cgroups, c->hierarchy, c->id);
	if (st->opts.on_cgroup)
		st->opts.on_cgroup(c, st->opts.ctx);
}

static void take_announce(struct stream *st, const struct cprof_announce *a)
{
	st->announced = true;
	symbolize_announce(st->sampler->symbolize, a, clock_mono_ns());
}

int pipeline_on_event(const void *bytes, size_t sz, void *ctx)
{
	struct stream *st = ctx;
	struct record rec;

	if (decode_record(bytes, sz, &rec) < 0)
		st->counters.v[COUNTER_events_malformed]++;
	else if (rec.type == CPROF_RECORD_OBJECT || rec.type == CPROF_RECORD_EXEC)
		take_announce(st, rec.announce);
	else if (rec.type == CPROF_RECORD_CGROUP)
		take_cgroup(st, rec.cgroup);
	else
		st->counters.v[COUNTER_events_malformed]++;
	return 0;
}
