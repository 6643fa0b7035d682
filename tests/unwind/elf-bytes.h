/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* elf-bytes — sections of a file by name, inflated, as the parsers of unwinding information read them. */

#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../unit/bytes.h"

/* The section of this name, or of ".z" and the rest of it as Go compressed it up to 1.18. */
static inline Elf_Scn *elf_bytes_scn(Elf *elf, const char *wanted, GElf_Shdr *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;

		if (!gelf_getshdr(scn, ret) || ret->sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, ret->sh_name);
		if (name && strcmp(name, wanted) == 0)
			return scn;
		if (name && strncmp(name, ".z", 2) == 0 && strcmp(name + 2, wanted + 1) == 0) {
			(void)elf_compress_gnu(scn, 0, 0);
			return scn;
		}
	}
	return NULL;
}

/* False: there is none. */
static inline bool elf_bytes_find(Elf *elf, const char *wanted, struct bytes *ret,
				  uint64_t *ret_addr)
{
	GElf_Shdr shdr;
	Elf_Scn *scn = elf_bytes_scn(elf, wanted, &shdr);
	Elf_Data *data;

	if (!scn)
		return false;
	if (shdr.sh_flags & SHF_COMPRESSED)
		(void)elf_compress(scn, 0, 0);
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf)
		return false;
	*ret = (struct bytes){ .p = data->d_buf, .sz = data->d_size };
	*ret_addr = shdr.sh_addr;
	return true;
}

/* NULL: no file of that name (NULL: none was said), or no ELF. Ends with the program. */
static inline Elf *elf_bytes_open(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	elf_version(EV_CURRENT);
	return fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
}
