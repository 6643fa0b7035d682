/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* record — a decoded record of the rings: pointers into the bytes, valid as long as these are. */

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
		const struct cprof_announce *announce; /* OBJECT and EXEC */
		const struct cprof_exit *exit;
		const struct cprof_cgroup *cgroup;
	};
};
