/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* answer — files to tables, questions to answers. Knows no sockets: the caller sends what is made. */

#include "files.h"
#include "pages.h"
#include "lines.h"
#include "rows-answer.h"
#include "tables.h"

/* Room for the longest answer, aligned as its structures need. */
union answer {
	struct wire_head head;
	struct wire_object object;
	struct wire_named named;
	struct wire_companion companion;
	uint64_t words[WIRE_MESSAGE_MAX / sizeof(uint64_t)];
};

/*
 * Loads the file's names and makes the message OBJECT; 0 or -errno. *ret_elf is the caller's: the file, from
 * which its rows are made; NULL: there are none.
 */
int answer_file(struct tables *t, const struct wire_file *m, int fd, union answer *ret,
		struct elf_file **ret_elf);

/* The file is to be closed: what stayed in it is read. 0 or -ENOMEM. */
int answer_release(struct tables *t, uint32_t object);

/* Makes the message ROWS of an open file; 0 or -errno. */
int answer_rows(struct tables *t, struct file *file, struct rows_answer *ret);
/* The same, but where @m asks for pages (NULL: for all), and the file is read so, of those: it stays open in @pages. */
int answer_rows_or_pages(struct tables *t, struct pages *pages, struct file *file,
			 const struct wire_make_pages *m, struct rows_answer *ret);
/* Takes the descriptor. NULL: it is no debug file of this one. */
struct elf_file *answer_open_debug(const struct file *file, int fd);
/*
 * The same with the file's debug file, if that adds something; OTHER: it does not. 1: its names were added too,
 * and *ret_object says so; 0 or -errno.
 */
int answer_debug(struct tables *t, const struct file *file, const struct elf_file *debug,
		 union answer *ret_object, struct rows_answer *ret);

/* Loads the kernel's table (@fd < 0: there is none) and makes its OBJECT message; 0 or -errno. */
int answer_kernel(struct tables *t, int fd, union answer *ret);

/* The same for the vDSO, from a copy of its image. */
int answer_vdso(struct tables *t, int fd, union answer *ret, struct rows_answer *ret_rows);

/* Makes the NAMED message, with lines where they are told (names-answer.c); 0 or -ENOMEM. */
int answer_names(struct tables *t, struct lines *lines, const struct wire_names *m, uint64_t now_ns,
		 union answer *ret);

/* The message COMPANION (companion-answer.c): which further file is wanted next; that one is being read; what it was. */
void answer_next_companion(struct lines *lines, uint32_t object, union answer *ret);
void answer_companion_begun(const struct wire_companion_file *m, union answer *ret);
/* Takes the descriptor. 0 or -ENOMEM. */
int answer_companion(struct lines *lines, const struct wire_companion_file *m, int fd,
		     union answer *ret);
