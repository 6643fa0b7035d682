/* SPDX-License-Identifier: Apache-2.0 */

/*
 * status — how it goes, as of now: books over the open window too, costs, and what is degraded.
 *
 * The books of a running collection are of one moment: BPF's counters are read between two looks at the
 * rings, and again when a record came in between. What remains after some tries is a real difference.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "always.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/str.h"
#include "recording.h"

#define BOOKS_TRIES 8
#define BOOKS_PAUSE_NS 50000L
#define PROBLEM_SHOWN 150u /* of the launcher's, so that what to do stands behind it */

struct stream *always_stream(const struct always *a)
{
	return a->streams_cnt > 0 ? a->streams[0] : NULL;
}

static void add_counters(struct counters *sum, const struct counters *c)
{
	for (int i = 0; i < COUNTER_MAX; i++)
		sum->v[i] += c->v[i];
}

uint64_t status_open_samples(const struct always *a)
{
	const struct stream *st = always_stream(a);
	uint64_t sum = a->with_spooler;

	if (st && st->open)
		sum += st->open->samples;
	for (unsigned int i = 0; i < a->closing_cnt; i++)
		sum += a->closing[i].interval->samples;
	return sum;
}

/* One whose last window was taken has nothing more to say. */
static void consume(struct stream *st)
{
	if (st->open)
		(void)collect_consume(st->collect);
}

void status_books(struct always *a, struct counters *ret_counters, struct books *ret_books)
{
	const struct timespec pause = { .tv_nsec = BOOKS_PAUSE_NS };

	for (int i = 0; i < BOOKS_TRIES; i++) {
		*ret_counters = a->counters;
		for (unsigned int n = 0; n < a->streams_cnt; n++)
			consume(a->streams[n]);
		add_counters(ret_counters, &a->sampler->counters);
		for (unsigned int n = 0; n < a->streams_cnt; n++) {
			add_counters(ret_counters, &a->streams[n]->counters);
			(void)collect_counters(a->streams[n]->collect, ret_counters);
		}
		counters_books(ret_counters, status_open_samples(a), ret_books);
		if (ret_books->difference == 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
}

static void count_ends(const struct window *w, uint64_t ends[static 64])
{
	for (size_t i = 0; i < w->samples.cnt; i++) {
		const struct window_sample *s = &w->samples.v[i];

		ends[w->stacks.v[s->stack].user_end % 64] += s->cnt;
	}
}

static void describe_place(const struct always *a, const struct window_process *p,
			   struct control_process *ret)
{
	char path[CGROUPS_PATH_SZ], unit[CGROUPS_UNIT_SZ], container[CGROUPS_CONTAINER_SZ];

	if (cgroups_path(a->sampler->cgroups, p->cgroup_hierarchy, p->cgroup, path) < 0)
		return;
	if (cgroups_unit(path, unit))
		(void)str_clean(ret->unit, sizeof(ret->unit), unit, strlen(unit), NULL);
	if (cgroups_container(path, container))
		(void)str_clean(ret->container, sizeof(ret->container), container,
				strlen(container), NULL);
}

static int add_process(struct always *a, const struct window_process *p)
{
	struct control_process row = {
		.start_ticks = p->start_ns / NSEC_PER_TICK,
		.samples = p->samples,
		.weight_ns = p->weight_ns,
		.complete = p->complete,
		.pid = p->pid,
		.exec = p->exec,
		.uid = p->uid,
		.euid = p->euid,
		.cred = p->cred,
	};

	(void)str_clean(row.comm, sizeof(row.comm), p->comm, strlen(p->comm), NULL);
	describe_place(a, p, &row);
	return vec_push(&a->processes.v, row);
}

void status_settled(struct always *a, const struct interval *iv, uint32_t cpus)
{
	const struct window *w = iv->window;

	count_ends(w, a->stack_ends);
	a->processes.v.cnt = 0;
	a->processes.window_ns = w->to_boot_ns - w->from_boot_ns;
	a->processes.from_real_ns = w->from_real_ns;
	a->processes.cpus = cpus;
	for (size_t i = 0; i < w->processes.cnt && a->processes.v.cnt < CONTROL_PROCESSES_MAX;
	     i++) {
		if (w->processes.v[i].samples > 0 && add_process(a, &w->processes.v[i]) < 0)
			break; /* no memory: those that are there are right */
	}
}

struct degraded {
	char (*texts)[CONTROL_TEXT_SZ];
	unsigned int cnt;
};

__attribute__((format(printf, 2, 3))) static void add_text(struct degraded *d, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (d->cnt == CONTROL_DEGRADED_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)str_clean(d->texts[d->cnt++], CONTROL_TEXT_SZ, text, strlen(text), NULL);
}

static void add_spool(struct always *a, struct degraded *d)
{
	struct spooler_figures f;

	if (!a->spooler)
		return;
	spooler_figures(a->spooler, &f);
	if (f.busy_since_ns && clock_mono_ns() - f.busy_since_ns > ALWAYS_STUCK_NS)
		add_text(d,
			 "the disk hangs: a window is being written for %llu s; is %s reachable?",
			 (unsigned long long)((clock_mono_ns() - f.busy_since_ns) / NSEC_PER_SEC),
			 a->config.directory);
	if (f.tried && !f.open)
		add_text(d, "nothing is kept: %s", f.failure.text);
	else if (f.spool.last_error)
		add_text(d, "the last window was not kept: %s; make room for %s, or repair it",
			 strerror(-f.spool.last_error), a->config.directory);
	else if (f.spool.below_floor)
		add_text(d, "the file system is fuller than KeepFree= allows: only the least of "
			    "profiles is kept; make room");
}

static void add_ceiling(struct always *a, struct degraded *d)
{
	const struct ceiling *c = &a->ceiling;

	if (c->defer)
		add_text(
			d,
			"names are put off: CPU= or Memory= is nearly used up (%.2f%% of %.2f%% of "
			"one CPU, %llu of %llu MiB); it ends when less is used, or raise them in "
			"cprofd.conf",
			(double)c->used_ns / (CEILING_MEAN_S * 1e7),
			(double)c->allowed_ns / (CEILING_MEAN_S * 1e7),
			(unsigned long long)(c->memory >> 20),
			(unsigned long long)(c->memory_max >> 20));
	if (ceiling_is_short(c, clock_mono_ns()))
		add_text(
			d,
			"windows end early and hold fewer stacks: Memory= is used up (%llu of %llu "
			"MiB); it ends when less is used, or raise it in cprofd.conf",
			(unsigned long long)(c->memory >> 20),
			(unsigned long long)(c->memory_max >> 20));
	if (a->shift > 0)
		add_text(d,
			 "the rate is lowered from %u to %u a second: more was used than CPU= "
			 "allows; "
			 "it comes back when less is used, or raise CPU= in cprofd.conf",
			 a->config.hz, always_hz(a));
}

/* As the launcher told some seconds ago. It goes on trying; why one ends it says in the journal. */
static void add_roles(const struct always *a, struct degraded *d)
{
	static const char *const names[WIRE_ROLE_MAX] = {
		[WIRE_ROLE_OPENER] = "opener",
		[WIRE_ROLE_SYMBOLIZER] = "symbolizer",
	};

	for (uint32_t i = 0; i < a->roles.cnt; i++) {
		const struct wire_cost *c = &a->roles.costs[i];

		if (c->pid == 0 && c->role < WIRE_ROLE_MAX && names[c->role])
			add_text(d,
				 "the %s is not running: files that are new get no names; it is "
				 "started again, and journalctl -u cprofd says why it ended",
				 names[c->role]);
	}
}

/* As the launcher told; it tells the service manager and the journal by itself. */
static void add_reload(const struct always *a, struct degraded *d)
{
	if (a->roles.problem_len > 0)
		add_text(d,
			 "the configuration was not reloaded, the one before is in force: %.*s; "
			 "mend it, then systemctl reload cprofd",
			 (int)MIN(a->roles.problem_len, PROBLEM_SHOWN), a->roles.problem);
}

static void add_all(struct always *a, struct degraded *d)
{
	const struct stream *st = always_stream(a);
	const char *why = st ? collect_walk_why(st->collect) : NULL;

	if (a->problem[0])
		add_text(d, "%s", a->problem);
	if (a->degraded[0])
		add_text(d, "%s", a->degraded);
	if (why)
		add_text(d,
			 "the kernel's trees of mappings are not walked: %s; frames of short "
			 "processes may be [unknown]; please report it, with uname -r",
			 why);
	add_spool(a, d);
	add_ceiling(a, d);
	add_roles(a, d);
}

unsigned int status_degraded(struct always *a, char texts[CONTROL_DEGRADED_MAX][CONTROL_TEXT_SZ])
{
	struct degraded d = { .texts = texts };

	add_all(a, &d);
	return d.cnt;
}

/* What all roles took so far, ours by our own clock: the launcher's word is some seconds old. */
static uint64_t cpu_so_far(const struct always *a, uint64_t bpf_ns)
{
	struct timespec ts = { 0 };
	uint64_t sum = bpf_ns;

	for (uint32_t i = 0; i < a->roles.cnt; i++) {
		if (a->roles.costs[i].role != WIRE_ROLE_SAMPLER)
			sum += a->roles.costs[i].cpu_ns;
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return sum + (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t status_maps_bytes(const struct always *a)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < a->streams_cnt; i++)
		sum += collect_map_bytes(a->streams[i]->collect);
	return sum;
}

void status_measure(struct always *a, uint64_t now_ns)
{
	struct counters c = a->counters;
	const uint64_t windows = intervals_bytes(a->sampler);
	uint64_t memory = a->bpf_bytes;

	for (unsigned int i = 0; i < a->streams_cnt; i++)
		(void)collect_counters(a->streams[i]->collect, &c);
	for (uint32_t i = 0; i < a->roles.cnt; i++)
		memory += a->roles.costs[i].pss_bytes;
	/* The launcher's word is some seconds old, and windows fill and go in that time. */
	memory = memory + windows - MIN(a->roles_windows, memory);
	(void)ceiling_add(&a->ceiling, now_ns, cpu_so_far(a, c.v[COUNTER_bpf_ns]), memory);
	if (ceiling_share(&a->ceiling, now_ns, windows))
		rotation_make_room(a, now_ns);
	a->sampler->windows_max = a->ceiling.windows_max;
}

static void fill_spool(struct always *a, struct control_status *ret)
{
	struct spooler_figures f = { 0 };

	if (a->spooler)
		spooler_figures(a->spooler, &f);
	ret->spool_files = f.spool.files;
	ret->spool_bytes = f.spool.bytes;
	ret->spool_evicted = f.spool.evicted;
	ret->spool_quarantined = f.spool.quarantined;
	ret->spool_windows = f.spool.windows;
	ret->spool_windows_failed = f.spool.windows_failed;
	ret->spool_merged = f.spool.merged;
}

/* Also of windows that are not settled yet: as the counters will say of them. */
static void fill_stacks(const struct always *a, struct control_status *ret)
{
	const struct stream *st = always_stream(a);

	memcpy(ret->stack_ends, a->stack_ends, sizeof(ret->stack_ends));
	for (unsigned int i = 0; i <= a->closing_cnt; i++) {
		const struct interval *iv = i < a->closing_cnt ? a->closing[i].interval
					    : st	       ? st->open
							       : NULL;

		if (!iv || iv->settled)
			continue;
		count_ends(iv->window, ret->stack_ends);
		for (size_t n = 0; n < iv->window->processes.cnt; n++) {
			const struct window_process *p = &iv->window->processes.v[n];

			ret->counters.v[COUNTER_stacks_complete] += p->complete;
			ret->counters.v[COUNTER_stacks_truncated] += p->samples - p->complete;
		}
	}
}

/* Those that wait for their turn have not begun. */
static uint32_t sessions_cnt(const struct sampler *s)
{
	uint32_t cnt = 0;

	for (unsigned int i = 0; i < SAMPLER_CLIENTS_MAX; i++) {
		const struct recording *rec = s->recordings[i];

		cnt += rec && recording_is_under_way(rec) && rec->phase != PHASE_ASKED;
	}
	return cnt;
}

void status_fill(struct always *a, struct control_status *ret)
{
	struct degraded d = { .texts = ret->degraded };
	const struct stream *st = always_stream(a);

	(void)snprintf(ret->version, sizeof(ret->version), "%s", CPROF_VERSION);
	ret->counters_cnt = COUNTER_MAX;
	ret->window_ns = a->config.window_ns;
	add_reload(a, &d);
	add_all(a, &d);
	ret->degraded_cnt = d.cnt;
	fill_spool(a, ret);
	ret->sessions = sessions_cnt(a->sampler);
	ret->roles_cnt = a->roles.cnt;
	memcpy(ret->roles, a->roles.costs, sizeof(ret->roles));
	ret->gap_ns = a->gap_ns;
	ret->uptime_ns = a->begun_ns ? clock_mono_ns() - a->begun_ns : 0;
	ret->next_rotation_ns = a->rotate_ns;
	ret->minute_ns = a->ceiling.used_ns;
	ret->minute_max_ns = a->ceiling.allowed_ns;
	ret->memory_max = a->ceiling.memory_max;
	if (!st)
		return;
	status_books(a, &ret->counters, &ret->books);
	fill_stacks(a, ret);
	(void)snprintf(ret->event, sizeof(ret->event), "%s", a->event->name);
	ret->from_real_ns = st->open ? st->open->window->from_real_ns : 0;
	ret->hz = st->hz;
	ret->cpus = st->cpus;
	ret->bpf_bytes = status_maps_bytes(a) + unwinding_bytes(a->sampler);
}
