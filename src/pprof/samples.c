/* SPDX-License-Identifier: Apache-2.0 */
/* samples — the second pass over a profile: its samples, one by one, in memory that is used again. */

#include <errno.h>
#include <stdlib.h>

#include "cprof/base/cleanup.h"
#include "find.h"
#include "wirefmt.h"

enum { PROFILE_SAMPLE = 2 };
enum { SAMPLE_LOCATION_ID = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum { LABEL_KEY = 1, LABEL_STR = 2, LABEL_NUM = 3, LABEL_NUM_UNIT = 4, LABEL_MAX };

/* One sample, whose arrays are used again for the next. */
struct reading {
	const struct pprof *p;
	VEC(uint32_t) locations;
	VEC(int64_t) values;
	VEC(struct pprof_label) labels;
};

static void reading_done(struct reading *s)
{
	vec_done(&s->locations);
	vec_done(&s->values);
	vec_done(&s->labels);
}

static int read_location_ids(struct reading *s, struct pprof_bytes w)
{
	const struct pprof *p = s->p;
	uint64_t id;
	int r;

	while ((r = wirefmt_next_varint(&w, &id)) > 0) {
		uint32_t idx =
			pprof_find(p->locations.v, p->locations.cnt, sizeof(*p->locations.v), id);

		if (idx == PPROF_NONE)
			return -EBADMSG;
		if (s->locations.cnt >= PPROF_FRAMES_MAX)
			return -E2BIG;
		r = vec_push(&s->locations, idx);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_values(struct reading *s, struct pprof_bytes w)
{
	uint64_t v;
	int r;

	while ((r = wirefmt_next_varint(&w, &v)) > 0) {
		if (s->values.cnt >= s->p->types.cnt)
			return -EBADMSG;
		r = vec_push(&s->values, (int64_t)v);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_label(struct reading *s, struct pprof_bytes w)
{
	uint64_t v[LABEL_MAX] = { 0 }, strings = s->p->strings.cnt;
	struct wirefmt_field f;
	int r;

	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number < LABEL_MAX && !f.bytes.p)
			v[f.number] = f.value;
	}
	if (r < 0)
		return r;
	if (v[LABEL_KEY] >= strings || v[LABEL_STR] >= strings || v[LABEL_NUM_UNIT] >= strings)
		return -EBADMSG;
	if (s->labels.cnt >= PPROF_LABELS_MAX)
		return -E2BIG;
	return vec_push(&s->labels, (struct pprof_label){
					    .key = (uint32_t)v[LABEL_KEY],
					    .str = (uint32_t)v[LABEL_STR],
					    .unit = (uint32_t)v[LABEL_NUM_UNIT],
					    .num = (int64_t)v[LABEL_NUM],
				    });
}

static int read_sample(struct reading *s, struct pprof_bytes w)
{
	struct wirefmt_field f;
	int r;

	s->locations.cnt = s->values.cnt = s->labels.cnt = 0;
	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number == SAMPLE_LOCATION_ID)
			r = read_location_ids(s, wirefmt_numbers(&f));
		else if (f.number == SAMPLE_VALUE)
			r = read_values(s, wirefmt_numbers(&f));
		else if (f.number == SAMPLE_LABEL && f.bytes.p)
			r = read_label(s, f.bytes);
		if (r < 0)
			return r;
	}
	if (r == 0 && s->values.cnt != s->p->types.cnt)
		return -EBADMSG;
	return r;
}

int pprof_samples(const struct pprof *p, pprof_sample_fn fn, void *ctx)
{
	_cleanup_(reading_done) struct reading s = { .p = p };
	struct pprof_bytes w = p->profile;
	struct wirefmt_field f;
	int r;

	while ((r = wirefmt_next(&w, &f)) > 0) {
		if (f.number != PROFILE_SAMPLE)
			continue;
		r = read_sample(&s, f.bytes);
		if (r < 0)
			return r;
		r = fn(&(struct pprof_sample){ .locations = s.locations.v,
					       .locations_cnt = s.locations.cnt,
					       .values = s.values.v,
					       .values_cnt = s.values.cnt,
					       .labels = s.labels.v,
					       .labels_cnt = s.labels.cnt },
		       ctx);
		if (r < 0)
			return r;
	}
	return r;
}
