/* SPDX-License-Identifier: Apache-2.0 */

#include "precedence.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"

static void group_nice(int nice)
{
	_cleanup_close_ int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nice);

	if (fd >= 0)
		(void)fd_write_all(fd, text, (size_t)len);
}

void precedence_take(void)
{
	const struct rlimit none = { 0 };
	int nice = getpriority(PRIO_PROCESS, 0);

	if (nice < 0 && getsid(0) == getpid())
		group_nice(nice);
	/* The right to it was for this: nobody of ours raises himself later. */
	(void)setrlimit(RLIMIT_NICE, &none);
}
