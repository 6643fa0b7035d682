/* SPDX-License-Identifier: Apache-2.0 */

/*
 * debugs — separate debug files, for what a file itself does not say.
 *
 * The symbolizer says that a file's own information leaves out much of its code, or that its symbols were
 * taken out, and the name that the file says. The opener looks where such a file may be, and passes on what it finds; the symbolizer, which still
 * has the file open, sees whether it belongs to it. If it does not, the opener looks further. One file at a
 * time: whoever has many that lack something waits for himself, and a user's bucket of openings pays for each
 * as for a large file, for a large one may have to be read whole. What it took less is given back: most
 * files of a distribution are stripped, and have none.
 *
 * Names that were told before are asked for again when the debug file has more: until then they stay.
 */

#include <string.h>

#include "cprof/object_source.h"
#include "symbolize-internal.h"

#define DEBUG_COST_NS 250000000ull
/* At least; and what it took is paid for several times. */
#define DEBUG_LOOK_NS 5000000ull
#define DEBUG_TIMES 4

static void limit(struct symbolize *s, uint32_t object)
{
	s->opts.counters->v[COUNTER_debug_limited]++;
	rows_close(s, object);
}

void debugs_want(struct symbolize *s, const struct wire_rows *m, uint64_t now_ns)
{
	uint32_t object = (uint32_t)m->head.id;
	const struct object *o = objects_get(s->opts.objects, object);
	const struct work *w = symbolize_work(s, object);
	struct debugs *d = &s->debugs;
	struct debug_want want = { .object = object, .part = m->part, .link_len = m->link_len };

	if (!o || !w || (m->link_len == 0 && o->build_id_sz == 0)) {
		rows_close(s, object); /* nobody knows where to look */
		return;
	}
	if (s->deferred || d->cnt == DEBUGS_WAIT_MAX) {
		limit(s, object);
		return;
	}
	memcpy(want.link, m->link, m->link_len);
	d->waiting[(d->first + d->cnt++) % DEBUGS_WAIT_MAX] = want;
	debugs_pump(s, now_ns);
}

/* Asks the opener for what is @from there on; false: it takes nothing now. */
static bool find(struct symbolize *s, const struct debug_want *want, uint32_t from, uint64_t now_ns)
{
	const struct object *o = objects_get(s->opts.objects, want->object);
	const struct work *w = symbolize_work(s, want->object);
	size_t path_len = o && o->path ? strlen(o->path) : 0;
	struct {
		struct wire_open_debug m;
		char texts[WIRE_LINK_MAX + WIRE_PATH_MAX];
	} ask = { 0 };

	if (!o || !w || !opens_spend(s, w, DEBUG_COST_NS, now_ns))
		return false;
	if (path_len > WIRE_PATH_MAX || (path_len > 0 && o->path[0] != '/'))
		path_len = 0;
	ask.m = (struct wire_open_debug){
		.head = { .size = (uint32_t)(sizeof(ask.m) + want->link_len + path_len),
			  .type = WIRE_OPEN_DEBUG,
			  .id = want->object },
		.start_ns = w->last.start_ns,
		.pid = w->last.pid,
		.owner = o->owner,
		.from = from,
		.link_len = (uint16_t)want->link_len,
		.path_len = (uint16_t)path_len,
		.build_id_sz = o->build_id_sz,
	};
	if (o->build_id_sz > 0)
		memcpy(ask.m.build_id, o->build_id, o->build_id_sz);
	memcpy(ask.texts, want->link, want->link_len);
	if (path_len > 0)
		memcpy(ask.texts + want->link_len, o->path, path_len);
	if (seqpacket_send(s->opener_fd, &ask, ask.m.head.size, -EBADF) < 0) {
		opens_refund(s, w->user, DEBUG_COST_NS);
		return false;
	}
	if (s->opening == 0)
		s->opener_heard_ns = now_ns; /* it owes from now on */
	s->debugs.now = *want;
	s->debugs.making = (struct making){ .object = want->object };
	s->debugs.user = w->user;
	s->debugs.since_ns = now_ns;
	s->debugs.finding = true;
	s->debugs.named = false;
	s->debugs.other = false;
	return true;
}

/* The symbolizer may be faster than the opener, which tells the path: a debug file is looked for beside it. */
static bool is_to_come(struct symbolize *s, const struct debug_want *want)
{
	const struct object *o = objects_get(s->opts.objects, want->object);
	const struct work *w = symbolize_work(s, want->object);

	return o && w && w->word_due && !o->path;
}

/* One that cannot be asked for is left as it is: the file's own rows are there. */
void debugs_pump(struct symbolize *s, uint64_t now_ns)
{
	struct debugs *d = &s->debugs;

	while (d->making.object == 0 && d->cnt > 0 && s->opener_fd >= 0) {
		const struct debug_want *want = &d->waiting[d->first];

		if (is_to_come(s, want))
			return;
		if (!find(s, want, 0, now_ns))
			limit(s, want->object);
		d->first = (d->first + 1) % DEBUGS_WAIT_MAX;
		d->cnt--;
	}
}

void debugs_end(struct symbolize *s, uint64_t now_ns)
{
	uint64_t took_ns = now_ns - MIN(s->debugs.since_ns, now_ns);
	uint64_t cost_ns = MAX(took_ns * DEBUG_TIMES, DEBUG_LOOK_NS);

	if (s->debugs.making.object != 0 && cost_ns < DEBUG_COST_NS)
		opens_refund(s, s->debugs.user, DEBUG_COST_NS - cost_ns);
	s->debugs.making = (struct making){ 0 };
	s->debugs.finding = false;
}

/* Not this one: the next place. */
static void go_on(struct symbolize *s, uint64_t now_ns)
{
	struct debug_want want = s->debugs.now;

	debugs_end(s, now_ns);
	if (s->opener_fd < 0 || !find(s, &want, s->debugs.place + 1, now_ns))
		rows_close(s, want.object);
	debugs_pump(s, now_ns);
}

void debugs_on_opened(struct symbolize *s, const struct wire_debug_opened *m, uint64_t now_ns)
{
	struct debugs *d = &s->debugs;
	struct object *o = objects_get(s->opts.objects, d->making.object);

	if (m->head.id != d->making.object || !d->finding)
		return; /* the symbolizer was faster, or it was given up */
	s->opts.counters->v[COUNTER_opens_hung] += m->status == WIRE_OPENED_HUNG;
	d->finding = false;
	d->place = m->place;
	if (m->status != WIRE_OPENED_OK) {
		if (o && m->status == WIRE_OPENED_NONE)
			o->no_debug = true;
		rows_close(s, d->making.object);
		debugs_end(s, now_ns);
		debugs_pump(s, now_ns);
	} else if (d->other) {
		go_on(s, now_ns);
	} else if (s->loading + s->asks_cnt == 0 && s->making.object == 0) {
		s->symbolizer_heard_ns = now_ns; /* it owes from now on */
	}
}

int debugs_on_rows(struct symbolize *s, const struct wire_rows *m, int fd, uint64_t now_ns)
{
	struct object *o = objects_get(s->opts.objects, (uint32_t)m->head.id);
	struct debugs *d = &s->debugs;
	int r = 0;

	if (m->status == WIRE_ROWS_OTHER) {
		d->other = true;
		d->making.begun = false;
		if (!d->finding)
			go_on(s, now_ns);
		return 0;
	}
	debugs_end(s, now_ns);
	if (m->lined == WIRE_LINED)
		lines_debug(s, (uint32_t)m->head.id, now_ns);
	if (m->lined == WIRE_LINED && o)
		o->sources |= OBJECT_SOURCE_LINES_DEBUG;
	if (m->status != WIRE_ROWS_GONE && m->status != WIRE_ROWS_KEPT) {
		r = rows_take(s, m, fd);
		s->opts.counters->v[COUNTER_debug_files] += r == 0;
	}
	debugs_pump(s, now_ns);
	return r == -EBADMSG ? r : 0;
}

bool debugs_on_object(struct symbolize *s, const struct wire_object *m, uint64_t now_ns)
{
	uint32_t object = (uint32_t)m->head.id;
	struct debugs *d = &s->debugs;
	struct object *o = objects_get(s->opts.objects, object);

	if (d->making.object != object || !d->making.begun || d->named ||
	    !(d->now.part & WIRE_PART_NAMES) ||
	    (m->status != WIRE_OBJECT_READY && m->status != WIRE_OBJECT_LIMIT) ||
	    o->kind == OBJECT_JIT || (o->state != OBJECT_READY && o->state != OBJECT_UNNAMED))
		return false;
	d->named = true;
	if (m->status == WIRE_OBJECT_LIMIT) {
		s->opts.counters->v[COUNTER_objects_cut]++;
		return true;
	}
	o->sources |= (uint16_t)(m->sources & OBJECT_SOURCE_NAMES);
	s->opts.counters->v[COUNTER_debug_names]++;
	s->opts.counters->v[COUNTER_objects_named] += o->state == OBJECT_UNNAMED;
	symbolize_set_state(s, object, OBJECT_READY, now_ns);
	names_doubt(s->opts.names, object);
	views_look_again(s);
	return true;
}
