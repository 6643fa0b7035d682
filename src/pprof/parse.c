/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse — see pprof.h. Field numbers are those of proto/profile.proto. What pprof refuses is refused
 * (google/pprof profile.CheckValid): ids that are 0, double or unknown, a sample with another number
 * of values than there are types, an index beyond the strings.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "find.h"
#include "wirefmt.h"

enum {
	PROFILE_SAMPLE_TYPE = 1,
	/* 2: see samples.c */
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum {
	MAPPING_ID = 1,
	MAPPING_MEMORY_START = 2,
	MAPPING_MEMORY_LIMIT = 3,
	MAPPING_FILE_OFFSET = 4,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILENAMES = 8,
	MAPPING_HAS_LINE_NUMBERS = 9,
	MAPPING_HAS_INLINE_FRAMES = 10,
};
enum {
	LOCATION_ID = 1,
	LOCATION_MAPPING_ID = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,
	LOCATION_IS_FOLDED = 5,
};
enum { LINE_FUNCTION_ID = 1, LINE_LINE = 2, LINE_COLUMN = 3 };
enum {
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILENAME = 4,
	FUNCTION_START_LINE = 5,
};

void pprof_done(struct pprof *p)
{
	vec_done(&p->strings);
	vec_done(&p->types);
	vec_done(&p->mappings);
	vec_done(&p->functions);
	vec_done(&p->locations);
	vec_done(&p->lines);
	vec_done(&p->comments);
}

/* Ids are 64 bits and become indexes when everything is read; until then they stand in tables. */
struct unresolved {
	VEC(uint64_t) mapping_ids;  /* by location */
	VEC(uint64_t) function_ids; /* by line */
	uint64_t default_type;	    /* string */
	uint32_t entries_max;	    /* of any table */
};

static void unresolved_done(struct unresolved *u)
{
	vec_done(&u->mapping_ids);
	vec_done(&u->function_ids);
}

#define PUSH(u, vec, ...) ((vec)->cnt >= (u)->entries_max ? -E2BIG : vec_push((vec), __VA_ARGS__))

/* Reads the numbers of a small message into values[number]; of a repeated one the last counts. */
#define NUMBERS_MAX 11

static int read_numbers(struct pprof_bytes w, uint64_t values[static NUMBERS_MAX])
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
	return v < PPROF_ENTRIES_MAX ? (uint32_t)v : PPROF_NONE;
}

static int read_type(struct pprof_bytes w, struct pprof_type *ret)
{
	uint64_t v[NUMBERS_MAX];
	int r;

	r = read_numbers(w, v);
	if (r < 0)
		return r;
	*ret = (struct pprof_type){ .name = string_index(v[VALUE_TYPE_TYPE]),
				    .unit = string_index(v[VALUE_TYPE_UNIT]) };
	return 0;
}

static int add_type(struct pprof *p, struct unresolved *u, struct pprof_bytes w)
{
	struct pprof_type type;
	int r;

	r = read_type(w, &type);
	return r < 0 ? r : PUSH(u, &p->types, type);
}

static int read_mapping(struct pprof *p, struct unresolved *u, struct pprof_bytes w)
{
	struct pprof_mapping m;
	uint64_t v[NUMBERS_MAX];
	int r;

	r = read_numbers(w, v);
	if (r < 0)
		return r;
	m = (struct pprof_mapping){
		.id = v[MAPPING_ID],
		.start = v[MAPPING_MEMORY_START],
		.limit = v[MAPPING_MEMORY_LIMIT],
		.offset = v[MAPPING_FILE_OFFSET],
		.file = string_index(v[MAPPING_FILENAME]),
		.build_id = string_index(v[MAPPING_BUILD_ID]),
		.has = (v[MAPPING_HAS_FUNCTIONS] ? PPROF_HAS_FUNCTIONS : 0) |
		       (v[MAPPING_HAS_FILENAMES] ? PPROF_HAS_FILENAMES : 0) |
		       (v[MAPPING_HAS_LINE_NUMBERS] ? PPROF_HAS_LINE_NUMBERS : 0) |
		       (v[MAPPING_HAS_INLINE_FRAMES] ? PPROF_HAS_INLINE_FRAMES : 0),
	};
	if (p->mappings.cnt == 0)
		p->first_mapping = m;
	return PUSH(u, &p->mappings, m);
}

static int read_function(struct pprof *p, struct unresolved *u, struct pprof_bytes w)
{
	uint64_t v[NUMBERS_MAX];
	int r;

	r = read_numbers(w, v);
	if (r < 0)
		return r;
	return PUSH(u, &p->functions,
		    (struct pprof_function){
			    .id = v[FUNCTION_ID],
			    .name = string_index(v[FUNCTION_NAME]),
			    .system_name = string_index(v[FUNCTION_SYSTEM_NAME]),
			    .file = string_index(v[FUNCTION_FILENAME]),
			    .start_line = (int64_t)v[FUNCTION_START_LINE],
		    });
}

static int read_line(struct pprof *p, struct unresolved *u, struct pprof_bytes w)
{
	uint64_t v[NUMBERS_MAX];
	int r;

	r = read_numbers(w, v);
	if (r == 0)
		r = PUSH(u, &u->function_ids, v[LINE_FUNCTION_ID]);
	if (r < 0)
		return r;
	return PUSH(u, &p->lines,
		    (struct pprof_line){ .line = (int64_t)v[LINE_LINE],
					 .column = (int64_t)v[LINE_COLUMN] });
}

static int read_location(struct pprof *p, struct unresolved *u, struct pprof_bytes w)
{
	struct pprof_location l = { .line = (uint32_t)p->lines.cnt };
	uint64_t v[NUMBERS_MAX];
	struct wirefmt_field f;
	struct pprof_bytes all = w;
	int r;

	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number == LOCATION_LINE && f.bytes.p) {
			r = read_line(p, u, f.bytes);
			if (r < 0)
				return r;
		}
	}
	if (r == 0)
		r = read_numbers(all, v);
	if (r < 0)
		return r;
	l.id = v[LOCATION_ID];
	l.address = v[LOCATION_ADDRESS];
	l.folded = v[LOCATION_IS_FOLDED] != 0;
	l.line_cnt = (uint32_t)p->lines.cnt - l.line;
	if (l.line_cnt > PPROF_LINES_MAX)
		return -E2BIG;
	r = PUSH(u, &p->locations, l);
	if (r < 0)
		return r;
	return PUSH(u, &u->mapping_ids, v[LOCATION_MAPPING_ID]);
}

/* One, or several at once. */
static int read_comments(struct pprof *p, struct unresolved *u, const struct wirefmt_field *f)
{
	struct pprof_bytes w = wirefmt_numbers(f);
	uint64_t v;
	int r;

	while ((r = wirefmt_next_varint(&w, &v)) > 0) {
		r = PUSH(u, &p->comments, string_index(v));
		if (r < 0)
			return r;
	}
	return r;
}

static void read_number(struct pprof *p, struct unresolved *u, const struct wirefmt_field *f)
{
	if (f->number == PROFILE_DEFAULT_SAMPLE_TYPE)
		u->default_type = f->value;
	else if (f->number == PROFILE_TIME_NANOS)
		p->time_ns = (int64_t)f->value;
	else if (f->number == PROFILE_DURATION_NANOS)
		p->duration_ns = (int64_t)f->value;
	else if (f->number == PROFILE_PERIOD)
		p->period = (int64_t)f->value;
}

static int read_field(struct pprof *p, struct unresolved *u, const struct wirefmt_field *f)
{
	if (f->number == PROFILE_COMMENT)
		return read_comments(p, u, f);
	if (!f->bytes.p)
		read_number(p, u, f);
	if (f->number >= PROFILE_SAMPLE_TYPE && f->number <= PROFILE_STRING_TABLE && !f->bytes.p)
		return -EBADMSG;
	switch (f->number) {
	case PROFILE_SAMPLE_TYPE:
		return add_type(p, u, f->bytes);
	case PROFILE_MAPPING:
		return read_mapping(p, u, f->bytes);
	case PROFILE_LOCATION:
		return read_location(p, u, f->bytes);
	case PROFILE_FUNCTION:
		return read_function(p, u, f->bytes);
	case PROFILE_STRING_TABLE:
		return PUSH(u, &p->strings, f->bytes);
	case PROFILE_PERIOD_TYPE:
		return f->bytes.p ? read_type(f->bytes, &p->period_type) : 0;
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

/* Ids that are index + 1 are found at once. */
uint32_t pprof_find(const void *v, size_t cnt, size_t elem_sz, uint64_t id)
{
	const char *base = v;
	const char *found;

	if (id >= 1 && id <= cnt && compare_ids(base + (id - 1) * elem_sz, &id) == 0)
		return (uint32_t)id - 1;
	found = cnt > 0 ? bsearch(&id, v, cnt, elem_sz, compare_ids) : NULL;
	return found ? (uint32_t)((size_t)(found - base) / elem_sz) : PPROF_NONE;
}

static int resolve_locations(struct pprof *p, const struct unresolved *u)
{
	/* Mappings first: they go by position, which sorting changes. An unknown one is none. */
	for (size_t i = 0; i < p->locations.cnt; i++)
		p->locations.v[i].mapping = pprof_find(p->mappings.v, p->mappings.cnt,
						       sizeof(*p->mappings.v), u->mapping_ids.v[i]);
	for (size_t i = 0; i < p->lines.cnt; i++) {
		uint32_t fn = pprof_find(p->functions.v, p->functions.cnt, sizeof(*p->functions.v),
					 u->function_ids.v[i]);

		if (fn == PPROF_NONE)
			return -EBADMSG;
		p->lines.v[i].function = fn;
	}
	return sort_by_id(p->locations.v, p->locations.cnt, sizeof(*p->locations.v));
}

static int check_strings(const struct pprof *p)
{
	size_t cnt = p->strings.cnt;

	if (cnt == 0 || p->strings.v[0].p != p->strings.v[0].end)
		return -EBADMSG;
	if (p->period_type.name >= cnt || p->period_type.unit >= cnt)
		return -EBADMSG;
	for (size_t i = 0; i < p->types.cnt; i++) {
		if (p->types.v[i].name >= cnt || p->types.v[i].unit >= cnt)
			return -EBADMSG;
	}
	for (size_t i = 0; i < p->mappings.cnt; i++) {
		if (p->mappings.v[i].file >= cnt || p->mappings.v[i].build_id >= cnt)
			return -EBADMSG;
	}
	for (size_t i = 0; i < p->functions.cnt; i++) {
		const struct pprof_function *f = &p->functions.v[i];

		if (f->name >= cnt || f->system_name >= cnt || f->file >= cnt)
			return -EBADMSG;
	}
	for (size_t i = 0; i < p->comments.cnt; i++) {
		if (p->comments.v[i] >= cnt)
			return -EBADMSG;
	}
	return 0;
}

static bool string_eq(const struct pprof_bytes *a, const struct pprof_bytes *b)
{
	return a->end - a->p == b->end - b->p && memcmp(a->p, b->p, (size_t)(a->end - a->p)) == 0;
}

/* The type that the file names, by its text, else the last. */
static int choose_type(struct pprof *p, uint64_t default_type)
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

int pprof_parse(struct pprof *p, const struct pprof_bytes *bytes, uint32_t entries_max)
{
	_cleanup_(unresolved_done) struct unresolved u = {
		.entries_max = MIN(entries_max, PPROF_ENTRIES_MAX),
	};
	struct wirefmt_field f;
	struct pprof_bytes w;
	int r;

	*p = (struct pprof){ .profile = *bytes };
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
