/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sample — records of samples as BPF lays them out, for tests, fuzzing seeds and benchmarks.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cprof/unwind.h"

#define SAMPLE_BYTES_MAX                                                         \
	(sizeof(struct cprof_sample) + CPROF_KERNEL_FRAMES_MAX * sizeof(__u64) + \
	 2 * CPROF_USER_FRAMES_MAX * sizeof(struct cprof_frame) +                \
	 CPROF_KEYS_MAX * sizeof(struct cprof_key))

struct sample {
	union {
		struct cprof_sample head;
		_Alignas(8) unsigned char bytes[SAMPLE_BYTES_MAX];
	};
	size_t sz;
};

/* What follows the head; NULL where the head's count is 0. */
struct sample_body {
	const __u64 *kernel;
	const struct cprof_frame *user;
	const struct cprof_frame *interp;
	const struct cprof_key *keys;
};

static inline void record_append(unsigned char *bytes, size_t *sz, const void *p, size_t add)
{
	if (add > 0)
		memcpy(bytes + *sz, p, add);
	*sz += add;
}

static inline void sample_append(struct sample *s, const void *p, size_t sz)
{
	assert(sz <= sizeof(s->bytes) - s->sz);
	record_append(s->bytes, &s->sz, p, sz);
}

/* @head gives the counts; size, version and type are set here. */
static inline void sample_build(struct sample *s, const struct cprof_sample *head,
				const struct sample_body *body)
{
	s->sz = 0;
	sample_append(s, head, sizeof(*head));
	sample_append(s, body->kernel, head->kernel_cnt * sizeof(*body->kernel));
	sample_append(s, body->user, head->user_cnt * sizeof(*body->user));
	sample_append(s, body->interp, head->interp_cnt * sizeof(*body->interp));
	sample_append(s, body->keys, head->keys_cnt * sizeof(*body->keys));
	s->head.head = (struct cprof_head){
		.size = (__u32)s->sz,
		.version = CPROF_ABI_VERSION,
		.type = CPROF_RECORD_SAMPLE,
	};
}

struct kept {
	union {
		struct cprof_kept head;
		_Alignas(8) unsigned char bytes[sizeof(struct cprof_kept) +
						(CPROF_KEPT_MAPS_MAX + 1) *
							sizeof(struct cprof_kept_map) +
						(CPROF_KEYS_MAX + 1) * sizeof(struct cprof_key) +
						CPROF_KEPT_STACK_MAX + 8];
	};
	size_t sz;
};

struct kept_body {
	const struct cprof_kept_map *maps;
	const struct cprof_key *keys;
	const void *stack;
};

static inline void kept_build(struct kept *k, const struct cprof_kept *head,
			      const struct kept_body *body)
{
	k->sz = 0;
	record_append(k->bytes, &k->sz, head, sizeof(*head));
	record_append(k->bytes, &k->sz, body->maps, head->maps_cnt * sizeof(*body->maps));
	record_append(k->bytes, &k->sz, body->keys, head->keys_cnt * sizeof(*body->keys));
	record_append(k->bytes, &k->sz, body->stack, head->stack_sz);
	k->head.head = (struct cprof_head){ .size = (__u32)k->sz,
					    .version = CPROF_ABI_VERSION,
					    .type = CPROF_RECORD_KEPT };
}

struct rest {
	union {
		struct cprof_rest head;
		_Alignas(8) unsigned char bytes[sizeof(struct cprof_rest) +
						(CPROF_USER_FRAMES_MAX + 1) *
							sizeof(struct cprof_frame) +
						(CPROF_KEYS_MAX + 1) * sizeof(struct cprof_key)];
	};
	size_t sz;
};

struct rest_body {
	const struct cprof_frame *user;
	const struct cprof_key *keys;
};

static inline void rest_build(struct rest *r, const struct cprof_rest *head,
			      const struct rest_body *body)
{
	r->sz = 0;
	record_append(r->bytes, &r->sz, head, sizeof(*head));
	record_append(r->bytes, &r->sz, body->user, head->user_cnt * sizeof(*body->user));
	record_append(r->bytes, &r->sz, body->keys, head->keys_cnt * sizeof(*body->keys));
	r->head.head = (struct cprof_head){ .size = (__u32)r->sz,
					    .version = CPROF_ABI_VERSION,
					    .type = CPROF_RECORD_REST };
}
