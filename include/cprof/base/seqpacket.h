/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * seqpacket — messages with at most one descriptor over a Unix SOCK_SEQPACKET pair.
 *
 * Both ends are non-blocking and close-on-exec. A message arrives whole or not at all.
 */

#include <stddef.h>
#include <sys/types.h>

int seqpacket_pair(int ret_fds[static 2]);

/* Raises the send buffer so that @bytes fit; 0 or -errno. */
int seqpacket_set_buffer(int fd, size_t bytes);

/*
 * Sends one message, with @pass_fd when it is >= 0 (the caller keeps its descriptor).
 * 0; -EAGAIN when the peer does not read; -EPIPE when it is gone; another -errno.
 */
int seqpacket_send(int fd, const void *buf, size_t sz, int pass_fd);

/*
 * Receives one message of at most @cap bytes. Returns its size, 0 at the end of the stream, or
 * -errno (-EAGAIN: nothing there; -EMSGSIZE: it was longer and is dropped). *ret_fd is the
 * descriptor that came with it or -EBADF; with @ret_fd NULL a descriptor is closed. More than one
 * descriptor is -EPROTO and all are closed.
 */
ssize_t seqpacket_recv(int fd, void *buf, size_t cap, int *ret_fd);
