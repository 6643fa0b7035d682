/* SPDX-License-Identifier: Apache-2.0 */
/*
 * add — one parsed file to the merged tables.
 *
 * Each file has its own address space: the same library lies in another slot in every one. What is
 * equal in all is the mapping's file and the distance from its start, so that these are kept, and
 * addresses are given anew at the end. A place in memory of no file (JIT code, the heap, modules) has
 * only a number, by the order in which its file met it; there places are equal when their functions
 * are.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge-internal.h"

#define MAPPING_MAX (1ULL << 48) /* bytes */

int merge_string(struct merge_file *f, uint32_t string, uint32_t *ret)
{
	const struct pprof_bytes *text = &f->profile.strings.v[string];
	size_t len = (size_t)(text->end - text->p), sz = 3 * len + 1;
	struct merge *m = f->merge;
	int r;

	*ret = f->strings[string];
	if (*ret != PPROF_NONE)
		return 0;
	r = merge_check_memory(m, sz);
	if (r < 0)
		return r;
	if (sz > m->text_sz) {
		char *bigger = realloc(m->text, sz);

		if (!bigger)
			return -ENOMEM;
		m->text = bigger;
		m->text_sz = sz;
	}
	len = str_clean(m->text, sz, (const char *)text->p, len, NULL);
	r = strtab_add(&m->strings, m->text, len, ret);
	if (r == 0)
		f->strings[string] = *ret;
	return r;
}

static int add_type(struct merge_file *f, const struct pprof_type *from, struct pprof_type *ret)
{
	int r = merge_string(f, from->name, &ret->name);

	return r < 0 ? r : merge_string(f, from->unit, &ret->unit);
}

static bool type_eq(const struct pprof_type *a, const struct pprof_type *b)
{
	return a->name == b->name && a->unit == b->unit;
}

/* The types of the first file, which all others must have. */
static int add_types(struct merge_file *f)
{
	struct merge *m = f->merge;
	const struct pprof *p = &f->profile;
	struct pprof_type type;
	int r = 0;

	if (p->types.cnt == 0)
		return -EBADMSG;
	if (m->files > 0 && p->types.cnt != m->types.cnt)
		return -EINVAL;
	for (size_t i = 0; i < p->types.cnt; i++) {
		r = add_type(f, &p->types.v[i], &type);
		if (r == 0 && m->files == 0)
			r = vec_push(&m->types, type);
		if (r == 0 && m->files == 0)
			r = vec_push(&m->totals, 0);
		if (r < 0)
			return r;
		if (!type_eq(&m->types.v[i], &type))
			return -EINVAL;
	}
	r = add_type(f, &p->period_type, &type);
	if (r < 0)
		return r;
	if (m->files == 0) {
		m->period_type = type;
		m->period = p->period;
		m->default_type = m->types.v[p->type].name;
	}
	m->period_differs |= p->period != m->period;
	return type_eq(&m->period_type, &type) && p->type < m->types.cnt &&
			       m->types.v[p->type].name == m->default_type
		       ? 0
		       : -EINVAL;
}

static int add_interval(struct merge_file *f)
{
	const struct pprof *p = &f->profile;
	struct merge *m = f->merge;
	int64_t to;

	if (p->time_ns <= 0 || p->duration_ns < 0 ||
	    __builtin_add_overflow(p->time_ns, p->duration_ns, &to))
		return -EBADMSG;
	m->from_ns = m->files == 0 ? p->time_ns : MIN(m->from_ns, p->time_ns);
	m->to_ns = m->files == 0 ? to : MAX(m->to_ns, to);
	return 0;
}

/* The area that a mapping is of, by its name. */
static const struct pprof_area *find_area(const struct merge *m, uint32_t file)
{
	const char *name = strtab_get(&m->strings, file);

	for (int i = PPROF_AREA_FILE + 1; i < PPROF_AREA_MAX; i++) {
		if (strcmp(name, pprof_areas[i].file) == 0)
			return &pprof_areas[i];
	}
	return &pprof_areas[PPROF_AREA_FILE];
}

static void grow_region(struct merge_region *region, const struct pprof_mapping *from)
{
	uint64_t link = pprof_is_linked(from->start) ? from->start : 0;

	region->at.size = MAX(region->at.size, from->limit - from->start);
	/* Of several the lowest, so that the order of the files does not matter. */
	if (link && (region->at.link == 0 || link < region->at.link))
		region->at.link = link;
	region->has &= from->has;
}

/* Ours consist of pages. */
static bool is_sane(const struct pprof_mapping *m)
{
	return m->limit > m->start && m->limit - m->start <= MAPPING_MAX &&
	       (m->start | m->limit | m->offset) % PPROF_PAGE == 0;
}

static int add_mapping(struct merge_file *f, const struct pprof_mapping *from, uint32_t *ret)
{
	struct merge_mapping key = { .offset = from->offset };
	struct merge *m = f->merge;
	struct merge_region region;
	int r;

	if (!is_sane(from))
		return -EBADMSG;
	r = merge_string(f, from->file, &key.file);
	if (r == 0)
		r = merge_string(f, from->build_id, &key.build_id);
	if (r == 0)
		r = strtab_add(&m->mappings, (const char *)&key, sizeof(key), ret);
	if (r < 0)
		return r;
	if (*ret > m->regions.cnt) {
		region = (struct merge_region){
			.at.file_offset = from->offset,
			.has = from->has,
			.area = find_area(m, key.file),
		};
		r = vec_push(&m->regions, region);
		if (r < 0)
			return r;
	}
	grow_region(&m->regions.v[*ret - 1], from);
	return 0;
}

/* The first of the file before all others: it names reports. */
static int add_mappings(struct merge_file *f)
{
	const struct pprof *p = &f->profile;
	uint32_t id;
	int r = 0;

	if (p->mappings.cnt > 0)
		r = add_mapping(f, &p->first_mapping, &id);
	for (size_t i = 0; r == 0 && i < p->mappings.cnt; i++)
		r = add_mapping(f, &p->mappings.v[i], &f->mappings[i]);
	return r;
}

static int add_functions(struct merge_file *f)
{
	const struct pprof *p = &f->profile;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->functions.cnt; i++) {
		const struct pprof_function *from = &p->functions.v[i];
		struct merge_function key = { .start_line = from->start_line };

		r = merge_string(f, from->name, &key.name);
		if (r == 0)
			r = merge_string(f, from->system_name, &key.system_name);
		if (r == 0)
			r = merge_string(f, from->file, &key.file);
		if (r == 0)
			r = strtab_add(&f->merge->functions, (const char *)&key, sizeof(key),
				       &f->functions[i]);
	}
	return r;
}

static int push_key(struct merge_file *f, const void *bytes, size_t sz)
{
	int r = vec_reserve(&f->key, sz);

	if (r < 0)
		return r;
	memcpy(f->key.v + f->key.cnt, bytes, sz);
	f->key.cnt += sz;
	return 0;
}

/* Where it lies in its mapping, as far as that can be told. */
static int read_distance(const struct merge_file *f, const struct pprof_location *from,
			 uint64_t *ret)
{
	const struct pprof_mapping *mapping = &f->profile.mappings.v[from->mapping];
	const struct merge_region *region = &f->merge->regions.v[f->mappings[from->mapping] - 1];

	if (from->address < mapping->start || from->address >= mapping->limit)
		return -EBADMSG;
	*ret = from->address - mapping->start;
	if (*ret >= region->area->distances)
		*ret = MERGE_NUMBERED;
	return 0;
}

static int add_location(struct merge_file *f, const struct pprof_location *from, uint32_t *ret)
{
	struct merge_location key = { .folded = from->folded, .distance = MERGE_NUMBERED };
	const struct pprof *p = &f->profile;
	int r = 0;

	if (from->mapping != PPROF_NONE) {
		key.mapping = f->mappings[from->mapping];
		r = read_distance(f, from, &key.distance);
	}
	f->key.cnt = 0;
	if (r == 0)
		r = push_key(f, &key, sizeof(key));
	for (uint32_t i = 0; r == 0 && i < from->line_cnt; i++) {
		const struct pprof_line *line = &p->lines.v[from->line + i];

		r = push_key(f,
			     &(struct merge_line){ .function = f->functions[line->function],
						   .line = line->line,
						   .column = line->column },
			     sizeof(struct merge_line));
	}
	if (r < 0)
		return r;
	return strtab_add(&f->merge->locations, (const char *)f->key.v, f->key.cnt, ret);
}

static int add_locations(struct merge_file *f)
{
	const struct pprof *p = &f->profile;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->locations.cnt; i++)
		r = add_location(f, &p->locations.v[i], &f->locations[i]);
	return r;
}

static int push_label(struct merge_file *f, const struct pprof_label *from)
{
	struct merge_label label = { .num = from->num };
	int r;

	r = merge_string(f, from->key, &label.key);
	if (r == 0)
		r = merge_string(f, from->str, &label.str);
	if (r == 0)
		r = merge_string(f, from->unit, &label.unit);
	return r < 0 ? r : push_key(f, &label, sizeof(label));
}

static int push_sample(struct merge_file *f, const struct pprof_sample *s)
{
	const struct merge_sample head = {
		.locations = (uint32_t)s->locations_cnt,
		.labels = (uint32_t)s->labels_cnt,
	};
	int r;

	f->key.cnt = 0;
	r = push_key(f, &head, sizeof(head));
	for (size_t i = 0; r == 0 && i < s->labels_cnt; i++)
		r = push_label(f, &s->labels[i]);
	for (size_t i = 0; r == 0 && i < s->locations_cnt; i++)
		r = push_key(f, &f->locations[s->locations[i]], sizeof(f->locations[0]));
	return r;
}

/* Ours are never negative; a sum that overflows is made of lies. */
static int add_values(struct merge *m, int64_t *sums, const struct pprof_sample *s)
{
	for (size_t i = 0; i < s->values_cnt; i++) {
		if (s->values[i] < 0 || __builtin_add_overflow(sums[i], s->values[i], &sums[i]) ||
		    __builtin_add_overflow(m->totals.v[i], s->values[i], &m->totals.v[i]))
			return -EBADMSG;
	}
	return 0;
}

static int add_sample(const struct pprof_sample *s, void *ctx)
{
	struct merge_file *f = ctx;
	struct merge *m = f->merge;
	size_t types = m->types.cnt;
	uint32_t id;
	int r;

	if (s->locations_cnt == 0)
		return -EBADMSG;
	r = push_sample(f, s);
	if (r == 0)
		r = strtab_add(&m->samples, (const char *)f->key.v, f->key.cnt, &id);
	if (r < 0)
		return r;
	if (id * types > m->values.cnt) {
		r = vec_reserve(&m->values, types);
		if (r < 0)
			return r;
		memset(m->values.v + m->values.cnt, 0, types * sizeof(*m->values.v));
		m->values.cnt += types;
		r = merge_check_memory(m, 0);
		if (r < 0)
			return r;
	}
	f->samples += s->values[0];
	return add_values(m, &m->values.v[(id - 1) * types], s);
}

static int make_room(struct merge_file *f)
{
	const struct pprof *p = &f->profile;
	size_t strings = p->strings.cnt;

	f->strings = malloc(strings * sizeof(*f->strings));
	f->functions = calloc(p->functions.cnt + 1, sizeof(*f->functions));
	f->mappings = calloc(p->mappings.cnt + 1, sizeof(*f->mappings));
	f->locations = calloc(p->locations.cnt + 1, sizeof(*f->locations));
	if (!f->strings || !f->functions || !f->mappings || !f->locations)
		return -ENOMEM;
	for (size_t i = 0; i < strings; i++)
		f->strings[i] = PPROF_NONE;
	return 0;
}

/*
 * Each sample carries the time that it stands for, so rates may differ; but not one for every so many
 * of an event, where the number of samples is what is meant.
 */
static int add_period(struct merge_file *f)
{
	struct merge *m = f->merge;
	int64_t sum;

	if (m->period_differs && !merge_is_by_rate(m))
		return -EINVAL;
	if (__builtin_mul_overflow(f->profile.period, f->samples, &sum) ||
	    __builtin_add_overflow(m->period_sum, sum, &m->period_sum))
		return -EBADMSG;
	return 0;
}

int merge_add(struct merge_file *f)
{
	static int (*const steps[])(struct merge_file *) = {
		make_room, add_types, add_interval, add_mappings, add_functions, add_locations,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ELEMENTSOF(steps); i++)
		r = steps[i](f);
	if (r == 0)
		r = merge_check_memory(f->merge, 0);
	if (r == 0)
		r = pprof_samples(&f->profile, add_sample, f);
	if (r == 0)
		r = merge_add_comments(f);
	if (r == 0)
		r = add_period(f);
	return r;
}
