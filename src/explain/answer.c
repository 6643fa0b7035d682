/* SPDX-License-Identifier: Apache-2.0 */

/* What came from a process that had read a stranger's file. */

#include "cprof/explain_elf.h"

#include <string.h>

static bool source_is_fine(const struct explain_source *s, uint64_t code)
{
	return s->state <= EXPLAIN_BAD && s->bytes <= code;
}

static bool dwarf_is_fine(const struct explain_dwarf *d)
{
	return d->state <= EXPLAIN_BAD && d->places <= EXPLAIN_PLACES && d->named <= d->places &&
	       d->lined <= d->places && d->inlined <= d->places && d->packed <= 2;
}

bool explain_elf_check(struct explain_elf *a, size_t sz)
{
	bool fine = sz == sizeof(*a) && a->build_id_sz <= OBJECT_BUILD_ID_MAX &&
		    memchr(a->link, '\0', sizeof(a->link)) && !strchr(a->link, '/') &&
		    a->link[0] != '.' && a->elf <= OBJECT_ELF_DYN && a->code <= INT64_MAX &&
		    a->rows <= INT64_MAX && a->rows_debug <= INT64_MAX &&
		    a->debug_of <= EXPLAIN_DEBUGS_MAX && a->debug_is <= EXPLAIN_BAD;

	for (size_t i = 0; fine && i < SYMTAB_SOURCE_MAX; i++)
		fine = source_is_fine(&a->names[i], a->code);
	return fine && source_is_fine(&a->all, a->code) && dwarf_is_fine(&a->own) &&
	       dwarf_is_fine(&a->debug) && dwarf_is_fine(&a->go_lines);
}
