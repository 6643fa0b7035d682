/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * grid — one CPU's account of ticks: which were due while it was busy, how long it was busy.
 *
 * A cpu-clock event is an hrtimer on CLOCK_MONOTONIC: after it is (re)started at `since` with period
 * T its ticks are due at since + T, since + 2T, ... and stay on that grid however late one of them is
 * handled. So nothing is estimated: whenever the CPU changes between busy and idle, and at each tick,
 * the grid is advanced to now, and the due points passed are counted for what the CPU was doing.
 * Ticks due while busy, less ticks that reached us, are those that were missed (recursion of BPF,
 * steal by the hypervisor). The difference is signed and carried: a tick that is handled a moment
 * before or after the grid says so is no false alarm. Pure arithmetic, also compiled for the host.
 */

#include "kenv.h"

/*
 * The scheduler switches with interrupts off: a tick due that shortly before the switch is handled
 * behind it, so it belongs to what the CPU does next.
 */
#define GRID_SWITCH_NS 3000

struct grid {
	__u64 at_ns; /* accounted up to here; 0: not begun */
	__u64 epoch; /* of struct cprof_rate that anchor and period belong to */
	__u64 anchor_ns;
	__u64 period_ns;
	__u64 passed;	/* due points since the anchor, up to at_ns */
	__u64 due_busy; /* due points while busy */
	__u64 runs;	/* ticks handled while busy */
	__u64 missed;	/* told so far */
	__u64 busy_ns;	/* time while busy */
	__u64 told_ns;	/* of it, told as weights */
	__u64 lead_ns;	/* of struct grid_edge, when it went idle; 0: not known */
	__u32 idle;	/* what the CPU is doing since at_ns */
	__u32 astray;	/* ticks in a row that were far from any due point */
};

/* Due points in (at, now] on the present grid. */
static __always_inline __u64 grid_points(struct grid *g, __u64 now)
{
	__u64 passed, points;

	if (g->period_ns == 0 || now <= g->anchor_ns)
		return 0;
	passed = (now - g->anchor_ns) / g->period_ns;
	if (passed <= g->passed)
		return 0;
	points = passed - g->passed;
	g->passed = passed;
	return points;
}

/* Takes over a period that user space set since we looked last; the points due before it. */
static __always_inline __u64 grid_adopt(struct grid *g, const struct cprof_rate *rate, __u64 now)
{
	__u64 since = rate->since_ns, points;

	points = grid_points(g, since < now ? since : now);
	g->epoch = rate->epoch;
	g->anchor_ns = since;
	g->period_ns = rate->period_ns;
	g->passed = 0;
	return points;
}

/* Accounts time up to @now, and points due up to @due, for what the CPU was doing. */
static __always_inline void grid_advance(struct grid *g, const struct cprof_rate *rate, __u64 now,
					 __u64 due)
{
	__u64 points = 0, epoch = rate->epoch;

	if (g->at_ns == 0)
		g->at_ns = rate->enabled_ns < now ? rate->enabled_ns : now;
	if (epoch != g->epoch && !(epoch & 1))
		points = grid_adopt(g, rate, due);
	points += grid_points(g, due);
	if (!g->idle)
		g->due_busy += points;
	if (now <= g->at_ns)
		return;
	if (!g->idle)
		g->busy_ns += now - g->at_ns;
	g->at_ns = now;
}

/*
 * Accounts up to @now, up to which the CPU was idle or not as @was_idle says. Where we believed it to be
 * busy, a switch to idle was not shown to us (a kernel may keep programs from running for some tasks,
 * and then no switch away from them is seen): busy was only @ran_ns of the time since we last looked.
 */
static __always_inline void grid_settle(struct grid *g, const struct cprof_rate *rate, __u64 now,
					__u64 due, __u32 was_idle, __u64 ran_ns)
{
	if (g->at_ns == 0) {
		g->idle = was_idle; /* the first we hear of this CPU */
	} else if (!g->idle && was_idle && now > g->at_ns) {
		__u64 unseen = ran_ns < now - g->at_ns ? g->at_ns + ran_ns : now;

		grid_advance(g, rate, unseen, unseen);
	}
	g->idle = was_idle;
	grid_advance(g, rate, now, due);
}

/* The CPU goes idle or leaves idleness. */
struct grid_edge {
	__u64 now;
	__u64 lead_ns; /* how far our clock is before the scheduler's, which has its own zero; 0: not known */
	__u64 ran_ns; /* of grid_settle() */
	__u32 is_idle;
	__u32 pad;
};

/*
 * For how long the scheduler has charged the task that ends idleness already. It reads its clock when the
 * task is woken, in an interrupt, and not again when it switches: what is between, 6 us and more where
 * timers are an exit to a hypervisor, is the task's. So its clock is behind by that much more than it was
 * when the CPU went idle and it had just been read. Drift between the clocks is a tail of a few millionths.
 */
static __always_inline __u64 grid_charged(const struct grid *g, const struct grid_edge *e)
{
	__s64 more = (__s64)(e->lead_ns - g->lead_ns);

	if (!g->idle || g->lead_ns == 0 || e->lead_ns == 0 || more <= 0 || e->now <= g->at_ns)
		return 0;
	return (__u64)more < e->now - g->at_ns ? (__u64)more : e->now - g->at_ns;
}

/* Ticks up to now found the CPU idle, whoever is charged for the time. */
static __always_inline void grid_switch(struct grid *g, const struct cprof_rate *rate,
					const struct grid_edge *e)
{
	__u64 from = e->is_idle ? e->now : e->now - grid_charged(g, e);

	grid_settle(g, rate, from, e->now - GRID_SWITCH_NS, !e->is_idle, e->ran_ns);
	g->idle = e->is_idle;
	g->lead_ns = e->lead_ns;
}

/*
 * A tick is handled at @now. Latency is positive, so a tick a little before a due point means that
 * the anchor (user space's reading of when the timer was started) is late: it is pulled forward, and
 * the point is counted now. A grid that three ticks in a row contradict is given up.
 */
static __always_inline void grid_tick(struct grid *g, const struct cprof_rate *rate, __u64 now,
				      __u32 is_idle, __u64 ran_ns)
{
	__u64 into, slack;

	grid_settle(g, rate, now, now, is_idle, ran_ns);
	if (is_idle)
		return; /* idle CPUs answer late: nothing to learn about the grid */
	g->runs++;
	if (g->period_ns == 0 || now < g->anchor_ns)
		return;
	slack = g->period_ns / 8;
	into = now - g->anchor_ns - g->passed * g->period_ns;
	if (into + slack > g->period_ns || (into > slack && g->astray >= 2)) {
		if (into + slack > g->period_ns)
			g->due_busy++;
		g->anchor_ns = now;
		g->passed = 0;
		g->astray = 0;
	} else {
		g->astray = into > slack ? g->astray + 1 : 0;
	}
}

/* Ticks missed that were not told yet. */
static __always_inline __u64 grid_missed(struct grid *g)
{
	__u64 more;

	if (g->due_busy <= g->runs + g->missed)
		return 0;
	more = g->due_busy - g->runs - g->missed;
	g->missed += more;
	return more;
}

/* Busy time since the previous call. */
static __always_inline __u64 grid_weight(struct grid *g)
{
	__u64 weight = g->busy_ns - g->told_ns;

	g->told_ns = g->busy_ns;
	return weight;
}
