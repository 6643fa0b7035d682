/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which further files a file's debugging information goes on in, the reader finds out as places are asked for, and
 * whether what comes is one of them it sees, too. Here is how many may be open, of all together: when it
 * is too much, those of the file that was not asked for longest are closed, and looked for again some day.
 */

#include <errno.h>

#include "cprof/symtab.h"
#include "lines-internal.h"

static struct dwarf *dwarf_of(const struct lines *l, uint32_t object)
{
	size_t i = lines_index(l, object);

	return i < l->v.cnt ? l->v.v[i]->dwarf : NULL;
}

bool lines_wants(const struct lines *l, uint32_t object)
{
	const struct dwarf *d = dwarf_of(l, object);
	struct dwarf_want w;

	for (size_t i = 0; d && dwarf_wants(d, i, &w); i++) {
		if (w.due)
			return true;
	}
	return false;
}

bool lines_next_want(struct lines *l, uint32_t object, struct dwarf_want *ret, uint32_t *ret_number)
{
	struct dwarf *d = dwarf_of(l, object);

	for (size_t i = 0; d && dwarf_wants(d, i, ret); i++) {
		if (!ret->due)
			continue;
		dwarf_looked_for(d, i);
		*ret_number = (uint32_t)i;
		return true;
	}
	return false;
}

/* 0 or -errno. */
static int make_room(struct lines *l, const struct dwarf *keep)
{
	struct lines_file *oldest = NULL;
	size_t cnt = 0;

	for (size_t i = 0; i < l->v.cnt; i++) {
		struct lines_file *f = l->v.v[i];
		size_t given = f->dwarf ? dwarf_given_cnt(f->dwarf) : 0;

		cnt += given;
		if (given > 0 && f->dwarf != keep && (!oldest || f->used < oldest->used))
			oldest = f;
	}
	return cnt < LINES_COMPANIONS_MAX || !oldest ? 0 : lines_reopen(l, oldest);
}

int lines_give(struct lines *l, uint32_t object, uint32_t number, int fd, uint64_t file_sz)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	_cleanup_close_ int owned = fd;
	struct dwarf *d = dwarf_of(l, object);
	struct dwarf_want w;
	int r;

	if (!d || !dwarf_wants(d, number, &w) || w.given)
		return -ENOENT;
	r = make_room(l, d);
	if (r == 0)
		r = elf_file_open_part(TAKE_FD(owned), file_sz, &f);
	if (r != SYMTAB_OK)
		return MIN(r, 0);
	if (elf_file_bytes(f) > LINES_COMPANION_HEADERS_MAX)
		return 0;
	r = dwarf_give(d, number, TAKE_PTR(f));
	if (r == DWARF_LIMIT || r == DWARF_TOO_LARGE)
		return -ENOENT;
	return r < 0 ? r : r == DWARF_OK;
}
