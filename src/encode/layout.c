/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout — see layout.h. Regions are found by (object, segment); addresses are given at the end,
 * when it is known how large the regions without facts are.
 *
 * The facts about segments come from strangers' files through a checked message, but nothing says
 * that they make sense: a segment counts only where offsets are told, and a frame that lies in no
 * counted segment goes to the object's loose region.
 */

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "layout.h"

/* What does not lie in a file, or in one that we have a word for; NULL: it does. */
static const struct pprof_area *layout_area(const struct layout *l, uint32_t object)
{
	static const enum pprof_area_id areas[] = {
		[CPROF_OBJECT_NONE] = PPROF_AREA_UNKNOWN,
		[CPROF_OBJECT_KERNEL] = PPROF_AREA_KERNEL,
		[CPROF_OBJECT_VDSO] = PPROF_AREA_VDSO,
		[CPROF_OBJECT_ANON] = PPROF_AREA_ANON,
	};
	const struct object *o = objects_get(l->objects, object);

	if (o && o->kind == OBJECT_JIT)
		return &pprof_areas[PPROF_AREA_JIT];
	return object < ELEMENTSOF(areas) ? &pprof_areas[areas[object]] : NULL;
}

static uint64_t page_down(uint64_t v)
{
	return v & ~(PPROF_PAGE - 1);
}

static uint64_t page_up(uint64_t v)
{
	return page_down(v + PPROF_PAGE - 1);
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
	const struct pprof_area *area = layout_area(l, object);
	const struct object *o = objects_get(l->objects, object);

	if (area)
		return area->file;
	return o && o->path && o->path[0] ? o->path : "[" PPROF_NO_FILE "]";
}

const char *layout_label(const struct layout *l, uint32_t object)
{
	const struct pprof_area *area = layout_area(l, object);
	const struct object *o = objects_get(l->objects, object);
	const char *slash;

	if (area)
		return area->label;
	if (!o || !o->path || !o->path[0])
		return PPROF_NO_FILE;
	slash = strrchr(o->path, '/');
	return slash && slash[1] ? slash + 1 : o->path;
}

static bool segment_counts(const struct object_segment *s)
{
	return s->filesz > 0 && s->offset < pprof_areas[PPROF_AREA_FILE].distances &&
	       s->filesz < pprof_areas[PPROF_AREA_FILE].distances - s->offset;
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
		.at.file_offset = page_down(s->offset),
		.at.size = page_up(s->offset + s->filesz) - page_down(s->offset),
	};

	/* The kernel maps pages: address and offset agree within one, or the file is no program. */
	if (o->elf == OBJECT_ELF_EXEC && (s->vaddr - s->offset) % PPROF_PAGE == 0)
		region.at.link = page_down(s->vaddr);
	return region;
}

static int find_or_add_region(struct layout *l, uint32_t object, uint32_t segment, uint32_t *ret)
{
	const uint32_t key[2] = { object, segment };
	const struct pprof_area *area = layout_area(l, object);
	uint64_t hash = hash_bytes(key, sizeof(key), l->seed);
	struct layout_region region = { .object = object, .segment = segment };
	uint32_t idx;
	int r;

	if (map_find(&l->map, hash, key, region_eq, l, ret))
		return 0;
	if (segment != LAYOUT_LOOSE)
		region = region_of_segment(objects_get(l->objects, object), object, segment);
	else
		region.at.size = area ? area->size : PPROF_PAGE;

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

int layout_locate(struct layout *l, uint32_t object, uint64_t place, uint32_t *ret_region,
		  uint64_t *ret_distance)
{
	const struct pprof_area *area = layout_area(l, object);
	const struct object *o = objects_get(l->objects, object);
	uint32_t segment = area ? LAYOUT_LOOSE : find_segment(o, place);
	const struct pprof_area *bounds = area ? area : &pprof_areas[PPROF_AREA_FILE];
	uint64_t distance =
		object == CPROF_OBJECT_KERNEL ? object_kernel_distance(o, place) : place;
	struct layout_region *region;
	int r;

	r = find_or_add_region(l, object, segment, ret_region);
	if (r < 0)
		return r;
	region = &l->regions.v[*ret_region];

	if (segment != LAYOUT_LOOSE)
		distance = place - region->at.file_offset;
	else if (distance >= bounds->distances)
		distance = pprof_number(bounds, &region->numbered);
	if (segment == LAYOUT_LOOSE && !area)
		region->at.size = MAX(region->at.size, page_up(distance + 1));
	*ret_distance = distance;
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
	_cleanup_(pprof_space_done) struct pprof_space space = { 0 };
	uint32_t first, id = 2;
	int r;

	r = find_main(l, main_object, &first);
	if (r < 0)
		return r;
	r = pprof_place(&space, &l->regions.v[first].at);
	if (r < 0)
		return r;
	l->regions.v[first].id = 1;

	for (size_t i = 0; i < l->regions.cnt; i++) {
		if (i == first)
			continue;
		r = pprof_place(&space, &l->regions.v[i].at);
		if (r < 0)
			return r;
		l->regions.v[i].id = id++;
	}
	return 0;
}
