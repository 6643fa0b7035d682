/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames — see frames.h. Functions are equal when their names and the places of their source are: pprof's reports
 * go by name, and the file is smaller for it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/window.h"
#include "frames.h"

void frames_init(struct frames *f, struct layout *layout, const struct names *names,
		 struct strtab *strings)
{
	*f = (struct frames){
		.layout = layout,
		.names = names,
		.strings = strings,
		.seed = strings->seed,
	};
}

void frames_done(struct frames *f)
{
	vec_done(&f->locations);
	vec_done(&f->functions);
	vec_done(&f->lines);
	map_done(&f->location_map);
	map_done(&f->function_map);
}

static bool function_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct frames *f = ctx;

	return memcmp(&f->functions.v[value], key, sizeof(struct frames_function)) == 0;
}

static int intern_function(struct frames *f, const struct frames_function *fn, uint32_t *ret)
{
	uint64_t hash = hash_bytes(fn, sizeof(*fn), f->seed);
	int r;

	if (map_find(&f->function_map, hash, fn, function_eq, f, ret))
		return 0;
	r = vec_push(&f->functions, *fn);
	if (r < 0)
		return r;
	r = map_add(&f->function_map, hash, (uint32_t)f->functions.cnt - 1);
	if (r < 0) {
		f->functions.cnt--;
		return r;
	}
	*ret = (uint32_t)f->functions.cnt - 1;
	return 0;
}

/* The function of a frame without a name: "[" label "]". */
static int intern_unnamed(struct frames *f, const char *label, uint32_t *ret)
{
	size_t sz = 3 * strlen(label) + 3; /* a byte that is no UTF-8 becomes three */
	_cleanup_free_ char *name = malloc(sz);
	struct frames_function fn = { 0 };
	size_t len;
	int r;

	if (!name)
		return -ENOMEM;
	name[0] = '[';
	len = 1 + str_clean(name + 1, sz - 2, label, strlen(label), NULL);
	name[len++] = ']';
	r = strtab_add(f->strings, name, len, &fn.name);
	if (r < 0)
		return r;
	return intern_function(f, &fn, ret);
}

static int copy_text(struct frames *f, uint32_t id, uint32_t *ret_id)
{
	const char *text = id ? names_text(f->names, id) : "";

	return strtab_add(f->strings, text, strlen(text), ret_id);
}

static int intern_named(struct frames *f, const struct name_line *name, uint32_t *ret)
{
	struct frames_function fn = { .start_line = name->start_line };
	int r;

	r = copy_text(f, name->function, &fn.name);
	if (r == 0)
		r = copy_text(f, name->linkage, &fn.system_name);
	if (r == 0)
		r = copy_text(f, name->file, &fn.source);
	if (r < 0)
		return r;
	/* Equal names make pprof's demangler "simplify" what is no C++: Rust's Vec<T> loses its T. */
	if (fn.system_name == fn.name)
		fn.system_name = 0;
	return intern_function(f, &fn, ret);
}

static int add_line(struct frames *f, struct frames_location *l, const struct name_line *name)
{
	struct pprof_line line = { .line = name->line, .column = name->column };
	int r;

	r = intern_named(f, name, &line.function);
	if (r == 0)
		r = vec_push(&f->lines, line);
	if (r < 0)
		return r;
	l->line_cnt++;
	return 0;
}

/* What a region is said to have, one of its places has. */
static void tell_region(struct frames *f, const struct frames_location *l, const struct name *name)
{
	uint32_t has = name->file ? PPROF_HAS_FILENAMES : 0;

	if (l->region == FRAMES_NO_REGION)
		return;
	has |= name->line ? PPROF_HAS_LINE_NUMBERS : 0;
	has |= name->inlined_cnt ? PPROF_HAS_INLINE_FRAMES : 0;
	f->layout->regions.v[l->region].has |= has;
}

static int add_lines(struct frames *f, struct frames_location *l, const struct name *name)
{
	const struct name_line *inlined = names_inlined(f->names, name);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < name->inlined_cnt; i++)
		r = add_line(f, l, &inlined[i]);
	if (r == 0)
		r = add_line(f, l, &name->own);
	tell_region(f, l, name);
	return r;
}

static int add_unnamed(struct frames *f, struct frames_location *l, const char *label)
{
	struct pprof_line line = { 0 };
	int r;

	r = intern_unnamed(f, label, &line.function);
	l->line_cnt = 1;
	return r < 0 ? r : vec_push(&f->lines, line);
}

static bool location_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct frames *f = ctx;
	const struct frames_location *a = &f->locations.v[value], *b = key;

	return a->place == b->place && a->object == b->object && a->region != FRAMES_NO_REGION;
}

static int fill_location(struct frames *f, struct frames_location *l, bool *ret_named)
{
	struct name name;
	int r;

	l->line = (uint32_t)f->lines.cnt;
	r = layout_locate(f->layout, l->object, l->place, &l->region, &l->distance);
	if (r < 0)
		return r;
	*ret_named = names_get(f->names, l->object, l->place, &name) && name.function != 0;
	if (*ret_named)
		return add_lines(f, l, &name);
	return add_unnamed(f, l, layout_label(f->layout, l->object));
}

int frames_intern(struct frames *f, const struct window_frame *frame, uint32_t *ret_location)
{
	struct frames_location l = {
		.object = frame->object,
		.place = names_offset(frame->offset, frame->flags),
	};
	const uint64_t key[2] = { l.place, l.object };
	uint64_t hash = hash_bytes(key, sizeof(key), f->seed);
	bool named;
	int r;

	if (map_find(&f->location_map, hash, &l, location_eq, f, ret_location))
		return 0;
	r = fill_location(f, &l, &named);
	if (r < 0)
		return r;
	r = vec_push(&f->locations, l);
	if (r < 0)
		return r;
	r = map_add(&f->location_map, hash, (uint32_t)f->locations.cnt - 1);
	if (r < 0) {
		f->locations.cnt--;
		return r;
	}
	f->named += named;
	*ret_location = (uint32_t)f->locations.cnt - 1;
	return 0;
}

int frames_intern_no_stack(struct frames *f, uint32_t *ret_location)
{
	struct frames_location l = {
		.region = FRAMES_NO_REGION,
		.line = (uint32_t)f->lines.cnt,
		.line_cnt = 1,
	};
	struct frames_function fn = { 0 };
	struct pprof_line line = { 0 };
	int r;

	if (f->no_stack == 0) {
		r = strtab_add(f->strings, PPROF_NO_STACK, strlen(PPROF_NO_STACK), &fn.name);
		if (r < 0)
			return r;
		r = intern_function(f, &fn, &line.function);
		if (r == 0)
			r = vec_push(&f->lines, line);
		if (r < 0)
			return r;
		r = vec_push(&f->locations, l);
		if (r < 0)
			return r;
		f->no_stack = (uint32_t)f->locations.cnt;
	}
	*ret_location = f->no_stack - 1;
	return 0;
}
