/* SPDX-License-Identifier: Apache-2.0 */

/*
 * always — see its header: from the launcher's configuration to the last window.
 *
 * A timer of its own, apart from the collection's: what has ended goes on when nothing is sampled any
 * more. Signs of progress go out once a second, and only when there is some: the rings were looked at, and
 * no window is overdue. A disk that hangs is told, and no reason to begin anew.
 *
 * The end: the open window ends at once and goes to the disk while the next one is sampled; when the disk
 * has it, that next one, some ten milliseconds long, is cut, written and synced. So a restart loses what
 * that takes, not what it takes to encode a minute.
 */

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "always.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/rng.h"
#include "cprof/base/seqpacket.h"
#include "cprof/base/str.h"
#include "cprof/merge.h"

#define PRIORITY_ALWAYS 26
#define PRIORITY_SPOOLED 35
#define MERGE_MEMORY_MAX ((size_t)32 << 20)
#define PROGRESS_NS (1900 * NSEC_PER_MSEC) /* the launcher waits for ten seconds */
#define OVERDUE_NS (2 * NSEC_PER_SEC)
#define TELL_EVERY_NS (60 * NSEC_PER_SEC)
#define MAPS_AGAIN_NS (60 * NSEC_PER_SEC)
/* After STOP: sampling goes on for so long at most, and the disk has until then. */
#define ENDING_NS (1500 * NSEC_PER_MSEC)
#define END_NS (2500 * NSEC_PER_MSEC)
#define PAUSE_ENDING_NS (2 * NSEC_PER_MSEC)

static void send_state(enum wire_state_kind kind, const char *text)
{
	struct wire_state m = {
		.head = { .size = sizeof(m), .type = WIRE_STATE },
		.kind = kind,
	};

	m.text_len = (uint32_t)str_clean(m.text, sizeof(m.text), text, strlen(text), NULL);
	memset(m.text + m.text_len, 0, sizeof(m.text) - m.text_len);
	(void)seqpacket_send(WIRE_CONTROL_FD, &m, sizeof(m), -EBADF);
}

uint32_t always_hz(const struct always *a)
{
	return MAX(a->config.hz >> a->shift, 1u);
}

/* What status tells from now on. */
static bool on_note(const char *text, void *ctx)
{
	struct always *a = ctx;

	(void)snprintf(a->degraded, sizeof(a->degraded), "%s", text);
	return true;
}

/* A collection beside the one there is, ready to begin. */
static int load_stream(struct always *a, struct stream **ret, struct collect_failure *failure)
{
	const struct stream_opts opts = {
		.sampler = a->sampler,
		.event = event_find(a->config.event),
		.hz = always_hz(a),
		.frames_max = a->config.frames_max,
		.all = true,
		.may_sleep = true,
		.on_note = on_note,
		.ctx = a,
	};

	int r;

	if (!opts.event) {
		(void)snprintf(failure->text, sizeof(failure->text),
			       "no event %s; see Event= in cprofd.conf(5)", a->config.event);
		return -EINVAL;
	}
	r = stream_new(&opts, ret, failure);
	if (r == 0)
		(*ret)->walk_told = true; /* status finds that out by itself */
	return r;
}

/*
 * The old one, if any, ends just before the new one begins: whatever can be refused was asked for
 * before, so that what cannot be had leaves the old one as it is.
 */
static int begin_stream(struct always *a, struct collect_failure *failure)
{
	_cleanup_(stream_freep) struct stream *st = NULL;
	struct stream *old = always_stream(a);
	uint64_t now_ns;
	int r;

	if (a->streams_cnt == ALWAYS_STREAMS_MAX)
		return -EBUSY;
	r = load_stream(a, &st, failure);
	if (r < 0)
		return r;
	failure->text[0] = '\0';
	r = collect_arm(st->collect, failure);
	if (r < 0)
		return r;
	if (old && old->open)
		stream_stop(old);
	r = stream_start(st, failure);
	now_ns = clock_mono_ns();
	if (old && old->open)
		rotation_take_last(a, old);
	if (r < 0)
		return r;
	(void)str_clean(a->degraded, sizeof(a->degraded), failure->text, strlen(failure->text),
			NULL);
	memmove(a->streams + 1, a->streams, a->streams_cnt * sizeof(struct stream *));
	a->streams_cnt++;
	a->event = st->opts.event;
	a->streams[0] = TAKE_PTR(st);
	a->cut = (struct always_losses){ 0 };
	a->first = true;
	a->rotate_ns = now_ns + a->config.window_ns;
	a->maps_ns = 0;
	loop_timer_set(a->timer, now_ns);
	return 0;
}

/* Names of the open window: as it fills, or when it has ended. */
static void choose_names(struct always *a)
{
	always_stream(a)->names_wait = a->ceiling.defer || !a->config.symbolize;
	symbolize_defer(a->sampler->symbolize, a->ceiling.defer);
}

/* What the configuration says that it may take. */
static void allow(struct always *a)
{
	const struct config *c = &a->config;

	ceiling_allow(&a->ceiling, c->cpu_ppm, always_stream(a)->cpus, c->memory);
	unwinding_limit(a->sampler, MIN(c->unwind_memory, c->memory / 4));
}

static void begin(struct always *a)
{
	struct collect_failure failure = { 0 };

	if (a->phase != ALWAYS_NONE || !a->configured || !a->spooler)
		return;
	if (begin_stream(a, &failure) < 0) {
		send_state(WIRE_STATE_FAILED, failure.text[0] ? failure.text : "out of memory");
		return;
	}
	/* Events tell of groups from now on; what was there before is walked. Without: no units. */
	(void)cgroups_scan(a->sampler->cgroups, &a->sampler->root);
	a->phase = ALWAYS_SAMPLING;
	a->begun_ns = clock_mono_ns();
	a->from_boot_ns = always_stream(a)->open->window->from_boot_ns;
	a->second_ns = clock_next_second(a->begun_ns);
	allow(a);
	choose_names(a);
	send_state(WIRE_STATE_SAMPLING, "");
}

static bool samples_alike(const struct config *a, const struct config *b)
{
	return a->hz == b->hz && a->frames_max == b->frames_max && strcmp(a->event, b->event) == 0;
}

static struct spool_limits limits_of(const struct config *c)
{
	return (struct spool_limits){
		.use_max = c->use_max,
		.files_max = c->files_max,
		.age_max_ns = c->age_max_ns,
		.keep_free_ppm = c->keep_free_ppm,
		.floor = MIN(c->use_max, (uint64_t)16 << 20),
	};
}

/* What cannot be had leaves all as it was, but for the limits. */
static void reload(struct always *a, const struct config *config)
{
	const struct config before = a->config;
	const struct spool_limits limits = limits_of(config);
	struct collect_failure failure = { 0 };
	int r = 0;

	a->config = *config;
	a->problem[0] = '\0';
	if (!samples_alike(&before, config)) {
		a->shift = 0;
		r = begin_stream(a, &failure);
	} else if (before.window_ns != config->window_ns) {
		rotation_cut(a, clock_mono_ns());
	}
	if (r < 0) {
		a->config.hz = before.hz;
		a->config.frames_max = before.frames_max;
		memcpy(a->config.event, before.event, sizeof(a->config.event));
		(void)snprintf(a->problem, sizeof(a->problem),
			       "the new rate or event is not in force: %.200s",
			       failure.text[0] ? failure.text : strerror(-r));
	}
	a->rotate_ns = MIN(a->rotate_ns, clock_mono_ns() + a->config.window_ns);
	spooler_set_limits(a->spooler, &limits);
	allow(a);
	loop_timer_set(a->timer, clock_mono_ns());
	send_state(WIRE_STATE_RELOADED, a->problem);
}

int always_configure(struct always *a, const struct wire_config *m)
{
	if (a->phase == ALWAYS_SAMPLING) {
		reload(a, &m->config);
		return 0;
	}
	if (a->phase != ALWAYS_NONE)
		return 0;
	a->config = m->config;
	a->configured = true;
	begin(a);
	return 0;
}

void always_refuse(const struct always *a)
{
	const bool goes_on = a && a->phase != ALWAYS_NONE;

	send_state(goes_on ? WIRE_STATE_RELOADED : WIRE_STATE_FAILED,
		   "the configuration is not understood by the sampler: it is of another version; "
		   "reinstall all of cprofd and restart it");
}

/* On the thread of the spool: nothing of ours but what it is given. */
static int merge(const int *fds, size_t cnt, int out_fd, void *ctx)
{
	const struct merge_opts opts = {
		.memory_max = MERGE_MEMORY_MAX,
		.seed = rng_seed(),
		.write = writing_write,
		.ctx = &out_fd,
	};
	struct merge_result result;
	size_t bad;

	return merge_profiles(&opts, fds, cnt, &result, &bad);
}

static uint64_t mono_ns(void *ctx)
{
	return clock_mono_ns();
}

int always_set_spool(struct always *a, int dir_fd)
{
	_cleanup_close_ int fd = dir_fd;
	struct spool_opts opts = {
		.limits = limits_of(&a->config),
		.merge = merge,
		.mono_ns = mono_ns,
	};
	int r;

	if (a->spooler || !a->configured)
		return 0; /* one that came before the configuration is the launcher's mistake */
	(void)umask(027); /* files are for their group to read */
	(void)snprintf(opts.boot_id, sizeof(opts.boot_id), "%s", a->sampler->boot_id);
	r = spooler_new(TAKE_FD(fd), &opts, &a->spooler);
	if (r < 0)
		return log_error(r, "cannot start the thread that writes profiles: %m");
	r = loop_add_io(a->sampler->loop, spooler_fd(a->spooler), EPOLLIN, PRIORITY_SPOOLED,
			rotation_on_spooled, a, &a->spooled);
	if (r < 0)
		return r;
	begin(a);
	return 0;
}

/* They hardly grow: most have all their memory from the start. */
static uint64_t maps_bytes(struct always *a, uint64_t now_ns)
{
	if (now_ns >= a->maps_ns) {
		a->maps_bytes = status_maps_bytes(a);
		a->maps_ns = now_ns + MAPS_AGAIN_NS;
	}
	return a->maps_bytes;
}

void always_set_roles(struct always *a, const struct wire_roles *m)
{
	a->roles = *m;
	a->roles_windows = intervals_bytes(a->sampler);
	a->bpf_bytes = maps_bytes(a, clock_mono_ns()) + unwinding_bytes(a->sampler);
}

/* How long nothing was sampled before this run: known when the spool was opened. */
static void find_gap(struct always *a)
{
	struct spooler_figures f;

	if (a->gap_known)
		return;
	spooler_figures(a->spooler, &f);
	if (!f.open)
		return;
	a->gap_known = true;
	if (f.last_end_ns == 0 || f.last_end_ns >= a->from_boot_ns)
		return;
	a->gap_ns = a->from_boot_ns - f.last_end_ns;
	a->untold_ns += a->gap_ns;
}

/* The rings can be read, and are. */
static bool is_consumed(const struct always *a)
{
	const struct stream *st = always_stream(a);

	return st && st->open && collect_consume(st->collect) >= 0;
}

static bool makes_progress(const struct always *a, uint64_t now_ns)
{
	return is_consumed(a) && now_ns < a->rotate_ns + OVERDUE_NS;
}

/* To the journal, at most once a minute: status has all of it at any time. */
static void tell_degraded(struct always *a, uint64_t now_ns)
{
	char texts[CONTROL_DEGRADED_MAX][CONTROL_TEXT_SZ] = { 0 };

	if (status_degraded(a, texts) == 0) {
		if (a->told[0])
			send_state(WIRE_STATE_SAMPLING, "");
		a->told[0] = '\0';
		return;
	}
	/* Figures in it may differ: it is the same as long as it begins alike. */
	if (strncmp(texts[0], a->told, 16) == 0 ||
	    (a->told_ns && now_ns < a->told_ns + TELL_EVERY_NS))
		return;
	memcpy(a->told, texts[0], sizeof(a->told));
	a->told_ns = now_ns;
	send_state(WIRE_STATE_DEGRADED, texts[0]);
}

static void set_rate(struct always *a)
{
	const unsigned int before = a->shift;
	struct collect_failure failure = { 0 };

	if (a->shift == a->ceiling.shift)
		return;
	a->shift = a->ceiling.shift;
	if (begin_stream(a, &failure) == 0)
		return;
	a->shift = a->ceiling.shift = before;
	(void)snprintf(a->problem, sizeof(a->problem), "the rate cannot be changed: %.200s",
		       failure.text);
}

static void each_second(struct always *a, uint64_t now_ns)
{
	const struct wire_head progress = { .size = sizeof(progress), .type = WIRE_PROGRESS };

	a->second_ns = clock_next_second(now_ns);
	if (a->phase == ALWAYS_SAMPLING) {
		status_measure(a, now_ns);
		set_rate(a);
		choose_names(a);
		tell_degraded(a, now_ns);
	}
	if (now_ns < a->progress_ns || !makes_progress(a, now_ns))
		return;
	a->progress_ns = now_ns + PROGRESS_NS;
	(void)seqpacket_send(WIRE_CONTROL_FD, &progress, sizeof(progress), -EBADF);
}

static bool is_all_written(const struct always *a)
{
	return a->closing_cnt == 0 && a->windows_out == 0;
}

/* Sampling ends; what is left goes to the disk. */
static void end_sampling(struct always *a)
{
	struct stream *st = always_stream(a);

	a->phase = ALWAYS_LAST;
	if (!st->open)
		return;
	stream_stop(st);
	rotation_take_last(a, st);
}

/* Nobody can ask for a status any more. */
static void tell_lost(const struct always *a)
{
	const uint64_t lost =
		a->counters.v[COUNTER_discard_spool] - a->discarded_before + status_open_samples(a);

	if (lost > 0)
		log_error(0,
			  "%llu samples of the last windows are not kept: the disk did not take "
			  "them in time; see %s",
			  (unsigned long long)lost, a->config.directory);
}

/* The steps of the end; UINT64_MAX: it is over. */
static uint64_t end_step(struct always *a, uint64_t now_ns)
{
	uint64_t next = rotation_step(a, now_ns);

	if (a->phase == ALWAYS_ENDING && (is_all_written(a) || now_ns > a->stop_ns + ENDING_NS)) {
		end_sampling(a);
		next = rotation_step(a, now_ns);
	}
	if (a->phase == ALWAYS_LAST && (is_all_written(a) || now_ns > a->stop_ns + END_NS)) {
		a->phase = ALWAYS_DONE;
		tell_lost(a);
		loop_exit(a->sampler->loop, 0);
		return UINT64_MAX;
	}
	return MIN(next, now_ns + PAUSE_ENDING_NS);
}

static int on_timer(struct loop_source *src, uint64_t now_ns, void *ctx)
{
	struct always *a = ctx;
	uint64_t next;

	if (a->phase == ALWAYS_NONE)
		return 0;
	if (now_ns >= a->second_ns)
		each_second(a, now_ns);
	find_gap(a);
	if (a->phase >= ALWAYS_ENDING) {
		next = end_step(a, now_ns);
	} else {
		if (now_ns >= a->rotate_ns)
			rotation_cut(a, now_ns);
		next = rotation_step(a, now_ns);
		next = MIN(next, MIN(a->rotate_ns, a->second_ns));
	}
	loop_timer_set(src, next);
	return 0;
}

void always_stop(struct always *a)
{
	const uint64_t now_ns = clock_mono_ns();

	if (a->phase >= ALWAYS_ENDING)
		return;
	if (a->phase == ALWAYS_NONE) {
		loop_exit(a->sampler->loop, 0);
		return;
	}
	a->phase = ALWAYS_ENDING;
	a->stop_ns = now_ns;
	a->discarded_before = a->counters.v[COUNTER_discard_spool];
	rotation_cut(a, now_ns);
	loop_timer_set(a->timer, now_ns);
}

int always_new(struct sampler *s, struct always **ret)
{
	_cleanup_(always_freep) struct always *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->sampler = s;
	r = loop_add_timer(s->loop, PRIORITY_ALWAYS, on_timer, a, &a->timer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(a);
	return 0;
}

struct always *always_free(struct always *a)
{
	if (!a)
		return NULL;
	a->timer = loop_remove(a->timer);
	a->spooled = loop_remove(a->spooled);
	rotation_drop(a);
	for (unsigned int i = 0; i < a->streams_cnt; i++)
		a->streams[i] = stream_free(a->streams[i]);
	spooler_end(a->spooler, 0);
	vec_done(&a->processes.v);
	free(a);
	return NULL;
}
