/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write — the collected tables to parts of a Profile. Strings come last: all parts before them add
 * some.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "encoder.h"

static int set_string(struct encoder *e, const char *text, uint32_t *ret)
{
	int64_t id;
	int r;

	r = encoder_string(e, text, &id);
	if (r < 0)
		return r;
	*ret = (uint32_t)id;
	return 0;
}

static int set_type(struct encoder *e, struct pprof_type *type, const char *name, const char *unit)
{
	int r;

	r = set_string(e, name, &type->name);
	return r < 0 ? r : set_string(e, unit, &type->unit);
}

/* How many of the event lie between two samples: as asked for, or on average. */
static int64_t period(const struct encoder *e)
{
	const struct encode_opts *o = e->opts;
	uint64_t cnt = 0, weight = 0;

	if (o->event_count > 0)
		return (int64_t)o->event_count;
	if (o->event->kind == EVENT_CLOCK)
		return o->window->hz > 0 ? (int64_t)(NSEC_PER_SEC / o->window->hz) : 0;
	for (size_t i = 0; i < e->samples.samples.cnt; i++) {
		cnt += e->samples.samples.v[i].cnt;
		weight += e->samples.samples.v[i].weight_ns;
	}
	return cnt > 0 ? (int64_t)(weight / cnt) : 0;
}

/* Of clocks exactly Go's types and period, so that files merge with Go's and serve its PGO. */
static int write_head(struct encoder *e)
{
	const struct window *w = e->opts->window;
	struct pprof_type types[2];
	int r;

	r = set_type(e, &types[0], "samples", "count");
	if (r < 0)
		return r;
	r = set_type(e, &types[1], e->opts->event->value, e->opts->event->unit);
	if (r < 0)
		return r;
	return pprof_put_head(e->writer,
			      &(struct pprof_head){
				      .types = types,
				      .types_cnt = ELEMENTSOF(types),
				      .default_type = types[1].name,
				      .period_type = types[1],
				      .period = period(e),
				      .time_ns = (int64_t)w->from_real_ns,
				      .duration_ns = (int64_t)(w->to_boot_ns - w->from_boot_ns),
			      });
}

#define LABELS_MAX 4

struct label_keys {
	uint32_t pid, start, exec, comm;
};

/* Numbers without a unit: pprof scales units, and cannot select strings that look like numbers. */
static size_t fill_labels(const struct label_keys *keys, const struct samples_labels *from,
			  struct pprof_label *to)
{
	to[0] = (struct pprof_label){ .key = keys->pid, .num = from->pid };
	to[1] = (struct pprof_label){ .key = keys->start, .num = (int64_t)from->start };
	to[2] = (struct pprof_label){ .key = keys->exec, .num = from->exec };
	to[3] = (struct pprof_label){ .key = keys->comm, .str = from->comm };
	return from->comm ? LABELS_MAX : LABELS_MAX - 1;
}

static int write_sample(struct encoder *e, const struct samples_sample *from,
			const struct label_keys *keys)
{
	const struct samples_list *list = &e->samples.lists.v[from->list];
	const int64_t values[] = { (int64_t)from->cnt, (int64_t)from->weight_ns };
	struct pprof_label labels[LABELS_MAX];
	struct pprof_sample sample = {
		.locations = e->samples.locations.v + list->at,
		.locations_cnt = list->cnt,
		.values = values,
		.values_cnt = ELEMENTSOF(values),
		.labels = labels,
	};
	int r;

	if (e->opts->labels)
		sample.labels_cnt = fill_labels(keys, &e->samples.labels.v[from->labels], labels);
	r = pprof_put_sample(e->writer, &sample);
	if (r < 0)
		return r;
	e->result.samples += from->cnt;
	e->result.weight_ns += from->weight_ns;
	return 0;
}

static int write_samples(struct encoder *e)
{
	const struct samples *s = &e->samples;
	struct label_keys keys = { 0 };
	int r = 0;

	if (e->opts->labels) {
		r = set_string(e, "pid", &keys.pid);
		if (r == 0)
			r = set_string(e, "start", &keys.start);
		if (r == 0)
			r = set_string(e, "exec", &keys.exec);
		if (r == 0)
			r = set_string(e, "comm", &keys.comm);
	}
	for (size_t i = 0; r == 0 && i < s->samples.cnt; i++)
		r = write_sample(e, &s->samples.v[i], &keys);
	return r;
}

/* A path comes from a stranger's process: it is cleaned here once more, whoever entered it. */
static int clean_string(struct encoder *e, const char *text, uint32_t *ret_id)
{
	size_t len = strlen(text), sz = 3 * len + 1;
	_cleanup_free_ char *clean = malloc(sz);

	if (!clean)
		return -ENOMEM;
	(void)str_clean(clean, sz, text, len, NULL);
	return set_string(e, clean, ret_id);
}

static int build_id_string(struct encoder *e, uint32_t object, uint32_t *ret_id)
{
	const struct object *o = objects_get(e->opts->objects, object);
	char hex[2 * OBJECT_BUILD_ID_MAX + 1] = "";

	for (int i = 0; o && i < MIN(o->build_id_sz, OBJECT_BUILD_ID_MAX); i++)
		(void)snprintf(hex + 2 * i, sizeof(hex) - 2 * (size_t)i, "%02x", o->build_id[i]);
	return set_string(e, hex, ret_id);
}

static int write_mapping(struct encoder *e, const struct layout_region *region)
{
	struct pprof_mapping mapping = {
		.start = region->at.start,
		.limit = region->at.start + region->at.size,
		.offset = region->at.file_offset,
		/* Without, pprof symbolizes the file anew from what it finds locally, and warns if it cannot. */
		.has = PPROF_HAS_FUNCTIONS | region->has,
	};
	int r;

	r = clean_string(e, layout_file(&e->layout, region->object), &mapping.file);
	if (r == 0)
		r = build_id_string(e, region->object, &mapping.build_id);
	return r < 0 ? r : pprof_put_mapping(e->writer, &mapping);
}

/* In the order of ids: the first region of the main binary, then the others as they came. */
static int write_mappings(struct encoder *e)
{
	const struct layout *l = &e->layout;
	size_t first = 0;
	int r;

	while (l->regions.v[first].id != 1)
		first++;
	r = write_mapping(e, &l->regions.v[first]);
	for (size_t i = 0; r == 0 && i < l->regions.cnt; i++) {
		if (i != first)
			r = write_mapping(e, &l->regions.v[i]);
	}
	return r;
}

static int write_location(struct encoder *e, const struct frames_location *from)
{
	struct pprof_location location = { .mapping = PPROF_NONE, .line_cnt = from->line_cnt };

	if (from->region != FRAMES_NO_REGION) {
		const struct layout_region *region = &e->layout.regions.v[from->region];

		location.mapping = region->id - 1;
		location.address = region->at.start + from->distance;
	}
	return pprof_put_location(e->writer, &location, e->frames.lines.v + from->line);
}

static int write_locations(struct encoder *e)
{
	const struct frames *f = &e->frames;

	for (size_t i = 0; i < f->locations.cnt; i++) {
		int r = write_location(e, &f->locations.v[i]);

		if (r < 0)
			return r;
	}
	e->result.frames = f->locations.cnt;
	e->result.frames_named = f->named;
	return 0;
}

static int write_functions(struct encoder *e)
{
	const struct frames *f = &e->frames;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->functions.cnt; i++)
		r = pprof_put_function(e->writer,
				       &(struct pprof_function){
					       .name = f->functions.v[i].name,
					       .system_name = f->functions.v[i].system_name,
					       .file = f->functions.v[i].source,
					       .start_line = f->functions.v[i].start_line,
				       });
	return r;
}

static int write_strings(struct encoder *e)
{
	return pprof_put_strings(e->writer, &e->strings);
}

int write_profile(struct encoder *e)
{
	static int (*const steps[])(struct encoder * e) = {
		write_head,	 write_samples,	 write_mappings, write_locations,
		write_functions, write_comments, write_strings,
	};

	for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
		int r = steps[i](e);

		if (r < 0)
			return r;
	}
	return pprof_writer_finish(e->writer, &e->result.bytes);
}
