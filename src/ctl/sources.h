/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sources — the SOURCE... of a command as profile files: a file, a directory with all that lies
 * below it, or "-" for standard input.
 */

#include <stddef.h>

/* Reads everything to the end; the caller's to free. 0, -E2BIG or another -errno. */
int source_read(int fd, void **ret, size_t *ret_sz);

struct source_visitor {
	/* A file's bytes; its shown name is clean. */
	void (*on_file)(void *ctx, const char *shown, const void *bytes, size_t sz);
	/* It cannot be read: -errno; -ENODATA: a directory without a profile in it. */
	void (*on_error)(void *ctx, const char *shown, int error);
	void *ctx;
};

/* Visits the files of one source, in the order of their names, reading one at a time. */
void source_visit(const char *source, const struct source_visitor *v);
