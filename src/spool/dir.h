/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dir — directories in which anything may lie. Nothing is followed, and no file is opened: a FIFO or a
 * device that somebody put there must not hold us up. All return 0 or more, or -errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/arena.h"
#include "cprof/base/vec.h"

/* Itself, no link to it; -ENOTDIR or -ELOOP when it is something else. */
int dir_open(int at_fd, const char *name);

/* Not 0 ends the walk with it. Entries may be renamed and removed meanwhile. */
typedef int (*dir_entry_fn)(int dir_fd, const char *name, void *ctx);
int dir_walk(int dir_fd, dir_entry_fn fn, void *ctx);

int dir_sync(int fd);
/* Never replaces anything: -EEXIST. */
int dir_rename_free(int from_fd, const char *from, int to_fd, const char *to);
/* A directory with the files in it; what is deeper stays, and then -ENOTEMPTY. */
int dir_remove(int at_fd, const char *name);

/* Is it a regular file? Bytes as the file system counts them. */
bool dir_is_file(int dir_fd, const char *name, uint64_t *ret_bytes);
/* Of an open one. */
uint64_t dir_bytes(int fd);

/* The profiles in a directory, by name only. */
struct dir_file {
	char *name;
	uint32_t id_len; /* as in struct profile_parsed */
	uint32_t from_s;
	bool merged; /* what it holds is in another file */
};

struct dir_list {
	struct arena arena;
	VEC(struct dir_file) files;
	size_t strangers; /* entries that are no profiles */
};

int dir_list_read(int dir_fd, struct dir_list *ret);
void dir_list_done(struct dir_list *l);
/* Oldest first; or by process and kind, then oldest first. */
void dir_list_by_age(struct dir_list *l);
void dir_list_by_process(struct dir_list *l);
bool dir_file_same_process(const struct dir_file *a, const struct dir_file *b);
