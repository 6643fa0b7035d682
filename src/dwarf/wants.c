/* SPDX-License-Identifier: Apache-2.0 */

/* Files that the information goes on in. */

#include "internal.h"

bool dwarf_wants(const struct dwarf *d, size_t i, struct dwarf_want *ret)
{
	return false;
}

int dwarf_give(struct dwarf *d, size_t i, struct elf_file *f)
{
	(void)elf_file_close(f);
	return DWARF_NONE;
}
