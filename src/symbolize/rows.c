/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rows — how a file's code is undone, as the symbolizer tells it: a block in a file in memory. It is
 * mapped, not copied, so it has to be sealed; every row of it is looked at before anybody is given it.
 *
 * Rows of a large file take a hundred times longer than its names. So they are asked for by themselves, one
 * file at a time, and names are answered between two of them: the one that most stacks met first. While
 * files are on their way for their names, rows wait; but none for long, since its file is open as long, and
 * so a user has few that wait. Where the CPU is short there is a second between two.
 *
 * The symbolizer says which file it begins with, for it may die of one: then that one did it. One block is
 * taken for each that was asked for. What comes beside that costs no look: nobody can keep us at checking
 * blocks.
 */

#include <sys/mman.h>

#include "cprof/base/sealed.h"
#include "symbolize-internal.h"

#define ROWS_PAUSE_NS 1000000000ull
/* Who waits for so long comes before others whatever they are wanted for. */
#define ROWS_WAIT_NS (WIRE_FILE_OPEN_NS / 4)

int rows_take(struct symbolize *s, const struct wire_rows *m, int fd)
{
	struct rows_view rows;
	const void *bytes;
	int r;

	r = sealed_map(fd, m->bytes, &bytes);
	if (r < 0)
		return r;
	r = rows_check(bytes, (size_t)m->bytes, &rows);
	/* Who has nothing to tell tells nothing. */
	if (r == 0 && m->status != WIRE_ROWS_OK && m->status != WIRE_ROWS_LIMIT &&
	    rows.head->pages_cnt > 0)
		r = -EBADMSG;
	if (r == 0 && s->opts.on_rows)
		s->opts.on_rows((uint32_t)m->head.id, &rows, s->opts.ctx);
	(void)munmap((void *)(uintptr_t)bytes, (size_t)m->bytes);
	return r;
}

bool rows_queue(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);

	if (!w || w->rows_due || vec_push(&s->rows, object) < 0)
		return false;
	w->rows_due = true;
	w->rows_ns = now_ns;
	w->uses = 0;
	opens_keep(s, w);
	return true;
}

void rows_want(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	if (rows_queue(s, object, now_ns))
		rows_pump(s, now_ns);
}

void rows_undue(struct symbolize *s, uint32_t object)
{
	struct work *w = symbolize_work(s, object);

	if (!w || !w->rows_due)
		return;
	w->rows_due = false;
	if (object < CPROF_OBJECT_FIRST)
		return; /* the vDSO is nobody's file, and always there */
	opens_let_go(s, w);
	for (size_t i = 0; i < s->rows.cnt; i++) {
		if (s->rows.v[i] == object) {
			s->rows.v[i] = s->rows.v[--s->rows.cnt];
			return;
		}
	}
}

static bool has_waited(const struct work *w, uint64_t now_ns)
{
	return now_ns >= w->rows_ns + ROWS_WAIT_NS;
}

/* True when @a comes before @b. */
static bool is_before(const struct work *a, const struct work *b, uint64_t now_ns)
{
	bool long_a = has_waited(a, now_ns), long_b = has_waited(b, now_ns);

	if (long_a || long_b)
		return long_a && (!long_b || a->rows_ns < b->rows_ns);
	return a->uses != b->uses ? a->uses > b->uses : a->rows_ns < b->rows_ns;
}

/*
 * A file that was closed before its turn came is read again when there is nothing else to do: until then its
 * names are worth more than its rows.
 */
static void read_again(struct symbolize *s, uint64_t now_ns)
{
	uint32_t object;

	if (s->rows_again.cnt == 0 || s->opening + s->loading + s->asks_cnt > 0)
		return;
	object = s->rows_again.v[--s->rows_again.cnt];
	opens_again(s, object, now_ns);
}

/* Which one is next; there is one. */
static size_t choose(struct symbolize *s, uint64_t now_ns)
{
	size_t best = 0;

	for (size_t i = 1; i < s->rows.cnt; i++) {
		const struct work *w = symbolize_work(s, s->rows.v[i]);

		if (w && is_before(w, symbolize_work(s, s->rows.v[best]), now_ns))
			best = i;
	}
	return best;
}

void rows_pump(struct symbolize *s, uint64_t now_ns)
{
	const struct work *w;
	size_t i;

	pages_pump(s, now_ns);
	if (s->symbolizer_fd < 0 || s->making.object != 0 || now_ns < s->rows_next_ns)
		return;
	if (s->rows.cnt == 0) {
		read_again(s, now_ns);
		return;
	}
	i = choose(s, now_ns);
	w = symbolize_work(s, s->rows.v[i]);
	if (w && s->opening + s->loading > 0 && !has_waited(w, now_ns))
		return;
	if (pages_ask(s, s->rows.v[i]) < 0)
		return;
	if (!symbolize_is_owed(s))
		s->symbolizer_heard_ns = now_ns; /* it owes from now on */
	s->making = (struct making){ .object = s->rows.v[i] };
	s->rows.v[i] = s->rows.v[--s->rows.cnt];
	if (s->deferred)
		s->rows_next_ns = now_ns + ROWS_PAUSE_NS;
}

void rows_close(struct symbolize *s, uint32_t object)
{
	struct wire_head m = { .size = sizeof(m), .type = WIRE_CLOSE, .id = object };

	/* One that is not told closes it by itself, later. */
	if (s->symbolizer_fd >= 0)
		(void)seqpacket_send(s->symbolizer_fd, &m, sizeof(m), -EBADF);
}

uint32_t rows_lost(struct symbolize *s)
{
	uint32_t object = 0;

	if (s->making.begun)
		object = s->making.object;
	else if (s->debugs.making.begun)
		object = s->debugs.making.object;
	else if (s->companions.making.begun)
		object = s->companions.making.object;
	s->making = (struct making){ 0 };
	s->rows_next_ns = 0;
	s->rows_again.cnt = 0; /* all files are opened anew */
	s->debugs.cnt = 0;
	s->debugs.making = (struct making){ 0 };
	return object;
}

/* Whatever it was that was asked for. */
static int on_begun(struct symbolize *s, uint32_t object)
{
	if (s->making.object == object)
		s->making.begun = true;
	else if (s->debugs.making.object == object)
		s->debugs.making.begun = true;
	return 0;
}

/* The answer about a file that was asked for, or the vDSO. */
static int on_due(struct symbolize *s, const struct wire_rows *m, int fd, uint64_t now_ns)
{
	uint32_t object = (uint32_t)m->head.id;
	int r;

	rows_undue(s, object);
	pages_told(s, m, now_ns);
	if (m->status == WIRE_ROWS_GONE) {
		(void)vec_push(&s->rows_again, object); /* or else it has none */
		return 0;
	}
	if (m->status == WIRE_ROWS_LIMIT)
		s->opts.counters->v[COUNTER_rows_limited]++;
	r = rows_take(s, m, fd);
	if (r == 0 && m->part)
		debugs_want(s, m, now_ns);
	return r == -EBADMSG ? r : 0; /* without memory it is as of a file that has none */
}

int symbolize_on_rows(struct symbolize *s, const struct wire_rows *m, int fd, uint64_t now_ns)
{
	uint32_t object = (uint32_t)m->head.id;
	bool of_debug = m->status == WIRE_ROWS_OTHER || m->status == WIRE_ROWS_KEPT;
	bool bare = of_debug || m->status == WIRE_ROWS_BEGUN || m->status == WIRE_ROWS_GONE;
	const struct work *w;
	int r = 0;

	/* Of the vDSO there is one word. */
	if ((fd < 0) != bare || (bare && object == CPROF_OBJECT_VDSO) || m->head.id > UINT32_MAX ||
	    (object < CPROF_OBJECT_FIRST && object != CPROF_OBJECT_VDSO) ||
	    !objects_knew(s->opts.objects, object))
		return -EBADMSG;
	if (m->status == WIRE_ROWS_BEGUN)
		return on_begun(s, object);
	if (s->making.object != object && s->debugs.making.object == object)
		return debugs_on_rows(s, m, fd, now_ns);
	if (s->making.object == object)
		s->making = (struct making){ 0 };
	else if (object != CPROF_OBJECT_VDSO)
		return 0; /* nobody asked */
	w = symbolize_work(s, object);
	if (w && w->rows_due) /* else forgotten meanwhile */
		r = of_debug ? -EBADMSG : on_due(s, m, fd, now_ns);
	return r;
}

void symbolize_use(struct symbolize *s, uint32_t object, uint32_t pid, uint64_t start_ns)
{
	struct work *w = symbolize_work(s, object);

	if (!w)
		return;
	w->met = true;
	w->user_gone = false;
	w->user_pid = pid;
	w->user_start_ns = start_ns;
	if (w->rows_due)
		w->uses++;
}

void symbolize_defer(struct symbolize *s, bool deferred)
{
	if (!deferred)
		s->rows_next_ns = 0;
	s->deferred = deferred;
}
