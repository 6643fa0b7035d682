/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse — see parse.h. Field numbers are those of proto/profile.proto. What pprof refuses is refused
 * (google/pprof profile.CheckValid): ids that are 0, double or unknown, a sample with another number
 * of values than there are types, an index beyond the strings.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "parse.h"

enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2 };
enum { MAPPING_ID = 1, MAPPING_FILENAME = 5, MAPPING_BUILD_ID = 6 };
enum { LOCATION_ID = 1, LOCATION_MAPPING_ID = 2, LOCATION_LINE = 4 };
enum { LINE_FUNCTION_ID = 1 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3 };

#define PUSH(vec, ...) ((vec)->cnt >= PARSE_ENTRIES_MAX ? -E2BIG : vec_push((vec), __VA_ARGS__))

void parse_done(struct parse *p)
{
	vec_done(&p->strings);
	vec_done(&p->types);
	vec_done(&p->mappings);
	vec_done(&p->functions);
	vec_done(&p->locations);
	vec_done(&p->lines);
}

/* Reads the numbers of a small message into values[number]; of a repeated one the last counts. */
#define NUMBERS_MAX 8

static int read_numbers(struct wirefmt w, uint64_t values[static NUMBERS_MAX])
{
	struct wirefmt_field f;
	int r;

	memset(values, 0, NUMBERS_MAX * sizeof(values[0]));
	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number < NUMBERS_MAX && !f.bytes.p)
			values[f.number] = f.value;
	}
	return r;
}

/* Indexes of strings are checked when all strings are there; until then they fit into 32 bits. */
static uint32_t string_index(uint64_t v)
{
	return v < PARSE_ENTRIES_MAX ? (uint32_t)v : PARSE_NONE;
}

static int read_type(struct parse *p, struct wirefmt w)
{
	uint64_t v[NUMBERS_MAX];
	int r;

	r = read_numbers(w, v);
	if (r < 0)
		return r;
	return PUSH(&p->types, (struct parse_type){ .name = string_index(v[VALUE_TYPE_TYPE]),
						    .unit = string_index(v[VALUE_TYPE_UNIT]) });
}

static int read_mapping(struct parse *p, struct wirefmt w)
{
	struct parse_mapping m;
	uint64_t v[NUMBERS_MAX];
	int r;

	r = read_numbers(w, v);
	if (r < 0)
		return r;
	m = (struct parse_mapping){
		.id = v[MAPPING_ID],
		.file = string_index(v[MAPPING_FILENAME]),
		.build_id = string_index(v[MAPPING_BUILD_ID]),
	};
	if (p->mappings.cnt == 0)
		p->first_mapping = m;
	return PUSH(&p->mappings, m);
}

static int read_function(struct parse *p, struct wirefmt w)
{
	uint64_t v[NUMBERS_MAX], name;
	int r;

	r = read_numbers(w, v);
	if (r < 0)
		return r;
	name = v[FUNCTION_NAME] ? v[FUNCTION_NAME] : v[FUNCTION_SYSTEM_NAME];
	return PUSH(&p->functions,
		    (struct parse_function){ .id = v[FUNCTION_ID], .name = string_index(name) });
}

/* Ids are 64 bits and become indexes when everything is read; until then they stand in tables. */
struct unresolved {
	VEC(uint64_t) mapping_ids;  /* by location */
	VEC(uint64_t) function_ids; /* by line */
	uint64_t default_type;	    /* string */
};

static void unresolved_done(struct unresolved *u)
{
	vec_done(&u->mapping_ids);
	vec_done(&u->function_ids);
}

static int read_location(struct parse *p, struct unresolved *u, struct wirefmt w)
{
	struct parse_location l = { .line = (uint32_t)u->function_ids.cnt };
	uint64_t v[NUMBERS_MAX], mapping_id = 0;
	struct wirefmt_field f;
	int r;

	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number == LOCATION_ID && !f.bytes.p)
			l.id = f.value;
		else if (f.number == LOCATION_MAPPING_ID && !f.bytes.p)
			mapping_id = f.value;
		if (f.number != LOCATION_LINE || !f.bytes.p)
			continue;
		r = read_numbers(f.bytes, v);
		if (r == 0)
			r = PUSH(&u->function_ids, v[LINE_FUNCTION_ID]);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	l.line_cnt = (uint32_t)u->function_ids.cnt - l.line;
	if (l.line_cnt > PARSE_LINES_MAX)
		return -E2BIG;
	r = PUSH(&p->locations, l);
	if (r < 0)
		return r;
	return PUSH(&u->mapping_ids, mapping_id);
}

static void read_number(struct parse *p, struct unresolved *u, const struct wirefmt_field *f)
{
	if (f->number == PROFILE_DEFAULT_SAMPLE_TYPE)
		u->default_type = f->value;
	else if (f->number == PROFILE_TIME_NANOS)
		p->time_ns = (int64_t)f->value;
	else if (f->number == PROFILE_DURATION_NANOS)
		p->duration_ns = (int64_t)f->value;
}

static int read_field(struct parse *p, struct unresolved *u, const struct wirefmt_field *f)
{
	if (!f->bytes.p)
		read_number(p, u, f);
	if (f->number >= PROFILE_SAMPLE_TYPE && f->number <= PROFILE_STRING_TABLE && !f->bytes.p)
		return -EBADMSG;
	switch (f->number) {
	case PROFILE_SAMPLE_TYPE:
		return read_type(p, f->bytes);
	case PROFILE_MAPPING:
		return read_mapping(p, f->bytes);
	case PROFILE_LOCATION:
		return read_location(p, u, f->bytes);
	case PROFILE_FUNCTION:
		return read_function(p, f->bytes);
	case PROFILE_STRING_TABLE:
		return PUSH(&p->strings, f->bytes);
	default:
		return 0;
	}
}

/* All three tables begin with the id. */
static int compare_ids(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return CMP(x, y);
}

/* Sorts a table by id, which it mostly is already; 0 or -EBADMSG: an id that is 0 or double. */
static int sort_by_id(void *v, size_t cnt, size_t elem_sz)
{
	bool sorted = true;

	for (size_t i = 1; i < cnt && sorted; i++)
		sorted = compare_ids((char *)v + (i - 1) * elem_sz, (char *)v + i * elem_sz) < 0;
	if (!sorted)
		qsort(v, cnt, elem_sz, compare_ids);
	for (size_t i = 0; i < cnt; i++) {
		uint64_t zero = 0;
		const char *elem = (char *)v + i * elem_sz;

		if (compare_ids(elem, i > 0 ? elem - elem_sz : (char *)&zero) == 0)
			return -EBADMSG;
	}
	return 0;
}

/* The index of an id in a sorted table; ids that are index + 1 are found at once. */
static uint32_t find_id(const void *v, size_t cnt, size_t elem_sz, uint64_t id)
{
	const char *base = v;
	const char *found;

	if (id >= 1 && id <= cnt && compare_ids(base + (id - 1) * elem_sz, &id) == 0)
		return (uint32_t)id - 1;
	found = cnt > 0 ? bsearch(&id, v, cnt, elem_sz, compare_ids) : NULL;
	return found ? (uint32_t)((size_t)(found - base) / elem_sz) : PARSE_NONE;
}

static int resolve_locations(struct parse *p, const struct unresolved *u)
{
	int r;

	/* Mappings first: they go by position, which sorting changes. An unknown one is none. */
	for (size_t i = 0; i < p->locations.cnt; i++)
		p->locations.v[i].mapping = find_id(p->mappings.v, p->mappings.cnt,
						    sizeof(*p->mappings.v), u->mapping_ids.v[i]);
	r = vec_reserve(&p->lines, u->function_ids.cnt);
	if (r < 0)
		return r;
	for (size_t i = 0; i < u->function_ids.cnt; i++) {
		uint32_t fn = find_id(p->functions.v, p->functions.cnt, sizeof(*p->functions.v),
				      u->function_ids.v[i]);

		if (fn == PARSE_NONE)
			return -EBADMSG;
		p->lines.v[p->lines.cnt++] = fn;
	}
	return sort_by_id(p->locations.v, p->locations.cnt, sizeof(*p->locations.v));
}

static int check_strings(const struct parse *p)
{
	if (p->strings.cnt == 0 || p->strings.v[0].p != p->strings.v[0].end)
		return -EBADMSG;
	for (size_t i = 0; i < p->types.cnt; i++) {
		if (p->types.v[i].name >= p->strings.cnt || p->types.v[i].unit >= p->strings.cnt)
			return -EBADMSG;
	}
	for (size_t i = 0; i < p->mappings.cnt; i++) {
		if (p->mappings.v[i].file >= p->strings.cnt ||
		    p->mappings.v[i].build_id >= p->strings.cnt)
			return -EBADMSG;
	}
	for (size_t i = 0; i < p->functions.cnt; i++) {
		if (p->functions.v[i].name >= p->strings.cnt)
			return -EBADMSG;
	}
	return 0;
}

static bool string_eq(const struct wirefmt *a, const struct wirefmt *b)
{
	return a->end - a->p == b->end - b->p && memcmp(a->p, b->p, (size_t)(a->end - a->p)) == 0;
}

/* The type that the file names, by its text, else the last. */
static int choose_type(struct parse *p, uint64_t default_type)
{
	if (default_type >= p->strings.cnt)
		return -EBADMSG;
	p->type = p->types.cnt > 0 ? (uint32_t)p->types.cnt - 1 : 0;
	for (size_t i = 0; default_type != 0 && i < p->types.cnt; i++) {
		if (string_eq(&p->strings.v[p->types.v[i].name], &p->strings.v[default_type])) {
			p->type = (uint32_t)i;
			break;
		}
	}
	return 0;
}

int parse_tables(struct parse *p, const void *bytes, size_t sz)
{
	_cleanup_(unresolved_done) struct unresolved u = { 0 };
	struct wirefmt_field f;
	struct wirefmt w;
	int r;

	*p = (struct parse){ .profile = { .p = bytes, .end = (const uint8_t *)bytes + sz } };
	w = p->profile;
	while ((r = wirefmt_next(&w, &f)) > 0) {
		r = read_field(p, &u, &f);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = check_strings(p);
	if (r == 0)
		r = choose_type(p, u.default_type);
	if (r == 0)
		r = sort_by_id(p->mappings.v, p->mappings.cnt, sizeof(*p->mappings.v));
	if (r == 0)
		r = sort_by_id(p->functions.v, p->functions.cnt, sizeof(*p->functions.v));
	return r < 0 ? r : resolve_locations(p, &u);
}

/* What is read of one sample; reused for the next. */
struct sample {
	VEC(uint32_t) locations;
	size_t values;
	int64_t value;
};

static void sample_done(struct sample *s)
{
	vec_done(&s->locations);
}

static int read_location_ids(const struct parse *p, struct sample *s, struct wirefmt w)
{
	uint64_t id;
	int r;

	while ((r = wirefmt_next_varint(&w, &id)) > 0) {
		uint32_t idx =
			find_id(p->locations.v, p->locations.cnt, sizeof(*p->locations.v), id);

		if (idx == PARSE_NONE)
			return -EBADMSG;
		if (s->locations.cnt >= PARSE_FRAMES_MAX)
			return -E2BIG;
		r = vec_push(&s->locations, idx);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_values(const struct parse *p, struct sample *s, struct wirefmt w)
{
	uint64_t v;
	int r;

	while ((r = wirefmt_next_varint(&w, &v)) > 0) {
		if (s->values++ == p->type)
			s->value = (int64_t)v;
	}
	return r;
}

static int read_sample(const struct parse *p, struct sample *s, struct wirefmt w)
{
	struct wirefmt_field f;
	int r;

	s->locations.cnt = 0;
	s->values = 0;
	s->value = 0;
	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number == SAMPLE_LOCATION_ID)
			r = read_location_ids(p, s, wirefmt_numbers(&f));
		else if (f.number == SAMPLE_VALUE)
			r = read_values(p, s, wirefmt_numbers(&f));
		if (r < 0)
			return r;
	}
	if (r == 0 && s->values != p->types.cnt)
		return -EBADMSG;
	return r;
}

int parse_samples(const struct parse *p, parse_sample_fn fn, void *ctx)
{
	_cleanup_(sample_done) struct sample s = { 0 };
	struct wirefmt w = p->profile;
	struct wirefmt_field f;
	int r;

	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number != PROFILE_SAMPLE)
			continue;
		r = read_sample(p, &s, f.bytes);
		if (r < 0)
			return r;
		r = fn(s.locations.v, s.locations.cnt, s.value, ctx);
		if (r < 0)
			return r;
	}
	return r;
}
