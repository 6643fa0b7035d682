/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * root — the directory under which /proc and /sys are looked up.
 *
 * Tests point it at a recorded tree; everything else at "/". Paths are given relative ("proc/1/stat").
 */

#include <errno.h>
#include <stddef.h>

struct root {
	int fd;
};

#define ROOT_INIT ((struct root){ .fd = -EBADF })

int root_open(struct root *root, const char *path);
void root_done(struct root *root);

/* openat(2) under the root, always with O_CLOEXEC; a descriptor or -errno. */
int root_open_file(const struct root *root, const char *path, int flags);
/* Reads a small text file whole, NUL-terminated, at most @dst_sz - 1 bytes; the length or -errno. */
int root_read(const struct root *root, const char *path, char *dst, size_t dst_sz);
