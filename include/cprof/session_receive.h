/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* session_receive — a client's end of the session protocol: what comes, checked. */

#include "cprof/session.h"

union session_message {
	struct wire_head head;
	struct session_started started;
	struct session_progress progress;
	struct session_profile profile;
	struct session_end end;
	struct session_failed failed;
	struct session_note note;
};

/*
 * The next message for a client: its type and *ret, and for a profile its descriptor in *ret_fd (else
 * -EBADF). 0 at the end of the stream, -EAGAIN, -EBADMSG: not of the protocol, or another -errno.
 */
int session_receive(int fd, union session_message *ret, int *ret_fd);

/* Is it sealed, and as long as it says? 0, -EBADMSG: it is not, or another -errno. */
int session_profile_check(const struct session_profile *p, int fd);
