/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* worker: a process of the opener's that looks into others, one question at a time, and may hang. */

#include <sys/types.h>

/* What the desk has of it; both descriptors are the owner's. */
struct worker_process {
	pid_t pid;
	int pidfd;
	int link; /* questions go there, replies come from it; closed, the worker ends */
};

/* @symbolizer is lent, or negative. 0 or -errno. */
int worker_start(int symbolizer, struct worker_process *ret);
