/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * layout — the address space of a file: which Mapping a frame lies in, and at which address.
 *
 * A file tells nothing of where the kernel placed things (ASLR), and yet `pprof -disasm` must find
 * the code: it computes link address = address - memory_start + file_offset - p_offset + p_vaddr
 * (google/pprof internal/elfexec, GetBase) and so needs mappings like the kernel's, at any address.
 * Each executable segment in use is a region, a Mapping of its own:
 *
 *	ET_EXEC		at its link address, unless another such file of a merged profile is there
 *	other ELF	in a slot of its own: start = slot + p_offset, so address = slot + file offset
 *	no facts	likewise, with the file as one region from offset 0
 *	kernel, vDSO	in a slot: address = slot + distance from _stext, from the vDSO's start
 *	the rest	runtime addresses are numbered as they come, and forgotten
 */

#include <stdint.h>

#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/object.h"
#include "cprof/pprof_write.h"

struct layout_region {
	uint32_t object;
	uint32_t segment; /* of the object; LAYOUT_LOOSE: none */
	struct pprof_region at;
	uint64_t numbered; /* addresses given to runtime addresses */
	uint32_t id;	   /* Mapping.id, given by layout_place() */
	uint32_t has;	   /* PPROF_HAS_*, beside functions */
};

#define LAYOUT_LOOSE UINT32_MAX

struct layout {
	struct objects *objects;
	VEC(struct layout_region) regions;
	struct map map;
	uint64_t seed;
};

void layout_init(struct layout *l, struct objects *objects, uint64_t seed);
void layout_done(struct layout *l);

/* The region of a place, and the place's distance from its start. Ask once for each place. */
int layout_locate(struct layout *l, uint32_t object, uint64_t place, uint32_t *ret_region,
		  uint64_t *ret_distance);
/*
 * Gives every region its address and id. The first region of object @main_object gets id 1; one is made
 * when no frame lies in it. 0 or -ENOMEM.
 */
int layout_place(struct layout *l, uint32_t main_object);

/* Mapping.filename, and the name, without brackets, of frames that have none. */
const char *layout_file(const struct layout *l, uint32_t object);
const char *layout_label(const struct layout *l, uint32_t object);
