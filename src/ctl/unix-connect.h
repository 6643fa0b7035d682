/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* unix-connect — a connection to a Unix socket by its path, in bounded time. */

#include <stdint.h>

/*
 * A non-blocking descriptor, or -errno; -EAGAIN: the queue of the one who listens was full for
 * @patience_ns. @type is SOCK_STREAM or SOCK_SEQPACKET.
 */
int unix_connect(const char *path, int type, uint64_t patience_ns);
