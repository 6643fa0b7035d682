/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write — the merged tables to a file, in the order of encode's. Ids of the tables are those of the
 * file; indexes are one less.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge-internal.h"

/* Mapping[0] first, for its address; the others by name, so that the order of files does not matter. */
struct order {
	uint32_t mapping;
	const struct merge *merge;
};

static int compare_mappings(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	const struct strtab *mappings = &x->merge->mappings, *strings = &x->merge->strings;
	const struct merge_mapping *m = merge_key(mappings, x->mapping);
	const struct merge_mapping *n = merge_key(mappings, y->mapping);
	int cmp;

	if (x->mapping == 1 || y->mapping == 1)
		return CMP(x->mapping, y->mapping);
	cmp = strcmp(strtab_get(strings, m->file), strtab_get(strings, n->file));
	if (cmp == 0)
		cmp = strcmp(strtab_get(strings, m->build_id), strtab_get(strings, n->build_id));
	return cmp ? cmp : CMP(m->offset, n->offset);
}

/* Where places are numbered, all numbers must lie in the mapping. */
static void fit_regions(struct merge *m)
{
	for (uint32_t id = 1; id < m->locations.cnt; id++) {
		const struct merge_location *l = merge_key(&m->locations, id);
		struct merge_region *region = l->mapping ? &m->regions.v[l->mapping - 1] : NULL;
		uint64_t end;

		if (!region || l->distance != MERGE_NUMBERED)
			continue;
		end = pprof_number(region->area, &region->numbered) + PPROF_PAGE;
		region->at.size = MAX(region->at.size, end - end % PPROF_PAGE);
	}
	for (size_t i = 0; i < m->regions.cnt; i++)
		m->regions.v[i].numbered = 0;
}

static int place_mappings(struct merge *m)
{
	_cleanup_(pprof_space_done) struct pprof_space space = { 0 };
	size_t cnt = m->regions.cnt;
	_cleanup_free_ struct order *order = calloc(cnt + 1, sizeof(*order));
	int r = 0;

	if (!order)
		return -ENOMEM;
	fit_regions(m);
	for (size_t i = 0; i < cnt; i++)
		order[i] = (struct order){ .mapping = (uint32_t)i + 1, .merge = m };
	qsort(order, cnt, sizeof(*order), compare_mappings);
	for (size_t i = 0; r == 0 && i < cnt; i++)
		r = pprof_place(&space, &m->regions.v[order[i].mapping - 1].at);
	return r;
}

/* Of rates that differ the mean, by their samples. */
static int64_t period(const struct merge *m)
{
	return m->period_differs && m->totals.v[0] > 0 ? m->period_sum / m->totals.v[0] : m->period;
}

static int write_head(struct merge *m, struct pprof_writer *w)
{
	return pprof_put_head(w, &(struct pprof_head){
					 .types = m->types.v,
					 .types_cnt = m->types.cnt,
					 .default_type = m->default_type,
					 .period_type = m->period_type,
					 .period = period(m),
					 .time_ns = m->from_ns,
					 .duration_ns = m->to_ns - m->from_ns,
				 });
}

struct writing {
	VEC(struct pprof_label) labels;
	VEC(uint32_t) locations;
	VEC(struct pprof_line) lines;
};

static void writing_done(struct writing *t)
{
	vec_done(&t->labels);
	vec_done(&t->locations);
	vec_done(&t->lines);
}

static int write_sample(struct merge *m, struct pprof_writer *w, struct writing *t, uint32_t id)
{
	const struct merge_sample *head = merge_key(&m->samples, id);
	const struct merge_label *labels = (const struct merge_label *)(head + 1);
	const uint32_t *locations = (const uint32_t *)(labels + head->labels);
	size_t types = m->types.cnt;
	int r;

	r = vec_reserve(&t->labels, head->labels);
	if (r == 0)
		r = vec_reserve(&t->locations, head->locations);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < head->labels; i++)
		t->labels.v[i] = (struct pprof_label){ .key = labels[i].key,
						       .str = labels[i].str,
						       .unit = labels[i].unit,
						       .num = labels[i].num };
	for (uint32_t i = 0; i < head->locations; i++)
		t->locations.v[i] = locations[i] - 1;
	return pprof_put_sample(w, &(struct pprof_sample){
					   .locations = t->locations.v,
					   .locations_cnt = head->locations,
					   .values = m->values.v + (id - 1) * types,
					   .values_cnt = types,
					   .labels = t->labels.v,
					   .labels_cnt = head->labels,
				   });
}

static int write_samples(struct merge *m, struct pprof_writer *w)
{
	_cleanup_(writing_done) struct writing t = { 0 };
	int r = 0;

	for (uint32_t id = 1; r == 0 && id < m->samples.cnt; id++)
		r = write_sample(m, w, &t, id);
	return r;
}

static int write_mappings(struct merge *m, struct pprof_writer *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->regions.cnt; i++) {
		const struct merge_mapping *key = merge_key(&m->mappings, (uint32_t)i + 1);
		const struct merge_region *region = &m->regions.v[i];

		r = pprof_put_mapping(w, &(struct pprof_mapping){
						 .start = region->at.start,
						 .limit = region->at.start + region->at.size,
						 .offset = key->offset,
						 .file = key->file,
						 .build_id = key->build_id,
						 .has = region->has,
					 });
	}
	return r;
}

static uint64_t address(struct merge *m, const struct merge_location *l)
{
	struct merge_region *region;

	if (l->mapping == 0)
		return 0;
	region = &m->regions.v[l->mapping - 1];
	if (l->distance != MERGE_NUMBERED)
		return region->at.start + l->distance;
	return region->at.start + pprof_number(region->area, &region->numbered);
}

static int write_location(struct merge *m, struct pprof_writer *w, struct writing *t, uint32_t id)
{
	const struct merge_location *l = merge_key(&m->locations, id);
	const struct merge_line *lines = (const struct merge_line *)(l + 1);
	size_t cnt = (m->locations.lens[id] - sizeof(*l)) / sizeof(*lines);
	int r = vec_reserve(&t->lines, cnt);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cnt; i++)
		t->lines.v[i] = (struct pprof_line){ .function = lines[i].function - 1,
						     .line = lines[i].line,
						     .column = lines[i].column };
	return pprof_put_location(w,
				  &(struct pprof_location){
					  .address = address(m, l),
					  .mapping = l->mapping ? l->mapping - 1 : PPROF_NONE,
					  .line_cnt = (uint32_t)cnt,
					  .folded = l->folded,
				  },
				  t->lines.v);
}

static int write_locations(struct merge *m, struct pprof_writer *w)
{
	_cleanup_(writing_done) struct writing t = { 0 };
	int r = 0;

	for (uint32_t id = 1; r == 0 && id < m->locations.cnt; id++)
		r = write_location(m, w, &t, id);
	return r;
}

static int write_functions(struct merge *m, struct pprof_writer *w)
{
	int r = 0;

	for (uint32_t id = 1; r == 0 && id < m->functions.cnt; id++) {
		const struct merge_function *f = merge_key(&m->functions, id);

		r = pprof_put_function(w, &(struct pprof_function){
						  .name = f->name,
						  .system_name = f->system_name,
						  .file = f->file,
						  .start_line = f->start_line,
					  });
	}
	return r;
}

/* "[" @inner "]"? */
static bool is_bracketed(const char *name, const char *inner)
{
	size_t len = strlen(inner);

	return name[0] == '[' && strncmp(name + 1, inner, len) == 0 &&
	       strcmp(name + 1 + len, "]") == 0;
}

/* Has the frame a function's real name? The others are called after their object. */
static bool is_symbolized(const struct merge *m, uint32_t id)
{
	const struct merge_location *l = merge_key(&m->locations, id);
	const struct merge_line *line = (const struct merge_line *)(l + 1);
	const struct merge_function *f;
	const char *name, *file, *slash;

	if (m->locations.lens[id] == sizeof(*l) || l->mapping == 0)
		return false;
	f = merge_key(&m->functions, line->function);
	name = strtab_get(&m->strings, f->name);
	file = strtab_get(
		&m->strings,
		((const struct merge_mapping *)merge_key(&m->mappings, l->mapping))->file);
	slash = strrchr(file, '/');
	if (m->regions.v[l->mapping - 1].area->label)
		return !is_bracketed(name, m->regions.v[l->mapping - 1].area->label);
	return strcmp(name, file) != 0 && !is_bracketed(name, slash && slash[1] ? slash + 1 : file);
}

/* What a label says of the process; 0 where it says nothing. */
static void read_label(const struct merge *m, const struct merge_label *label, int64_t identity[3])
{
	static const char *const keys[] = { "pid", "start", "exec" };

	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		if (strcmp(strtab_get(&m->strings, label->key), keys[i]) == 0)
			identity[i] = label->num;
	}
}

/* How many there are by the labels; a process that is in several files is one. */
static int count_processes(const struct merge *m, uint64_t *ret)
{
	_cleanup_(strtab_done) struct strtab seen = { 0 };
	uint32_t process;
	int r = strtab_init(&seen, m->opts->seed);

	for (uint32_t id = 1; r == 0 && id < m->samples.cnt; id++) {
		const struct merge_sample *head = merge_key(&m->samples, id);
		const struct merge_label *labels = (const struct merge_label *)(head + 1);
		int64_t identity[3] = { 0 };

		for (uint32_t i = 0; i < head->labels; i++)
			read_label(m, &labels[i], identity);
		if (head->labels > 0)
			r = strtab_add(&seen, (const char *)identity, sizeof(identity), &process);
	}
	if (r == 0)
		*ret = seen.cnt - 1;
	return r;
}

static int write_comments(struct merge *m, struct pprof_writer *w)
{
	struct merge_counts counts = {
		.samples = (uint64_t)m->totals.v[0],
		.frames = m->locations.cnt - 1,
	};
	_cleanup_free_ int64_t *ids = NULL;
	size_t cnt;
	int r;

	for (uint32_t id = 1; id < m->locations.cnt; id++)
		counts.symbolized += is_symbolized(m, id);
	r = count_processes(m, &counts.processes);
	if (r == 0)
		r = merge_list_comments(m, &counts, &ids, &cnt);
	return r < 0 ? r : pprof_put_comments(w, ids, cnt);
}

static int write_strings(struct merge *m, struct pprof_writer *w)
{
	return pprof_put_strings(w, &m->strings);
}

int merge_write(struct merge *m, uint64_t *ret_bytes)
{
	static int (*const steps[])(struct merge *, struct pprof_writer *) = {
		write_head,	 write_samples,	 write_mappings, write_locations,
		write_functions, write_comments, write_strings,
	};
	_cleanup_(pprof_writer_freep) struct pprof_writer *w = NULL;
	int r;

	r = place_mappings(m);
	if (r == 0)
		r = pprof_writer_new(m->opts->write, m->opts->ctx, &w);
	for (size_t i = 0; r == 0 && i < ELEMENTSOF(steps); i++)
		r = steps[i](m, w);
	return r < 0 ? r : pprof_writer_finish(w, ret_bytes);
}
