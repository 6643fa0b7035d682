/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write — the collected tables to parts of a Profile. Ids are index + 1: dense from 1, which Parca
 * insists on. Strings come last: all parts before them add some.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "encoder.h"

static int set_type(struct encoder *e, Perftools__Profiles__ValueType *vt, const char *type,
		    const char *unit)
{
	int r;

	r = encoder_string(e, type, &vt->type);
	if (r < 0)
		return r;
	return encoder_string(e, unit, &vt->unit);
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
	Perftools__Profiles__ValueType samples = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	Perftools__Profiles__ValueType value = PERFTOOLS__PROFILES__VALUE_TYPE__INIT;
	Perftools__Profiles__ValueType *types[] = { &samples, &value };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	int r;

	r = set_type(e, &samples, "samples", "count");
	if (r < 0)
		return r;
	r = set_type(e, &value, e->opts->event->value, e->opts->event->unit);
	if (r < 0)
		return r;
	part.sample_type = types;
	part.n_sample_type = ELEMENTSOF(types);
	part.default_sample_type = value.type;
	part.period_type = &value;
	part.period = period(e);
	part.time_nanos = (int64_t)w->from_real_ns;
	part.duration_nanos = (int64_t)(w->to_boot_ns - w->from_boot_ns);
	return stream_put(&e->stream, &part);
}

#define LABELS_MAX 4

struct label_keys {
	int64_t pid, start, exec, comm;
};

/* Numbers without a unit: pprof scales units, and cannot select strings that look like numbers. */
static size_t fill_labels(const struct label_keys *keys, const struct samples_labels *from,
			  Perftools__Profiles__Label *to)
{
	for (int i = 0; i < LABELS_MAX; i++)
		to[i] = (Perftools__Profiles__Label)PERFTOOLS__PROFILES__LABEL__INIT;
	to[0].key = keys->pid;
	to[0].num = from->pid;
	to[1].key = keys->start;
	to[1].num = (int64_t)from->start;
	to[2].key = keys->exec;
	to[2].num = from->exec;
	to[3].key = keys->comm;
	to[3].str = from->comm;
	return from->comm ? LABELS_MAX : LABELS_MAX - 1;
}

static int write_sample(struct encoder *e, const struct samples_sample *from, const uint64_t *ids,
			const struct label_keys *keys)
{
	Perftools__Profiles__Label labels[LABELS_MAX];
	Perftools__Profiles__Label *label_ptrs[LABELS_MAX];
	int64_t values[] = { (int64_t)from->cnt, (int64_t)from->weight_ns };
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT;
	Perftools__Profiles__Sample *samples[] = { &sample };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	int r;

	sample.location_id = (uint64_t *)(uintptr_t)ids;
	sample.n_location_id = e->samples.lists.v[from->list].cnt;
	sample.value = values;
	sample.n_value = ELEMENTSOF(values);
	if (e->opts->labels) {
		sample.n_label = fill_labels(keys, &e->samples.labels.v[from->labels], labels);
		for (size_t i = 0; i < sample.n_label; i++)
			label_ptrs[i] = &labels[i];
		sample.label = label_ptrs;
	}
	part.sample = samples;
	part.n_sample = 1;
	r = stream_put(&e->stream, &part);
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
	_cleanup_free_ uint64_t *ids = NULL;
	uint32_t longest = 1;
	int r = 0;

	if (e->opts->labels) {
		r = encoder_string(e, "pid", &keys.pid);
		if (r == 0)
			r = encoder_string(e, "start", &keys.start);
		if (r == 0)
			r = encoder_string(e, "exec", &keys.exec);
		if (r == 0)
			r = encoder_string(e, "comm", &keys.comm);
	}
	for (size_t i = 0; i < s->lists.cnt; i++)
		longest = MAX(longest, s->lists.v[i].cnt);
	ids = calloc(longest, sizeof(*ids));
	if (!ids)
		return -ENOMEM;

	for (size_t i = 0; r == 0 && i < s->samples.cnt; i++) {
		const struct samples_list *list = &s->lists.v[s->samples.v[i].list];

		for (uint32_t j = 0; j < list->cnt; j++)
			ids[j] = s->locations.v[list->at + j] + 1ULL;
		r = write_sample(e, &s->samples.v[i], ids, &keys);
	}
	return r;
}

/* A path comes from a stranger's process: it is cleaned here once more, whoever entered it. */
static int clean_string(struct encoder *e, const char *text, int64_t *ret_id)
{
	size_t len = strlen(text), sz = 3 * len + 1;
	_cleanup_free_ char *clean = malloc(sz);

	if (!clean)
		return -ENOMEM;
	(void)str_clean(clean, sz, text, len, NULL);
	return encoder_string(e, clean, ret_id);
}

static int build_id_string(struct encoder *e, uint32_t object, int64_t *ret_id)
{
	const struct object *o = objects_get(e->opts->objects, object);
	char hex[2 * OBJECT_BUILD_ID_MAX + 1] = "";

	for (unsigned int i = 0; o && i < MIN(o->build_id_sz, OBJECT_BUILD_ID_MAX); i++)
		(void)snprintf(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", o->build_id[i]);
	return encoder_string(e, hex, ret_id);
}

static int write_mapping(struct encoder *e, const struct layout_region *region)
{
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT;
	Perftools__Profiles__Mapping *mappings[] = { &mapping };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	int r;

	mapping.id = region->id;
	mapping.memory_start = region->start;
	mapping.memory_limit = region->start + region->size;
	mapping.file_offset = region->file_offset;
	/* Unset, pprof symbolizes the file anew from what it finds locally, and warns if it cannot. */
	mapping.has_functions = true;
	r = clean_string(e, layout_file(&e->layout, region->object), &mapping.filename);
	if (r < 0)
		return r;
	r = build_id_string(e, region->object, &mapping.build_id);
	if (r < 0)
		return r;
	part.mapping = mappings;
	part.n_mapping = 1;
	return stream_put(&e->stream, &part);
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

static int write_location(struct encoder *e, const struct frames_location *from, uint64_t id)
{
	Perftools__Profiles__Line line = PERFTOOLS__PROFILES__LINE__INIT;
	Perftools__Profiles__Line *lines[] = { &line };
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	Perftools__Profiles__Location *locations[] = { &location };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	line.function_id = from->function + 1ULL;
	location.id = id;
	location.line = lines;
	location.n_line = 1;
	if (from->region != FRAMES_NO_REGION) {
		const struct layout_region *region = &e->layout.regions.v[from->region];

		location.mapping_id = region->id;
		location.address = region->start + from->distance;
	}
	part.location = locations;
	part.n_location = 1;
	return stream_put(&e->stream, &part);
}

static int write_locations(struct encoder *e)
{
	const struct frames *f = &e->frames;

	for (size_t i = 0; i < f->locations.cnt; i++) {
		int r = write_location(e, &f->locations.v[i], i + 1);

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

	for (size_t i = 0; i < f->functions.cnt; i++) {
		Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;
		Perftools__Profiles__Function *functions[] = { &function };
		Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
		int r;

		function.id = i + 1;
		function.name = f->functions.v[i].name;
		function.system_name = f->functions.v[i].system_name;
		part.function = functions;
		part.n_function = 1;
		r = stream_put(&e->stream, &part);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_strings(struct encoder *e)
{
	for (size_t i = 0; i < e->strings.cnt; i++) {
		char *string[] = { (char *)(uintptr_t)strtab_get(&e->strings, (uint32_t)i) };
		Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
		int r;

		part.string_table = string;
		part.n_string_table = 1;
		r = stream_put(&e->stream, &part);
		if (r < 0)
			return r;
	}
	return 0;
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
	return stream_finish(&e->stream);
}
