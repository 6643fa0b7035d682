/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* counts: what the front counts of its own. */

#include <stdint.h>

enum front_count {
#define FRONT_COUNT(name, prose) COUNT_##name,
#include "counts.def"
	COUNT_MAX,
};

struct counts {
	uint64_t v[COUNT_MAX];
};

struct count_desc {
	const char *name;
	const char *prose;
};

extern const struct count_desc count_descs[COUNT_MAX];
