/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place — the address space of a file: ET_EXEC files where they were linked, everything else in slots
 * above them, and what is no file in areas of its own.
 */

#include <errno.h>

#include "cprof/pprof_write.h"

/* Slots begin above the addresses of ET_EXEC files; 16 MiB apart, so that offsets can be read off. */
#define SLOTS 0x100000000000ULL
#define SLOT_ALIGN 0x1000000ULL
#define SLOTS_END (1ULL << 62)
#define NUMBER_STEP 16
/* Offsets in files beyond this are numbered like runtime addresses. */
#define FILE_OFFSET_MAX (1ULL << 38)

/* Their sizes are fixed: pprof merges mappings of equal size. */
const struct pprof_area pprof_areas[PPROF_AREA_MAX] = {
	[PPROF_AREA_FILE] = { NULL, NULL, FILE_OFFSET_MAX, 2 * FILE_OFFSET_MAX },
	[PPROF_AREA_UNKNOWN] = { "[unknown]", "unknown", 0, 1ULL << 30 },
	[PPROF_AREA_KERNEL] = { "[kernel.kallsyms]", "kernel", 1ULL << 30, 1ULL << 31 },
	[PPROF_AREA_VDSO] = { "[vdso]", "vdso", 1ULL << 16, 1ULL << 17 },
	[PPROF_AREA_ANON] = { "[anon]", "anon", 0, 1ULL << 30 },
	[PPROF_AREA_JIT] = { "[jit]", "jit", 0, 1ULL << 30 },
};

uint64_t pprof_number(const struct pprof_area *area, uint64_t *numbered)
{
	uint64_t distance = area->distances + *numbered % (area->size - area->distances);

	*numbered += NUMBER_STEP;
	return distance;
}

bool pprof_is_linked(uint64_t start)
{
	return start != 0 && start < SLOTS;
}

/* True when the region can have its link address: it is a sane one, and nobody before has it. */
static bool link_is_free(const struct pprof_space *space, const struct pprof_region *region)
{
	if (!pprof_is_linked(region->link) || region->size > SLOTS - region->link)
		return false;
	for (size_t i = 0; i < space->linked.cnt; i++) {
		const struct pprof_region *o = &space->linked.v[i];

		if (region->link < o->start + o->size && o->start < region->link + region->size)
			return false;
	}
	return true;
}

int pprof_place(struct pprof_space *space, struct pprof_region *region)
{
	if (link_is_free(space, region)) {
		region->start = region->link;
		return vec_push(&space->linked, *region);
	}
	if (space->slot == 0)
		space->slot = SLOTS;
	if (space->slot >= SLOTS_END || region->file_offset >= SLOTS_END - space->slot ||
	    region->size >= SLOTS_END - space->slot - region->file_offset)
		return -ENOMEM; /* 2^23 objects that all claim 256 GiB */
	region->start = space->slot + region->file_offset;
	space->slot = (region->start + region->size + SLOT_ALIGN) & ~(SLOT_ALIGN - 1);
	return 0;
}

void pprof_space_done(struct pprof_space *space)
{
	vec_done(&space->linked);
}
