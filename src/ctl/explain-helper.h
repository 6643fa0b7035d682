/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * explain-helper — an ELF file read by `cprofd-symbolizer --explain`, which has no rights, and not by cprofctl; its separate
 * debug file looked for here, below a root.
 */

#include <limits.h>

#include "cprof/explain_elf.h"
#include "problem.h"

struct explain_found {
	struct explain_elf elf;
	char debug[PATH_MAX];			  /* the separate debug file; "": none */
	char tried[EXPLAIN_DEBUGS_MAX][PATH_MAX]; /* where it was looked for */
	size_t tried_cnt;
};

/* @root: where debug files are looked for, "" for "/". 0 or -errno, with the reason. */
int explain_helper_run(const char *path, const char *root, struct explain_found *ret,
		       struct problem *ret_problem);
