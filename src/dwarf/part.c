/* SPDX-License-Identifier: Apache-2.0 */

/* A file's sections, opened and closed together. */

#include "part.h"

int part_open(struct part *part, const struct elf_file *f, struct ledger *ledger, bool dwo)
{
	int r = 0;

	for (enum section_id id = 0; r == 0 && id < SECTIONS_CNT; id++)
		r = section_open(&part->sections[id], f, ledger, id, dwo);
	return r;
}

void part_done(struct part *part, struct ledger *ledger)
{
	for (enum section_id id = 0; id < SECTIONS_CNT; id++)
		section_done(&part->sections[id]);
	unit_list_done(&part->units, ledger);
	part->owned = elf_file_close(part->owned);
}

void part_rest(struct part *part)
{
	for (enum section_id id = 0; id < SECTIONS_CNT; id++)
		section_rest(&part->sections[id]);
}

void unit_list_done(struct unit_list *l, struct ledger *ledger)
{
	ledger_drop(ledger, l->bytes);
	vec_done(&l->starts);
	l->bytes = 0;
}
