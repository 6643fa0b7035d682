/* SPDX-License-Identifier: Apache-2.0 */

/*
 * companions — files that debugging information goes on in: split DWARF, and what dwz took out of several files.
 *
 * Which ones they are is known when places of an object are asked for: the symbolizer names them in part, and says
 * that there are more to be had. Then it is asked for one after the other, the opener looks where such a
 * file may be and passes on what it finds, and the symbolizer sees whether it is the one. When some were taken, what
 * was named in part is asked for again. A large program has thousands of them, of which the symbolizer keeps few
 * open: so they are taken so many at a time.
 *
 * What they are called is a stranger's word. So an object has so many openings a minute, and its user's bucket pays
 * for each.
 */

#include <string.h>

#include "cprof/base/sort.h"
#include "symbolize-internal.h"

/* Fewer than are kept open of an object (DWARF_GIVEN_MAX): those that are asked for again are still there. */
#define BATCH 24
#define OBJECT_MAX 512
#define OBJECT_NS 60000000000ull
#define COST_NS 20000000ull
/* At least; and what it took is paid for several times. */
#define COST_MIN_NS 1000000ull
#define COST_TIMES 4

static void put(struct companions *c, uint32_t object)
{
	c->waiting[(c->first + c->cnt++) % COMPANIONS_WAIT_MAX] = object;
}

void companions_want(struct symbolize *s, uint32_t object, struct symbolize_view *v,
		     uint64_t now_ns)
{
	struct companions *c = &s->companions;
	struct work *w = symbolize_work(s, object);

	if (!w)
		return;
	if (v) {
		(void)view_await(v, object);
		w->companions_views |= v->bit;
	}
	if (w->companions_wait)
		return;
	if (s->deferred || c->cnt == COMPANIONS_WAIT_MAX) {
		s->opts.counters->v[COUNTER_companions_limited]++;
		return;
	}
	w->companions_wait = true;
	put(c, object);
	companions_pump(s, now_ns);
}

/* Asks the symbolizer; false: it takes nothing now. */
static bool ask_next(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct wire_head m = { .size = sizeof(m), .type = WIRE_NEXT_COMPANION, .id = object };

	if (seqpacket_send(s->symbolizer_fd, &m, sizeof(m), -EBADF) < 0)
		return false;
	if (!symbolize_is_owed(s))
		s->symbolizer_heard_ns = now_ns; /* it owes from now on */
	s->companions.making = (struct making){ .object = object };
	s->companions.finding = false;
	s->companions.taking = false;
	return true;
}

void companions_pump(struct symbolize *s, uint64_t now_ns)
{
	struct companions *c = &s->companions;

	while (c->making.object == 0 && c->cnt > 0 && s->opener_fd >= 0 && s->symbolizer_fd >= 0) {
		uint32_t object = c->waiting[c->first];

		if (symbolize_work(s, object) && !ask_next(s, object, now_ns))
			return;
		c->tried = 0;
		c->taken = 0;
		c->first = (c->first + 1) % COMPANIONS_WAIT_MAX;
		c->cnt--;
	}
}

struct offsets {
	VEC(uint64_t) v;
};

static int add_offset(uint64_t offset, void *ctx)
{
	struct offsets *o = ctx;

	return vec_push(&o->v, offset);
}

static struct symbolize_view *view_of(struct symbolize *s, const struct work *w)
{
	for (unsigned int i = 0; i < SYMBOLIZE_VIEWS_MAX; i++) {
		if (s->views[i] && (w->companions_views & s->views[i]->bit))
			return s->views[i];
	}
	return NULL;
}

/* One view asks for all of them: what it learns all know. */
static int ask_again(struct symbolize *s, uint32_t object, const struct work *w)
{
	struct symbolize_view *v = view_of(s, w);
	struct offsets offsets = { 0 };
	int r = names_doubt_part(s->opts.names, object, add_offset, &offsets);

	if (r == 0 && v)
		r = vec_reserve(&v->wants, offsets.v.cnt);
	if (r == 0 && v) {
		sort_u64(offsets.v.v, offsets.v.cnt);
		for (size_t i = 0; i < offsets.v.cnt; i++)
			v->wants.v[v->wants.cnt++] = (struct want){ object, offsets.v.v[i] };
	}
	vec_done(&offsets.v);
	return r;
}

/* Of this object; @more: it was not asked for all of them. */
static void end(struct symbolize *s, bool more, uint64_t now_ns)
{
	struct companions *c = &s->companions;
	uint32_t object = c->making.object;
	struct work *w = symbolize_work(s, object);

	c->making = (struct making){ 0 };
	c->finding = false;
	c->taking = false;
	if (w) {
		w->companions_wait = false;
		if (c->taken > 0 && ask_again(s, object, w) < 0)
			views_look_again(s);
		if (more && c->taken == 0 && c->cnt < COMPANIONS_WAIT_MAX) {
			w->companions_wait = true;
			put(c, object);
		} else {
			w->companions_views = 0;
		}
	}
	companions_pump(s, now_ns);
}

static void pay(struct symbolize *s, uint64_t now_ns)
{
	struct companions *c = &s->companions;
	uint64_t took_ns = now_ns - MIN(c->since_ns, now_ns);
	uint64_t cost_ns = MAX(took_ns * COST_TIMES, COST_MIN_NS);

	if (cost_ns < COST_NS)
		opens_refund(s, c->user, COST_NS - cost_ns);
}

static void next(struct symbolize *s, uint64_t now_ns)
{
	struct companions *c = &s->companions;

	pay(s, now_ns);
	if (c->tried >= BATCH)
		end(s, true, now_ns);
	else if (!ask_next(s, c->making.object, now_ns))
		end(s, false, now_ns);
}

/* May one more be opened for this object, whosever word it is? */
static bool may_find(struct symbolize *s, struct work *w, uint64_t now_ns)
{
	if (now_ns >= w->companions_refill_ns) {
		w->companions_refill_ns = now_ns + OBJECT_NS;
		w->companions_left = OBJECT_MAX;
	}
	if (w->companions_left == 0 || s->deferred || !opens_spend(s, w, COST_NS, now_ns))
		return false;
	w->companions_left--;
	return true;
}

/* Asks the opener for what is @from there on; false: it cannot be had now. */
static bool find(struct symbolize *s, uint32_t from, uint64_t now_ns)
{
	struct companions *c = &s->companions;
	uint32_t object = c->making.object;
	const struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);
	size_t path_len = o && o->path ? strlen(o->path) : 0;
	struct {
		struct wire_open_companion m;
		char texts[3 * WIRE_PATH_MAX];
	} ask;
	char *at = ask.texts;

	if (!o || !w || s->opener_fd < 0 || !may_find(s, w, now_ns))
		return false;
	if (path_len > WIRE_PATH_MAX || (path_len > 0 && o->path[0] != '/'))
		path_len = 0;
	ask.m = c->find;
	ask.m.from = from;
	ask.m.start_ns = w->user_pid ? w->user_start_ns : w->last.start_ns;
	ask.m.pid = w->user_pid ? w->user_pid : w->last.pid;
	ask.m.owner = o->owner;
	ask.m.path_len = (uint32_t)path_len;
	memcpy(at, c->name, ask.m.want.name_len);
	at += ask.m.want.name_len;
	memcpy(at, c->dir, ask.m.want.dir_len);
	at += ask.m.want.dir_len;
	if (path_len > 0)
		memcpy(at, o->path, path_len);
	ask.m.head.size = (uint32_t)((size_t)(at - (char *)&ask) + path_len);
	if (seqpacket_send(s->opener_fd, &ask, ask.m.head.size, -EBADF) < 0) {
		opens_refund(s, w->user, COST_NS);
		return false;
	}
	if (s->opening == 0)
		s->opener_heard_ns = now_ns; /* it owes from now on */
	c->making.begun = false;
	c->user = w->user;
	c->since_ns = now_ns;
	c->finding = true;
	c->taking = true;
	c->other = false;
	return true;
}

/* It is not looked for (any further). */
static void find_or_end(struct symbolize *s, uint32_t from, uint64_t now_ns)
{
	if (find(s, from, now_ns))
		return;
	s->opts.counters->v[COUNTER_companions_limited]++;
	end(s, false, now_ns);
}

static void go_on(struct symbolize *s, uint64_t now_ns)
{
	pay(s, now_ns);
	find_or_end(s, s->companions.place + 1, now_ns);
}

void companions_on_opened(struct symbolize *s, const struct wire_companion_opened *m,
			  uint64_t now_ns)
{
	struct companions *c = &s->companions;
	bool owed;

	if (m->head.id != c->making.object || m->number != c->find.want.number || !c->finding)
		return; /* the symbolizer was faster, or it was given up */
	s->opts.counters->v[COUNTER_opens_hung] += m->status == WIRE_OPENED_HUNG;
	owed = symbolize_is_owed(s);
	c->finding = false;
	c->place = m->place;
	if (m->status != WIRE_OPENED_OK) {
		s->opts.counters->v[COUNTER_companions_missed]++;
		next(s, now_ns);
	} else if (c->other) {
		go_on(s, now_ns);
	} else if (!owed) {
		s->symbolizer_heard_ns = now_ns; /* it owes from now on */
	}
}

static void on_wanted(struct symbolize *s, const struct wire_companion *m, uint64_t now_ns)
{
	struct companions *c = &s->companions;
	const char *texts = (const char *)(m + 1);

	c->find = (struct wire_open_companion){
		.head = { .type = WIRE_OPEN_COMPANION, .id = m->head.id },
		.want = m->want,
	};
	memcpy(c->name, texts, m->want.name_len);
	memcpy(c->dir, texts + m->want.name_len, m->want.dir_len);
	c->tried++;
	find_or_end(s, 0, now_ns);
}

/* About a file that it was given, or will be told to have been. */
static void on_file(struct symbolize *s, const struct wire_companion *m, uint64_t now_ns)
{
	struct companions *c = &s->companions;

	c->making.begun = m->status == WIRE_COMPANION_BEGUN;
	if (m->status == WIRE_COMPANION_TAKEN) {
		s->opts.counters->v[COUNTER_companions_read]++;
		c->taken++;
		next(s, now_ns);
	} else if (m->status == WIRE_COMPANION_OTHER) {
		c->other = true;
		if (!c->finding)
			go_on(s, now_ns);
	} else if (m->status == WIRE_COMPANION_NONE) {
		next(s, now_ns);
	}
}

int companions_on_word(struct symbolize *s, const struct wire_companion *m, uint64_t now_ns)
{
	const struct companions *c = &s->companions;
	bool of_file = c->finding || c->taking;

	if (m->head.id < CPROF_OBJECT_FIRST || m->head.id > UINT32_MAX ||
	    !objects_knew(s->opts.objects, (uint32_t)m->head.id))
		return -EBADMSG;
	/* What was given up meanwhile is nobody's. */
	if (m->head.id != c->making.object || (of_file && m->want.number != c->find.want.number))
		return 0;
	if (of_file && m->status != WIRE_COMPANION_WANTED)
		on_file(s, m, now_ns);
	else if (!of_file && m->status == WIRE_COMPANION_WANTED)
		on_wanted(s, m, now_ns);
	else if (!of_file && m->status == WIRE_COMPANION_NONE)
		end(s, false, now_ns);
	return 0;
}

void companions_opener_lost(struct symbolize *s, uint64_t now_ns)
{
	if (!s->companions.finding)
		return;
	s->opts.counters->v[COUNTER_companions_missed]++;
	end(s, false, now_ns);
}

void companions_lost(struct symbolize *s)
{
	for (size_t i = 0; i < s->works.cnt; i++) {
		s->works.v[i].companions_wait = false;
		s->works.v[i].companions_views = 0;
	}
	s->companions = (struct companions){ 0 };
}

bool companions_are_owed(const struct symbolize *s)
{
	const struct companions *c = &s->companions;

	return c->making.object != 0 && !c->finding;
}

bool companions_are_awaited(const struct symbolize_view *v, const struct work *w)
{
	return w->companions_wait && (w->companions_views & v->bit);
}
