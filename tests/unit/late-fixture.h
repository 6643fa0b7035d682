/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * late-fixture — a stack of three frames as it is kept:
 *
 *	0x401100		PROGRAM, 16 bytes
 *	0x7f0000001200		LIBRARY, 32 bytes
 *	0x7f1000001300		START, the outermost
 */

#include "sample.h"

#define PROGRAM 20
#define LIBRARY 21
#define START 22

#define PROGRAM_AT 0x400000ull
#define LIBRARY_AT 0x7f0000000000ull
#define START_AT 0x7f1000000000ull
#define STACK_AT 0x7ffc00001000ull
#define STACK_WORDS 16

static const struct cprof_kept_map late_maps[] = {
	{ PROGRAM_AT, PROGRAM_AT + 0x2000, 0, PROGRAM, 1 },
	{ LIBRARY_AT, LIBRARY_AT + 0x2000, 0, LIBRARY, 1 },
	{ START_AT, START_AT + 0x2000, 0, START, 1 },
	{ STACK_AT - 0x1000, STACK_AT, 0, CPROF_OBJECT_ANON, 0 },
};
static inline void late_kept_build(struct kept *k, const struct cprof_kept *more)
{
	const uint64_t stack[STACK_WORDS] = { [1] = LIBRARY_AT + 0x1200, [5] = START_AT + 0x1300 };
	struct cprof_kept head = *more;

	head.pc = PROGRAM_AT + 0x1100;
	head.regs[CPROF_REG_RSP] = STACK_AT;
	head.stack_addr = STACK_AT;
	head.maps_cnt = sizeof(late_maps) / sizeof(*late_maps);
	if (!head.stack_sz)
		head.stack_sz = sizeof(stack);
	kept_build(k, &head, &(struct kept_body){ .maps = late_maps, .stack = stack });
}
