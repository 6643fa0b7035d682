/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stored — what a daemon of this machine keeps of the last while: it says which files there are, and they
 * are read with the caller's own rights.
 */

#include <limits.h>
#include <stdint.h>

#include "ctl.h"
#include "problem.h"
#include "sources.h"

struct stored {
	uint64_t since_real_ns;
	char directory[PATH_MAX]; /* clean, where they lie: set by stored_visit() */
};

/*
 * Visits the CPU profiles with samples from then on. 0; -ENODATA: there is none; another -errno with
 * *ret_problem, of which -ENOENT and -ECONNREFUSED: no daemon that keeps any, -EPERM and -EACCES: not for
 * us. A file that is gone by the time it is opened (merged, or too old) is passed over.
 */
int stored_visit(struct stored *s, const struct ctl_globals *globals,
		 const struct source_visitor *v, struct problem *ret_problem);
