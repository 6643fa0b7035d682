/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * case-walk — a stack of a case file walked on the host by the same steps (bpf/walk.h) and the same rows,
 * looked up in the same way (bpf/rows.h), as the kernel side does.
 */

#include "../unwind/case-file.h"

/* By what a frame was reached from the one before. */
enum case_way { CASE_FIRST, CASE_RULE, CASE_SIGNAL, CASE_FP, CASE_CLONE, CASE_WAY_MAX };

struct case_frame {
	uint64_t pc;
	uint64_t sp;
	uint64_t offset; /* as the kernel side tells it */
	uint32_t object;
	uint8_t exact;
	uint8_t way; /* enum case_way */
};

struct case_walked {
	struct case_frame frames[CPROF_USER_FRAMES_MAX];
	uint32_t cnt;
	uint8_t end; /* enum cprof_stack_end */
	bool beyond; /* it ended at memory that was not kept, above or elsewhere */
};

/* The rows of the file's objects; before its first stack. */
void case_walk_begin(const struct case_file *f);
void case_walk(const struct case_stack *s, struct case_walked *ret);
void case_walk_end(void);
