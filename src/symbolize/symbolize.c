/* SPDX-License-Identifier: Apache-2.0 */

/*
 * symbolize — the object, its sockets, and what is asked when.
 *
 * The state of an object moves SEEN -> ASKED (opener) -> OPENED (symbolizer at work) -> READY,
 * UNNAMED or BAD; GONE when it came too late, REFUSED when it may not be opened. Every state change
 * goes through symbolize_set_state(), which keeps the counts of what is still owed.
 */

#include <string.h>

#include "symbolize-internal.h"

/* What was put off is tried again after so long. */
#define REFUSED_NS 200000000ull

/* A symbolizer is given at most so many times what it is given at first. */
#define PATIENCE_MAX 15
#define ROWS_PATIENCE 5

int symbolize_new(const struct symbolize_opts *opts, struct symbolize **ret)
{
	struct symbolize *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	s->opener_fd = -EBADF;
	s->symbolizer_fd = -EBADF;
	s->next_id = 1;
	*ret = s;
	return 0;
}

struct symbolize *symbolize_free(struct symbolize *s)
{
	if (!s)
		return NULL;
	symbolize_asks_drop(s);
	for (size_t i = 0; i < s->works.cnt; i++)
		symbolize_reset_work(&s->works.v[i]);
	vec_done(&s->works);
	vec_done(&s->paging);
	vec_done(&s->rows);
	vec_done(&s->rows_again);
	vec_done(&s->held);
	vec_done(&s->jits);
	vec_done(&s->codes);
	vec_done(&s->code_places);
	s->opener_fd = fd_close(s->opener_fd);
	s->symbolizer_fd = fd_close(s->symbolizer_fd);
	free(s);
	return NULL;
}

struct work *symbolize_work(struct symbolize *s, uint32_t object)
{
	uint32_t slot = objects_slot(s->opts.objects, object);
	struct work *w;

	if (slot == UINT32_MAX)
		return NULL;
	if (slot >= s->works.cnt) {
		size_t more = slot + 1 - s->works.cnt;

		if (vec_reserve(&s->works, more) < 0)
			return NULL;
		memset(s->works.v + s->works.cnt, 0, more * sizeof(*s->works.v));
		s->works.cnt += more;
	}
	w = &s->works.v[slot];
	if (w->object != object) {
		symbolize_reset_work(w);
		w->object = object;
	}
	return w;
}

static bool is_at_work(enum object_state state)
{
	return state == OBJECT_ASKED || state == OBJECT_OPENED;
}

bool symbolize_is_owed(const struct symbolize *s)
{
	return s->asks_cnt + s->loading > 0 || s->making.object != 0 ||
	       (s->debugs.making.object != 0 && !s->debugs.finding) || companions_are_owed(s);
}

void symbolize_set_state(struct symbolize *s, uint32_t object, enum object_state state,
			 uint64_t now_ns)
{
	struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);

	if (!o || !w)
		return;
	if (s->opening == 0 && state == OBJECT_ASKED)
		s->opener_heard_ns = now_ns; /* it owes from now on */
	if (!symbolize_is_owed(s) && state == OBJECT_OPENED)
		s->symbolizer_heard_ns = now_ns;
	if (state == OBJECT_ASKED)
		w->begun_ns = now_ns;
	if (state == OBJECT_READY)
		views_ready(s, w);
	s->users[w->user].busy -= is_at_work(o->state) ? w->weight : 0;
	s->opening -= o->state == OBJECT_ASKED;
	s->loading -= o->state == OBJECT_OPENED;
	o->state = state;
	s->opening += o->state == OBJECT_ASKED;
	s->loading += o->state == OBJECT_OPENED;
	s->users[w->user].busy += is_at_work(o->state) ? w->weight : 0;
	w->asked_ns = now_ns;
}

void symbolize_retry_at(struct symbolize *s, uint64_t at_ns)
{
	if (s->retry_ns == 0 || at_ns < s->retry_ns)
		s->retry_ns = at_ns;
}

bool symbolize_is_to_retry(struct symbolize *s, uint32_t object)
{
	const struct object *o = objects_get(s->opts.objects, object);
	const struct work *w = symbolize_work(s, object);

	return o && w && o->state == OBJECT_SEEN && w->last.head.size > 0 &&
	       w->tries < OBJECT_TRIES_MAX && !w->gone;
}

/* What may be opened again by what is remembered of it, is. */
static void open_seen(struct symbolize *s, uint64_t now_ns)
{
	size_t pos = 0;
	uint32_t i;

	while (objects_next(s->opts.objects, &pos, &i)) {
		const struct work *w = symbolize_work(s, i);

		if (!symbolize_is_to_retry(s, i))
			continue;
		if (now_ns < w->pause_until_ns)
			symbolize_retry_at(s, w->pause_until_ns);
		else if (!opens_put(s, i, now_ns) && !w->jit)
			symbolize_retry_at(s, now_ns + REFUSED_NS);
	}
}

/* The one that has been in this state for longest: whoever serves in order was busy with it. */
static struct work *oldest_in(struct symbolize *s, enum object_state state)
{
	uint64_t since = UINT64_MAX;
	uint32_t i, oldest = 0;
	size_t pos = 0;

	while (objects_next(s->opts.objects, &pos, &i)) {
		const struct work *w;

		if (objects_get(s->opts.objects, i)->state != state)
			continue;
		w = symbolize_work(s, i);
		if (w && w->asked_ns < since) {
			since = w->asked_ns;
			oldest = i;
		}
	}
	return oldest ? symbolize_work(s, oldest) : NULL;
}

/* What it was busy with may have killed it: one try less for that one, and no other. */
static void blame(struct symbolize *s, enum object_state state)
{
	struct work *w = oldest_in(s, state);

	if (!w && state == OBJECT_OPENED && s->asks_cnt > 0)
		w = symbolize_work(s, s->asks[0].object);
	if (w)
		w->tries++;
}

uint64_t symbolize_opener_owes_ns(struct symbolize *s)
{
	const struct work *w = s->opening > 0 ? oldest_in(s, OBJECT_ASKED) : NULL;

	return w ? w->asked_ns : UINT64_MAX;
}

/* What the old opener owed is asked of the new one; but for debug files, which may have been its end. */
void symbolize_set_opener(struct symbolize *s, int fd, uint64_t others_ns, uint64_t now_ns)
{
	size_t pos = 0;
	uint32_t i;

	if (s->opener_fd >= 0 && symbolize_opener_owes_ns(s) < others_ns)
		blame(s, OBJECT_ASKED);
	s->opener_fd = fd_close(s->opener_fd);
	s->opener_fd = fd;
	s->opener_heard_ns = now_ns;
	if (s->debugs.finding)
		debugs_end(s, now_ns);
	companions_opener_lost(s, now_ns);
	while (objects_next(s->opts.objects, &pos, &i)) {
		struct work *w = symbolize_work(s, i);

		if (w)
			w->word_due = false; /* of who is gone */
		if (objects_get(s->opts.objects, i)->state == OBJECT_ASKED)
			symbolize_set_state(s, i, OBJECT_SEEN, now_ns);
	}
	open_seen(s, now_ns);
}

/* The one that it said it was busy with, or else the one that it was given first. */
static void blame_symbolizer(struct symbolize *s)
{
	uint32_t object = rows_lost(s);
	struct work *w = object ? symbolize_work(s, object) : NULL;

	if (w)
		w->tries++;
	else if (object == 0 && s->symbolizer_fd >= 0)
		blame(s, OBJECT_OPENED);
}

/* The old symbolizer's tables are gone with it: the files are opened again for the new one. */
void symbolize_set_symbolizer(struct symbolize *s, int fd, uint64_t now_ns)
{
	size_t pos = 0;
	uint32_t i;

	blame_symbolizer(s);
	if (s->symbolizer_fd >= 0)
		trust_doubt(s);
	s->symbolizer_fd = fd_close(s->symbolizer_fd);
	s->symbolizer_fd = fd;
	s->symbolizer_heard_ns = now_ns;
	s->symbolizer_spoke = false;
	symbolize_asks_drop(s);
	lines_lost(s);
	pages_lost(s);
	companions_lost(s);
	s->kernel_tried = false;
	s->kernel_read = false;
	s->vdso_tried = false;
	while (objects_next(s->opts.objects, &pos, &i)) {
		const struct object *o = objects_get(s->opts.objects, i);
		const struct work *w = symbolize_work(s, i);

		if (o->state == OBJECT_READY || o->state == OBJECT_OPENED || (w && w->rows_due))
			symbolize_table_lost(s, i, now_ns);
	}
	if (fd >= 0)
		open_seen(s, now_ns);
}

/* After a pause, what the opener FAILED at (it had no symbolizer to send it to) is asked again. */
void symbolize_retry(struct symbolize *s, uint64_t now_ns)
{
	if (s->retry_ns == 0 || now_ns < s->retry_ns || s->symbolizer_fd < 0)
		return;
	s->retry_ns = 0;
	open_seen(s, now_ns);
}

/* Not one that a role is at work on: its answer would be taken for nobody's. */
bool symbolize_forget(struct symbolize *s, uint32_t object)
{
	const struct object *o = objects_get(s->opts.objects, object);
	const struct wire_head m = { .size = sizeof(m), .type = WIRE_FORGET, .id = object };
	struct work *w = symbolize_work(s, object);

	if (!o || is_at_work(o->state))
		return false;
	/* A table that stays because there is no room for the message is the oldest there some day. */
	if (s->symbolizer_fd >= 0 && (o->state == OBJECT_READY || o->state == OBJECT_UNNAMED))
		(void)seqpacket_send(s->symbolizer_fd, &m, sizeof(m), -EBADF);
	rows_undue(s, object);
	if (w)
		symbolize_reset_work(w);
	return true;
}

/* Whether that object, whose names the symbolizer has of itself, was found to have none. */
bool *symbolize_tried(struct symbolize *s, uint32_t object)
{
	return object == CPROF_OBJECT_KERNEL ? &s->kernel_tried : &s->vdso_tried;
}

uint64_t symbolize_answers(const struct symbolize *s)
{
	return s->answers;
}

/* One that answers is at work, however long its queue: stuck is who owes and says nothing. */
static bool is_silent(uint64_t heard_ns, uint64_t now_ns, uint64_t limit_ns)
{
	return heard_ns + limit_ns < now_ns;
}

uint64_t symbolize_patience(const struct symbolize *s, uint64_t limit_ns)
{
	return MIN(limit_ns << s->doublings, limit_ns * PATIENCE_MAX);
}

bool symbolize_is_stuck(struct symbolize *s, uint64_t now_ns, uint64_t limit_ns)
{
	uint64_t patience_ns = symbolize_patience(s, limit_ns);

	if (s->making.begun || s->debugs.making.begun || s->companions.making.begun)
		patience_ns = MAX(patience_ns, limit_ns * ROWS_PATIENCE);
	if (!symbolize_is_owed(s) || !is_silent(s->symbolizer_heard_ns, now_ns, patience_ns))
		return false;
	if (!s->symbolizer_spoke && limit_ns << s->doublings < limit_ns * PATIENCE_MAX)
		s->doublings++;
	return true;
}

void symbolize_waited(struct symbolize *s, uint64_t symbolizer_ns, uint64_t opener_ns)
{
	s->symbolizer_heard_ns += symbolizer_ns;
	s->opener_heard_ns += opener_ns;
}

static bool opener_owes(const struct symbolize *s)
{
	return s->opening > 0 || s->debugs.finding || s->companions.finding;
}

bool symbolize_opener_is_stuck(const struct symbolize *s, uint64_t now_ns, uint64_t limit_ns)
{
	return opener_owes(s) && is_silent(s->opener_heard_ns, now_ns, limit_ns);
}

bool symbolize_owes(const struct symbolize *s)
{
	return opener_owes(s) || symbolize_is_owed(s);
}

int symbolize_dispatch_symbolizer(struct symbolize *s, uint64_t now_ns)
{
	for (;;) {
		_cleanup_close_ int fd = -EBADF;
		ssize_t sz = seqpacket_recv(s->symbolizer_fd, s->buf, sizeof(s->buf), &fd);
		int r;

		if (sz == -EAGAIN)
			break;
		if (sz <= 0 && sz != -EMSGSIZE) {
			s->opts.counters->v[COUNTER_symbolizer_lost]++;
			return -EPIPE;
		}
		r = sz < 0 ? -EBADMSG : wire_check(s->buf, (size_t)sz);
		if (r == WIRE_OBJECT)
			r = symbolize_on_object(s, (const void *)s->buf, now_ns);
		else if (r == WIRE_NAMED)
			r = symbolize_on_named(s, (const void *)s->buf, now_ns);
		else if (r == WIRE_ROWS)
			r = symbolize_on_rows(s, (const void *)s->buf, fd, now_ns);
		else if (r == WIRE_COMPANION)
			r = companions_on_word(s, (const void *)s->buf, now_ns);
		else
			r = -EBADMSG;
		if (r == -EBADMSG) {
			s->opts.counters->v[COUNTER_symbolizer_lied]++;
			return r;
		}
		s->answers++;
		s->symbolizer_heard_ns = now_ns;
		s->symbolizer_spoke = true;
	}
	symbolize_pump(s, now_ns);
	return 0;
}
