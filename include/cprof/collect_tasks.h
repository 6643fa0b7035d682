/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * collect_tasks — all processes as they stand: what /proc/PID/stat tells, without waiting for any of them.
 */

#include "cprof/abi.h"
#include "cprof/collect.h"

/* Negative ends the walk with it. */
typedef int (*collect_task_fn)(const struct cprof_task *t, void *ctx);
/* All in our pid namespace, in no order; one may end meanwhile. 0 or -errno. */
int collect_tasks(const struct collect *c, collect_task_fn fn, void *ctx);
