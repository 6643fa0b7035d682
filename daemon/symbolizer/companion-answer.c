/* SPDX-License-Identifier: Apache-2.0 */

/* What a file says of the names of further files is a stranger's text, and passed on as it is: the opener splits it. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "answer.h"
#include "cprof/base/cleanup.h"
#include "cprof/dwarf.h"

static void make_word(uint32_t object, uint32_t number, enum wire_companion_status status,
		      union answer *ret)
{
	ret->companion = (struct wire_companion){
		.head = { .size = sizeof(ret->companion), .type = WIRE_COMPANION, .id = object },
		.status = status,
		.want = { .number = number },
	};
}

/* False: nothing that has such a name is looked for. */
static bool make_want(const struct dwarf_want *w, union answer *ret)
{
	struct wire_companion *m = &ret->companion;
	size_t name_len = strlen(w->name), dir_len = strlen(w->dir);

	if (name_len == 0 || name_len > WIRE_PATH_MAX || dir_len > WIRE_PATH_MAX ||
	    w->build_id_sz > sizeof(m->want.build_id))
		return false;
	m->status = WIRE_COMPANION_WANTED;
	m->want.kind = w->kind == DWARF_WANT_UNIT ? WIRE_COMPANION_UNIT : WIRE_COMPANION_SUPPLEMENT;
	m->want.name_len = (uint16_t)name_len;
	m->want.dir_len = (uint16_t)dir_len;
	m->want.build_id_sz = w->build_id_sz;
	if (w->build_id_sz > 0)
		memcpy(m->want.build_id, w->build_id, w->build_id_sz);
	memcpy((char *)(m + 1), w->name, name_len);
	memcpy((char *)(m + 1) + name_len, w->dir, dir_len);
	m->head.size += (uint32_t)(name_len + dir_len);
	return true;
}

void answer_next_companion(struct lines *lines, uint32_t object, union answer *ret)
{
	struct dwarf_want w;
	uint32_t number = 0;

	do
		make_word(object, number, WIRE_COMPANION_NONE, ret);
	while (lines_next_want(lines, object, &w, &ret->companion.want.number) &&
	       !make_want(&w, ret));
}

void answer_companion_begun(const struct wire_companion_file *m, union answer *ret)
{
	make_word((uint32_t)m->head.id, m->number, WIRE_COMPANION_BEGUN, ret);
}

int answer_companion(struct lines *lines, const struct wire_companion_file *m, int fd,
		     union answer *ret)
{
	_cleanup_close_ int owned = fd;
	uint32_t object = (uint32_t)m->head.id;
	struct stat st;
	int r = 0;

	if (fstat(owned, &st) == 0 && S_ISREG(st.st_mode))
		r = lines_give(lines, object, m->number, TAKE_FD(owned),
			       MIN(m->file_sz, (uint64_t)st.st_size));
	if (r == -ENOMEM)
		return r;
	make_word(object, m->number,
		  r > 0	   ? WIRE_COMPANION_TAKEN
		  : r == 0 ? WIRE_COMPANION_OTHER
			   : WIRE_COMPANION_NONE,
		  ret);
	return 0;
}
