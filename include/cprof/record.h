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
 * Whether user @uid, who has no other right, may see it: as the kernel would let him trace the process
 * (ptrace(2)). It is his, dumpable, never was another's, and has no rights that he has not.
 */
static inline bool record_may_see(__u32 uid, const struct record_owner *o)
{
	return o->uid == uid && o->euid == uid &&
	       (o->cred & CPROF_CRED_DUMPABLE) == RECORD_DUMPABLE_USER &&
	       !(o->cred & (CPROF_CRED_CHANGED | CPROF_CRED_KTHREAD | CPROF_CRED_GUARDED));
}

/*
 * What one sample more of the same process adds: who may see them together is who may see each of them.
 * A process changes its user, and whether it is dumpable, without an exec.
 */
static inline __u32 record_join_cred(const struct record_owner *o, const struct record_owner *more)
{
	__u32 cred = o->cred | (more->cred & ~CPROF_CRED_DUMPABLE);

	if (o->uid != more->uid || o->euid != more->euid)
		cred |= CPROF_CRED_CHANGED;
	if ((more->cred & CPROF_CRED_DUMPABLE) != RECORD_DUMPABLE_USER)
		cred = (cred & ~CPROF_CRED_DUMPABLE) | (more->cred & CPROF_CRED_DUMPABLE);
	return cred;
}
