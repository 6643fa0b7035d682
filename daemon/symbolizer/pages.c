/* SPDX-License-Identifier: Apache-2.0 */

/* pages — see its header. A few dozen: whoever looks for one looks at all. */

#include "pages.h"

#include <string.h>

#include "cprof/elf_file.h"
#include "cprof/symtab.h"

static void drop(struct pages *p, size_t i)
{
	unwind_pages_close(p->v.v[i].rows);
	elf_file_close(p->v.v[i].elf);
	memmove(&p->v.v[i], &p->v.v[i + 1], (p->v.cnt - i - 1) * sizeof(*p->v.v));
	p->v.cnt--;
}

static size_t index_of(const struct pages *p, uint32_t object)
{
	size_t i = 0;

	while (i < p->v.cnt && p->v.v[i].object != object)
		i++;
	return i;
}

int pages_open(struct pages *p, uint32_t object, const struct elf_file *f)
{
	_cleanup_(unwind_pages_closep) struct unwind_pages *rows = NULL;
	_cleanup_(elf_file_closep) struct elf_file *elf = NULL;
	int r;

	pages_close(p, object);
	r = elf_file_copy(f, &elf);
	if (r != SYMTAB_OK)
		return MIN(r, 0);
	r = unwind_pages_open(elf, UNWIND_PAGES_FRAME_MIN, &rows);
	if (r <= 0)
		return r;
	if (p->v.cnt == PAGES_FILES_MAX)
		drop(p, 0);
	r = vec_push(&p->v, ((struct pages_file){ elf, rows, object }));
	if (r < 0)
		return r;
	(void)TAKE_PTR(elf);
	(void)TAKE_PTR(rows);
	return 1;
}

struct unwind_pages *pages_get(struct pages *p, uint32_t object)
{
	size_t i = index_of(p, object);
	struct pages_file file;

	if (i == p->v.cnt)
		return NULL;
	file = p->v.v[i];
	memmove(&p->v.v[i], &p->v.v[i + 1], (p->v.cnt - i - 1) * sizeof(*p->v.v));
	p->v.v[p->v.cnt - 1] = file;
	return file.rows;
}

void pages_close(struct pages *p, uint32_t object)
{
	size_t i = index_of(p, object);

	if (i < p->v.cnt)
		drop(p, i);
}

void pages_done(struct pages *p)
{
	while (p->v.cnt > 0)
		drop(p, p->v.cnt - 1);
	vec_done(&p->v);
}
