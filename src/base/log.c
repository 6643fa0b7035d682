/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one place with state of the whole program: the name and level set once by main(), before
 * there is anything to log. stderr is shared by all roles of the daemon, so a line is put together
 * first and leaves with a single write(2): lines of two roles never mix. A line that is too long is
 * cut and says so by "...". Whether stderr is the journal is told by $JOURNAL_STREAM, which holds
 * device and inode of the stream (systemd.exec(5)); it is compared with the real stderr, for the
 * variable is inherited by children whose stderr is something else.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/log.h"

#define LOG_LINE_MAX 2048
#define LOG_LIMIT_NS UINT64_C(60000000000)

static struct {
	const char *name;
	enum log_level level;
	bool journal;
} log_state = { .name = "cprofd", .level = LOG_LEVEL_INFO };

static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_open(const char *name, enum log_level level)
{
	log_state.name = name;
	log_state.level = level;
	log_state.journal = stderr_is_journal();
}

enum log_level log_role_level(int argc, char *const *argv)
{
	return argc > 1 && strcmp(argv[1], "--verbose") == 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

static void write_line(const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(STDERR_FILENO, line, len);
	while (n < 0 && errno == EINTR);
}

int log_line(enum log_level level, int error, const char *fmt, ...)
{
	const int saved_errno = errno;
	char line[LOG_LINE_MAX];
	size_t len, room;
	va_list ap;
	int n;

	if (level > log_state.level)
		return error;

	if (log_state.journal)
		n = snprintf(line, sizeof(line), "<%d>%.64s: ", (int)level, log_state.name);
	else
		n = snprintf(line, sizeof(line), "%.64s: ", log_state.name);
	len = n > 0 ? (size_t)n : 0;

	/* One byte stays for the newline, which takes the place of the terminator. */
	room = sizeof(line) - len;
	errno = error < 0 ? -error : 0;
	va_start(ap, fmt);
	n = vsnprintf(line + len, room, fmt, ap);
	va_end(ap);
	if (n >= (int)room) {
		len = sizeof(line) - 1;
		memcpy(line + len - 3, "...", 3);
	} else if (n > 0) {
		len += (size_t)n;
	}
	line[len++] = '\n';
	write_line(line, len);
	errno = saved_errno;
	return error;
}

bool log_is_journal(void)
{
	return log_state.journal;
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ns, unsigned *ret_more)
{
	if (now_ns < l->next_ns) {
		l->held++;
		return false;
	}
	*ret_more = l->held;
	*l = (struct log_limit){ .next_ns = now_ns + LOG_LIMIT_NS };
	return true;
}

const char *log_more(char buf[static LOG_MORE_SZ], unsigned more)
{
	buf[0] = '\0';
	if (more > 0)
		(void)snprintf(buf, LOG_MORE_SZ, " (and %u more like it)", more);
	return buf;
}
