/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* record — a decoded record of the rings: pointers into the bytes, valid as long as these are. */

#include <stdbool.h>

#include "cprof/abi.h"

struct record {
	enum cprof_record_type type;
	union {
		struct {
			const struct cprof_sample *head;
			const __u64 *kernel;		  /* head->kernel_cnt, leaf first */
			const struct cprof_frame *user;	  /* head->user_cnt, leaf first */
			const struct cprof_frame *interp; /* head->interp_cnt */
			const struct cprof_key *keys;	  /* head->keys_cnt */
		} sample;
		struct {
			const struct cprof_kept *head;
			const struct cprof_kept_map *maps; /* head->maps_cnt */
			const struct cprof_key *keys;	   /* head->keys_cnt */
			const void *stack;		   /* head->stack_sz bytes */
		} kept;
		struct {
			const struct cprof_rest *head;
			const struct cprof_frame *user; /* head->user_cnt, leaf first */
			const struct cprof_key *keys;	/* head->keys_cnt */
		} rest;
		const struct cprof_announce *announce; /* OBJECT and EXEC */
		const struct cprof_exit *exit;
		const struct cprof_cgroup *cgroup;
	};
};

#define RECORD_DUMPABLE_USER 1 /* SUID_DUMP_USER of the kernel's include/linux/sched/coredump.h */

/* A process's credentials, as a sample has them. */
struct record_owner {
	__u32 uid;
	__u32 euid;
	__u32 cred; /* CPROF_CRED_* */
};

/*
 * Whether user @uid, who has no other right, may see it: as the kernel would let him look at the process.
 * It is his, dumpable, and was never another's.
 */
static inline bool record_may_see(__u32 uid, const struct record_owner *o)
{
	return o->uid == uid && o->euid == uid &&
	       (o->cred & CPROF_CRED_DUMPABLE) == RECORD_DUMPABLE_USER &&
	       !(o->cred & (CPROF_CRED_CHANGED | CPROF_CRED_KTHREAD));
}
