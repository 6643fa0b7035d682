/* SPDX-License-Identifier: GPL-2.0-only */

/*
 * test-grid — a CPU simulated to the nanosecond: the grid must tell busy time exactly and missed ticks
 * exactly, on any mix of busy and idle, whatever the tick's latency and however often the period is
 * changed.
 */

#include "../unit/check.h"
#include "kenv-host.h"

struct kenv_image kenv_image;

#include "grid.h"

struct sim {
	struct grid grid;
	struct cprof_rate rate;
	uint64_t now, timer, period; /* the true timer */
	uint64_t busy, ran, delivered, swallowed, told;
	uint64_t random;
	uint64_t tail,
		drift; /* charged before a switch from idle; of the scheduler's clock, in 2^-20 */
	bool idle;
	bool late;
};

static uint64_t draw(struct sim *s, uint64_t below)
{
	s->random = s->random * 6364136223846793005ull + 1442695040888963407ull;
	return (s->random >> 33) % below;
}

/* User space restarts the timer and reads the clock a little later. */
static void restart(struct sim *s, uint64_t period, uint64_t late)
{
	s->period = period;
	s->timer = s->now + period;
	s->rate.epoch += 2;
	s->rate.period_ns = period;
	s->rate.since_ns = s->now + late;
}

static void begin(struct sim *s, uint64_t seed)
{
	*s = (struct sim){ .now = 1000000, .random = seed };
	restart(s, 10000000, 15000);
	s->rate.enabled_ns = s->now;
}

/* The CPU stays as it is for @ns; every @swallow-th busy tick never reaches the program. */
static void spend(struct sim *s, uint64_t ns, unsigned int swallow)
{
	uint64_t end = s->now + ns, from = s->now;

	if (s->late) {
		grid_tick(&s->grid, &s->rate, s->now + 500, s->idle, s->ran);
		s->delivered += !s->idle;
		s->told += grid_missed(&s->grid);
		s->late = false;
	}
	while (s->timer < end) {
		uint64_t at = s->timer + 500 + draw(s, 2000);
		bool lost = !s->idle && swallow && draw(s, swallow) == 0;

		s->timer += s->period;
		if (lost) {
			s->swallowed++;
			continue;
		}
		if (at > end) {
			s->late =
				true; /* interrupts are off around the switch: handled behind it */
			break;
		}
		grid_tick(&s->grid, &s->rate, at, s->idle, s->ran);
		if (!s->idle) {
			s->delivered++;
			from = at;
		}
		s->told += grid_missed(&s->grid);
	}
	if (!s->idle) {
		s->busy += ns;
		s->ran = end - from;
	}
	s->now = end;
}

#define LEAD UINT64_C(-5000000000) /* the clocks have different zeros */

/* Its clock was read a little ago, but for a wake-up, which is as long ago as is charged. */
static void toggle(struct sim *s)
{
	uint64_t tail = s->idle && s->tail ? draw(s, s->tail) : 0;
	struct grid_edge edge = {
		.now = s->now,
		.lead_ns = LEAD + (s->now >> 20) * s->drift + 300 + tail,
		.ran_ns = s->ran,
		.is_idle = !s->idle,
	};

	s->busy += tail;
	grid_switch(&s->grid, &s->rate, &edge);
	s->idle = !s->idle;
}

TEST(a_busy_cpu_misses_nothing)
{
	struct sim s;

	begin(&s, 1);
	spend(&s, 60000000000ull, 0);
	grid_advance(&s.grid, &s.rate, s.now, s.now);
	CHECK_EQ(s.told, 0);
	CHECK_EQ(s.delivered, 5999);
	CHECK_EQ(s.grid.busy_ns, s.busy);
}

TEST(swallowed_ticks_are_told_one_by_one)
{
	struct sim s;

	begin(&s, 2);
	spend(&s, 60000000000ull, 3);
	CHECK(s.swallowed > 1500);
	/* the last one may still wait for the next tick */
	CHECK(s.told <= s.swallowed && s.swallowed - s.told <= 8);
}

TEST(busy_time_is_exact_and_no_alarm_is_false_on_any_mix)
{
	static const struct {
		uint64_t busy, idle;
	} mixes[] = {
		{ 3000000, 7100000 },	{ 5000000, 5100000 },	{ 1000000, 20000000 },
		{ 30000000, 70000000 }, { 50000, 50000 },	{ 9900000, 100000 },
		{ 100000, 9900000 },	{ 10000000, 10000000 },
	};

	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
		struct sim s;

		begin(&s, i + 3);
		while (s.now < 120000000000ull) {
			spend(&s, mixes[i].busy / 2 + draw(&s, mixes[i].busy), 0);
			toggle(&s);
			spend(&s, mixes[i].idle / 2 + draw(&s, mixes[i].idle), 0);
			toggle(&s);
		}
		CHECK_EQ(s.grid.busy_ns, s.busy);
		CHECK(s.delivered > 100);
		if (s.told * 200 > s.delivered + 200)
			CHECK_FAIL("mix %zu: %" PRIu64 " false of %" PRIu64, i, s.told,
				   s.delivered);
	}
}

/* The scheduler charges a task from its wake-up on, and so do we; ticks in between met an idle CPU. */
TEST(a_wake_up_is_charged_to_whom_it_wakes)
{
	struct sim s;

	begin(&s, 60);
	s.tail = 20000;
	while (s.now < 60000000000ull) {
		spend(&s, 20000 + draw(&s, 1000000), 0);
		toggle(&s);
		spend(&s, 20000 + draw(&s, 1000000), 0);
		toggle(&s);
	}
	CHECK(s.grid.busy_ns <= s.busy && s.grid.busy_ns > s.busy / 10000 * 9999);
	CHECK(s.delivered > 1000);
	if (s.told * 200 > s.delivered + 200)
		CHECK_FAIL("%" PRIu64 " false of %" PRIu64, s.told, s.delivered);
}

TEST(a_scheduler_whose_clock_drifts_or_is_not_known_does_no_harm)
{
	struct sim s;

	begin(&s, 61);
	s.drift = 100;
	for (int i = 0; i < 10000; i++) {
		spend(&s, 1000000 + draw(&s, 1000000), 0);
		toggle(&s);
		spend(&s, 1000000 + draw(&s, 1000000), 0);
		toggle(&s);
	}
	CHECK(s.grid.busy_ns >= s.busy && s.grid.busy_ns < s.busy / 1000 * 1001);
	s.grid = (struct grid){ .idle = 1, .at_ns = 5, .lead_ns = 7 };
	CHECK_EQ(grid_charged(&s.grid, &(struct grid_edge){ .now = 100 }), 0);
	CHECK_EQ(grid_charged(&s.grid, &(struct grid_edge){ .now = 100, .lead_ns = 1000 }), 95);
	s.grid.lead_ns = 0;
	CHECK_EQ(grid_charged(&s.grid, &(struct grid_edge){ .now = 100, .lead_ns = 1000 }), 0);
}

TEST(changing_the_period_loses_no_account)
{
	struct sim s;

	begin(&s, 20);
	for (int i = 0; i < 600; i++) {
		spend(&s, 100000000 + draw(&s, 200000000), 4);
		restart(&s, 7000000 + draw(&s, 10000000), draw(&s, 20000));
	}
	grid_advance(&s.grid, &s.rate, s.now, s.now);
	CHECK_EQ(s.grid.busy_ns, s.busy);
	/* within 1 % of the truth, though every restart blurs where its last period ended */
	CHECK(s.told * 100 > s.swallowed * 99);
	CHECK(s.told * 100 < s.swallowed * 101);
}

TEST(weights_add_up_to_busy_time)
{
	struct sim s;
	uint64_t sum = 0;

	begin(&s, 30);
	for (int i = 0; i < 1000; i++) {
		spend(&s, draw(&s, 30000000), 0);
		sum += grid_weight(&s.grid);
		toggle(&s);
		spend(&s, draw(&s, 30000000), 0);
		toggle(&s);
	}
	sum += grid_weight(&s.grid);
	CHECK_EQ(sum, s.busy);
}

/* A kernel may keep programs from running for some tasks: no switch away from them is seen. */
TEST(switches_to_idle_that_are_not_shown_do_no_harm)
{
	struct sim s;

	begin(&s, 50);
	for (int i = 0; i < 20000; i++) {
		spend(&s, 100000 + draw(&s, 4000000), 0);
		if (draw(&s, 3) == 0)
			s.idle = true;
		else
			toggle(&s);
		spend(&s, 100000 + draw(&s, 9000000), 0);
		toggle(&s);
	}
	CHECK(s.grid.busy_ns > s.busy / 1000 * 999 && s.grid.busy_ns < s.busy / 1000 * 1001);
	CHECK(s.delivered > 3000);
	if (s.told * 200 > s.delivered)
		CHECK_FAIL("%" PRIu64 " false of %" PRIu64, s.told, s.delivered);
}

TEST(a_wrong_grid_is_given_up)
{
	struct sim s;

	begin(&s, 40);
	s.rate.since_ns += 4000000; /* user space was preempted for 4 ms before it read the clock */
	spend(&s, 10000000000ull, 0);
	CHECK(s.told <= 1);
}

CHECK_MAIN
