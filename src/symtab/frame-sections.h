/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* frame-sections — where a checked image has its call frame information. */

#include "cprof/cfi.h"
#include "elf-image.h"

struct frame_section {
	const struct elf_image *img;
	uint64_t offset; /* in the file */
	uint8_t *bytes;	 /* of one that was compressed; NULL: it is read where it is */
};

#define FRAME_SECTIONS_MAX 3

/* Those that count first come first. */
struct frame_sections {
	struct frame_section v[FRAME_SECTIONS_MAX];
	struct cfi_section cfi[FRAME_SECTIONS_MAX]; /* they point into v */
	size_t cnt;
	bool limited; /* one is too large to be inflated, and is left out */
};

/* .eh_frame. A section that lies about its place is as none. frame_sections_done() afterwards. */
void frame_sections_find(const struct elf_image *img, struct frame_sections *ret);
/* Behind it .debug_frame, of this image or of the separate debug file's. 0 or -errno. */
int frame_sections_add_debug(const struct elf_image *img, struct frame_sections *s);
void frame_sections_done(struct frame_sections *s);
