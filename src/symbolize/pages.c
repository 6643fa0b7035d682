/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pages — of a large file rows are asked for by the page (docs/adr/0046): those that stacks met. What is wanted before the
 * file is open goes with the first question, what comes later in further ones, some at a time; while the file is held
 * it is open for them, and when it was let go of it is read again.
 *
 * Nobody can keep the symbolizer at this: a question is bounded, the user who had the file opened pays for each as
 * for one of his openings, and there is a pause between two about the same file. A page that is not asked for
 * in time is met again.
 */

#include <stdlib.h>
#include <string.h>

#include "symbolize-internal.h"

/* Smaller files have less .eh_frame than is read by the page. */
#define LARGE_FILE (1u << 20)
#define PAUSE_NS 50000000ull
#define COST_NS 5000000ull /* of a user's bucket of openings */
#define LIMITED_NS 1000000000ull

static bool is_large(const struct work *w)
{
	return w->last.key.size >= LARGE_FILE && !w->jit;
}

/* False: there is no room. */
static bool add(struct work *w, uint32_t page)
{
	uint32_t at;

	if (!w->pages)
		w->pages = calloc(1, sizeof(*w->pages));
	if (!w->pages)
		return false;
	at = w->pages->cnt;
	while (at > 0 && w->pages->v[at - 1] >= page)
		at--;
	if (at < w->pages->cnt && w->pages->v[at] == page)
		return true;
	if (w->pages->cnt == WIRE_PAGES_MAX)
		return false;
	memmove(&w->pages->v[at + 1], &w->pages->v[at], (w->pages->cnt - at) * sizeof(page));
	w->pages->v[at] = page;
	w->pages->cnt++;
	return true;
}

void symbolize_want_page(struct symbolize *s, uint32_t object, uint32_t page)
{
	struct work *w = symbolize_work(s, object);

	if (!w || object < CPROF_OBJECT_FIRST || !is_large(w))
		return;
	if (!add(w, page)) {
		s->opts.counters->v[COUNTER_pages_put_off] += w->paged; /* else all may come */
		return;
	}
	if (w->paged && !w->pages_wait && !w->rows_due)
		w->pages_wait = vec_push(&s->paging, object) == 0;
}

/* Its file is open or not, whatever was wanted: what comes next. True: it does not wait any more. */
static bool advance(struct symbolize *s, uint32_t object, struct work *w, uint64_t now_ns)
{
	if (!w || !w->pages_wait)
		return true;
	if (!w->pages || w->rows_due)
		return true; /* they go with that question */
	if (now_ns < w->pages_next_ns)
		return false;
	if (!opens_spend(s, w, COST_NS, now_ns)) {
		s->opts.counters->v[COUNTER_pages_put_off] += w->pages->cnt;
		w->pages_next_ns = now_ns + LIMITED_NS;
		return false;
	}
	if (w->pages_open)
		return rows_queue(s, object, now_ns);
	opens_again(s, object, now_ns);
	return true;
}

void pages_pump(struct symbolize *s, uint64_t now_ns)
{
	size_t left = 0, cnt = s->paging.cnt;

	if (s->symbolizer_fd < 0)
		return;
	for (size_t i = 0; i < cnt; i++) {
		uint32_t object = s->paging.v[i];
		bool waits = !advance(s, object, symbolize_work(s, object), now_ns);
		struct work *w = symbolize_work(s, object);

		if (waits)
			s->paging.v[left++] = object;
		else if (w)
			w->pages_wait = false;
	}
	s->paging.cnt = left;
}

int pages_ask(struct symbolize *s, uint32_t object)
{
	struct work *w = symbolize_work(s, object);
	struct {
		struct wire_make_pages m;
		uint32_t pages[WIRE_PAGES_MAX];
	} ask = { .m = { .head = { .type = WIRE_MAKE_ROWS, .id = object } } };
	int r;

	ask.m.head.size = sizeof(ask.m.head);
	if (w && is_large(w)) {
		ask.m.cnt = w->pages ? w->pages->cnt : 0;
		ask.m.head.type = WIRE_MAKE_PAGES;
		ask.m.head.size = (uint32_t)(sizeof(ask.m) + ask.m.cnt * sizeof(*ask.pages));
		if (w->pages)
			memcpy(ask.pages, w->pages->v, ask.m.cnt * sizeof(*ask.pages));
	}
	r = seqpacket_send(s->symbolizer_fd, &ask, ask.m.head.size, -EBADF);
	if (r < 0 || !w)
		return r;
	s->opts.counters->v[COUNTER_pages_asked] += ask.m.cnt;
	free(TAKE_PTR(w->pages));
	return 0;
}

void pages_told(struct symbolize *s, const struct wire_rows *m, uint64_t now_ns)
{
	uint32_t object = (uint32_t)m->head.id;
	struct work *w = symbolize_work(s, object);

	if (!w)
		return;
	w->pages_open = false;
	if (m->status == WIRE_ROWS_GONE)
		return;
	w->paged = m->lined == WIRE_LINED_PAGES;
	w->pages_next_ns = now_ns + PAUSE_NS;
	if (w->paged)
		lines_hold(s, object, now_ns);
	else
		free(TAKE_PTR(w->pages));
	if (w->pages && !w->pages_wait)
		w->pages_wait = vec_push(&s->paging, object) == 0;
}

/* What is wanted of them goes with the first question to the next one. */
void pages_lost(struct symbolize *s)
{
	for (size_t i = 0; i < s->works.cnt; i++) {
		s->works.v[i].pages_open = false;
		s->works.v[i].pages_wait = false;
	}
	s->paging.cnt = 0;
}

void symbolize_reset_work(struct work *w)
{
	free(w->pages);
	*w = (struct work){ 0 };
}
