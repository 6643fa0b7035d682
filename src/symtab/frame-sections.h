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

/* The sorted table in the header of .eh_frame, which a linker makes: where its entries are, by the code they are of. */
struct frame_table {
	const struct elf_image *img;
	uint64_t offset;       /* in the file */
	uint64_t addr;	       /* of the header, that all counts from */
	uint64_t section_addr; /* of .eh_frame */
	uint32_t cnt;
};

#define FRAME_TABLE_ENTRY_SZ 8

/* What it says; the entry itself may say otherwise. */
struct frame_table_entry {
	uint64_t start;
	uint64_t offset; /* of the entry in the section */
};

/* Of .eh_frame as it was found (@s). False: there is none, or none that can be searched. */
bool frame_table_find(const struct elf_image *img, const struct frame_sections *s,
		      struct frame_table *ret);
/* @cnt of them, that are there. 0 or -errno. */
int frame_table_read(const struct frame_table *t, uint32_t from, struct frame_table_entry *ret,
		     uint32_t cnt);
/* The first one that begins behind this address. 0 or -errno. */
int frame_table_after(const struct frame_table *t, uint64_t addr, uint32_t *ret);
