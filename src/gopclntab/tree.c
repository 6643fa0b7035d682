/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A call before 1.20: the number of the one that it was inlined into (2 bytes), a kind, nothing, the place
 * of the call (file and line), the name, and where an instruction is that has the call's place. Since then: a
 * kind, nothing (3 bytes), name, instruction, and the function's first line.
 */

#include "tree.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define CALL_OLD_SZ 20
#define CALL_SZ 16

static uint32_t field(const uint8_t *b, size_t at)
{
	uint32_t v;

	memcpy(&v, b + at, sizeof(v));
	return v;
}

static int parse(enum gopclntab_version version, const uint8_t *b, int32_t i, struct call *ret)
{
	static const uint8_t nothing[3];
	int16_t parent;

	if (version >= GOPCLNTAB_120) {
		*ret = (struct call){ field(b, 4), field(b, 8), field(b, 12) };
		return memcmp(b + 1, nothing, 3) == 0 && ret->start_line <= INT32_MAX ? 0
										      : -EBADMSG;
	}
	memcpy(&parent, b, sizeof(parent));
	*ret = (struct call){ field(b, 12), field(b, 16), 0 };
	return b[3] == 0 && parent >= -1 && parent < i ? 0 : -EBADMSG;
}

/* A name begins there: it is not empty, and the one before it ends. */
static int check_name(struct tables *t, uint32_t name)
{
	uint64_t size = t->head.units - t->head.names;
	uint8_t b[2] = { 0 };
	size_t before = name > 0;
	int r;

	if (name >= size)
		return -EBADMSG;
	r = window_copy(&t->names, t->head.names + name - before, b + 1 - before, 1 + before);
	if (r < 0)
		return r;
	return b[0] == '\0' && b[1] != '\0' ? 0 : -EBADMSG;
}

/* Which the first function's name would be, at no line of no file. */
static bool is_empty(const uint8_t *b, size_t sz)
{
	uint8_t any = 0;

	for (size_t i = 0; i < sz; i++)
		any |= b[i];
	return any == 0;
}

int tree_call(struct tree *tree, const struct gopclntab_func *f, uint64_t addr, int32_t i,
	      struct call *ret)
{
	struct tables *t = tree->tables;
	size_t sz = t->head.version >= GOPCLNTAB_120 ? CALL_SZ : CALL_OLD_SZ;
	uint8_t b[CALL_OLD_SZ];
	int r = window_copy(&tree->window, tree->base + addr + (uint64_t)i * sz, b, sz);

	if (r == 0)
		r = is_empty(b, sz) ? -EBADMSG : parse(t->head.version, b, i, ret);
	if (r == 0 && ret->parent_pc >= f->end - f->start)
		r = -EBADMSG;
	return r < 0 ? r : check_name(t, ret->name);
}
