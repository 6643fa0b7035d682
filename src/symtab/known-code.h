/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* known-code — stretches of code whose rule is known by the code itself. */

#include "cprof/cfi.h"
#include "elf-image.h"

#define KNOWN_CODE_MAX 16

/* Link addresses. */
struct known_code {
	uint64_t from;
	uint64_t to;
	struct cprof_rule rule;
};

struct known_codes {
	struct known_code v[KNOWN_CODE_MAX]; /* by address, none overlaps another */
	size_t cnt;
};

/* A part of a segment's code. */
struct code_area {
	const struct object_segment *segment;
	uint64_t from, to; /* link addresses, within it */
};

/* What the file says of itself (NULL: nothing), and the code that is looked at. */
struct known_where {
	const struct cfi *cfi; /* has all that is in the areas, and for some hundred bytes behind */
	const struct code_area *areas;
	size_t areas_cnt;
};

/*
 * @entry_only: something else tells of all code but what a program begins with, and nothing is searched for.
 * 0 or -errno.
 */
int known_codes_find(const struct elf_image *img, const struct known_where *where, bool entry_only,
		     struct known_codes *ret);
