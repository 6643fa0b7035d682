/* SPDX-License-Identifier: Apache-2.0 */

/* loop: order by priority, timers, and sources removed from callbacks in every constellation. */

#include "check.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/loop.h"

DEFINE_CLEANUP(struct loop *, loop_free);

#define SOURCES 4

/* What one callback does, and what it saw. */
struct actor {
	struct loop *loop;
	struct loop_source *self;
	struct actor *victim; /* to be removed */
	struct actor *disarm; /* whose timer is put off */
	char name;
	char *trace;
	int fd;
	int result;
	bool exits;
	bool adds;
};

static int on_timer(struct loop_source *s, uint64_t now_ns, void *ctx);

static int act(struct actor *a)
{
	strncat(a->trace, &a->name, 1);
	if (a->victim) {
		a->victim->self = loop_remove(a->victim->self);
		a->victim = NULL;
	}
	if (a->disarm)
		loop_timer_set(a->disarm->self, UINT64_MAX);
	if (a->adds) {
		a->adds = false;
		for (int i = 0; i < 40; i++) {
			struct loop_source *s;

			CHECK_EQ(loop_add_timer(a->loop, 0, on_timer, a, &s), 0);
		}
	}
	if (a->exits)
		loop_exit(a->loop, 42);
	return a->result;
}

static int on_io(struct loop_source *s, uint32_t events, void *ctx)
{
	struct actor *a = ctx;
	uint64_t v;

	CHECK(events & EPOLLIN);
	CHECK(s == a->self);
	CHECK_EQ(read(a->fd, &v, sizeof(v)), sizeof(v));
	return act(a);
}

static int on_timer(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct actor *a = ctx;

	CHECK(now_ns <= clock_mono_ns());
	CHECK(s == a->self);
	return act(a);
}

/* Descriptors "abcd" that are ready, with these priorities; the last one of all ends the loop. */
static void setup(struct loop *l, struct actor *a, const int *priorities, char *trace)
{
	for (int i = 0; i < SOURCES; i++) {
		a[i] = (struct actor){ .loop = l, .name = (char)('a' + i), .trace = trace };
		a[i].fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		CHECK(a[i].fd >= 0);
		CHECK_EQ(loop_add_io(l, a[i].fd, EPOLLIN, priorities[i], on_io, &a[i], &a[i].self),
			 0);
	}
}

static void teardown(struct actor *a)
{
	for (int i = 0; i < SOURCES; i++) {
		a[i].self = loop_remove(a[i].self);
		close(a[i].fd);
	}
}

TEST(priorities)
{
	static const struct {
		int priorities[SOURCES];
		const char *order;
	} cases[] = {
		{ { 0, 0, 0, 0 }, "abcd" },
		{ { 3, 2, 1, 4 }, "cbad" },
		{ { 10, -5, 10, 11 }, "bacd" },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(loop_freep) struct loop *l = NULL;
		struct actor a[SOURCES];
		char trace[16] = "";

		CHECK_EQ(loop_new(&l), 0);
		setup(l, a, cases[i].priorities, trace);
		a[3].exits = true;
		CHECK_EQ(loop_run(l), 42);
		CHECK_STR(trace, cases[i].order);
		teardown(a);
	}
}

TEST(error_ends_the_run)
{
	_cleanup_(loop_freep) struct loop *l = NULL;
	struct actor a[SOURCES];
	char trace[16] = "";

	CHECK_EQ(loop_new(&l), 0);
	setup(l, a, (int[]){ 0, 1, 2, 3 }, trace);
	a[1].result = -EIO;
	a[3].exits = true;
	CHECK_EQ(loop_run(l), -EIO);
	CHECK_STR(trace, "ab");
	/* And again: what was not delivered comes now. */
	CHECK_EQ(loop_run(l), 42);
	CHECK_STR(trace, "abcd");
	teardown(a);
}

TEST(exit_before_run)
{
	_cleanup_(loop_freep) struct loop *l = NULL;

	CHECK_EQ(loop_new(&l), 0);
	loop_exit(l, 7);
	CHECK_EQ(loop_run(l), 7);
}

TEST(remove_self_and_others)
{
	_cleanup_(loop_freep) struct loop *l = NULL;
	struct actor a[SOURCES];
	char trace[16] = "";

	CHECK_EQ(loop_new(&l), 0);
	setup(l, a, (int[]){ 0, 1, 2, 3 }, trace);
	a[0].victim = &a[0]; /* itself */
	a[1].victim = &a[2]; /* one that is still to come in this round */
	a[3].exits = true;
	CHECK_EQ(loop_run(l), 42);
	CHECK_STR(trace, "abd");
	CHECK(!a[0].self && !a[2].self);
	teardown(a);
}

TEST(remove_one_already_served)
{
	_cleanup_(loop_freep) struct loop *l = NULL;
	struct actor a[SOURCES];
	char trace[16] = "";

	CHECK_EQ(loop_new(&l), 0);
	setup(l, a, (int[]){ 0, 1, 2, 3 }, trace);
	a[2].victim = &a[0];
	a[3].exits = true;
	CHECK_EQ(loop_run(l), 42);
	CHECK_STR(trace, "abcd");
	teardown(a);
}

/* The tables of the loop move while a round is under way. */
TEST(add_from_callback)
{
	_cleanup_(loop_freep) struct loop *l = NULL;
	struct actor a[SOURCES];
	char trace[16] = "";

	CHECK_EQ(loop_new(&l), 0);
	setup(l, a, (int[]){ 0, 1, 2, 3 }, trace);
	a[0].adds = true;
	a[3].exits = true;
	CHECK_EQ(loop_run(l), 42);
	CHECK_STR(trace, "abcd");
	teardown(a);
}

TEST(timers_in_order)
{
	_cleanup_(loop_freep) struct loop *l = NULL;
	uint64_t start = clock_mono_ns();
	struct actor a[3];
	char trace[16] = "";

	CHECK_EQ(loop_new(&l), 0);
	for (int i = 0; i < 3; i++) {
		a[i] = (struct actor){ .loop = l, .name = (char)('a' + i), .trace = trace };
		CHECK_EQ(loop_add_timer(l, 0, on_timer, &a[i], &a[i].self), 0);
	}
	loop_timer_set(a[0].self, start + 40 * NSEC_PER_MSEC);
	loop_timer_set(a[1].self, start + 20 * NSEC_PER_MSEC);
	loop_timer_set(a[2].self, 0); /* long past */
	a[0].exits = true;
	CHECK_EQ(loop_run(l), 42);
	CHECK_STR(trace, "cba");
	CHECK(clock_mono_ns() - start >= 40 * NSEC_PER_MSEC);
	CHECK(clock_mono_ns() - start < 5 * NSEC_PER_SEC);
}

TEST(timer_is_not_before_its_time)
{
	_cleanup_(loop_freep) struct loop *l = NULL;
	char trace[64] = "";
	struct actor a = { .name = 't', .trace = trace, .exits = true };

	CHECK_EQ(loop_new(&l), 0);
	a.loop = l;
	CHECK_EQ(loop_add_timer(l, 0, on_timer, &a, &a.self), 0);
	for (uint64_t i = 0; i < 20; i++) {
		uint64_t at = clock_mono_ns() + i * 37000;

		loop_timer_set(a.self, at);
		CHECK_EQ(loop_run(l), 42);
		CHECK(clock_mono_ns() >= at);
		CHECK_EQ(strlen(trace), i + 1);
	}
}

/* Both are due in the same round; the first one disarms or removes the second. */
TEST(timer_put_off_by_another)
{
	for (int removes = 0; removes < 2; removes++) {
		_cleanup_(loop_freep) struct loop *l = NULL;
		char trace[16] = "";
		struct actor a[3];

		CHECK_EQ(loop_new(&l), 0);
		for (int i = 0; i < 3; i++) {
			a[i] = (struct actor){ .loop = l, .name = (char)('a' + i), .trace = trace };
			CHECK_EQ(loop_add_timer(l, i, on_timer, &a[i], &a[i].self), 0);
			loop_timer_set(a[i].self, 1);
		}
		if (removes)
			a[0].victim = &a[1];
		else
			a[0].disarm = &a[1];
		a[2].exits = true;
		CHECK_EQ(loop_run(l), 42);
		CHECK_STR(trace, "ac");
	}
}

/* An urgent timer goes before a descriptor that is always ready, and the other way round. */
TEST(timer_among_descriptors)
{
	for (int urgent = 0; urgent < 2; urgent++) {
		_cleanup_(loop_freep) struct loop *l = NULL;
		char trace[16] = "";
		struct actor a[SOURCES], t = { .name = 't', .trace = trace };

		CHECK_EQ(loop_new(&l), 0);
		setup(l, a, (int[]){ 0, 0, 0, 0 }, trace);
		CHECK_EQ(loop_add_timer(l, urgent ? -1 : 1, on_timer, &t, &t.self), 0);
		loop_timer_set(t.self, 1);
		t.loop = l;
		a[3].exits = urgent;
		t.exits = !urgent;
		CHECK_EQ(loop_run(l), 42);
		CHECK_STR(trace, urgent ? "tabcd" : "abcdt");
		teardown(a);
	}
}

TEST(bad_descriptor)
{
	_cleanup_(loop_freep) struct loop *l = NULL;
	struct loop_source *s = NULL;

	CHECK_EQ(loop_new(&l), 0);
	CHECK_EQ(loop_add_io(l, -EBADF, EPOLLIN, 0, on_io, NULL, &s), -EBADF);
	CHECK(!s);
	CHECK(!loop_remove(NULL));
	CHECK(!loop_free(NULL));
}

CHECK_MAIN
