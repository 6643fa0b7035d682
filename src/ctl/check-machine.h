/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* check-machine — what the kernel's files say about whether this machine can be sampled. */

#include <stdint.h>

#include "checklist.h"
#include "cprof/base/root.h"

struct check_machine {
	const struct root *root;
	const char *release; /* as uname(2) */
	const char *machine;
	uint32_t euid;
	bool daemon; /* one answers: our own rights do not matter */
};

void check_machine(struct checklist *list, const struct check_machine *m);

/* CPUs that a list like "0-3,8" holds; 0: it is none. */
unsigned int check_count_cpus(const char *list);
