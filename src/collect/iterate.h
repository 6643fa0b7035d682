/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * iterate — what a BPF iterator writes, record by record.
 */

#include <stddef.h>

struct bpf_link;

/* Records are no larger. */
#define ITERATE_RECORD_MAX 512

typedef int (*iterate_fn)(const void *record, void *ctx);
/* Runs the iterator: whole records of @sz bytes, until @fn returns less than 0. 0 or -errno. */
int iterate(const struct bpf_link *link, size_t sz, iterate_fn fn, void *ctx);
