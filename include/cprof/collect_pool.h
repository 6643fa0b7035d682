/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * collect_pool — the maps that hold unwinding rows, made once and shared by all collections.
 *
 * Whose they are writes them by plain stores through cprof/pool.h; the programs of each collection that
 * was given them (struct collect_opts) read them. Collections may come and go meanwhile.
 */

#include "cprof/collect.h"
#include "cprof/pool.h"

struct collect_pool;

/* Without slabs at first. 0, or -errno with @failure. @root: where /proc is. */
int collect_pool_new(const struct root *root, struct collect_pool **ret,
		     struct collect_failure *failure);
/* After the struct pool on it. Collections that were given it go on, and find what is there. */
struct collect_pool *collect_pool_free(struct collect_pool *cp);
/* The memory, for pool_new(). */
const struct pool_memory *collect_pool_memory(const struct collect_pool *cp);
/* Of the kernel's memory. */
uint64_t collect_pool_bytes(const struct collect_pool *cp);

/* Has BPF look a rule up, as a walk would. 0 or -errno. */
int collect_find_rule(const struct collect *c, struct cprof_rows_probe *probe);

DEFINE_CLEANUP(struct collect_pool *, collect_pool_free);
