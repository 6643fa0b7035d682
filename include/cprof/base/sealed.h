/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sealed — files in memory that come with a message: whether they are what they were said to be. */

#include <stddef.h>
#include <stdint.h>

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
