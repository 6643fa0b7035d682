/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * processes — all processes of the machine as they stand.
 */

#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"
#include "cprof/collect.h"
#include "cprof/procfs.h"

struct processes {
	struct procfs_table table; /* sorted; its array is rows' */
	VEC(struct procfs_process) rows;
};

/* 0 or -errno; to be done with in any case. */
int processes_read(const struct collect *c, struct processes *ret);
void processes_done(struct processes *p);
/* When that one began, CLOCK_BOOTTIME; 0: there is none. */
uint64_t processes_start_ns(const struct processes *p, uint32_t pid);
