/* SPDX-License-Identifier: Apache-2.0 */

/*
 * views — windows that are looked at side by side: what each of them wants, and still waits for.
 *
 * Names, files and questions on their way are everybody's. A view's own is how far its window was
 * looked at, which of its places are to be asked for, and the list of files of its own stacks that
 * may still come: files that others bring, however many, do not hold up the end of its window.
 */

#include "symbolize-internal.h"

int symbolize_view_new(struct symbolize *s, const struct window *w, struct symbolize_view **ret)
{
	struct symbolize_view *v;
	unsigned int slot = 0;

	while (slot < SYMBOLIZE_VIEWS_MAX && s->views[slot])
		slot++;
	if (slot == SYMBOLIZE_VIEWS_MAX)
		return -E2BIG;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->s = s;
	v->w = w;
	v->slot = slot;
	v->bit = 1ull << slot;
	v->readings = s->readings;
	s->views[slot] = v;
	*ret = v;
	return 0;
}

struct symbolize_view *symbolize_view_free(struct symbolize_view *v)
{
	struct symbolize *s;

	if (!v)
		return NULL;
	s = v->s;
	for (size_t i = 0; i < s->works.cnt; i++) {
		s->works.v[i].views &= ~v->bit;
		s->works.v[i].missed &= ~v->bit;
		s->works.v[i].companions_views &= ~v->bit;
	}
	for (unsigned int i = 0; i < s->asks_cnt; i++) {
		if (s->asks[i].view == v)
			s->asks[i].view = NULL;
	}
	s->views[v->slot] = NULL;
	vec_done(&v->files);
	vec_done(&v->awaiting);
	vec_done(&v->wants);
	vec_done(&v->patient);
	vec_done(&v->limited);
	free(v);
	return NULL;
}

bool view_await(struct symbolize_view *v, uint32_t object)
{
	struct work *w = symbolize_work(v->s, object);

	if (!w || (w->views & v->bit) || vec_push(&v->files, object) < 0)
		return false;
	w->views |= v->bit;
	return true;
}

void view_await_all(struct symbolize_view *v, uint32_t object)
{
	struct work *w = symbolize_work(v->s, object);

	(void)view_await(v, object);
	if (w)
		w->missed |= v->bit;
}

/* May there be more to know of it than there is now? */
static bool may_change(const struct object *o, const struct work *w)
{
	switch (o->state) {
	case OBJECT_SEEN:
	case OBJECT_ASKED:
	case OBJECT_OPENED:
	case OBJECT_GONE:
		return !w->gone;
	case OBJECT_REFUSED:
		return false;
	default:
		return w->lines_await_ns > 0 || w->companions_wait ||
		       (o->kind == OBJECT_JIT && !w->gone);
	}
}

void view_settle(struct symbolize_view *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->files.cnt; i++) {
		uint32_t object = v->files.v[i];
		const struct object *o = objects_get(v->s->opts.objects, object);
		struct work *w = symbolize_work(v->s, object);

		if (!o || !w)
			continue;
		if (may_change(o, w))
			v->files.v[kept++] = object;
		else
			w->views &= ~v->bit;
	}
	v->files.cnt = kept;
}

void symbolize_look_again(struct symbolize_view *v)
{
	v->rescan |= v->scanned > 0;
}

void views_look_again(struct symbolize *s)
{
	for (unsigned int i = 0; i < SYMBOLIZE_VIEWS_MAX; i++) {
		if (s->views[i])
			symbolize_look_again(s->views[i]);
	}
}

void views_room(struct symbolize *s)
{
	for (unsigned int i = 0; i < SYMBOLIZE_VIEWS_MAX; i++) {
		if (s->views[i])
			s->views[i]->limited.cnt = 0;
	}
}

void views_ready(struct symbolize *s, struct work *w)
{
	for (unsigned int i = 0; i < SYMBOLIZE_VIEWS_MAX; i++) {
		struct symbolize_view *v = s->views[i];

		if (!v)
			continue;
		v->ready |= (w->views & v->bit) != 0;
		v->rescan |= (w->missed & v->bit) != 0;
	}
	w->missed = 0;
	w->failures = 0;
}

void symbolize_tick(struct symbolize *s, uint64_t now_ns)
{
	lines_tick(s, now_ns);
	symbolize_pump(s, now_ns);
}

static int ask(struct symbolize_view *v, bool urgent, uint64_t now_ns)
{
	struct symbolize *s = v->s;
	int r = 0;

	symbolize_retry(s, now_ns);
	jit_tick(s, now_ns);
	kernel_tick(s, now_ns);
	lines_tick(s, now_ns);
	if (v->asks_cnt == 0 && v->wants_next == v->wants.cnt)
		r = wants_scan(v, urgent, now_ns);
	symbolize_pump(s, now_ns);
	return r;
}

int symbolize_window(struct symbolize_view *v, uint64_t now_ns)
{
	return ask(v, false, now_ns);
}

int symbolize_window_urgent(struct symbolize_view *v, uint64_t now_ns)
{
	return ask(v, true, now_ns);
}

void symbolize_close_window(struct symbolize_view *v, uint64_t now_ns)
{
	struct symbolize *s = v->s;

	v->closed_ns = now_ns;
	jit_close(v, now_ns);
	v->rescan_ns = now_ns;
	s->kernel_reload_ns = now_ns;
	jit_tick(s, now_ns);
	kernel_tick(s, now_ns);
}

/* Is a role at work on it? */
static bool is_at_work(const struct symbolize *s, const struct object *o, const struct work *w)
{
	if (w->waits || o->state == OBJECT_ASKED)
		return s->opener_fd >= 0;
	return o->state == OBJECT_OPENED && s->symbolizer_fd >= 0;
}

static bool is_on_its_way(const struct symbolize_view *v, uint32_t object)
{
	struct symbolize *s = v->s;
	const struct object *o = objects_get(s->opts.objects, object);
	const struct work *w = symbolize_work(s, object);

	if (!o || !w)
		return false;
	if (w->waits || o->state == OBJECT_ASKED || o->state == OBJECT_OPENED)
		return is_at_work(s, o, w);
	if (jit_is_put_off(v, w) || companions_are_awaited(v, w))
		return true;
	return s->retry_ns != 0 && symbolize_is_to_retry(s, object);
}

bool symbolize_awaits_rows(struct symbolize *s, uint32_t object)
{
	const struct object *o = objects_get(s->opts.objects, object);
	const struct work *w = symbolize_work(s, object);

	if (!o || !w)
		return false;
	return is_at_work(s, o, w) || ((w->rows_due || w->pages_wait) && s->symbolizer_fd >= 0) ||
	       (s->retry_ns != 0 && symbolize_is_to_retry(s, object));
}

unsigned int symbolize_pending(const struct symbolize_view *v)
{
	unsigned int owed = v->rescan + (unsigned int)v->patient.cnt;

	for (size_t i = 0; i < v->files.cnt; i++)
		owed += is_on_its_way(v, v->files.v[i]);
	if (v->s->symbolizer_fd >= 0)
		owed += v->asks_cnt + (unsigned int)(v->wants.cnt - v->wants_next);
	return owed;
}

/* Might this place still have got a name? */
static bool is_late(struct symbolize_view *v, const struct window_frame *f)
{
	struct symbolize *s = v->s;
	const struct object *o = objects_get(s->opts.objects, f->object);
	struct name name;

	if (names_get(s->opts.names, f->object, names_offset(f->offset, f->flags), &name) ||
	    wants_is_limited(v, f->object, names_offset(f->offset, f->flags)))
		return false;
	if (f->object == CPROF_OBJECT_KERNEL || f->object == CPROF_OBJECT_VDSO)
		return !*symbolize_tried(s, f->object);
	if (!o || f->object < CPROF_OBJECT_FIRST)
		return false;
	if (o->kind == OBJECT_JIT)
		return o->state == OBJECT_ASKED || o->state == OBJECT_OPENED;
	return o->state == OBJECT_SEEN || o->state == OBJECT_ASKED || o->state == OBJECT_OPENED ||
	       o->state == OBJECT_READY;
}

uint64_t symbolize_late(struct symbolize_view *v)
{
	uint64_t late = 0;

	for (size_t i = 0; i < v->w->stacks.cnt; i++) {
		for (uint32_t k = 0; k < v->w->stacks.v[i].cnt; k++)
			late += is_late(v, &v->w->stacks.v[i].frames[k]);
	}
	return late;
}
