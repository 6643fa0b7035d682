/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state: when the last committed window ended, so that the next run can say what it missed. It is
 * committed with its window, as one of its files, and moved to its place from there.
 *
 * Three lines of text. Whatever else is found there is as good as nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/str.h"
#include "spool-internal.h"

#define HEAD "cprofd-state 1\nboot "
#define END "\nend "

void spool_state_write(char dst[static SPOOL_STATE_SZ], const char *boot_id, uint64_t end_ns)
{
	(void)snprintf(dst, SPOOL_STATE_SZ, HEAD "%.40s" END "%" PRIu64 "\n", boot_id, end_ns);
}

/* At most @sz - 1 bytes of a regular file; a FIFO does not hold us up, a link is not followed. */
static bool read_text(int dir_fd, const char *name, char *dst, size_t sz)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	n = fd_read_upto(fd, dst, sz - 1);
	if (n < 0)
		return false;
	dst[n] = '\0';
	return strlen(dst) == (size_t)n;
}

uint64_t spool_state_end_ns(const struct spool_window *w)
{
	return w->to_boot_ns - MIN(w->untold_ns, w->to_boot_ns);
}

uint64_t spool_state_read(int dir_fd, const char *boot_id)
{
	char text[SPOOL_STATE_SZ], again[SPOOL_STATE_SZ];
	const char *number, *newline;
	uint64_t end;

	if (!read_text(dir_fd, SPOOL_STATE, text, sizeof(text)))
		return 0;
	number = strstr(text, END);
	newline = number ? strchr(number + strlen(END), '\n') : NULL;
	if (!newline)
		return 0;
	number += strlen(END);
	if (!str_parse_number(number, (size_t)(newline - number), &end))
		return 0;
	/* All of it is as we would have written it. */
	spool_state_write(again, boot_id, end);
	return strcmp(again, text) == 0 ? end : 0;
}
