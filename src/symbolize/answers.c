/* SPDX-License-Identifier: Apache-2.0 */

/*
 * answers — names asked of the symbolizer in batches of one object, and what it answers.
 *
 * Views take turns to ask: one whose window has very many places does not hold up another's.
 *
 * An answer is believed only for a request that is on its way, for that request's object, and for no
 * more places than were asked. Names are cleaned here whatever the symbolizer says of them.
 */

#include <string.h>

#include "symbolize-internal.h"

/* What a name takes beside its text, about. */
#define NAME_BYTES 128

static void ask_drop(struct symbolize *s, unsigned int i)
{
	if (s->asks[i].view)
		s->asks[i].view->asks_cnt--;
	free(s->asks[i].offsets);
	s->asks[i] = s->asks[--s->asks_cnt];
}

void symbolize_asks_drop(struct symbolize *s)
{
	while (s->asks_cnt > 0)
		ask_drop(s, s->asks_cnt - 1);
	for (unsigned int i = 0; i < SYMBOLIZE_VIEWS_MAX; i++) {
		struct symbolize_view *v = s->views[i];

		if (!v)
			continue;
		v->wants.cnt = 0;
		v->wants_next = 0;
	}
	views_look_again(s);
}

/* Another view may have got the name meanwhile, or the table may be gone: it is asked for when it is back. */
static bool is_to_ask(struct symbolize_view *v, const struct want *want)
{
	const struct object *o = objects_get(v->s->opts.objects, want->object);

	if (want->object < CPROF_OBJECT_FIRST)
		return true;
	if (!o || o->state != OBJECT_READY) {
		view_await_all(v, want->object);
		return false;
	}
	return o->kind == OBJECT_JIT ||
	       !names_settled(v->s->opts.names, want->object, want->offset);
}

/* The next places of one object into @ask; how many wants that makes. */
static size_t take_wants(struct symbolize_view *v, struct ask *ask)
{
	const struct want *first = &v->wants.v[v->wants_next];
	size_t left = v->wants.cnt - v->wants_next, cnt = 0;

	ask->object = first->object;
	for (; cnt < left && ask->cnt < WIRE_NAMES_MAX && first[cnt].object == first->object;
	     cnt++) {
		if (is_to_ask(v, &first[cnt]))
			ask->offsets[ask->cnt++] = first[cnt].offset;
	}
	return cnt;
}

static int send_names(struct symbolize *s, const struct ask *ask)
{
	struct wire_names *m = (void *)s->buf;

	*m = (struct wire_names){
		.head = { .size = (uint32_t)(sizeof(*m) + ask->cnt * sizeof(uint64_t)),
			  .type = WIRE_NAMES,
			  .id = ask->id },
		.object = ask->object,
		.cnt = ask->cnt,
	};
	memcpy(m + 1, ask->offsets, ask->cnt * sizeof(uint64_t));
	return seqpacket_send(s->symbolizer_fd, m, m->head.size, -EBADF);
}

/* Sends one request for the next wants of one object; false when it could not be sent now. */
static bool ask_send(struct symbolize_view *v, uint64_t now_ns)
{
	struct symbolize *s = v->s;
	_cleanup_free_ uint64_t *offsets = calloc(WIRE_NAMES_MAX, sizeof(*offsets));
	struct ask ask = { .view = v, .id = s->next_id, .asked_ns = now_ns, .offsets = offsets };
	size_t cnt;

	if (!offsets)
		return false;
	cnt = take_wants(v, &ask);
	if (ask.cnt > 0 && send_names(s, &ask) < 0)
		return false;
	v->wants_next += cnt;
	if (ask.cnt == 0)
		return true;
	if (ask.object == CPROF_OBJECT_KERNEL)
		kernel_asked(s);
	if (!symbolize_is_owed(s))
		s->symbolizer_heard_ns = now_ns; /* it owes from now on */
	(void)TAKE_PTR(offsets);
	s->asks[s->asks_cnt++] = ask;
	s->next_id++;
	v->asks_cnt++;
	return true;
}

void symbolize_pump(struct symbolize *s, uint64_t now_ns)
{
	unsigned int idle = 0; /* views in a row with nothing to ask */

	opens_pump(s, now_ns);
	rows_pump(s, now_ns);
	debugs_pump(s, now_ns);
	companions_pump(s, now_ns);
	while (s->symbolizer_fd >= 0 && s->asks_cnt < ASKS_MAX && idle < SYMBOLIZE_VIEWS_MAX) {
		struct symbolize_view *v = s->views[s->views_turn];

		idle++;
		if (v && v->wants_next < v->wants.cnt) {
			if (!ask_send(v, now_ns))
				return;
			idle = 0;
		}
		s->views_turn = (s->views_turn + 1) % SYMBOLIZE_VIEWS_MAX;
	}
}

/* Texts of a message that were interned: many places share one. */
#define KEPT_TEXTS 64

struct texts {
	struct symbolize *s;
	const char *message;
	struct {
		const char *text;
		size_t len;
		uint32_t id;
	} kept[KEPT_TEXTS];
};

static int intern(struct texts *t, const char *text, size_t len, uint32_t *ret_id)
{
	const size_t slot = (size_t)(text - t->message) / 4 % KEPT_TEXTS;
	char clean[WIRE_NAME_MAX * 3 + 1];
	int r;

	*ret_id = 0;
	if (len == 0)
		return 0;
	if (t->kept[slot].text == text && t->kept[slot].len == len) {
		*ret_id = t->kept[slot].id;
		return 0;
	}
	t->kept[slot].text = NULL;
	r = names_string(t->s->opts.names, clean, str_clean(clean, sizeof(clean), text, len, NULL),
			 ret_id);
	if (r < 0)
		return r;
	t->kept[slot].text = text;
	t->kept[slot].len = len;
	t->kept[slot].id = *ret_id;
	return 0;
}

static int intern_line(struct texts *t, const struct wire_line_view *view, struct name_line *ret)
{
	int r;

	*ret = (struct name_line){
		.line = view->line,
		.column = view->column,
		.start_line = view->start_line,
	};
	r = intern(t, view->name, view->name_len, &ret->function);
	if (r == 0)
		r = intern(t, view->linkage, view->linkage_len, &ret->linkage);
	if (r == 0)
		r = intern(t, view->file, view->file_len, &ret->file);
	if (ret->linkage == ret->function)
		ret->linkage = 0;
	return r;
}

/* The function whose code it is, which comes last, and those that were inlined. */
static int intern_lines(struct texts *t, const struct wire_name_view *view, struct name *ret)
{
	struct name_line lines[WIRE_LINES_MAX];
	struct wire_line_view line;
	int r = 0;

	_Static_assert(WIRE_LINES_MAX <= NAME_INLINED_MAX, "all of them are kept");

	*ret = (struct name){ .start = view->start, .part = view->part };
	for (uint16_t i = 0; r == 0 && i < view->lines_cnt; i++) {
		wire_named_line(view, i, &line);
		r = intern_line(t, &line, &lines[i]);
	}
	if (r < 0 || view->lines_cnt == 0)
		return r;
	ret->own = lines[view->lines_cnt - 1];
	ret->inlined_cnt = view->lines_cnt - 1u;
	return names_put_inlined(t->s->opts.names, lines, ret->inlined_cnt, &ret->inlined);
}

/* What it takes, with texts that others may have too. */
static size_t name_bytes(const struct wire_name_view *view)
{
	size_t sz = NAME_BYTES;

	for (uint16_t i = 0; i < view->lines_cnt; i++) {
		const struct wire_line *l = &view->lines[i];

		sz += sizeof(struct name_line) + l->name.len + l->linkage.len;
	}
	return sz;
}

/* The kernel's names are root's. */
static uint32_t owner_of(struct symbolize *s, uint32_t object)
{
	const struct object *o = objects_get(s->opts.objects, object);

	return o ? o->owner : 0;
}

static int take_name(struct texts *t, const struct ask *ask, uint64_t offset,
		     const struct wire_name_view *view)
{
	struct symbolize *s = t->s;
	const uint32_t object = ask->object;
	size_t sz = name_bytes(view);
	uint32_t owner = owner_of(s, object);
	struct name name, old;
	bool is_new = !names_get(s->opts.names, object, offset, &old);
	int r;

	if (is_new && s->opts.names_max &&
	    !shares_allow(&s->shares, owner, sz, s->opts.names_max)) {
		if (ask->view)
			wants_limit(ask->view, object, offset);
		return 0;
	}
	r = intern_lines(t, view, &name);
	if (r < 0)
		return r;
	if (jit_is(s, object) && !jit_take_name(s, ask, offset, &name))
		return 0;
	if (object == CPROF_OBJECT_KERNEL && !kernel_take_name(s, offset, &name))
		return 0;
	r = names_put(s->opts.names, object, offset, &name);
	if (r == 0 && is_new)
		shares_take(&s->shares, owner, sz);
	return r;
}

static bool keep_name(uint32_t object, size_t bytes, void *ctx)
{
	struct symbolize *s = ctx;

	if (!objects_get(s->opts.objects, object))
		return false;
	shares_take(&s->shares, owner_of(s, object), bytes);
	return true;
}

int symbolize_sweep(struct symbolize *s, uint64_t before_ns)
{
	uint64_t cnt = names_cnt(s->opts.names);
	struct shares was = s->shares;
	int r;

	s->shares = (struct shares){ 0 };
	r = names_sweep(s->opts.names, before_ns, keep_name, s);
	if (r < 0)
		s->shares = was;
	if (names_cnt(s->opts.names) < cnt)
		views_room(s);
	s->opts.counters->v[COUNTER_names_forgotten] += cnt - names_cnt(s->opts.names);
	return r;
}

/* It does not know the object: restarted, or it dropped the table. */
static int on_unknown(struct symbolize *s, unsigned int i, uint64_t now_ns)
{
	struct symbolize_view *v = s->asks[i].view;
	uint32_t object = s->asks[i].object;
	struct work *w = symbolize_work(s, object);

	ask_drop(s, i);
	if (object < CPROF_OBJECT_FIRST)
		*symbolize_tried(s, object) = true;
	else
		symbolize_table_lost(s, object, now_ns);
	if (!w || object < CPROF_OBJECT_FIRST)
		return 0;
	s->opts.counters->v[COUNTER_tables_evicted]++;
	if (v)
		view_await_all(v, object); /* what was asked of it is asked again */
	w->failures = w->lost;		   /* two files that push each other out do it slowly */
	opens_failed(s, object, now_ns);
	w->lost = w->failures;
	symbolize_retry_at(s, w->pause_until_ns);
	return 0;
}

/* From the @n-th on they found no room in the answer. */
static void ask_again(struct ask *ask, uint32_t n)
{
	for (; ask->view && n < ask->cnt; n++) {
		struct want want = { .object = ask->object, .offset = ask->offsets[n] };

		if (vec_push(&ask->view->wants, want) < 0)
			break;
	}
}

int symbolize_on_named(struct symbolize *s, const struct wire_named *m, uint64_t now_ns)
{
	struct texts texts = { .s = s, .message = (const char *)m };
	struct wire_name_view view;
	struct work *w;
	unsigned int i = 0;
	size_t pos = 0;
	uint32_t n = 0;

	while (i < s->asks_cnt && s->asks[i].id != m->head.id)
		i++;
	if (i == s->asks_cnt || m->object != s->asks[i].object || m->cnt > s->asks[i].cnt)
		return -EBADMSG;
	if (m->status != WIRE_OBJECT_READY)
		return on_unknown(s, i, now_ns);
	if (m->cnt == 0)
		return -EBADMSG;
	w = symbolize_work(s, m->object);
	if (w)
		w->lost = 0;
	if (m->closed) {
		s->opts.counters->v[COUNTER_lines_missed] += m->cnt;
		lines_closed(s, m->object);
	}
	while (wire_named_next(m, &pos, &view) > 0) {
		if (take_name(&texts, &s->asks[i], s->asks[i].offsets[n++], &view) < 0)
			break; /* no memory: these places stay without a name */
	}
	if (m->object == CPROF_OBJECT_KERNEL)
		kernel_code_lines(s);
	if (m->wants)
		companions_want(s, m->object, s->asks[i].view, now_ns);
	ask_again(&s->asks[i], n);
	ask_drop(s, i);
	return 0;
}
