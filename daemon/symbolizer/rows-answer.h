/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rows-answer — how a file's code is undone, as the message that tells it. */

#include "cprof/base/cleanup.h"
#include "cprof/elf_file.h"
#include "cprof/unwind_pages.h"
#include "cprof/wire.h"

struct rows_answer {
	struct wire_rows m;
	int fd; /* goes with it; -EBADF: there is no such message */
};

#define ROWS_ANSWER_INIT ((struct rows_answer){ .fd = -EBADF })

/* Of an open file, and its separate debug file if there is one; what their bytes cause is in the message.
 * 0 or -errno. */
int rows_answer_make(uint32_t object, const struct elf_file *f, const struct elf_file *debug,
		     struct rows_answer *ret);
/* Of pages of a file that is read so. */
int rows_answer_pages(const struct wire_make_pages *m, struct unwind_pages *rows,
		      struct rows_answer *ret);
/* A separate debug file may say more of that (enum wire_part), and where it may be. */
void rows_answer_part(const struct elf_file *f, enum wire_part part, struct rows_answer *ret);
/* Of one that cannot be read: there is nothing. */
int rows_answer_none(uint32_t object, enum wire_rows_status status, struct rows_answer *ret);
/* A word about it, without a block. */
void rows_answer_bare(uint32_t object, enum wire_rows_status status, struct rows_answer *ret);
/* Lets go of what was made. */
void rows_answer_done(struct rows_answer *a);
