/* SPDX-License-Identifier: Apache-2.0 */

/*
 * READY is told when the sampler samples and its directory can be written, and WATCHDOG when it says
 * that it made progress, never by a timer: a daemon that is up and gets nothing done is one that hangs.
 * The sampler is given 10 s between two such words, and a minute to its first sample, for a slow machine loads BPF programs
 * slowly. One that is late is killed and started again, long before the manager's own watchdog ends
 * all of us; that one is for the launcher itself.
 *
 * A sampler that cannot sample says why, once, and before the daemon was ever ready that is the end,
 * with this one line. Later it is like a death: the machine was good enough before.
 */

#include "guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "cost.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/str.h"
#include "crew.h"
#include "daemon.h"
#include "role.h"
#include "service.h"
#include "wiring.h"

#define GUARD_START_NS (60 * NSEC_PER_SEC)
#define GUARD_SILENT_NS (10 * NSEC_PER_SEC)
#define GUARD_WAITED_LEAST_NS (NSEC_PER_SEC / 10)
#define GUARD_WAITED_MAX_NS (15 * NSEC_PER_SEC) /* then our own watchdog is not fed any more */
#define GUARD_COSTS_NS (5 * NSEC_PER_SEC)
#define GUARD_RELOAD_NS (5 * NSEC_PER_SEC)
#define GUARD_FAILED_STARTS_MAX 5
#define GUARD_STOP_NS (5 * NSEC_PER_SEC) /* crew.c ends sooner, whatever hangs */
#define GUARD_WORDS_MAX 100		 /* of the sampler, in a second */

struct guard {
	struct crew *crew;
	struct daemon *daemon;
	struct service service;
	struct loop_source *silence;   /* of the sampler */
	struct loop_source *costs;     /* the next time to measure */
	struct cost_memory memory;     /* our own */
	struct loop_source *reloading; /* the sampler is to say that it took the configuration */
	struct loop_source *tried;     /* the directory: how it went; NULL: it can be written */
	struct loop_source *trying;    /* that takes too long */
	uint64_t waited_ns;	       /* by the sampler for a CPU, until its last word */
	uint64_t excused_ns;	       /* of that, since its last word */
	uint64_t words_from_ns;
	unsigned words_cnt;
	unsigned failed_starts; /* of the sampler, before the first sample */
	bool ready;
	bool sampling;
	bool stopping;
	struct log_limit degradations;
	char degraded[WIRE_STATE_TEXT_SZ + 1]; /* the sampler's words; empty: it is not */
	char problem[DAEMON_PROBLEM_SZ];       /* why the last reload failed; empty: it did not */
	bool problem_is_told;		       /* by the sampler, which knows it then */
};

static const struct role *guard_slow_role(const struct guard *g)
{
	static const enum wire_role numbers[] = { WIRE_ROLE_SAMPLER, WIRE_ROLE_OPENER,
						  WIRE_ROLE_SYMBOLIZER, WIRE_ROLE_FRONT };

	for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
		const struct role *role = crew_role(g->crew, numbers[i]);

		if (role && role_is_slow(role))
			return role;
	}
	return NULL;
}

static void guard_tell_status(struct guard *g)
{
	const struct role *slow = guard_slow_role(g);
	char text[SERVICE_STATUS_SZ];
	int n;

	if (g->stopping)
		n = snprintf(text, sizeof(text), "stopping");
	else if (!g->ready)
		n = snprintf(text, sizeof(text), "starting");
	else if (!g->sampling)
		n = snprintf(text, sizeof(text), "not sampling: the sampler is started again%s%s",
			     g->degraded[0] ? ": " : "", g->degraded);
	else if (slow)
		n = snprintf(text, sizeof(text),
			     "degraded: the %s ends again and again; it is tried once a minute",
			     slow->spec->name);
	else if (g->degraded[0])
		n = snprintf(text, sizeof(text), "degraded: %s", g->degraded);
	else
		n = snprintf(text, sizeof(text), "sampling at %" PRIu32 " Hz",
			     g->daemon->config.hz);
	if (g->problem[0] && n > 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, "; not reloaded: %s",
			       g->problem);
	service_status(&g->service, text);
}

/* One line a minute; a state that comes and goes would fill the journal. */
static void guard_tell_degraded(struct guard *g, const char *role, const char *text)
{
	char line[WIRE_STATE_TEXT_SZ + 64], more[LOG_MORE_SZ];
	unsigned held;

	if (!log_limit_pass(&g->degradations, clock_mono_ns(), &held))
		return;
	(void)snprintf(line, sizeof(line), "%s%s", text, log_more(more, held));
	service_log(SERVICE_DEGRADED, role, line);
}

/* What it may say, it may not say without end: we would have time for nothing else. */
static bool guard_may_speak(struct guard *g, uint64_t now_ns)
{
	if (now_ns - g->words_from_ns >= NSEC_PER_SEC) {
		g->words_from_ns = now_ns;
		g->words_cnt = 0;
	}
	return ++g->words_cnt <= GUARD_WORDS_MAX;
}

/* The sampler tells it to who asks for its status. */
static void guard_tell_sampler(struct guard *g)
{
	const uint64_t now_ns = clock_mono_ns();
	struct wire_roles m = {
		.head = { .size = sizeof(m), .type = WIRE_ROLES },
		.cnt = 1,
		.costs = { { .cpu_ns = cost_cpu_ns(getpid()),
			     .pss_bytes = cost_memory_bytes(&g->memory, getpid(), false, now_ns),
			     .role = 0,
			     .pid = (uint32_t)getpid() } },
	};
	char text[WIRE_PROBLEM_SZ];

	for (int i = 0; i < ROLES_CNT; i++) {
		struct role *role = crew_role(g->crew, role_specs[i].number);

		if (role)
			role_cost(role, now_ns, &m.costs[m.cnt++]);
	}
	if (!g->problem_is_told) {
		m.problem_len = (uint32_t)str_clean(text, sizeof(text), g->problem,
						    strlen(g->problem), NULL);
		memcpy(m.problem, text, m.problem_len);
	}
	wiring_tell(crew_role(g->crew, WIRE_ROLE_SAMPLER), &m, sizeof(m), -EBADF);
}

static void guard_reload_done(struct guard *g)
{
	loop_timer_set(g->reloading, UINT64_MAX);
	/* Who waited for the reload reads how it went, not how it was. */
	guard_tell_status(g);
	service_ready();
	guard_tell_sampler(g);
}

static void guard_check_ready(struct guard *g)
{
	if (g->ready || g->stopping || !g->sampling || g->tried)
		return;
	g->ready = true;
	guard_tell_status(g);
	service_ready();
	log_info("sampling at %" PRIu32 " Hz, profiles in %s", g->daemon->config.hz,
		 g->daemon->config.directory);
}

static void guard_tried(struct guard *g, int r)
{
	g->tried = loop_remove(g->tried);
	loop_timer_set(g->trying, UINT64_MAX);
	places_attempt_done(&g->daemon->attempt);
	if (r < 0) {
		crew_end(g->crew, EXIT_FAILURE);
		return;
	}
	guard_check_ready(g);
}

static int guard_on_tried(struct loop_source *s, uint32_t events, void *ctx)
{
	struct guard *g = ctx;

	guard_tried(g, places_tried(&g->daemon->attempt, g->daemon->config.directory));
	return 0;
}

static int guard_on_trying(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct guard *g = ctx;

	guard_tried(g, places_tried_too_long(&g->daemon->attempt, g->daemon->config.directory));
	return 0;
}

/* Its word came, or is waited for from now on. */
static void guard_hear(struct guard *g, uint64_t now_ns, uint64_t limit_ns)
{
	g->waited_ns = cost_waited_ns(crew_role(g->crew, WIRE_ROLE_SAMPLER)->pid);
	g->excused_ns = 0;
	loop_timer_set(g->silence, now_ns + limit_ns);
}

static void guard_sampling(struct guard *g, const char *degraded)
{
	(void)snprintf(g->degraded, sizeof(g->degraded), "%s", degraded);
	if (*degraded)
		guard_tell_degraded(g, "sampler", degraded);
	g->sampling = true;
	guard_hear(g, clock_mono_ns(), GUARD_SILENT_NS);
	guard_check_ready(g);
	guard_tell_status(g);
}

/* @problem: what of it is not in force, and why. */
static void guard_reloaded(struct guard *g, const char *problem)
{
	(void)snprintf(g->problem, sizeof(g->problem), "%.*s", (int)sizeof(g->problem) - 1,
		       problem);
	g->problem_is_told = true;
	if (*problem)
		service_log(SERVICE_NOT_RELOADED, "sampler", problem);
	else
		service_log(SERVICE_RELOADED, NULL, "the new configuration is in force");
	guard_reload_done(g);
}

static void guard_failed(struct guard *g, const char *why)
{
	if (!g->ready) {
		log_error(0, "%s", why);
		service_status(&g->service, why); /* systemctl status shows it when nothing runs */
		crew_end(g->crew, EXIT_FAILURE);
		return;
	}
	(void)snprintf(g->degraded, sizeof(g->degraded), "%s", why);
	g->sampling = false;
	guard_tell_degraded(g, "sampler", why);
	guard_tell_status(g);
}

bool guard_state(struct guard *g, const struct wire_state *m)
{
	char text[WIRE_STATE_TEXT_SZ + 1];

	if (!guard_may_speak(g, clock_mono_ns()))
		return false;
	if (crew_is_ending(g->crew))
		return true;
	(void)snprintf(text, sizeof(text), "%.*s", (int)m->text_len, m->text);
	switch ((enum wire_state_kind)m->kind) {
	case WIRE_STATE_SAMPLING:
		guard_sampling(g, "");
		break;
	case WIRE_STATE_DEGRADED:
		guard_sampling(g, text[0] ? text : "the sampler does not say why");
		break;
	case WIRE_STATE_FAILED:
		guard_failed(g, text);
		break;
	case WIRE_STATE_RELOADED:
		guard_reloaded(g, text);
		break;
	default:
		return false;
	}
	return true;
}

bool guard_progress(struct guard *g)
{
	const uint64_t now = clock_mono_ns();

	if (!guard_may_speak(g, now))
		return false;
	if (g->stopping)
		return true;
	if (g->sampling)
		guard_hear(g, now, GUARD_SILENT_NS);
	service_watchdog(&g->service, now);
	return true;
}

/* Who is ready to run and gets no CPU does not hang: to start another one would make it worse. */
static bool guard_excuse(struct guard *g, uint64_t now_ns)
{
	const uint64_t waited_ns = cost_waited_ns(crew_role(g->crew, WIRE_ROLE_SAMPLER)->pid);
	uint64_t more_ns = waited_ns > g->waited_ns ? waited_ns - g->waited_ns : 0;

	more_ns = MIN(more_ns, GUARD_WAITED_MAX_NS - g->excused_ns);
	if (more_ns < GUARD_WAITED_LEAST_NS)
		return false;
	g->waited_ns = waited_ns;
	g->excused_ns += more_ns;
	loop_timer_set(g->silence, now_ns + more_ns);
	return true;
}

static int guard_on_silence(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct guard *g = ctx;

	if (guard_excuse(g, now_ns))
		return 0;
	role_replace(crew_role(g->crew, WIRE_ROLE_SAMPLER),
		     g->sampling ? "made no progress for 10 s" : "did not sample after a minute");
	return 0;
}

void guard_role_started(struct guard *g, const struct role *role)
{
	if (role->spec->number != WIRE_ROLE_SAMPLER)
		return;
	guard_hear(g, clock_mono_ns(), GUARD_START_NS);
}

static void guard_sampler_ended(struct guard *g, const char *why)
{
	struct role *opener = crew_role(g->crew, WIRE_ROLE_OPENER);

	g->sampling = false;
	loop_timer_set(g->silence, UINT64_MAX);
	if (!g->ready && ++g->failed_starts >= GUARD_FAILED_STARTS_MAX) {
		log_error(0, "the sampler %s, for the %uth time, and never sampled; see above", why,
			  g->failed_starts);
		crew_end(g->crew, EXIT_FAILURE);
		return;
	}
	/*
	 * Objects have the sampler's numbers. What the opener was still asked for by this one would
	 * reach the symbolizer as an object of the next.
	 */
	role_renew(opener);
}

void guard_role_ended(struct guard *g, struct role *role, const char *why)
{
	char text[128];

	if (role_is_slow(role)) {
		(void)snprintf(text, sizeof(text),
			       "the %s ended %u times within 10 s; it is tried once a minute",
			       role->spec->name, role->quick_deaths);
		guard_tell_degraded(g, role->spec->name, text);
	}
	if (role->spec->number == WIRE_ROLE_SAMPLER)
		guard_sampler_ended(g, why);
	guard_tell_status(g);
}

static int guard_on_costs(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct guard *g = ctx;

	guard_tell_sampler(g);
	/* Whether it starts is watched here; to start all of us again would not help it. */
	if (g->ready && !g->sampling && !g->stopping)
		service_watchdog(&g->service, now_ns);
	loop_timer_set(g->costs, now_ns + GUARD_COSTS_NS);
	return 0;
}

static int guard_on_reload_late(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct guard *g = ctx;

	(void)snprintf(g->problem, sizeof(g->problem), "the sampler did not answer within 5 s");
	service_log(SERVICE_NOT_RELOADED, "sampler", g->problem);
	guard_reload_done(g);
	return 0;
}

void guard_reload(struct guard *g)
{
	const uint64_t now = clock_mono_ns();
	int r;

	if (g->stopping)
		return;
	if (g->ready)
		service_reloading(now);
	r = daemon_reload(g->daemon);
	g->problem[0] = '\0';
	g->problem_is_told = false;
	if (r < 0) {
		(void)snprintf(g->problem, sizeof(g->problem), "%s",
			       g->daemon->problem[0] ? g->daemon->problem : "it cannot be read");
		service_log(SERVICE_NOT_RELOADED, NULL,
			    "the configuration has errors: it stays as it was; see cprofd --check");
	} else {
		wiring_configure(g->crew, WIRE_ROLE_FRONT);
		wiring_configure(g->crew, WIRE_ROLE_SYMBOLIZER);
		wiring_configure(g->crew, WIRE_ROLE_SAMPLER);
	}
	if (r == 0 && g->sampling)
		loop_timer_set(g->reloading, now + GUARD_RELOAD_NS);
	else if (g->ready)
		guard_reload_done(g);
}

void guard_stopping(struct guard *g)
{
	if (g->stopping)
		return;
	g->stopping = true;
	loop_timer_set(g->silence, UINT64_MAX);
	loop_timer_set(g->costs, UINT64_MAX);
	loop_timer_set(g->reloading, UINT64_MAX);
	service_stopping(GUARD_STOP_NS);
	guard_tell_status(g);
}

static int guard_watch_attempt(struct guard *g, struct loop *loop)
{
	int r = loop_add_timer(loop, CREW_TIMERS, guard_on_trying, g, &g->trying);

	if (r == 0)
		r = loop_add_io(loop, g->daemon->attempt.fd, EPOLLIN, CREW_TIMERS, guard_on_tried,
				g, &g->tried);
	if (r == 0)
		loop_timer_set(g->trying, clock_mono_ns() + PLACES_ATTEMPT_NS);
	return r;
}

int guard_new(struct crew *crew, struct daemon *daemon, struct guard **ret)
{
	_cleanup_(guard_freep) struct guard *g = calloc(1, sizeof(*g));
	struct loop *loop = crew_loop(crew);
	int r;

	if (!g)
		return -ENOMEM;
	g->crew = crew;
	g->daemon = daemon;
	r = loop_add_timer(loop, CREW_TIMERS, guard_on_silence, g, &g->silence);
	if (r == 0)
		r = loop_add_timer(loop, CREW_TIMERS, guard_on_costs, g, &g->costs);
	if (r == 0)
		r = loop_add_timer(loop, CREW_TIMERS, guard_on_reload_late, g, &g->reloading);
	if (r < 0)
		return r;
	r = guard_watch_attempt(g, loop);
	if (r < 0)
		return r;
	service_init(&g->service);
	loop_timer_set(g->costs, clock_mono_ns() + NSEC_PER_SEC);
	guard_tell_status(g);
	*ret = TAKE_PTR(g);
	return 0;
}

struct guard *guard_free(struct guard *g)
{
	(void)loop_remove(g->silence);
	(void)loop_remove(g->costs);
	(void)loop_remove(g->reloading);
	(void)loop_remove(g->trying);
	(void)loop_remove(g->tried);
	free(g);
	return NULL;
}
