/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rotation — what becomes of a window when it has ended.
 *
 * It waits for its last names, for as long as answers come; then its files are made, some milliseconds
 * at a time, for the rings are to be looked at meanwhile; then the spool's thread has it, and the
 * window's memory is given back. What comes back from there is in profiles, or discarded.
 */

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "always.h"
#include "cprof/base/clock.h"
#include "cprof/base/sealed.h"

#define PAUSE_NAMING_NS (20 * NSEC_PER_MSEC)
#define PAUSE_DEFERRED_NS (500 * NSEC_PER_MSEC)
#define DRAIN_PAUSE_US 500
#define LATE_NS (200 * NSEC_PER_MSEC)
#define PIECE_NS (5 * NSEC_PER_MSEC)
/* A window may end early so often; then none waits for names, for so long. */
#define EARLY_NS (5 * NSEC_PER_SEC)
#define UNLOAD_FILES 256
/* What freed pieces of the heap hold is given back so often at most. */
#define GIVE_BACK_NS (10 * NSEC_PER_SEC)
/* Of all files of a window, encoded: more than any host makes in one. */
#define BYTES_MAX ((size_t)64 << 20)

static void closing_done(struct closing *c)
{
	writing_done(&c->writing);
	c->interval = interval_free(c->interval);
	c->out = spooler_window_free(c->out);
}

/* What never reached a window, so far. */
static struct always_losses losses_of(const struct stream *st)
{
	struct counters c;
	struct books books;

	(void)stream_books(st, &c, &books);
	return (struct always_losses){
		.missed = books.missed,
		.lost = books.dropped + c.v[COUNTER_discard_memory] +
			c.v[COUNTER_discard_malformed],
	};
}

static void add_closing(struct always *a, struct stream *st, struct interval *iv)
{
	const struct always_losses now = losses_of(st);

	iv->window->missed = now.missed - a->cut.missed;
	iv->window->lost = now.lost - a->cut.lost;
	a->closing[a->closing_cnt++] = (struct closing){
		.stream = st,
		.interval = iv,
		.first = a->first,
		.writing = WRITING_INIT,
	};
	a->cut = now;
	a->first = false;
}

/* Nobody waits for names any longer: what will the files say, and which are there? */
static int settle(struct always *a, struct closing *c)
{
	struct window *w = c->interval->window;

	if (c->first && a->end_boot_ns > 0 && w->from_boot_ns > a->end_boot_ns)
		a->untold_ns += w->from_boot_ns - a->end_boot_ns;
	a->end_boot_ns = w->to_boot_ns;
	interval_settle(c->interval);
	status_settled(a, c->interval, c->stream->cpus);
	c->out = calloc(1, sizeof(*c->out));
	if (!c->out)
		return -ENOMEM;
	w->gap_ns = c->out->gap_ns = a->untold_ns;
	a->untold_ns = 0;
	c->out->run_boot_ns = a->gap_known ? 0 : a->from_boot_ns;
	c->out->from_real_ns = w->from_real_ns;
	c->out->to_real_ns = w->from_real_ns + (w->to_boot_ns - w->from_boot_ns);
	c->out->to_boot_ns = w->to_boot_ns;
	writing_describe(&c->writing, c->stream, c->interval);
	c->writing.wants = filter_wants;
	c->writing.wants_ctx = a;
	writing_begin(&c->writing);
	return 0;
}

/* The file's bytes, to be freed; NULL: there is no memory, or too much is taken already. */
static void *read_file(const struct closing *c, int fd, size_t sz)
{
	_cleanup_free_ uint8_t *bytes = NULL;

	if (sz > BYTES_MAX - MIN(c->out->bytes, BYTES_MAX))
		return NULL;
	bytes = malloc(MAX(sz, (size_t)1));
	if (!bytes || sealed_read(fd, bytes, sz) < 0)
		return NULL;
	return TAKE_PTR(bytes);
}

static void keep_file(struct always *a, struct closing *c)
{
	const struct session_profile *m = &c->writing.profile;
	_cleanup_close_ int fd = TAKE_FD(c->writing.fd);
	char name[PROFILE_NAME_MAX];
	void *bytes = read_file(c, fd, m->bytes);

	writing_name(m, name);
	c->interval->samples -= m->samples;
	if (!bytes || spooler_window_add(c->out, name, bytes, m->bytes) < 0) {
		a->counters.v[COUNTER_discard_memory] += m->samples;
		return;
	}
	c->out->samples += m->samples;
	a->with_spooler += m->samples;
}

/* No file says what its window's files should have said: the next window's do. */
static void tell_later(struct always *a, const struct spooler_window *out)
{
	a->untold_ns += out->gap_ns;
}

/* True when all files are made. */
static bool encode_piece(struct always *a, struct closing *c, uint64_t now_ns)
{
	do {
		writing_next(&c->writing);
		if (c->writing.fd < 0)
			return true;
		keep_file(a, c);
	} while (clock_mono_ns() < now_ns + PIECE_NS);
	return false;
}

/* A window without files says nothing, but its state is committed, and says so. */
static void all_encoded(struct always *a, struct closing *c)
{
	c->encoded = true;
	if (c->out->files.cnt > 0)
		return;
	tell_later(a, c->out);
	c->out->untold_ns = c->out->gap_ns;
	c->out->gap_ns = 0;
}

/* False: the disk is behind, and the window waits here; given up only when its place is needed. */
static bool hand_over(struct always *a, struct closing *c, bool hurry)
{
	const uint64_t samples = c->out->samples;

	if (spooler_submit(a->spooler, &c->out) == 0) {
		a->windows_out++;
		return true;
	}
	if (!hurry)
		return false;
	tell_later(a, c->out);
	a->counters.v[COUNTER_discard_spool] += samples;
	a->with_spooler -= samples;
	return true;
}

/* The directory is being looked through: until then nobody knows what was not sampled before us. */
static bool awaits_gap(const struct always *a)
{
	struct spooler_figures f;

	if (a->gap_known)
		return false;
	spooler_figures(a->spooler, &f);
	return !f.tried;
}

/* Another CPU may be about to finish a record, and exits are told some time later. */
static bool may_settle(const struct always *a, struct closing *c, uint64_t now_ns)
{
	if (a->phase >= ALWAYS_ENDING)
		return !awaits_gap(a);
	if (a->closing_cnt > ALWAYS_CLOSING_MAX)
		return true;
	/* Its memory is wanted. */
	if (a->early_ns && now_ns < a->early_ns + EARLY_NS)
		return now_ns >= c->interval->ended_ns + LATE_NS;
	if (now_ns < c->interval->ended_ns + LATE_NS || awaits_gap(a))
		return false;
	return !a->config.symbolize || interval_is_named(c->interval, now_ns);
}

/* True when the spool has it, or nobody ever will. */
static bool closing_step(struct always *a, struct closing *c, uint64_t now_ns, bool hurry)
{
	if (!c->interval->settled) {
		if (!may_settle(a, c, now_ns))
			return false;
		if (settle(a, c) < 0) {
			a->counters.v[COUNTER_discard_memory] += c->interval->samples;
			return true;
		}
	}
	if (!c->encoded) {
		if (!encode_piece(a, c, now_ns))
			return false;
		all_encoded(a, c);
	}
	return hand_over(a, c, hurry);
}

static void remove_first(struct always *a)
{
	closing_done(&a->closing[0]);
	a->closing_cnt--;
	memmove(a->closing, a->closing + 1, a->closing_cnt * sizeof(*a->closing));
}

static bool is_needed(const struct always *a, const struct stream *st)
{
	for (unsigned int i = 0; i < a->closing_cnt; i++) {
		if (a->closing[i].stream == st)
			return true;
	}
	return false;
}

/* A collection that samples no more goes when its last window is gone; its counts stay. */
static void drop_streams(struct always *a)
{
	unsigned int kept = a->phase < ALWAYS_LAST ? 1 : 0;

	for (unsigned int i = kept; i < a->streams_cnt; i++) {
		struct stream *st = a->streams[i];

		if (is_needed(a, st)) {
			a->streams[kept++] = st;
			continue;
		}
		for (int n = 0; n < COUNTER_MAX; n++)
			a->counters.v[n] += st->counters.v[n];
		(void)collect_counters(st->collect, &a->counters);
		(void)stream_free(st);
		a->maps_ns = 0;
	}
	a->streams_cnt = MIN(a->streams_cnt, kept);
}

/* Those that wait ask for what they miss. */
static uint64_t ask_for_names(struct always *a, uint64_t now_ns)
{
	const uint64_t pause = a->ceiling.defer ? PAUSE_DEFERRED_NS : PAUSE_NAMING_NS;

	if (now_ns < a->ask_ns)
		return a->ask_ns;
	for (unsigned int i = 0; i < a->closing_cnt; i++) {
		struct interval *iv = a->closing[i].interval;

		if (!iv->settled && a->config.symbolize)
			interval_tick(iv, now_ns);
		else if (!iv->settled)
			interval_tick_places(iv, now_ns);
	}
	a->ask_ns = now_ns + pause;
	return a->ask_ns;
}

/* In their order: a window's end is the next one's beginning. */
static void hand_on(struct always *a, uint64_t now_ns, bool hurry)
{
	while (a->closing_cnt > 0 && closing_step(a, &a->closing[0], now_ns, hurry)) {
		remove_first(a);
		drop_streams(a);
	}
}

uint64_t rotation_step(struct always *a, uint64_t now_ns)
{
	const uint64_t next = a->closing_cnt > 0 ? ask_for_names(a, now_ns) : UINT64_MAX;
	const struct closing *first = &a->closing[0];

	hand_on(a, now_ns, false);
	if (a->closing_cnt == 0)
		return UINT64_MAX;
	if (first->interval->settled && !first->encoded)
		return now_ns;
	return MAX(next, now_ns + PAUSE_NAMING_NS);
}

/*
 * The oldest of too many waits for nothing: encoding it is all that there is to do. At the end there are
 * places for all, and the disk may take its time.
 */
static void make_room(struct always *a)
{
	while (a->phase < ALWAYS_ENDING && a->closing_cnt > ALWAYS_CLOSING_MAX)
		hand_on(a, clock_mono_ns(), true);
}

void rotation_cut(struct always *a, uint64_t now_ns)
{
	struct stream *st = always_stream(a);
	struct interval *iv;

	a->rotate_ns += a->config.window_ns;
	if (a->rotate_ns <= now_ns)
		a->rotate_ns = now_ns + a->config.window_ns;
	make_room(a);
	/* None is open where memory failed a new collection: no progress then, and we are replaced. */
	if (!st->open || stream_cut(st, &iv) < 0)
		return; /* no memory: the window goes on */
	add_closing(a, st, iv);
}

/* What was freed is given back to the kernel: by then the windows that ended are written. */
void rotation_make_room(struct always *a, uint64_t now_ns)
{
	const struct stream *st = always_stream(a);

	if (a->early_ns && now_ns < a->early_ns + EARLY_NS)
		return;
	a->early_ns = now_ns;
	a->sampler->unload = UNLOAD_FILES;
	a->sampler->sweep_ns = 0;
	(void)malloc_trim(0);
	/* One that holds little would not give much. */
	if (!st->open || interval_bytes(st->open) < a->ceiling.windows_max / 4)
		return;
	a->rotate_ns = now_ns;
	rotation_cut(a, now_ns);
	loop_timer_set(a->timer, now_ns);
}

void rotation_take_last(struct always *a, struct stream *st)
{
	/* Somebody may be about to finish a record, and on our CPU: so not without a pause. */
	while (!stream_is_drained(st, clock_mono_ns()))
		(void)usleep(DRAIN_PAUSE_US);
	/* Nobody fetches from its rings any more. */
	st->samples = loop_remove(st->samples);
	st->events = loop_remove(st->events);
	make_room(a);
	add_closing(a, st, TAKE_PTR(st->open));
}

/*
 * A window and its files are gone: small pieces, in a heap whose end tables hold that stay. Without this
 * all memory of the busiest moment would stay ours.
 */
static void give_back(struct always *a, uint64_t now_ns)
{
	if (now_ns < a->give_back_ns)
		return;
	a->give_back_ns = now_ns + GIVE_BACK_NS;
	(void)malloc_trim(0);
}

int rotation_on_spooled(struct loop_source *src, uint32_t events, void *ctx)
{
	struct always *a = ctx;
	struct spooler_window *w;

	while ((w = spooler_take(a->spooler))) {
		a->windows_out--;
		a->with_spooler -= w->samples;
		if (w->error < 0)
			tell_later(a, w);
		a->counters.v[w->error < 0 ? COUNTER_discard_spool : COUNTER_in_profiles] +=
			w->samples;
		(void)spooler_window_free(w);
	}
	give_back(a, clock_mono_ns());
	return 0;
}

void rotation_drop(struct always *a)
{
	while (a->closing_cnt > 0)
		remove_first(a);
}
