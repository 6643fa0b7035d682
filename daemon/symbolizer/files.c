/* SPDX-License-Identifier: Apache-2.0 */

/* files — see its header. A list of a hundred at most: whoever looks for one looks at all. */

#include "files.h"

#include <string.h>

static void drop(struct files *f, size_t i)
{
	f->v.v[i].elf = elf_file_close(f->v.v[i].elf);
	memmove(&f->v.v[i], &f->v.v[i + 1], (f->v.cnt - i - 1) * sizeof(*f->v.v));
	f->v.cnt--;
}

struct file *files_get(struct files *f, uint32_t object)
{
	for (size_t i = 0; i < f->v.cnt; i++) {
		if (f->v.v[i].object == object)
			return &f->v.v[i];
	}
	return NULL;
}

void files_close(struct files *f, uint32_t object)
{
	struct file *file = files_get(f, object);

	if (file)
		drop(f, (size_t)(file - f->v.v));
}

int files_put(struct files *f, uint32_t object, struct elf_file *elf, uint64_t now_ns)
{
	_cleanup_(elf_file_closep) struct elf_file *owned = elf;
	struct file file = {
		.status = owned ? WIRE_ROWS_LIMIT : WIRE_ROWS_BAD,
		.object = object,
		.until_ns = now_ns + WIRE_FILE_OPEN_NS,
	};
	int r;

	files_close(f, object);
	if (f->v.cnt == FILES_MAX)
		drop(f, 0);
	if (owned && elf_file_bytes(owned) <= FILES_HEADERS_MAX)
		file.elf = owned;
	r = vec_push(&f->v, file);
	if (r == 0 && file.elf)
		(void)TAKE_PTR(owned);
	return r;
}

uint64_t files_expire(struct files *f, uint64_t now_ns)
{
	while (f->v.cnt > 0 && f->v.v[0].until_ns <= now_ns)
		drop(f, 0);
	return f->v.cnt > 0 ? f->v.v[0].until_ns : UINT64_MAX;
}

void files_done(struct files *f)
{
	while (f->v.cnt > 0)
		drop(f, f->v.cnt - 1);
	vec_done(&f->v);
}
