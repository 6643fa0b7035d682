/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cpus — one event on every online CPU, and of a clock its period.
 *
 * A fixed period is blind to programs with a rhythm: the tick meets always the same phase. So each
 * CPU's rate is drawn anew every 20 periods or so, uniformly in 0.6 to 1.4 of the mean, in antithetic
 * pairs (u, then 2 - u) so that the mean is kept closely. Setting a period restarts the timer, which
 * loses half a period on average: the mean rate is raised by what that costs. Every record carries
 * the busy time since the previous one as its weight, so unequal periods bias nothing.
 */

#include <linux/perf_event.h>
#include <sys/ioctl.h>

#include "collect-internal.h"

#define DRAW_LOW 0.6
#define DRAW_WIDTH 0.8
#define REDRAW_PERIODS 20.0
#define REDRAW_MIN_NS (200 * NSEC_PER_MSEC)
#define REDRAW_STEADY_NS NSEC_PER_SEC

static bool is_clock(const struct collect *c)
{
	return c->opts.event->kind == EVENT_CLOCK;
}

static double redraw_mean_ns(const struct collect *c)
{
	const uint64_t least = c->opts.steady ? REDRAW_STEADY_NS : REDRAW_MIN_NS;

	return MAX((double)least, REDRAW_PERIODS * 1e9 / perf_event_clock_hz(c));
}

static uint64_t draw_period(struct collect *c, struct cpu_event *ev)
{
	double mean_hz = perf_event_clock_hz(c) + 0.5e9 / redraw_mean_ns(c), u;

	if (ev->mirror >= 0) {
		u = ev->mirror;
		ev->mirror = -1;
	} else {
		u = DRAW_LOW + DRAW_WIDTH * rng_unit(&c->rng);
		ev->mirror = 2 - u;
	}
	return (uint64_t)(1e9 / (mean_hz * u));
}

static const struct bpf_program *program(const struct collect *c)
{
	return is_clock(c) ? c->bpf->progs.cprof_tick : c->bpf->progs.cprof_event;
}

int cpu_open(struct collect *c, unsigned int cpu, struct collect_failure *failure)
{
	struct cpu_event *ev = &c->cpus[cpu];
	struct cprof_rate *rate = &c->rates[cpu];
	_cleanup_close_ int fd = -EBADF;

	ev->mirror = -1;
	/* Of one opened anew: odd while it changes, until cpu_enable(). */
	__atomic_store_n(&rate->epoch, rate->epoch | 1, __ATOMIC_RELEASE);
	rate->period_ns = draw_period(c, ev);
	__atomic_store_n(&rate->opened, rate->opened + 1, __ATOMIC_RELEASE);
	fd = perf_event_on_cpu(c, (int)cpu, rate->period_ns);
	if (fd == -ENODEV)
		return 0; /* offline */
	if (fd < 0)
		return perf_event_failed(c, fd, failure);
	ev->link = bpf_program__attach_perf_event(program(c), fd);
	if (!ev->link)
		return perf_event_failed(c, -errno, failure);
	ev->fd = TAKE_FD(fd);
	ksyms_open(c, cpu);
	return 1;
}

int cpus_open(struct collect *c, unsigned int *ret_cnt, struct collect_failure *failure)
{
	unsigned int opened = 0, failed = 0;
	struct collect_failure why = { 0 };
	int error = -ENODEV;

	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++) {
		int r = cpu_open(c, cpu, &why);

		c->cpus[cpu].failed = r < 0;
		if (r < 0) {
			error = r;
			failed++;
		} else {
			opened += (unsigned int)r;
		}
	}
	if (opened == 0)
		return perf_event_failed(c, error, failure);
	if (failed > 0)
		(void)collect_fail(failure, 0, "%u of %u CPUs are not sampled: %s", failed,
				   failed + opened, why.text);
	*ret_cnt = opened;
	return 0;
}

/* The period counts from now. Even epochs are valid; see struct cprof_rate. */
static void rate_publish(struct cprof_rate *rate, uint64_t period_ns, uint64_t now_ns)
{
	rate->period_ns = period_ns;
	rate->since_ns = now_ns;
	__atomic_store_n(&rate->epoch, rate->epoch + (rate->epoch & 1 ? 1 : 2), __ATOMIC_RELEASE);
}

void cpu_enable(struct collect *c, unsigned int cpu)
{
	struct cprof_rate *rate = &c->rates[cpu];

	(void)ioctl(c->cpus[cpu].fd, PERF_EVENT_IOC_ENABLE, 0);
	rate_publish(rate, rate->period_ns, clock_mono_ns());
	__atomic_store_n(&rate->enabled_ns, rate->since_ns, __ATOMIC_RELEASE);
}

void cpus_enable(struct collect *c)
{
	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++) {
		if (c->cpus[cpu].link)
			cpu_enable(c, cpu);
	}
}

void cpus_disable(struct collect *c)
{
	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++) {
		if (c->cpus[cpu].link)
			(void)ioctl(c->cpus[cpu].fd, PERF_EVENT_IOC_DISABLE, 0);
	}
}

void cpu_close(struct collect *c, unsigned int cpu)
{
	struct cpu_event *ev = &c->cpus[cpu];

	ksyms_close(c, cpu);
	(void)bpf_link__destroy(TAKE_PTR(ev->link));
	ev->fd = -EBADF;
	ev->enabled_ns = 0;
}

void cpus_close(struct collect *c)
{
	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++)
		cpu_close(c, cpu);
}

void collect_redraw(struct collect *c)
{
	if (!is_clock(c))
		return;
	for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++) {
		struct cpu_event *ev = &c->cpus[cpu];
		struct cprof_rate *rate = &c->rates[cpu];
		__u64 period_ns;

		if (!ev->link)
			continue;
		period_ns = draw_period(c, ev);
		__atomic_store_n(&rate->epoch, rate->epoch | 1, __ATOMIC_RELEASE);
		if (ioctl(ev->fd, PERF_EVENT_IOC_PERIOD, &period_ns) < 0)
			period_ns = rate->period_ns; /* as before; the grid notices if not */
		rate_publish(rate, period_ns, clock_mono_ns());
	}
}

uint64_t collect_next_redraw(struct collect *c, uint64_t now_ns)
{
	if (!is_clock(c))
		return UINT64_MAX;
	return now_ns + (uint64_t)(redraw_mean_ns(c) * (0.5 + rng_unit(&c->rng)));
}
