/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sample — records of samples as BPF lays them out, for tests, fuzzing seeds and benchmarks.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cprof/abi.h"

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

static inline void sample_append(struct sample *s, const void *p, size_t sz)
{
	assert(sz <= sizeof(s->bytes) - s->sz);
	if (sz > 0)
		memcpy(s->bytes + s->sz, p, sz);
	s->sz += sz;
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
