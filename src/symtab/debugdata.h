/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* debugdata — the ELF file that is compressed in another one's section .gnu_debugdata. */

#include "elf-image.h"

struct debugdata {
	uint8_t *bytes; /* NULL: there is none, or it is damaged */
	struct elf_image img;
};

#define DEBUGDATA_INIT ((struct debugdata){ .img = ELF_IMAGE_INIT })

/* SYMTAB_OK; SYMTAB_LIMIT: beyond the limits of symtab.h; or -errno. debugdata_done() in any case. */
int debugdata_open(const struct elf_image *img, struct debugdata *ret);
void debugdata_done(struct debugdata *d);
