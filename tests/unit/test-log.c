/* SPDX-License-Identifier: Apache-2.0 */

/* log: what arrives on stderr, seen through a pipe in its place. */

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/log.h"

struct capture {
	int saved;
	int read_fd;
	char text[8192];
};

static void capture_begin(struct capture *c)
{
	int fds[2];

	CHECK_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	c->saved = dup(STDERR_FILENO);
	CHECK(c->saved >= 0);
	CHECK(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	c->read_fd = fds[0];
}

/* One read(2): a line that came in pieces shows as cut. */
static void capture_end(struct capture *c)
{
	ssize_t n = read(c->read_fd, c->text, sizeof(c->text) - 1);

	c->text[n > 0 ? n : 0] = '\0';
	CHECK(dup2(c->saved, STDERR_FILENO) >= 0);
	close(c->saved);
	close(c->read_fd);
}

TEST(line_with_name_and_error)
{
	struct capture c;
	int r;

	unsetenv("JOURNAL_STREAM");
	log_open("cprofd-test", LOG_LEVEL_INFO);
	errno = ENOENT;
	capture_begin(&c);
	r = log_error(-EACCES, "open %s: %m", "file");
	capture_end(&c);
	CHECK_EQ(r, -EACCES);
	CHECK_STR(c.text, "cprofd-test: open file: Permission denied\n");
}

TEST(errno_is_kept)
{
	struct capture c;

	log_open("t", LOG_LEVEL_INFO);
	capture_begin(&c);
	errno = ENOENT;
	log_warning(-EIO, "%m");
	CHECK_EQ(errno, ENOENT);
	capture_end(&c);
}

TEST(levels)
{
	struct capture c;

	log_open("t", LOG_LEVEL_WARNING);
	capture_begin(&c);
	CHECK_EQ(log_info("no"), 0);
	CHECK_EQ(log_debug("no"), 0);
	CHECK_EQ(log_warning(-EIO, "yes"), -EIO);
	capture_end(&c);
	CHECK_STR(c.text, "t: yes\n");
}

TEST(long_line_is_cut)
{
	static char longer[5000];
	struct capture c;
	size_t len;

	memset(longer, 'x', sizeof(longer) - 1);
	log_open("t", LOG_LEVEL_INFO);
	capture_begin(&c);
	log_info("%s", longer);
	capture_end(&c);
	len = strlen(c.text);
	CHECK_EQ(len, 2048);
	CHECK_STR(c.text + len - 5, "x...\n");
}

TEST(journal_prefix)
{
	struct capture c;
	struct stat st;
	char env[64];

	capture_begin(&c);
	CHECK_EQ(fstat(STDERR_FILENO, &st), 0);
	snprintf(env, sizeof(env), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", env, 1);
	log_open("t", LOG_LEVEL_DEBUG);
	log_debug("hello");
	capture_end(&c);
	CHECK_STR(c.text, "<7>t: hello\n");

	/* The variable alone does not make stderr the journal. */
	capture_begin(&c);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("t", LOG_LEVEL_DEBUG);
	log_error(-EIO, "hello");
	capture_end(&c);
	CHECK_STR(c.text, "t: hello\n");
}

TEST(one_a_minute)
{
	const uint64_t minute = UINT64_C(60000000000), begin = 5;
	struct log_limit limit = { 0 };
	char more[LOG_MORE_SZ];
	unsigned held = 99;

	CHECK(log_limit_pass(&limit, begin, &held));
	CHECK_EQ(held, 0);
	CHECK_STR(log_more(more, held), "");
	for (uint64_t i = 0; i < 41; i++)
		CHECK(!log_limit_pass(&limit, begin + i * minute / 41, &held));
	CHECK(log_limit_pass(&limit, begin + minute, &held));
	CHECK_EQ(held, 41);
	CHECK_STR(log_more(more, held), " (and 41 more like it)");
	/* From this one on it is a minute again. */
	CHECK(!log_limit_pass(&limit, begin + 2 * minute - 1, &held));
	CHECK(log_limit_pass(&limit, begin + 2 * minute, &held));
	CHECK_EQ(held, 1);
	log_more(more, UINT32_MAX);
	CHECK(strlen(more) < sizeof(more) && more[strlen(more) - 1] == ')');
}

TEST(is_journal)
{
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("t", LOG_LEVEL_INFO);
	CHECK(!log_is_journal());
}

CHECK_MAIN
