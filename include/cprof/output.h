/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * output — where profiles are written. Whether it can be written is tried when it is opened, before
 * the first sample; a file becomes visible whole, under a name of its own: nothing that was there
 * before is replaced, but by the one FILE that the user named.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
	int dir_fd;
	char *dir;    /* as shown: "" for the current directory, else it ends in '/' */
	char *file;   /* the one name that the user gave; NULL: each profile has its own */
	bool replace; /* the first file may replace what has its name */
	bool secret;  /* set before anything is written: files are for their owner alone */
	bool made;    /* the directory is ours: it goes again when nothing was written to it */
	bool written;
	unsigned int temporaries; /* made so far, for their names */
};

#define OUTPUT_INIT ((struct output){ .dir_fd = -EBADF })

/* True when @path means a directory: it is one, or it ends in '/'. */
bool output_is_directory(const char *path);

/* The directory, made with mode 0700 where it is missing. */
int output_open_directory(struct output *o, const char *path);
/* The one file; -EINVAL: something is there that is not a regular file. */
int output_open_file(struct output *o, const char *path);
/* The current directory. */
int output_open_here(struct output *o);
void output_done(struct output *o);

/*
 * Writes a whole file. @name is its name where the user gave none; *ret_path, the caller's to free,
 * is the one that it got. On error nothing is left behind.
 */
int output_write(struct output *o, const char *name, const void *bytes, size_t sz, char **ret_path);
/* Likewise, with the first @sz bytes of the file @from. */
int output_copy(struct output *o, const char *name, int from, uint64_t sz, char **ret_path);
