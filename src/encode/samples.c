/* SPDX-License-Identifier: Apache-2.0 */
/* samples — see samples.h. Three tables, each with an index; the lists share one array. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "samples.h"

void samples_init(struct samples *s, uint64_t seed)
{
	*s = (struct samples){ .seed = seed };
}

void samples_done(struct samples *s)
{
	vec_done(&s->locations);
	vec_done(&s->lists);
	vec_done(&s->labels);
	vec_done(&s->samples);
	map_done(&s->list_map);
	map_done(&s->labels_map);
	map_done(&s->sample_map);
}

static bool list_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct samples *s = ctx;
	const struct samples_list *a = &s->lists.v[value], *b = key;

	return a->cnt == b->cnt && memcmp(&s->locations.v[a->at], &s->locations.v[b->at],
					  a->cnt * sizeof(s->locations.v[0])) == 0;
}

int samples_intern_list(struct samples *s, size_t at, uint32_t *ret_list)
{
	struct samples_list list = { .at = at, .cnt = (uint32_t)(s->locations.cnt - at) };
	uint64_t hash =
		hash_bytes(&s->locations.v[at], list.cnt * sizeof(s->locations.v[0]), s->seed);
	int r;

	if (map_find(&s->list_map, hash, &list, list_eq, s, ret_list)) {
		s->locations.cnt = at;
		return 0;
	}
	r = vec_push(&s->lists, list);
	if (r < 0)
		return r;
	*ret_list = (uint32_t)s->lists.cnt - 1;
	return map_add(&s->list_map, hash, *ret_list);
}

static bool labels_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct samples *s = ctx;

	return memcmp(&s->labels.v[value], key, sizeof(s->labels.v[0])) == 0;
}

int samples_intern_labels(struct samples *s, const struct samples_labels *labels,
			  uint32_t *ret_labels)
{
	uint64_t hash = hash_bytes(labels, sizeof(*labels), s->seed);
	int r;

	if (map_find(&s->labels_map, hash, labels, labels_eq, s, ret_labels))
		return 0;
	r = vec_push(&s->labels, *labels);
	if (r < 0)
		return r;
	*ret_labels = (uint32_t)s->labels.cnt - 1;
	return map_add(&s->labels_map, hash, *ret_labels);
}

static bool sample_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct samples *s = ctx;
	const struct samples_sample *a = &s->samples.v[value], *b = key;

	return a->list == b->list && a->labels == b->labels;
}

int samples_add(struct samples *s, const struct samples_sample *sample)
{
	const uint32_t key[2] = { sample->list, sample->labels };
	uint64_t hash = hash_bytes(key, sizeof(key), s->seed);
	uint32_t idx;
	int r;

	if (map_find(&s->sample_map, hash, sample, sample_eq, s, &idx)) {
		s->samples.v[idx].cnt += sample->cnt;
		s->samples.v[idx].weight_ns += sample->weight_ns;
		return 0;
	}
	r = vec_push(&s->samples, *sample);
	if (r < 0)
		return r;
	return map_add(&s->sample_map, hash, (uint32_t)s->samples.cnt - 1);
}
