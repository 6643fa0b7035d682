/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A map from (object, offset) to an index of answers. Functions of C++ programs have long names
 * that many places share, so an answer holds string ids and the text is kept once.
 *
 * Forgetting copies what stays into a new table: answers and text lie close together, nothing is
 * fragmented after years, and it is done rarely.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "cprof/base/map.h"
#include "cprof/base/str.h"
#include "cprof/base/vec.h"
#include "cprof/names.h"

struct place {
	uint64_t offset;
	uint64_t object; /* as wide as offset: the place is hashed as bytes, without padding */
};

struct answer {
	struct place place;
	struct name name;
	uint64_t used_ns : 63;
	uint64_t doubted : 1;
};

/* What an answer takes with its slots of the map, and a string with its own. */
#define ANSWER_BYTES (sizeof(struct answer) + 40)
#define STRING_BYTES 56

struct names {
	struct strtab strings;
	struct map map;
	VEC(struct answer) answers;
	VEC(struct name_line) inlined; /* those of one answer one after the other */
	size_t text_bytes;
	uint64_t now_ns; /* the latest that was told */
	uint64_t seed;
};

int names_new(uint64_t seed, struct names **ret)
{
	struct names *n;
	int r;

	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	r = strtab_init(&n->strings, seed);
	if (r < 0) {
		free(n);
		return r;
	}
	n->map = MAP_INIT;
	n->seed = seed;
	*ret = n;
	return 0;
}

struct names *names_free(struct names *n)
{
	if (!n)
		return NULL;
	strtab_done(&n->strings);
	map_done(&n->map);
	vec_done(&n->answers);
	vec_done(&n->inlined);
	free(n);
	return NULL;
}

static bool place_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct names *n = ctx;
	const struct place *have = &n->answers.v[value].place, *p = key;

	return have->offset == p->offset && have->object == p->object;
}

static uint64_t place_hash(const struct names *n, const struct place *p)
{
	return hash_bytes(p, sizeof(*p), n->seed);
}

static bool line_is_ours(const struct names *n, const struct name_line *l)
{
	return l->function < n->strings.cnt && l->linkage < n->strings.cnt &&
	       l->file < n->strings.cnt;
}

int names_put_inlined(struct names *n, const struct name_line *lines, uint32_t cnt, uint32_t *ret)
{
	int r = vec_reserve(&n->inlined, cnt);

	assert(cnt <= NAME_INLINED_MAX);

	if (r < 0)
		return r;
	*ret = (uint32_t)n->inlined.cnt;
	for (uint32_t i = 0; i < cnt; i++) {
		assert(line_is_ours(n, &lines[i]));
		n->inlined.v[n->inlined.cnt++] = lines[i];
	}
	return 0;
}

const struct name_line *names_inlined(const struct names *n, const struct name *name)
{
	return name->inlined_cnt > 0 ? n->inlined.v + name->inlined : NULL;
}

int names_put(struct names *n, uint32_t object, uint64_t offset, const struct name *name)
{
	const struct place place = { .offset = offset, .object = object };
	const uint64_t hash = place_hash(n, &place);
	uint32_t i;
	int r;

	assert(line_is_ours(n, &name->own));
	assert(name->inlined + (size_t)name->inlined_cnt <= n->inlined.cnt);

	if (map_find(&n->map, hash, &place, place_eq, n, &i)) {
		n->answers.v[i].name = *name;
		n->answers.v[i].used_ns = n->now_ns;
		n->answers.v[i].doubted = false;
		return 0;
	}
	r = vec_reserve(&n->answers, 1);
	if (r < 0)
		return r;
	r = map_add(&n->map, hash, (uint32_t)n->answers.cnt);
	if (r < 0)
		return r;
	n->answers.v[n->answers.cnt++] = (struct answer){
		.place = place,
		.name = *name,
		.used_ns = n->now_ns,
	};
	return 0;
}

bool names_get(const struct names *n, uint32_t object, uint64_t offset, struct name *ret)
{
	const struct place place = { .offset = offset, .object = object };
	uint32_t i;

	if (!map_find(&n->map, place_hash(n, &place), &place, place_eq, n, &i))
		return false;
	*ret = n->answers.v[i].name;
	return true;
}

bool names_use(struct names *n, uint32_t object, uint64_t offset, uint64_t now_ns)
{
	const struct place place = { .offset = offset, .object = object };
	uint32_t i;

	n->now_ns = now_ns;
	if (!map_find(&n->map, place_hash(n, &place), &place, place_eq, n, &i))
		return false;
	n->answers.v[i].used_ns = now_ns;
	return !n->answers.v[i].doubted;
}

bool names_settled(const struct names *n, uint32_t object, uint64_t offset)
{
	const struct place place = { .offset = offset, .object = object };
	uint32_t i;

	return map_find(&n->map, place_hash(n, &place), &place, place_eq, n, &i) &&
	       !n->answers.v[i].doubted;
}

/* It is rare: all are looked at. */
void names_doubt(struct names *n, uint32_t object)
{
	for (size_t i = 0; i < n->answers.cnt; i++)
		n->answers.v[i].doubted |= n->answers.v[i].place.object == object;
}

int names_doubt_part(struct names *n, uint32_t object, names_place_fn fn, void *ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->answers.cnt; i++) {
		struct answer *a = &n->answers.v[i];

		if (a->place.object != object || !a->name.part)
			continue;
		a->doubted = true;
		r = fn(a->place.offset, ctx);
	}
	return r;
}

void names_doubt_all(struct names *n)
{
	for (size_t i = 0; i < n->answers.cnt; i++)
		n->answers.v[i].doubted = true;
}

size_t names_bytes(const struct names *n)
{
	return n->answers.cnt * ANSWER_BYTES + n->inlined.cnt * sizeof(*n->inlined.v) +
	       n->strings.cnt * STRING_BYTES + n->text_bytes;
}

uint64_t names_cnt(const struct names *n)
{
	return n->answers.cnt;
}

static size_t line_text(const struct names *n, const struct name_line *l)
{
	return n->strings.lens[l->function] + n->strings.lens[l->linkage] +
	       n->strings.lens[l->file];
}

/* With its text, whoever else has that too. */
static size_t answer_bytes(const struct names *n, const struct answer *a)
{
	const struct name_line *inlined = names_inlined(n, &a->name);
	size_t sz = ANSWER_BYTES + line_text(n, &a->name.own);

	for (uint32_t i = 0; i < a->name.inlined_cnt; i++)
		sz += sizeof(*inlined) + line_text(n, &inlined[i]);
	return sz;
}

static int copy_string(struct names *to, const struct names *from, uint32_t id, uint32_t *ret_id)
{
	return names_string(to, names_text(from, id), from->strings.lens[id], ret_id);
}

static int copy_line(struct names *to, const struct names *from, const struct name_line *l,
		     struct name_line *ret)
{
	int r;

	*ret = *l;
	r = copy_string(to, from, l->function, &ret->function);
	if (r < 0)
		return r;
	r = copy_string(to, from, l->linkage, &ret->linkage);
	return r < 0 ? r : copy_string(to, from, l->file, &ret->file);
}

static int copy_answer(struct names *to, const struct names *from, const struct answer *a)
{
	const struct name_line *inlined = names_inlined(from, &a->name);
	struct name_line lines[NAME_INLINED_MAX];
	struct name name = a->name;
	int r;

	r = copy_line(to, from, &a->name.own, &name.own);
	for (uint32_t i = 0; r == 0 && i < name.inlined_cnt; i++)
		r = copy_line(to, from, &inlined[i], &lines[i]);
	if (r == 0)
		r = names_put_inlined(to, lines, name.inlined_cnt, &name.inlined);
	if (r < 0)
		return r;
	to->now_ns = a->used_ns;
	r = names_put(to, (uint32_t)a->place.object, a->place.offset, &name);
	if (r == 0)
		to->answers.v[to->answers.cnt - 1].doubted = a->doubted;
	return r;
}

int names_sweep(struct names *n, uint64_t before_ns, names_keep_fn keep, void *ctx)
{
	_cleanup_(names_freep) struct names *to = NULL;
	struct names was;
	int r;

	r = names_new(n->seed, &to);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n->answers.cnt; i++) {
		const struct answer *a = &n->answers.v[i];

		if (a->used_ns < before_ns)
			continue;
		if (keep && !keep((uint32_t)a->place.object, answer_bytes(n, a), ctx))
			continue;
		r = copy_answer(to, n, a);
		if (r < 0)
			return r;
	}
	to->now_ns = n->now_ns;
	was = *n;
	*n = *to;
	*to = was;
	return 0;
}

int names_string(struct names *n, const char *s, size_t len, uint32_t *ret_id)
{
	size_t cnt = n->strings.cnt;
	int r;

	r = strtab_add(&n->strings, s, len, ret_id);
	if (n->strings.cnt > cnt)
		n->text_bytes += len;
	return r;
}

const char *names_text(const struct names *n, uint32_t id)
{
	return strtab_get(&n->strings, id);
}
