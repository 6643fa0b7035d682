/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * code_lines — file and line of a place in a BPF program, as the kernel's side tells it (bpf/code.h).
 */

#include "cprof/abi.h" /* the words, on both sides */

#define CPROF_CODE_PLACES_MAX 64 /* asked for at once */
#define CPROF_CODE_FILE_SZ 256	 /* of a path, terminated; longer ones are cut */

struct cprof_code_line {
	__u64 place; /* an address of the kernel */
	__u32 line;
	__u32 column;	  /* 0: not known */
	__u32 start_line; /* the first one of its function that has code */
	__u32 pad;
	char file[CPROF_CODE_FILE_SZ]; /* as the compiler was told; "": not known */
};

/* A variable of the programs: who asks writes it, all but the last, and reads the iterator then. */
struct cprof_code_question {
	__u64 places[CPROF_CODE_PLACES_MAX];
	__u64 lowest, highest; /* of them */
	__u32 cnt;
	__u32 pad;
	struct cprof_code_line out; /* on its way out: too large for the program's stack */
};
