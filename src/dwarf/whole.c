/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is asked for together lies all over a section: of libc's debugging information thirty addresses need every part.
 * At once that is some 2.5 times as fast as by a stream (elf_unpack.h), and there are no check points to be kept.
 *
 * The size is a claim, so it is held against the ledger, and against what deflate can make (inflater.c), before memory is
 * asked for.
 */

#include "whole.h"

#include <stdlib.h>

#include "cprof/elf_unpack.h"

/* A byte that comes out takes as long as so many that are looked at. */
#define BYTE_WORK 2

static int unpack(const struct whole *w, uint8_t *dst)
{
	_cleanup_free_ uint8_t *packed = malloc(MAX(w->packed, (size_t)1));
	int r;

	if (!packed)
		return -ENOMEM;
	r = elf_file_read(w->file, w->offset, packed, w->packed);
	return r < 0 ? r : elf_unpack_all(w->packing, packed, w->packed, dst, w->size);
}

/* Half of what may be kept is left to others. */
static bool has_room(const struct whole *w, const struct ledger *ledger)
{
	return w->size <= ledger->whole_max && w->packed <= ledger->whole_max &&
	       w->size + w->packed <= (ledger->bytes_max - ledger->bytes) / 2 &&
	       w->size * (uint64_t)BYTE_WORK <= ledger->work;
}

static void load(struct whole *w, struct ledger *ledger)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	int r;

	if (w->packing != ELF_ZLIB || w->size == 0 || !has_room(w, ledger))
		return;
	w->tried = true;
	bytes = malloc(w->size);
	if (!bytes || ledger_spend(ledger, w->size * (uint64_t)BYTE_WORK) < 0)
		return;
	r = unpack(w, bytes);
	w->bad = r == -EBADMSG;
	if (r == 0 && ledger_keep(ledger, w->size) == 0)
		w->bytes = TAKE_PTR(bytes);
}

bool whole_has(struct whole *w, struct ledger *ledger)
{
	if (!w->bytes && !w->tried && !w->bad)
		load(w, ledger);
	return w->bytes;
}

void whole_rest(struct whole *w, struct ledger *ledger)
{
	w->tried = false;
	if (!w->bytes)
		return;
	free(TAKE_PTR(w->bytes));
	ledger_drop(ledger, w->size);
}
