/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* late-internal — what the files of src/late share. */

#include "cprof/late.h"

/* A mapping with its object. */
struct late_map {
	uint64_t start, end;
	uint64_t base; /* offset = address - start + base */
	uint32_t object;
	bool exec;
};

/* What a record KEPT holds. */
struct late_kept {
	uint64_t pc;
	uint64_t regs[16];
	uint32_t syscall;
	uint16_t flags; /* CPROF_KEPT_* */
	uint16_t maps_cnt;
	const struct late_map *maps;
	uint64_t stack_addr;
	uint32_t stack_sz;
	const uint8_t *stack;
};

/* A place without rows yet. */
struct late_place {
	uint32_t object;
	uint64_t offset;
};

struct late_walked {
	struct window_frame frames[CPROF_USER_FRAMES_MAX];
	uint32_t cnt;
	uint8_t end;		  /* enum cprof_stack_end */
	bool blocked;		  /* it did not go on: */
	struct late_place missed; /* rows of this place are not there */
};

/* Wants rows of all places that its walk may come to: whatever words of the stack are addresses of code. */
void late_want_all(const struct late_opts *opts, const struct late_kept *k);

/*
 * Walks the stack. @last: on through places whose rows are not there, as the kernel did, for they will never
 * be.
 */
void late_walk(const struct late_opts *opts, const struct late_kept *k, bool last,
	       struct late_walked *ret);
