/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One file after the other: what its comments say of objects, then its samples. Frames are counted aside by
 * location, and join the objects when the file was read to its end.
 */

#include "cprof/explain_profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/map.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/pprof.h"

#define BYTES_MAX (1ULL << 30)
#define TEXT_MAX 16384
#define OBJECT "#cprofd object="
#define OBJECTS_MAX 65536

struct explain_profile {
	struct strtab strings;
	struct map map; /* of objects, by file and build id */
	VEC(struct explain_object) objects;
	VEC(uint32_t) files; /* string ids, by object */
	VEC(uint32_t) build_ids;
	struct explain_object *sorted;
	size_t cnt; /* files */
	uint64_t seed;
	char text[TEXT_MAX + 1];
};

/* What one file has of a location. */
struct place {
	uint64_t frames, samples;
	uint64_t sample; /* the last one that counted here */
};

struct adding {
	struct explain_profile *to;
	struct pprof p;
	uint32_t *objects; /* by mapping; the last one is of none */
	struct place *places;
	uint64_t sample;
};

int explain_profile_new(uint64_t seed, struct explain_profile **ret)
{
	struct explain_profile *p = calloc(1, sizeof(*p));

	int r = p ? strtab_init(&p->strings, seed) : -ENOMEM;

	if (r < 0) {
		free(p);
		return r;
	}
	p->seed = seed;
	*ret = p;
	return 0;
}

struct explain_profile *explain_profile_free(struct explain_profile *p)
{
	if (p) {
		strtab_done(&p->strings);
		map_done(&p->map);
		vec_done(&p->objects);
		vec_done(&p->files);
		vec_done(&p->build_ids);
		free(p->sorted);
	}
	free(p);
	return NULL;
}

static void adding_done(struct adding *a)
{
	pprof_done(&a->p);
	free(a->objects);
	free(a->places);
}

static const char *clean(struct explain_profile *p, const struct pprof_bytes *text)
{
	(void)str_clean(p->text, sizeof(p->text), (const char *)text->p,
			(size_t)(text->end - text->p), NULL);
	return p->text;
}

static int intern(struct explain_profile *p, const struct pprof_bytes *text, uint32_t *ret)
{
	const char *s = clean(p, text);

	return strtab_add(&p->strings, s, strlen(s), ret);
}

static bool object_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct explain_profile *p = ctx;
	const uint32_t *k = key;

	return p->files.v[value] == k[0] && p->build_ids.v[value] == k[1];
}

static int find_object(struct explain_profile *p, uint32_t file, uint32_t build_id, uint32_t *ret)
{
	const uint32_t key[2] = { file, build_id };
	uint64_t hash = hash_bytes(key, sizeof(key), p->seed);
	uint32_t idx = (uint32_t)p->objects.cnt;
	int r;

	if (map_find(&p->map, hash, key, object_eq, p, ret))
		return 0;
	if (idx == OBJECTS_MAX)
		return -E2BIG;
	r = vec_push(&p->objects, (struct explain_object){ .file = "" });
	if (r == 0)
		r = vec_push(&p->files, file);
	if (r == 0)
		r = vec_push(&p->build_ids, build_id);
	if (r == 0)
		r = map_add(&p->map, hash, idx);
	*ret = idx;
	return r;
}

/* Adds words separated by "," that are not there yet, as far as there is room; "-" is none. */
static void add_words(char to[static EXPLAIN_WORDS_SZ], const char *words, size_t len)
{
	const char *end = words + len;

	if (len == 1 && words[0] == '-')
		return;
	for (const char *w = words; w < end;) {
		const char *comma = memchr(w, ',', (size_t)(end - w));
		size_t n = (size_t)((comma ? comma : end) - w), all = strlen(to);
		bool there = false;

		for (const char *t = to; *t; t += strcspn(t, ",") + (t[strcspn(t, ",")] == ','))
			there |= strcspn(t, ",") == n && memcmp(t, w, n) == 0;
		if (!there && n > 0 && all + n + 2 <= EXPLAIN_WORDS_SZ)
			(void)snprintf(to + all, EXPLAIN_WORDS_SZ - all, "%s%.*s",
				       all > 0 ? "," : "", (int)n, w);
		w += n + 1;
	}
}

/* The word behind @key, up to the blank that follows; NULL: it does not begin so. */
static const char *take_words(const char *s, const char *key, char to[static EXPLAIN_WORDS_SZ])
{
	size_t n = strlen(key), len;

	if (strncmp(s, key, n) != 0)
		return NULL;
	s += n;
	len = strcspn(s, " ");
	add_words(to, s, len);
	return s[len] == ' ' ? s + len + 1 : NULL;
}

/* "names:a,b lines:- why:c FILE", of each object of this file that is called so. */
static void take_comment(struct adding *a, const char *text)
{
	struct explain_object told = { .file = "" };
	const char *s = take_words(text, "names:", told.names);
	uint32_t file;

	if (s)
		s = take_words(s, "lines:", told.lines);
	if (s)
		s = take_words(s, "why:", told.why);
	if (!s || strtab_add(&a->to->strings, s, strlen(s), &file) < 0)
		return;
	for (size_t i = 0; i < a->p.mappings.cnt; i++) {
		struct explain_object *o = &a->to->objects.v[a->objects[i]];

		if (a->to->files.v[a->objects[i]] != file)
			continue;
		add_words(o->names, told.names, strlen(told.names));
		add_words(o->lines, told.lines, strlen(told.lines));
		add_words(o->why, told.why, strlen(told.why));
	}
}

static void take_comments(struct adding *a)
{
	for (size_t i = 0; i < a->p.comments.cnt; i++) {
		const char *s = clean(a->to, &a->p.strings.v[a->p.comments.v[i]]);
		_cleanup_free_ char *copy = NULL;

		if (strncmp(s, OBJECT, strlen(OBJECT)) != 0)
			continue;
		copy = strdup(s + strlen(OBJECT));
		if (copy)
			take_comment(a, copy);
	}
}

static int map_objects(struct adding *a)
{
	const struct pprof *p = &a->p;
	int r = 0;

	a->objects = calloc(p->mappings.cnt + 1, sizeof(*a->objects));
	a->places = calloc(MAX(p->locations.cnt, (size_t)1), sizeof(*a->places));
	if (!a->objects || !a->places)
		return -ENOMEM;
	for (size_t i = 0; i <= p->mappings.cnt && r == 0; i++) {
		bool last = i == p->mappings.cnt;
		uint32_t file = 0, build_id = 0;

		if (!last)
			r = intern(a->to, &p->strings.v[p->mappings.v[i].file], &file);
		if (r == 0 && !last)
			r = intern(a->to, &p->strings.v[p->mappings.v[i].build_id], &build_id);
		if (r == 0 && last)
			r = strtab_add(&a->to->strings, "", 0, &file);
		if (r == 0)
			r = find_object(a->to, file, last ? file : build_id, &a->objects[i]);
	}
	return r;
}

static int add_sample(const struct pprof_sample *s, void *ctx)
{
	struct adding *a = ctx;
	uint64_t cnt = s->values_cnt > 0 && s->values[0] > 0 ? (uint64_t)s->values[0] : 0;

	a->sample++;
	for (size_t i = 0; i < s->locations_cnt; i++) {
		struct place *place = &a->places[s->locations[i]];

		if (i == 0)
			place->samples += cnt;
		if (place->sample != a->sample)
			place->frames += cnt;
		place->sample = a->sample;
	}
	return 0;
}

static bool is_bracketed(const char *name, size_t len, const char *label, size_t label_len)
{
	return len == label_len + 2 && name[0] == '[' && name[len - 1] == ']' &&
	       memcmp(name + 1, label, label_len) == 0;
}

/* What has no name is called after its object. */
static bool is_named(const struct pprof *p, const struct pprof_location *l)
{
	static const char *const labels[] = { "kernel",	 "vdso",	 "jit",	    "anon",
					      "unknown", "unknown file", "no stack" };
	const struct pprof_bytes *name, *file;
	const char *s, *base;
	size_t len;

	if (l->line_cnt == 0)
		return false;
	name = &p->strings.v[p->functions.v[p->lines.v[l->line + l->line_cnt - 1].function].name];
	s = (const char *)name->p;
	len = (size_t)(name->end - name->p);
	if (len == 0)
		return false;
	if (s[0] != '[')
		return true;
	for (size_t i = 0; i < ELEMENTSOF(labels); i++) {
		if (is_bracketed(s, len, labels[i], strlen(labels[i])))
			return false;
	}
	if (l->mapping == PPROF_NONE)
		return true;
	file = &p->strings.v[p->mappings.v[l->mapping].file];
	base = (const char *)file->p;
	for (const char *c = base; c < (const char *)file->end; c++)
		base = *c == '/' && c + 1 < (const char *)file->end ? c + 1 : base;
	return !is_bracketed(s, len, base, (size_t)((const char *)file->end - base));
}

static void add_place(struct adding *a, size_t i)
{
	const struct pprof_location *l = &a->p.locations.v[i];
	const struct place *place = &a->places[i];
	size_t mapping = l->mapping == PPROF_NONE ? a->p.mappings.cnt : l->mapping;
	struct explain_object *o = &a->to->objects.v[a->objects[mapping]];
	bool named = is_named(&a->p, l), lined = false;

	if (place->sample == 0)
		return; /* of no sample */
	for (uint32_t j = 0; named && j < l->line_cnt; j++)
		lined |= a->p.lines.v[l->line + j].line > 0;
	o->samples += place->samples;
	o->frames += place->frames;
	o->frames_named += named ? place->frames : 0;
	o->frames_lined += lined ? place->frames : 0;
	o->places++;
	o->places_named += named;
	o->places_lined += lined;
}

static int add_plain(struct explain_profile *p, const void *bytes, size_t sz)
{
	_cleanup_(adding_done) struct adding a = { .to = p };
	const struct pprof_bytes all = { bytes, (const uint8_t *)bytes + sz };
	int r;

	r = pprof_parse(&a.p, &all, PPROF_ENTRIES_MAX);
	if (r == 0)
		r = map_objects(&a);
	if (r == 0)
		r = pprof_samples(&a.p, add_sample, &a);
	if (r < 0)
		return r;
	take_comments(&a);
	for (size_t i = 0; i < a.p.locations.cnt; i++)
		add_place(&a, i);
	p->cnt++;
	return 0;
}

int explain_profile_add(struct explain_profile *p, const void *bytes, size_t sz)
{
	_cleanup_free_ uint8_t *plain = NULL;
	size_t plain_sz;
	int r;

	if (!pprof_is_gzip(bytes, sz))
		return sz > BYTES_MAX ? -E2BIG : add_plain(p, bytes, sz);
	r = pprof_unpack(bytes, sz, BYTES_MAX, &plain, &plain_sz);
	return r < 0 ? r : add_plain(p, plain, plain_sz);
}

static int compare_objects(const void *a, const void *b)
{
	const struct explain_object *x = a, *y = b;
	int r = CMP(y->frames, x->frames);

	return r != 0 ? r : strcmp(x->file, y->file);
}

int explain_profile_objects(struct explain_profile *p, const struct explain_object **ret,
			    size_t *ret_cnt)
{
	size_t cnt = 0;

	free(p->sorted);
	p->sorted = calloc(MAX(p->objects.cnt, (size_t)1), sizeof(*p->sorted));
	if (!p->sorted)
		return -ENOMEM;
	for (size_t i = 0; i < p->objects.cnt; i++) {
		if (p->objects.v[i].places == 0)
			continue;
		p->sorted[cnt] = p->objects.v[i];
		p->sorted[cnt].file = strtab_get(&p->strings, p->files.v[i]);
		p->sorted[cnt++].build_id = strtab_get(&p->strings, p->build_ids.v[i]);
	}
	if (cnt > 0)
		qsort(p->sorted, cnt, sizeof(*p->sorted), compare_objects);
	*ret = p->sorted;
	*ret_cnt = cnt;
	return 0;
}

void explain_profile_totals(const struct explain_profile *p, struct explain_totals *ret)
{
	*ret = (struct explain_totals){ .files = p->cnt };
	for (size_t i = 0; i < p->objects.cnt; i++) {
		const struct explain_object *o = &p->objects.v[i];

		ret->samples += o->samples;
		ret->frames += o->frames;
		ret->frames_named += o->frames_named;
		ret->frames_lined += o->frames_lined;
		ret->places += o->places;
		ret->places_named += o->places_named;
		ret->places_lined += o->places_lined;
	}
}
