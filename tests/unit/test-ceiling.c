/* SPDX-License-Identifier: Apache-2.0 */

/* ceiling: what is measured, what gives way and in which order, and that it comes back. */

#include "check.h"

#include "ceiling.h"
#include "cprof/base/clock.h"

struct fixture {
	struct ceiling c;
	uint64_t now_ns, cpu_ns, memory;
};

/* So many seconds, each with so much CPU time; how often something changed. */
static int run(struct fixture *f, int seconds, uint64_t cpu_ns)
{
	int changes = 0;

	for (int i = 0; i < seconds; i++) {
		f->now_ns += NSEC_PER_SEC;
		f->cpu_ns += cpu_ns;
		changes += ceiling_add(&f->c, f->now_ns, f->cpu_ns, f->memory);
	}
	return changes;
}

static struct fixture begin(uint32_t cpu_ppm, uint32_t cpus)
{
	struct fixture f = { .now_ns = 1000 * NSEC_PER_SEC, .cpu_ns = 123456789 };

	ceiling_allow(&f.c, cpu_ppm, cpus, 100);
	return f;
}

TEST(never_below_a_twentieth_of_a_cpu)
{
	struct fixture f = begin(10000, 2);

	CHECK_EQ(f.c.allowed_ns, 3 * NSEC_PER_SEC);
	ceiling_allow(&f.c, 10000, 64, 100);
	CHECK_EQ(f.c.allowed_ns, 60 * NSEC_PER_SEC * 64 / 100);
}

TEST(a_mean_of_a_minute)
{
	struct fixture f = begin(50000, 1);

	(void)run(&f, 1, 0);
	(void)run(&f, 100, 10 * NSEC_PER_MSEC);
	CHECK_EQ(f.c.used_ns, 600 * NSEC_PER_MSEC);
	/* Seconds that took twice as long. */
	for (int i = 0; i < 100; i++) {
		f.now_ns += NSEC_PER_SEC;
		(void)run(&f, 1, 10 * NSEC_PER_MSEC);
	}
	CHECK_EQ(f.c.used_ns / NSEC_PER_MSEC, 300);
}

TEST(a_burst_is_free)
{
	struct fixture f = begin(50000, 1); /* 3 s in a minute */

	(void)run(&f, 10, NSEC_PER_MSEC);
	CHECK_EQ(run(&f, 2, NSEC_PER_SEC), 0);
	CHECK_EQ(run(&f, 200, NSEC_PER_MSEC), 0);
	CHECK(!f.c.defer);
}

TEST(names_first_the_rate_last)
{
	struct fixture f = begin(50000, 1);

	(void)run(&f, 1, 0);
	/* Twice what is allowed: near it after 24 seconds. */
	CHECK_EQ(run(&f, 23, 100 * NSEC_PER_MSEC), 0);
	CHECK_EQ(run(&f, 2, 100 * NSEC_PER_MSEC), 1);
	CHECK(f.c.defer);
	CHECK_EQ(f.c.shift, 0);
	CHECK_EQ(run(&f, 58, 100 * NSEC_PER_MSEC), 0);
	CHECK_EQ(run(&f, 60, 100 * NSEC_PER_MSEC), 1);
	CHECK_EQ(f.c.shift, 1);
	CHECK_EQ(run(&f, 600, 100 * NSEC_PER_MSEC), CEILING_SHIFT_MAX - 1);
	CHECK_EQ(f.c.shift, CEILING_SHIFT_MAX);
	/* Just below the ceiling it stays as it is. */
	CHECK_EQ(run(&f, 600, 45 * NSEC_PER_MSEC), 0);
	/* Quiet: all the way back, a step a minute. */
	CHECK_EQ(run(&f, 50, 10 * NSEC_PER_MSEC), 1);
	CHECK_EQ(f.c.shift, CEILING_SHIFT_MAX - 1);
	CHECK_EQ(run(&f, 600, 10 * NSEC_PER_MSEC), CEILING_SHIFT_MAX);
	CHECK_EQ(f.c.shift, 0);
	CHECK(!f.c.defer);
}

TEST(memory_puts_names_off)
{
	struct fixture f = begin(50000, 1);

	f.memory = 79;
	CHECK_EQ(run(&f, 10, 0), 0);
	f.memory = 80;
	CHECK_EQ(run(&f, 200, 0), 1);
	CHECK(f.c.defer);
	CHECK_EQ(f.c.shift, 0);
	f.memory = 50;
	CHECK_EQ(run(&f, 1, 0), 1);
	CHECK(!f.c.defer);
}

/* Windows have what all others leave of it, but for an eighth, and an eighth in any case. */
TEST(what_windows_may_take)
{
	struct fixture f = begin(50000, 1);

	ceiling_allow(&f.c, 50000, 1, 80);
	f.memory = 30;
	(void)run(&f, 1, 0);
	CHECK(!ceiling_share(&f.c, f.now_ns, 10));
	CHECK_EQ(f.c.windows_max, 80 - 10 - 20);
	CHECK(!ceiling_is_short(&f.c, f.now_ns));
	/* More than two thirds of that. */
	f.memory = 55;
	(void)run(&f, 1, 0);
	CHECK(ceiling_share(&f.c, f.now_ns, 35));
	CHECK(ceiling_is_short(&f.c, f.now_ns));
	/* The others have all. */
	f.memory = 90;
	(void)run(&f, 1, 0);
	CHECK(ceiling_share(&f.c, f.now_ns, 0));
	CHECK_EQ(f.c.windows_max, 10);
	f.memory = 20;
	(void)run(&f, 59, 0);
	CHECK(!ceiling_share(&f.c, f.now_ns, 0));
	CHECK(ceiling_is_short(&f.c, f.now_ns));
	(void)run(&f, 2, 0);
	CHECK(!ceiling_is_short(&f.c, f.now_ns));
}

TEST(no_bound_of_memory)
{
	struct fixture f = begin(50000, 1);

	ceiling_allow(&f.c, 50000, 1, 0);
	f.memory = 1ULL << 40;
	CHECK_EQ(run(&f, 100, 0), 0);
	CHECK(!ceiling_share(&f.c, f.now_ns, 1ULL << 40));
	CHECK_EQ(f.c.windows_max, 0);
}

CHECK_MAIN
