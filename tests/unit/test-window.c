/* SPDX-License-Identifier: Apache-2.0 */

/* window: born empty with its times, freed with whatever was put into it. */

#include "check.h"

#include "cprof/window.h"

TEST(born_empty)
{
	_cleanup_(window_freep) struct window *w = window_new(11, 22, 33);

	CHECK(w);
	CHECK_EQ(w->from_boot_ns, 11);
	CHECK_EQ(w->from_real_ns, 22);
	CHECK_EQ(w->seed, 33);
	CHECK_EQ(w->processes.cnt + w->stacks.cnt + w->samples.cnt + w->raws.cnt, 0);
	CHECK_EQ(w->missed + w->lost, 0);
}

/* LeakSanitizer is the check here. */
TEST(freed_with_contents)
{
	struct window *w = window_new(0, 0, 0);

	CHECK(w);
	CHECK(arena_alloc(&w->arena, 100));
	CHECK_EQ(vec_push(&w->processes, (struct window_process){ .pid = 1 }), 0);
	CHECK_EQ(vec_push(&w->stacks, (struct window_stack){ .cnt = 0 }), 0);
	CHECK_EQ(vec_push(&w->samples, (struct window_sample){ .cnt = 1 }), 0);
	CHECK_EQ(vec_push(&w->raws, (struct window_raw){ .sz = 0 }), 0);
	CHECK_EQ(map_add(&w->process_map, 1, 0), 0);
	CHECK_EQ(map_add(&w->raw_map, 1, 0), 0);
	CHECK_EQ(map_add(&w->stack_map, 1, 0), 0);
	CHECK_EQ(map_add(&w->sample_map, 1, 0), 0);
	CHECK(!window_free(w));
	CHECK(!window_free(NULL));
}

TEST(the_samples_of_a_process_are_chained)
{
	_cleanup_(window_freep) struct window *w = window_new(1, 2, 3);
	static const uint32_t owners[] = { 0, 1, 0, 0, 1 };
	struct window_process p = { .first_sample = WINDOW_NONE, .last_sample = WINDOW_NONE };
	uint32_t seen = 0;

	CHECK_EQ(vec_push(&w->processes, p), 0);
	CHECK_EQ(vec_push(&w->processes, p), 0);
	for (uint32_t i = 0; i < ELEMENTSOF(owners); i++) {
		struct window_sample s = { .process = owners[i], .cnt = i, .next = WINDOW_NONE };

		CHECK_EQ(vec_push(&w->samples, s), 0);
		window_chain(w, i);
	}
	for (uint32_t i = w->processes.v[0].first_sample; i != WINDOW_NONE;
	     i = w->samples.v[i].next)
		seen = seen * 10 + i;
	CHECK_EQ(seen, 23); /* 0, 2, 3 */
	CHECK_EQ(w->processes.v[1].first_sample, 1);
	CHECK_EQ(w->processes.v[1].last_sample, 4);
}

TEST(bytes_follow_what_is_in_it)
{
	struct window *w = window_new(1, 2, 3);
	size_t empty = window_bytes(w);

	CHECK(w && empty < 4096);
	CHECK(arena_alloc(&w->arena, 100000));
	CHECK(window_bytes(w) > empty + 100000);
	empty = window_bytes(w);
	CHECK_EQ(map_reserve(&w->raw_map, 1000), 0);
	CHECK(window_bytes(w) >= empty + 1000 * sizeof(struct map_slot));
	empty = window_bytes(w);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(vec_push(&w->processes, (struct window_process){ 0 }), 0);
	CHECK(window_bytes(w) >= empty + 1000 * sizeof(struct window_process));
	window_free(w);
}

CHECK_MAIN
