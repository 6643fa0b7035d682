/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* shunned: processes that could not be looked at, which are left alone for ten minutes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The oldest makes room: whoever has more than that of them pays a second of his own workers for each. */
#define SHUNNED_MAX 256

struct shunned_process {
	uint64_t start_ns;
	uint32_t pid;
};

struct shunned {
	struct shunned_process v[SHUNNED_MAX]; /* a ring */
	uint64_t until_ns[SHUNNED_MAX];
	size_t next;
};

void shunned_add(struct shunned *s, const struct shunned_process *p, uint64_t now_ns);
bool shunned_has(const struct shunned *s, const struct shunned_process *p, uint64_t now_ns);
