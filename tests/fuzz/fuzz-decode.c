/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The bytes of a ring, one record after the other, on the way they take in the sampler: decode,
 * find, locate, fold. Also what a replay file from a stranger goes through. At the end the window is
 * walked as encode walks it, and its sums are held against what was put in.
 */

#include "fuzz.h"

#include "cprof/base/cleanup.h"
#include "cprof/decode.h"
#include "cprof/fold.h"
#include "cprof/locate.h"

struct pipeline {
	struct objects *objects;
	struct window *window;
	uint64_t samples;
	uint64_t weight_ns;
};

static void touch_sample(const struct record *rec)
{
	const struct cprof_sample *s = rec->sample.head;

	fuzz_touch(s, sizeof(*s));
	fuzz_touch(rec->sample.kernel, s->kernel_cnt * sizeof(*rec->sample.kernel));
	fuzz_touch(rec->sample.user, s->user_cnt * sizeof(*rec->sample.user));
	fuzz_touch(rec->sample.interp, s->interp_cnt * sizeof(*rec->sample.interp));
	fuzz_touch(rec->sample.keys, s->keys_cnt * sizeof(*rec->sample.keys));
}

static void touch_kept(const struct record *rec)
{
	const struct cprof_kept *k = rec->kept.head;

	fuzz_touch(k, sizeof(*k));
	fuzz_touch(rec->kept.maps, k->maps_cnt * sizeof(*rec->kept.maps));
	fuzz_touch(rec->kept.keys, k->keys_cnt * sizeof(*rec->kept.keys));
	fuzz_touch(rec->kept.stack, k->stack_sz);
	for (int i = 0; i < k->maps_cnt; i++) {
		FUZZ_CHECK(rec->kept.maps[i].start < rec->kept.maps[i].end);
		FUZZ_CHECK(rec->kept.maps[i].object < CPROF_OBJECT_KEY + k->keys_cnt);
	}
}

static void touch_rest(const struct record *rec)
{
	const struct cprof_rest *r = rec->rest.head;

	fuzz_touch(r, sizeof(*r));
	fuzz_touch(rec->rest.user, r->user_cnt * sizeof(*rec->rest.user));
	fuzz_touch(rec->rest.keys, r->keys_cnt * sizeof(*rec->rest.keys));
	for (int i = 0; i < r->user_cnt; i++)
		FUZZ_CHECK(rec->rest.user[i].object < CPROF_OBJECT_KEY + r->keys_cnt);
}

static void take_sample(struct pipeline *p, const struct record *rec)
{
	struct window_frame frames[CPROF_KERNEL_FRAMES_MAX + CPROF_USER_FRAMES_MAX];
	const struct cprof_sample *s = rec->sample.head;
	uint32_t stack, again, process, exe;
	int cnt;

	cnt = locate_stack(p->objects, rec, frames);
	FUZZ_CHECK(cnt == s->kernel_cnt + s->user_cnt);
	for (int i = 0; i < cnt; i++)
		FUZZ_CHECK(objects_get(p->objects, frames[i].object));
	if (!fold_find_stack(p->window, rec, &stack))
		FUZZ_CHECK(fold_add_stack(p->window, rec, frames, (uint32_t)cnt, &stack) == 0);
	if (s->flags & CPROF_SAMPLE_LATE)
		FUZZ_CHECK(!fold_find_stack(p->window, rec, &again));
	else
		FUZZ_CHECK(fold_find_stack(p->window, rec, &again) && again == stack);
	FUZZ_CHECK(p->window->stacks.v[stack].cnt == (uint32_t)cnt);
	FUZZ_CHECK(memcmp(p->window->stacks.v[stack].frames, frames,
			  (size_t)cnt * sizeof(*frames)) == 0);
	FUZZ_CHECK(locate_exe(p->objects, rec, &exe) == 0 && objects_get(p->objects, exe));
	FUZZ_CHECK(fold_process(p->window, rec, exe, &process) == 0);
	FUZZ_CHECK(fold_add(p->window, rec, process, stack) == 0);
	p->samples++;
	p->weight_ns += s->weight_ns;
}

static void take_record(const void *bytes, size_t sz, void *ctx)
{
	struct pipeline *p = ctx;
	struct record rec;

	if (decode_record(bytes, sz, &rec) < 0)
		return;
	switch (rec.type) {
	case CPROF_RECORD_SAMPLE:
		touch_sample(&rec);
		take_sample(p, &rec);
		break;
	case CPROF_RECORD_EXIT:
		fuzz_touch(rec.exit, sizeof(*rec.exit));
		fold_exit(p->window, rec.exit);
		break;
	case CPROF_RECORD_OBJECT:
	case CPROF_RECORD_EXEC:
		fuzz_touch(rec.announce, sizeof(*rec.announce));
		break;
	case CPROF_RECORD_CGROUP:
		FUZZ_CHECK(rec.cgroup->name_len <= sizeof(rec.cgroup->name));
		fuzz_touch(rec.cgroup, sizeof(*rec.cgroup));
		break;
	case CPROF_RECORD_KEPT:
		touch_kept(&rec);
		break;
	case CPROF_RECORD_REST:
		touch_rest(&rec);
		break;
	}
}

static void check_window(const struct pipeline *p)
{
	uint64_t by_process = 0, by_sample = 0, weight_ns = 0;
	const struct window *w = p->window;

	for (size_t i = 0; i < w->processes.cnt; i++) {
		FUZZ_CHECK(memchr(w->processes.v[i].comm, '\0', sizeof(w->processes.v[i].comm)));
		FUZZ_CHECK(w->processes.v[i].complete <= w->processes.v[i].samples);
		by_process += w->processes.v[i].samples;
	}
	for (size_t i = 0; i < w->samples.cnt; i++) {
		const struct window_sample *s = &w->samples.v[i];

		FUZZ_CHECK(s->process < w->processes.cnt && s->stack < w->stacks.cnt);
		by_sample += s->cnt;
		weight_ns += s->weight_ns;
	}
	for (size_t i = 0; i < w->stacks.cnt; i++)
		fuzz_touch(w->stacks.v[i].frames, w->stacks.v[i].cnt * sizeof(struct window_frame));
	FUZZ_CHECK(by_process == p->samples && by_sample == p->samples);
	FUZZ_CHECK(weight_ns == p->weight_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_(objects_freep) struct objects *objects = NULL;
	_cleanup_(window_freep) struct window *window = window_new(0, 0, 1);
	struct pipeline p = { .window = window };

	FUZZ_CHECK(window && objects_new(1, &objects) == 0);
	p.objects = objects;
	fuzz_records(data, sz, take_record, &p);
	check_window(&p);
	return 0;
}
