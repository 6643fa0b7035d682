/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout — see layout.h. Regions are found by (object, segment); addresses are given at the end,
 * when it is known how large the regions without facts are.
 *
 * The facts about segments come from strangers' files through a checked message, but nothing says
 * that they make sense: a segment counts only within LAYOUT_FILE_MAX, and a frame that lies in no
 * counted segment goes to the object's loose region.
 */

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "layout.h"

/* Slots begin above the addresses of ET_EXEC files; 16 MiB apart, so that offsets can be read off. */
#define LAYOUT_SLOTS 0x100000000000ULL
#define LAYOUT_SLOT_ALIGN 0x1000000ULL
#define LAYOUT_SLOTS_END (1ULL << 62)
/* Offsets in files beyond this are numbered like runtime addresses. */
#define LAYOUT_FILE_MAX (1ULL << 38)
#define LAYOUT_NUMBER_STEP 16
/* The objects that are no files. Their sizes are fixed: pprof merges mappings of equal size. */
struct layout_area {
	const char *file;
	const char *label;
	uint64_t distances; /* below: distances as they are; above: numbered addresses */
	uint64_t size;
};

static const struct layout_area areas[] = {
	[CPROF_OBJECT_NONE] = { "[unknown]", "unknown", 0, 1ULL << 30 },
	[CPROF_OBJECT_KERNEL] = { "[kernel.kallsyms]", "kernel", 1ULL << 30, 1ULL << 31 },
	[CPROF_OBJECT_VDSO] = { "[vdso]", "vdso", 1ULL << 16, 1ULL << 17 },
	[CPROF_OBJECT_ANON] = { "[anon]", "anon", 0, 1ULL << 30 },
};

static const struct layout_area jit_area = { "[jit]", "jit", 0, 1ULL << 30 };

static const struct layout_area *layout_area(const struct layout *l, uint32_t object)
{
	const struct object *o = objects_get(l->objects, object);

	if (o && o->kind == OBJECT_JIT)
		return &jit_area;
	return object < ELEMENTSOF(areas) && areas[object].file ? &areas[object] : NULL;
}

static uint64_t page_down(uint64_t v)
{
	return v & ~(LAYOUT_PAGE - 1);
}

static uint64_t page_up(uint64_t v)
{
	return page_down(v + LAYOUT_PAGE - 1);
}

void layout_init(struct layout *l, struct objects *objects, uint64_t seed)
{
	*l = (struct layout){ .objects = objects, .seed = seed };
}

void layout_done(struct layout *l)
{
	vec_done(&l->regions);
	map_done(&l->map);
}

const char *layout_file(const struct layout *l, uint32_t object)
{
	const struct layout_area *area = layout_area(l, object);
	const struct object *o = objects_get(l->objects, object);

	if (area)
		return area->file;
	return o && o->path && o->path[0] ? o->path : "[unknown file]";
}

const char *layout_label(const struct layout *l, uint32_t object)
{
	const struct layout_area *area = layout_area(l, object);
	const struct object *o = objects_get(l->objects, object);
	const char *slash;

	if (area)
		return area->label;
	if (!o || !o->path || !o->path[0])
		return "unknown file";
	slash = strrchr(o->path, '/');
	return slash && slash[1] ? slash + 1 : o->path;
}

static bool segment_counts(const struct object_segment *s)
{
	return s->filesz > 0 && s->offset < LAYOUT_FILE_MAX &&
	       s->filesz < LAYOUT_FILE_MAX - s->offset;
}

/* The executable segment that holds the offset, or LAYOUT_LOOSE. */
static uint32_t find_segment(const struct object *o, uint64_t offset)
{
	uint32_t cnt = o ? MIN(o->segments_cnt, OBJECT_SEGMENTS_MAX) : 0;

	for (uint32_t i = 0; i < cnt; i++) {
		const struct object_segment *s = &o->segments[i];

		if (segment_counts(s) && offset >= s->offset && offset - s->offset < s->filesz)
			return i;
	}
	return LAYOUT_LOOSE;
}

static bool region_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct layout *l = ctx;
	const uint32_t *k = key;

	return l->regions.v[value].object == k[0] && l->regions.v[value].segment == k[1];
}

static struct layout_region region_of_segment(const struct object *o, uint32_t object, uint32_t i)
{
	const struct object_segment *s = &o->segments[i];
	struct layout_region region = {
		.object = object,
		.segment = i,
		.file_offset = page_down(s->offset),
		.size = page_up(s->offset + s->filesz) - page_down(s->offset),
	};

	/* The kernel maps pages: address and offset agree within one, or the file is no program. */
	if (o->elf == OBJECT_ELF_EXEC && (s->vaddr - s->offset) % LAYOUT_PAGE == 0)
		region.link = page_down(s->vaddr);
	return region;
}

static int find_or_add_region(struct layout *l, uint32_t object, uint32_t segment, uint32_t *ret)
{
	const uint32_t key[2] = { object, segment };
	const struct layout_area *area = layout_area(l, object);
	uint64_t hash = hash_bytes(key, sizeof(key), l->seed);
	struct layout_region region = { .object = object, .segment = segment };
	uint32_t idx;
	int r;

	if (map_find(&l->map, hash, key, region_eq, l, ret))
		return 0;
	if (segment != LAYOUT_LOOSE)
		region = region_of_segment(objects_get(l->objects, object), object, segment);
	else
		region.size = area ? area->size : LAYOUT_PAGE;

	idx = (uint32_t)l->regions.cnt;
	r = vec_push(&l->regions, region);
	if (r < 0)
		return r;
	r = map_add(&l->map, hash, idx);
	if (r < 0) {
		l->regions.cnt--;
		return r;
	}
	*ret = idx;
	return 0;
}

/* The next number of a region in whose object this place has no distance that may be told. */
static uint64_t number_address(struct layout_region *region, uint64_t from, uint64_t room)
{
	uint64_t distance = from + region->numbered % room;

	region->numbered += LAYOUT_NUMBER_STEP;
	return distance;
}

int layout_locate(struct layout *l, uint32_t object, uint64_t place, uint32_t *ret_region,
		  uint64_t *ret_distance)
{
	const struct layout_area *area = layout_area(l, object);
	const struct object *o = objects_get(l->objects, object);
	uint32_t segment = area ? LAYOUT_LOOSE : find_segment(o, place);
	uint64_t distances = area ? area->distances : LAYOUT_FILE_MAX;
	uint64_t distance =
		object == CPROF_OBJECT_KERNEL ? object_kernel_distance(o, place) : place;
	struct layout_region *region;
	int r;

	r = find_or_add_region(l, object, segment, ret_region);
	if (r < 0)
		return r;
	region = &l->regions.v[*ret_region];

	if (segment != LAYOUT_LOOSE)
		distance = place - region->file_offset;
	else if (distance >= distances)
		distance = number_address(region, distances,
					  area ? area->size - distances : LAYOUT_FILE_MAX);
	if (segment == LAYOUT_LOOSE && !area)
		region->size = MAX(region->size, page_up(distance + 1));
	*ret_distance = distance;
	return 0;
}

/* True when the region can have its link address: it is a sane one, and nobody before has it. */
static bool link_is_free(const struct layout *l, size_t idx)
{
	const struct layout_region *region = &l->regions.v[idx];

	if (region->link == 0 || region->link >= LAYOUT_SLOTS ||
	    region->size > LAYOUT_SLOTS - region->link)
		return false;
	for (size_t i = 0; i < l->regions.cnt; i++) {
		const struct layout_region *o = &l->regions.v[i];

		if (o->start == 0 || o->start >= LAYOUT_SLOTS)
			continue;
		if (region->link < o->start + o->size && o->start < region->link + region->size)
			return false;
	}
	return true;
}

static int place_region(struct layout *l, size_t idx, uint64_t *slot)
{
	struct layout_region *region = &l->regions.v[idx];

	if (link_is_free(l, idx)) {
		region->start = region->link;
		return 0;
	}
	if (*slot >= LAYOUT_SLOTS_END)
		return -ENOMEM; /* 2^23 objects that all claim 256 GiB */
	region->start = *slot + region->file_offset;
	*slot = (region->start + region->size + LAYOUT_SLOT_ALIGN) & ~(LAYOUT_SLOT_ALIGN - 1);
	return 0;
}

/* The region that stands for the main binary: its first one in use, else its first segment. */
static int find_main(struct layout *l, uint32_t object, uint32_t *ret)
{
	const struct object *o = objects_get(l->objects, object);
	uint32_t segment = LAYOUT_LOOSE;

	for (uint32_t i = 0; i < l->regions.cnt; i++) {
		if (l->regions.v[i].object == object) {
			*ret = i;
			return 0;
		}
	}
	for (uint32_t i = 0; !layout_area(l, object) && o && i < o->segments_cnt; i++) {
		if (segment_counts(&o->segments[i])) {
			segment = i;
			break;
		}
	}
	return find_or_add_region(l, object, segment, ret);
}

int layout_place(struct layout *l, uint32_t main_object)
{
	uint64_t slot = LAYOUT_SLOTS;
	uint32_t first, id = 2;
	int r;

	r = find_main(l, main_object, &first);
	if (r < 0)
		return r;
	r = place_region(l, first, &slot);
	if (r < 0)
		return r;
	l->regions.v[first].id = 1;

	for (size_t i = 0; i < l->regions.cnt; i++) {
		if (i == first)
			continue;
		r = place_region(l, i, &slot);
		if (r < 0)
			return r;
		l->regions.v[i].id = id++;
	}
	return 0;
}
