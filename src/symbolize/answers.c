/* SPDX-License-Identifier: Apache-2.0 */

/*
 * answers — names asked of the symbolizer in batches of one object, and what it answers.
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
	free(s->asks[i].offsets);
	s->asks[i] = s->asks[--s->asks_cnt];
}

void symbolize_asks_drop(struct symbolize *s)
{
	while (s->asks_cnt > 0)
		ask_drop(s, s->asks_cnt - 1);
	s->wants.cnt = 0;
	s->wants_next = 0;
	s->rescan |= s->scanned > 0;
}

/* Sends one request for the next wants of one object; false when it could not be sent now. */
static bool ask_send(struct symbolize *s, uint64_t now_ns)
{
	struct want *first = &s->wants.v[s->wants_next];
	size_t left = s->wants.cnt - s->wants_next;
	struct wire_names *m = (void *)s->buf;
	struct ask *ask = &s->asks[s->asks_cnt];
	uint32_t cnt = 0;

	while (cnt < left && cnt < WIRE_NAMES_MAX && first[cnt].object == first->object)
		cnt++;
	ask->offsets = calloc(cnt, sizeof(*ask->offsets));
	if (!ask->offsets)
		return false;
	for (uint32_t i = 0; i < cnt; i++)
		ask->offsets[i] = first[i].offset;
	*m = (struct wire_names){
		.head = { .size = (uint32_t)(sizeof(*m) + cnt * sizeof(uint64_t)),
			  .type = WIRE_NAMES,
			  .id = s->next_id },
		.object = first->object,
		.cnt = cnt,
	};
	memcpy(m + 1, ask->offsets, cnt * sizeof(uint64_t));
	if (seqpacket_send(s->symbolizer_fd, m, m->head.size, -EBADF) < 0) {
		free(ask->offsets);
		ask->offsets = NULL;
		return false;
	}
	if (s->asks_cnt + s->loading == 0)
		s->symbolizer_heard_ns = now_ns; /* it owes from now on */
	ask->id = s->next_id++;
	ask->asked_ns = now_ns;
	ask->object = first->object;
	ask->cnt = cnt;
	s->asks_cnt++;
	s->wants_next += cnt;
	return true;
}

void symbolize_pump(struct symbolize *s, uint64_t now_ns)
{
	while (s->symbolizer_fd >= 0 && s->asks_cnt < ASKS_MAX && s->wants_next < s->wants.cnt) {
		if (!ask_send(s, now_ns))
			return;
	}
}

static int intern(struct symbolize *s, const char *text, size_t len, uint32_t *ret_id)
{
	char clean[WIRE_NAME_MAX * 3 + 1];

	*ret_id = 0;
	if (len == 0)
		return 0;
	len = str_clean(clean, sizeof(clean), text, len, NULL);
	return names_string(s->opts.names, clean, len, ret_id);
}

/* The kernel's names are root's. */
static uint32_t owner_of(struct symbolize *s, uint32_t object)
{
	const struct object *o = objects_get(s->opts.objects, object);

	return o ? o->owner : 0;
}

static int take_name(struct symbolize *s, uint32_t object, uint64_t offset,
		     const struct wire_name_view *view)
{
	struct name name = { .start = view->start };
	size_t sz = NAME_BYTES + view->name_len + view->linkage_len;
	uint32_t owner = owner_of(s, object);
	struct name old;
	bool is_new = !names_get(s->opts.names, object, offset, &old);
	int r;

	if (is_new && s->opts.names_max &&
	    !shares_allow(&s->shares, owner, sz, s->opts.names_max)) {
		wants_limit(s, object, offset);
		return 0;
	}
	r = intern(s, view->name, view->name_len, &name.function);
	if (r < 0)
		return r;
	r = intern(s, view->linkage, view->linkage_len, &name.linkage);
	if (r < 0)
		return r;
	if (name.linkage == name.function)
		name.linkage = 0;
	if (jit_is(s, object) && !jit_take_name(s, object, offset, &name))
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
		s->limited.cnt = 0; /* there is room again */
	s->opts.counters->v[COUNTER_names_forgotten] += cnt - names_cnt(s->opts.names);
	return r;
}

/* It does not know the object: restarted, or it dropped the table. */
static int on_unknown(struct symbolize *s, unsigned int i, uint64_t now_ns)
{
	uint32_t object = s->asks[i].object;
	struct work *w = symbolize_work(s, object);

	ask_drop(s, i);
	if (object < CPROF_OBJECT_FIRST)
		*symbolize_tried(s, object) = true;
	else
		symbolize_table_lost(s, object, now_ns);
	if (!w || object < CPROF_OBJECT_FIRST)
		return 0;
	w->failures = w->lost; /* two files that push each other out do it slowly */
	opens_failed(s, object, now_ns);
	w->lost = w->failures;
	symbolize_retry_at(s, w->pause_until_ns);
	return 0;
}

int symbolize_on_named(struct symbolize *s, const struct wire_named *m, uint64_t now_ns)
{
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
	while (wire_named_next(m, &pos, &view) > 0) {
		if (take_name(s, m->object, s->asks[i].offsets[n++], &view) < 0)
			break; /* no memory: these places stay without a name */
	}
	for (; n < s->asks[i].cnt; n++) {
		struct want want = { .object = s->asks[i].object, .offset = s->asks[i].offsets[n] };

		if (vec_push(&s->wants, want) < 0)
			break;
	}
	ask_drop(s, i);
	return 0;
}
