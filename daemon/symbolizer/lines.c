/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a file tells is opened twice: its symbols and rows are made in one go, from a descriptor that is closed
 * then, while this one stays. Files of which most is remembered go first when it is too much, and among those
 * the least lately asked for.
 *
 * A file that lies can make us look for ever at what leads nowhere. So each has an allowance of work, and when
 * that is used up its places have the names of its symbol table.
 */

#include "lines-internal.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/dwarf.h"
#include "cprof/go_lines.h"
#include "cprof/symtab.h"

#define GO_BYTES (400u << 10) /* about (go_lines.h) */
#define CHUNK 256	      /* places that are asked for at once */

static struct lines_file *file_free(struct lines_file *f)
{
	if (!f)
		return NULL;
	dwarf_close(f->dwarf);
	go_lines_close(f->go);
	elf_file_close(f->debug);
	elf_file_close(f->elf);
	free(f);
	return NULL;
}

DEFINE_CLEANUP(struct lines_file *, file_free);

size_t lines_index(const struct lines *l, uint32_t object)
{
	size_t i = 0;

	while (i < l->v.cnt && l->v.v[i]->object != object)
		i++;
	return i;
}

static void drop(struct lines *l, size_t i)
{
	file_free(l->v.v[i]);
	l->v.v[i] = l->v.v[--l->v.cnt];
}

static size_t bytes_of(const struct lines_file *f)
{
	return (f->dwarf ? dwarf_bytes(f->dwarf) : 0) + (f->go ? GO_BYTES : 0);
}

/* All but the one that was used last may go. */
static void shrink(struct lines *l)
{
	for (;;) {
		size_t bytes = 0, oldest = 0;

		for (size_t i = 0; i < l->v.cnt; i++) {
			bytes += bytes_of(l->v.v[i]);
			if (l->v.v[i]->used < l->v.v[oldest]->used)
				oldest = i;
		}
		if (l->v.cnt <= 1 || (bytes <= LINES_BYTES_MAX && l->v.cnt <= LINES_FILES_MAX))
			return;
		drop(l, oldest);
	}
}

/* What work is left is left. */
static void close_sources(struct lines_file *f)
{
	if (f->dwarf)
		f->work = dwarf_work_left(f->dwarf);
	f->dwarf = dwarf_close(f->dwarf);
	f->go = go_lines_close(f->go);
}

/* SYMTAB_OK: it tells something. */
static int open_sources(struct lines_file *f, uint64_t seed)
{
	const struct dwarf_limits limits = { .bytes = LINES_BYTES_MAX, .work = f->work };
	int r;

	r = dwarf_open(f->debug ? f->debug : f->elf, &limits, seed, &f->dwarf);
	if (r < 0)
		return r;
	if (f->debug)
		return f->dwarf ? SYMTAB_OK : SYMTAB_UNNAMED;
	r = go_lines_open(f->elf, &GOPCLNTAB_LINES_LIMITS_DEFAULT, &f->go);
	return r != SYMTAB_OK && r >= 0 && f->dwarf ? SYMTAB_OK : r;
}

/* Takes both files. */
static int add(struct lines *l, uint32_t object, struct elf_file *elf, struct elf_file *debug)
{
	_cleanup_(file_freep) struct lines_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f) {
		elf_file_close(elf);
		elf_file_close(debug);
		return -ENOMEM;
	}
	f->object = object;
	f->elf = elf;
	f->debug = debug;
	f->work = LINES_WORK;
	f->used = ++l->used;
	f->rest_ns = UINT64_MAX;
	r = open_sources(f, l->seed);
	if (r != SYMTAB_OK)
		return MIN(r, 0);
	r = vec_push(&l->v, f);
	if (r < 0)
		return r;
	(void)TAKE_PTR(f);
	shrink(l);
	return 1;
}

int lines_add(struct lines *l, uint32_t object, const struct elf_file *f, struct elf_file *debug)
{
	_cleanup_(elf_file_closep) struct elf_file *owned = debug;
	struct elf_file *elf;
	int r;

	lines_forget(l, object);
	if (!debug && !elf_file_tells_lines(f))
		return 0;
	r = elf_file_copy(f, &elf);
	if (r != SYMTAB_OK)
		return MIN(r, 0);
	return add(l, object, elf, TAKE_PTR(owned));
}

/* Takes the descriptor. */
static int attach(struct lines *l, struct lines_file *f, int fd, uint64_t file_sz)
{
	int r = elf_file_attach(f->elf, fd, file_sz);

	if (r < 0 || f->dwarf || f->go)
		return r;
	r = open_sources(f, l->seed);
	return MIN(r, 0);
}

int lines_reopen(struct lines *l, struct lines_file *f)
{
	int r;

	close_sources(f);
	r = elf_file_is_attached(f->elf) ? open_sources(f, l->seed) : 0;
	return MIN(r, 0);
}

int lines_attach(struct lines *l, uint32_t object, int fd, uint64_t file_sz)
{
	_cleanup_close_ int owned = fd;
	size_t i = lines_index(l, object);
	struct elf_file *elf;
	int r;

	if (i < l->v.cnt)
		return attach(l, l->v.v[i], TAKE_FD(owned), file_sz);
	r = elf_file_open(TAKE_FD(owned), file_sz, &elf);
	if (r == SYMTAB_OK)
		r = add(l, object, elf, NULL);
	return MIN(r, 0);
}

void lines_release(struct lines *l, uint32_t object)
{
	size_t i = lines_index(l, object);

	if (i == l->v.cnt)
		return;
	if (l->v.v[i]->debug) {
		drop(l, i); /* it is looked for again */
		return;
	}
	if (l->v.v[i]->dwarf && dwarf_given_cnt(l->v.v[i]->dwarf) > 0)
		close_sources(l->v.v[i]); /* so are its further files */
	elf_file_detach(l->v.v[i]->elf);
}

void lines_forget(struct lines *l, uint32_t object)
{
	size_t i = lines_index(l, object);

	if (i < l->v.cnt)
		drop(l, i);
}

uint64_t lines_rest(struct lines *l, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;
	bool rested = false;

	for (size_t i = 0; i < l->v.cnt; i++) {
		struct lines_file *f = l->v.v[i];

		if (f->rest_ns <= now_ns) {
			f->rest_ns = UINT64_MAX;
			if (f->dwarf)
				dwarf_rest(f->dwarf);
			rested = true;
		}
		next = MIN(next, f->rest_ns);
	}
	if (rested)
		(void)malloc_trim(0);
	return next;
}

void lines_done(struct lines *l)
{
	while (l->v.cnt > 0)
		drop(l, l->v.cnt - 1);
	vec_done(&l->v);
}

enum lines_state lines_state(const struct lines *l, uint32_t object)
{
	size_t i = lines_index(l, object);

	if (i == l->v.cnt)
		return LINES_NONE;
	return elf_file_is_attached(l->v.v[i]->elf) ? LINES_OPEN : LINES_CLOSED;
}

bool lines_are_go(const struct lines *l, uint32_t object)
{
	size_t i = lines_index(l, object);

	return i < l->v.cnt && l->v.v[i]->go;
}

/* One question on its way. */
struct asking {
	const struct lines_file *file;
	const struct lines_question *q;
	size_t from;		 /* of all that were asked for */
	bool answered[CHUNK];	 /* those from there on */
	uint32_t numbers[CHUNK]; /* of DWARF's addresses, among those */
	struct lines_frame frames[DWARF_LINES_MAX];
};

static int give(struct asking *a, size_t i, const struct lines_place *place)
{
	a->answered[i] = true;
	return a->q->fn(a->q->ctx, a->from + i, place);
}

_Static_assert(DWARF_LINES_MAX + 1 == GOPCLNTAB_PLACES_MAX, "one array for both");

static int on_place(void *ctx, size_t i, const struct dwarf_place *place)
{
	struct asking *a = ctx;
	struct lines_place p = { a->frames, place->lines_cnt, 0, place->part };

	if (place->outcome != DWARF_OK || place->lines_cnt == 0)
		return 0;
	for (uint32_t k = 0; k < place->lines_cnt; k++) {
		const struct dwarf_line *line = &place->lines[k];

		a->frames[k] = (struct lines_frame){
			.name = line->name,
			.linkage = line->linkage,
			.file = line->file,
			.line = line->line,
			.column = line->column,
			.start_line = line->start_line,
		};
	}
	(void)elf_file_offset(a->file->elf, place->start, &p.start);
	return give(a, a->numbers[i], &p);
}

/* Of a file whose segments lie in another order than in memory, those of the first ones only. */
static int find_dwarf(struct asking *a, const uint64_t *offsets, size_t cnt)
{
	uint64_t addrs[CHUNK];
	size_t n = 0;

	for (size_t i = 0; i < cnt; i++) {
		if (a->answered[i] || !elf_file_address(a->file->elf, offsets[i], &addrs[n]) ||
		    (n > 0 && addrs[n] < addrs[n - 1]))
			continue;
		a->numbers[n++] = (uint32_t)i;
	}
	return n == 0 ? DWARF_OK : dwarf_find(a->file->dwarf, addrs, n, on_place, a);
}

static int on_go(void *ctx, const struct gopclntab_answer *answer)
{
	struct asking *a = ctx;
	size_t cnt = MIN(answer->cnt, (size_t)ELEMENTSOF(a->frames));
	const struct gopclntab_place *places = answer->places + (answer->cnt - cnt);
	const struct lines_place p = { a->frames, cnt, answer->start, false };

	for (size_t k = 0; k < cnt; k++) {
		a->frames[k] = (struct lines_frame){
			.name = places[k].function,
			.linkage = places[k].linkage ? places[k].linkage : "",
			.file = places[k].file,
			.line = places[k].line,
			.start_line = places[k].start_line,
		};
	}
	return cnt == 0 ? 0 : give(a, answer->i, &p);
}

static int find_go(struct asking *a, const uint64_t *offsets, size_t cnt)
{
	const struct gopclntab_lines_sink sink = { .found = on_go, .ctx = a };
	struct gopclntab_lines_facts facts;
	int r = go_lines_find(a->file->go, offsets, cnt, &sink, &facts);

	return r == GOPCLNTAB_LIMIT ? 0 : r;
}

/* False: its work is done for now. */
static bool may_work(struct lines_file *f, uint64_t now_ns)
{
	if (now_ns < f->refill_ns)
		return !f->spent;
	if (f->dwarf && f->refill_ns > 0)
		dwarf_allow(f->dwarf, LINES_WORK);
	f->refill_ns = now_ns + LINES_WORK_NS;
	f->spent = false;
	return true;
}

int lines_find(struct lines *l, uint32_t object, const struct lines_question *q)
{
	size_t i = lines_index(l, object), n;
	struct lines_file *f = i < l->v.cnt ? l->v.v[i] : NULL;
	_cleanup_(elf_file_restp) const struct elf_file *kept = elf_file_keep(f ? f->elf : NULL);
	_cleanup_(elf_file_restp) const struct elf_file *debug = elf_file_keep(f ? f->debug : NULL);
	struct asking a = { .file = f, .q = q };

	(void)kept;
	(void)debug;
	if (!f)
		return 0;
	f->used = ++l->used;
	f->rest_ns = q->now_ns + LINES_REST_NS;
	for (; a.from < q->cnt && may_work(f, q->now_ns); a.from += n) {
		int r = 0;

		n = MIN(q->cnt - a.from, (size_t)CHUNK);
		memset(a.answered, 0, sizeof(a.answered));
		if (f->go)
			r = find_go(&a, q->offsets + a.from, n);
		if (r == 0 && f->dwarf)
			r = find_dwarf(&a, q->offsets + a.from, n);
		if (f->dwarf && (r == DWARF_LIMIT || r == DWARF_TOO_LARGE))
			f->spent = true;
		else if (r != 0)
			return r;
	}
	shrink(l);
	return 0;
}
