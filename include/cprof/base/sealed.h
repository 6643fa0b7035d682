/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sealed — files in memory that go with a message: made, and whether they are what they were said to be. */

#include <stddef.h>
#include <stdint.h>

/* The sealed file of these bytes, at its beginning, or -errno. @name is seen in /proc. */
int sealed_new(const char *name, const void *bytes, size_t sz);

/*
 * For ever as it is: neither written, cut short nor longer, and no seal more. Of a memfd with
 * MFD_ALLOW_SEALING. 0 or -errno.
 */
int sealed_finish(int fd);

/*
 * Is it sealed against writing (what is checked is what is used), and exactly this long? 0; -EBADMSG:
 * it is not; or another -errno.
 */
int sealed_check(int fd, uint64_t bytes);

/*
 * Checks it as above, and that it will not be cut short, and maps it to be read: *ret is to be unmapped.
 * 0, -EBADMSG, or another -errno.
 */
int sealed_map(int fd, uint64_t bytes, const void **ret);

/* Reads @sz bytes from its beginning: 0, -EBADMSG when it is shorter, or another -errno. */
int sealed_read(int fd, void *dst, size_t sz);
