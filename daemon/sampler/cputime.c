/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cputime — the kernel's own account of a process's CPU time, to hold the samples against.
 *
 * The CPU clock of any process may be read by its pid (clock_getcpuclockid(3)) with nanosecond
 * precision and without opening anything. Read once for every process when an interval begins; for
 * the sampled ones again at the end; processes that ended told theirs in their exit record. Where
 * the account is not exactly of what was sampled (a process that changed its program meanwhile), the
 * figure stays unknown.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cprof/base/clock.h"
#include "cprof/procfs.h"
#include "processes.h"
#include "stream.h"

static int read_clock(uint32_t pid, uint64_t *ret_ns)
{
	struct timespec ts;
	clockid_t id;

	if (clock_getcpuclockid((pid_t)pid, &id) != 0 || clock_gettime(id, &ts) < 0)
		return -ESRCH;
	*ret_ns = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	const struct cputime *x = a, *y = b;

	return CMP(x->pid, y->pid);
}

static int add_to_baseline(uint32_t pid, void *ctx)
{
	struct interval *iv = ctx;
	struct cputime t = { .pid = pid };

	return read_clock(pid, &t.cpu_ns) < 0 ? 0 : vec_push(&iv->baseline, t);
}

int cputime_baseline(struct interval *iv)
{
	int r = procfs_each_pid(&iv->sampler->root, add_to_baseline, iv);

	if (r < 0)
		return r;
	if (iv->baseline.cnt > 0)
		qsort(iv->baseline.v, iv->baseline.cnt, sizeof(*iv->baseline.v), compare_pids);
	return 0;
}

static uint64_t baseline_of_pid(const struct interval *iv, uint32_t pid)
{
	const struct cputime key = { .pid = pid }, *found = NULL;

	if (iv->baseline.cnt > 0)
		found = bsearch(&key, iv->baseline.v, iv->baseline.cnt, sizeof(key), compare_pids);
	return found ? found->cpu_ns : UINT64_MAX;
}

static uint64_t baseline_of(const struct interval *iv, const struct window_process *p)
{
	return p->start_ns > iv->window->from_boot_ns ? 0 : baseline_of_pid(iv, p->pid);
}

static bool is_same_process(const struct processes *now, const struct window_process *p)
{
	return p->start_ns != 0 && processes_start_ns(now, p->pid) == p->start_ns;
}

/* What the next one begins with, this one ends with: no time is in both, and none in neither. */
static uint64_t total_of(const struct interval *next, uint32_t pid)
{
	uint64_t total = next ? baseline_of_pid(next, pid) : UINT64_MAX;

	if (total == UINT64_MAX && read_clock(pid, &total) < 0)
		return UINT64_MAX;
	return total;
}

/* Those that live when the window ends are asked now, if they are still the same process. */
void cputime_read(struct interval *iv, const struct interval *next)
{
	_cleanup_(processes_done) struct processes now = { 0 };

	if (!iv->stream || processes_read(iv->stream->collect, &now) < 0)
		return;
	for (size_t i = 0; i < iv->window->processes.cnt; i++) {
		struct window_process *p = &iv->window->processes.v[i];

		if (p->pid != 0 && p->cpu_true_ns == UINT64_MAX && is_same_process(&now, p))
			p->cpu_true_ns = total_of(next, p->pid);
	}
}

/* Of one generation that is alone of its process: the account is of both otherwise. */
static void settle_one(struct interval *iv, struct window_process *p, bool alone)
{
	uint64_t total = p->cpu_true_ns, before = baseline_of(iv, p);

	p->cpu_true_ns = UINT64_MAX;
	if (p->pid == 0 || total == UINT64_MAX || before == UINT64_MAX || !alone)
		return;
	if (total >= before)
		p->cpu_true_ns = total - before;
}

/* A process of the window, to bring the generations of one process together. */
struct generation {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t process;
};

static int compare_generations(const void *a, const void *b)
{
	const struct generation *x = a, *y = b;

	return x->pid != y->pid ? CMP(x->pid, y->pid) : CMP(x->start_ns, y->start_ns);
}

void cputime_settle(struct interval *iv)
{
	size_t cnt = iv->window->processes.cnt;
	_cleanup_free_ struct generation *g = calloc(MAX(cnt, (size_t)1), sizeof(*g));

	if (!g)
		return;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct window_process *p = &iv->window->processes.v[i];

		g[i] = (struct generation){ .start_ns = p->start_ns, .pid = p->pid, .process = i };
	}
	qsort(g, cnt, sizeof(*g), compare_generations);
	for (size_t i = 0; i < cnt; i++) {
		bool alone = (i == 0 || compare_generations(&g[i - 1], &g[i]) != 0) &&
			     (i + 1 == cnt || compare_generations(&g[i], &g[i + 1]) != 0);

		settle_one(iv, &iv->window->processes.v[g[i].process], alone);
	}
}
