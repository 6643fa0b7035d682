/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * targets — the processes that are to be recorded, held by pidfd: what exists when we begin is known
 * before anything is started, and their end is seen without polling and without confusion when a
 * number is used again.
 */

#include <stddef.h>
#include <stdint.h>

#include "cprof/base/root.h"

enum target_fault {
	TARGET_MISSING, /* no such process */
	TARGET_THREAD,	/* a thread, not a process */
};

struct target {
	int32_t pid;
	int pidfd;
	char comm[16]; /* as it was; "" when it is not known */
};

struct targets {
	struct target *v;
	size_t cnt;
};

#define TARGETS_INIT ((struct targets){ 0 })

struct target_problem {
	enum target_fault fault;
	int32_t pid;
	int32_t process; /* of a thread */
};

/*
 * 0; -ESRCH and *ret_problem when one of them is not a process; another -errno. targets_done() is
 * the caller's in every case.
 */
int targets_open(struct targets *t, const struct root *root, const int32_t *pids, size_t cnt,
		 struct target_problem *ret_problem);
void targets_done(struct targets *t);
