/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * samples — the Samples of a file: equal stacks under equal labels are one.
 *
 * Stacks that differ in memory can be equal in the file (for one, only the reason of their end
 * differs), so that lists of locations are compared, not stack ids. Labels come with merged profiles
 * only; a process's own file names it in the comments.
 */

#include <stdint.h>

#include "cprof/base/map.h"
#include "cprof/base/vec.h"

struct samples_list {
	size_t at; /* in locations */
	uint32_t cnt;
};

struct samples_labels {
	uint64_t start; /* clock ticks since boot */
	uint32_t pid;
	uint32_t exec;
	uint32_t comm; /* string id of the file */
	uint32_t pad;
};

struct samples_sample {
	uint32_t list;
	uint32_t labels;
	uint64_t cnt;
	uint64_t weight_ns;
};

struct samples {
	VEC(uint32_t) locations; /* of all lists; indexes as of frames_intern() */
	VEC(struct samples_list) lists;
	VEC(struct samples_labels) labels;
	VEC(struct samples_sample) samples;
	struct map list_map, labels_map, sample_map;
	uint64_t seed;
};

void samples_init(struct samples *s, uint64_t seed);
void samples_done(struct samples *s);

/* The list made of the locations from index @at on, which become the list or are taken off again. */
int samples_intern_list(struct samples *s, size_t at, uint32_t *ret_list);
int samples_intern_labels(struct samples *s, const struct samples_labels *labels,
			  uint32_t *ret_labels);
/* Adds cnt and weight to the sample of this list and these labels. */
int samples_add(struct samples *s, const struct samples_sample *sample);
