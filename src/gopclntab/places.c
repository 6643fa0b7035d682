/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The place in the tree at an address is the innermost call that was inlined there. The call says where an
 * instruction is that has the place of the call itself: the file, the line, and the next place in the tree
 * are those of that instruction. Callers come before what they call in a tree, so each step goes down, which
 * no circle does.
 */

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "lines.h"

/* What the runtime writes for type arguments. */
#define DOTS "[...]"

/* Copies a string of the table, from @offset of the part [@start, @end). "" is none. 0 or -errno. */
static int copy_text(struct gopclntab_lines *l, struct window *w, uint64_t at, uint64_t end,
		     const char **ret)
{
	size_t room = sizeof(l->text) - l->text_sz, cnt, len;
	const uint8_t *p;
	char *dst;
	int r;

	*ret = "";
	if (at >= end)
		return 0;
	r = window_peek(w, at, (size_t)MIN(end - at, (uint64_t)WINDOW_SZ), &p, &cnt);
	if (r < 0)
		return r;
	len = strnlen((const char *)p, cnt);
	if (len == cnt || len > GOPCLNTAB_PLACE_TEXT_MAX || len >= room) {
		l->cut = true;
		len = len >= room ? 0 : MIN(len, (size_t)GOPCLNTAB_PLACE_TEXT_MAX);
	}
	if (len == 0)
		return 0;
	dst = l->text + l->text_sz;
	memcpy(dst, p, len);
	dst[len] = '\0';
	l->text_sz += len + 1;
	*ret = dst;
	return 0;
}

/* As the runtime writes it: from the first bracket to the last there are only dots. */
static void shorten(struct gopclntab_lines *l, struct gopclntab_place *p)
{
	const char *name = p->function, *open = strchr(name, '['), *close = strrchr(name, ']');
	size_t head, tail, sz;
	char *dst;

	if (!open || !close || close < open || strncmp(open, DOTS, strlen(DOTS)) == 0)
		return;
	head = (size_t)(open - name);
	tail = strlen(close + 1);
	sz = head + strlen(DOTS) + tail + 1;
	if (sz > sizeof(l->text) - l->text_sz) {
		l->cut = true;
		return;
	}
	dst = l->text + l->text_sz;
	memcpy(dst, name, head);
	memcpy(dst + head, DOTS, strlen(DOTS));
	memcpy(dst + head + strlen(DOTS), close + 1, tail + 1);
	l->text_sz += sz;
	p->linkage = name;
	p->function = dst;
}

/* The path of a file of the function's unit. */
static int copy_path(struct gopclntab_lines *l, int32_t file, const char **ret)
{
	const struct gopclntab_head *h = &l->tables.head;
	uint64_t at = h->units + 4 * ((uint64_t)l->details.unit + (uint64_t)MAX(file, 0));
	uint32_t offset;
	int r;

	*ret = "";
	if (file < 0 || at + sizeof(offset) > h->files)
		return 0;
	r = window_copy(&l->units, at, &offset, sizeof(offset));
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	return copy_text(l, &l->paths, h->files + offset, h->pc_tables, ret);
}

/* A function, where @pc is (counted from the beginning of the one whose code it is). */
static int add(struct gopclntab_lines *l, uint32_t name, uint32_t start_line, uint64_t pc)
{
	const struct gopclntab_head *h = &l->tables.head;
	struct gopclntab_place p = { .start_line = start_line };
	int32_t line = values_at(&l->lines, pc);
	int r;

	r = copy_text(l, &l->tables.names, h->names + name, h->units, &p.function);
	if (r < 0)
		return r;
	shorten(l, &p);
	r = copy_path(l, values_at(&l->files, pc), &p.file);
	if (r < 0)
		return r;
	/* The runtime tells none of the two without the other. */
	if (line > 0 && p.file[0] != '\0')
		p.line = (uint32_t)line;
	else
		p.file = "";
	l->places[l->places_cnt++] = p;
	return 0;
}

/* From the call on that is innermost; *pc becomes the place of the outermost one. */
static int add_calls(struct gopclntab_lines *l, uint64_t *pc)
{
	struct tables *t = &l->tables;
	int32_t i = values_at(&l->calls, *pc), next;
	struct call call;
	int r;

	for (; i >= 0; i = next) {
		if (!tables_may(t, 1))
			return -E2BIG;
		r = tree_call(&l->tree, &l->func, l->details.tree, i, &call);
		if (r < 0)
			return r;
		next = values_at(&l->calls, call.parent_pc);
		if (next >= i)
			return -EBADMSG;
		if (l->places_cnt + 1 < ELEMENTSOF(l->places))
			r = add(l, call.name, call.start_line, *pc);
		else
			l->cut = true;
		if (r < 0)
			return r;
		*pc = call.parent_pc;
	}
	return 0;
}

static void clear(struct gopclntab_lines *l)
{
	l->places_cnt = 0;
	l->text_sz = 0;
	l->cut = false;
}

int places_make(struct gopclntab_lines *l, uint64_t addr)
{
	uint64_t pc = addr - l->func.start;
	int r;

	clear(l);
	l->lies = false;
	l->flat = values_at(&l->calls, pc) >= 0;
	if (l->flat && l->trees == GOPCLNTAB_TREES_OK) {
		r = add_calls(l, &pc);
		if (r < 0 && r != -EBADMSG)
			return r;
		l->flat = r < 0;
		l->lies = r < 0;
		if (l->lies) {
			clear(l);
			pc = addr - l->func.start;
		}
	}
	return add(l, l->func.name, l->details.start_line, pc);
}
