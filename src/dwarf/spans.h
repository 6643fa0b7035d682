/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* spans — the stretches of code that an entry says are its own. */

#include "unit.h"

/* 0, or negative: that ends it, and is returned. */
typedef int (*span_fn)(void *ctx, uint64_t start, uint64_t end);

/* Addresses that are asked for, ascending, and the file that has their code. */
struct asked {
	const uint64_t *addrs;
	size_t cnt;
	const struct elf_file *program;
};

/* The number of the first one that is not below @addr. */
size_t asked_from(const struct asked *asked, uint64_t addr);

/* What tells it in an entry; of kind NONE where it does not. */
struct code_values {
	struct value low;
	struct value high;
	struct value ranges;
};

/* 0, what @fn said, -EBADMSG or -errno. Empty ones are left out. */
int spans_walk(struct readers *rd, const struct unit *u, const struct code_values *v, span_fn fn,
	       void *ctx);
