/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client's end of the session protocol. What comes is checked before anything of it is seen outside,
 * and so is its direction: START and STOP are a client's own part, and a descriptor belongs to a
 * profile alone. A profile must be sealed against writing: what was checked is what will be used.
 */

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/sealed.h"
#include "cprof/base/seqpacket.h"
#include "cprof/session_receive.h"

int session_receive(int fd, union session_message *ret, int *ret_fd)
{
	_cleanup_close_ int passed = -EBADF;
	ssize_t n = seqpacket_recv(fd, ret, sizeof(*ret), &passed);
	int type;

	if (n == -EMSGSIZE || n == -EPROTO)
		return -EBADMSG;
	if (n == -ECONNRESET)
		return 0;
	if (n <= 0)
		return (int)n;
	type = session_check(ret, (size_t)n);
	if (type < 0)
		return type;
	if (type == SESSION_START || type == SESSION_STOP ||
	    (passed >= 0) != (type == SESSION_PROFILE))
		return -EBADMSG;
	*ret_fd = TAKE_FD(passed);
	return type;
}

int session_profile_check(const struct session_profile *p, int fd)
{
	if (p->bytes == 0 || p->bytes > SESSION_PROFILE_BYTES_MAX)
		return -EBADMSG;
	return sealed_check(fd, p->bytes);
}
