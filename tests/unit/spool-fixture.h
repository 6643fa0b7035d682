/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * spool-fixture — spools in scratch directories, whose "profiles" are lines of text, each there once in
 * the world: "merging" puts them one behind the other, so that a line that is lost or told twice shows.
 */

#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/profile_name.h"
#include "cprof/spool.h"

#define T0 (1800000000ULL * NSEC_PER_SEC) /* 2027-01-15 08:00:00 UTC */
#define MINUTE (60 * NSEC_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define BOOT "11111111-2222-3333-4444-555555555555"
#define FILES_MAX 4096

static int fixture_merge(const int *fds, size_t cnt, int out_fd, void *ctx)
{
	char buf[4096];

	for (size_t i = 0; i < cnt; i++) {
		ssize_t n = read(fds[i], buf, sizeof(buf));

		if (n <= 0)
			return -EBADMSG;
		if (write(out_fd, buf, (size_t)n) != n)
			return -EIO;
	}
	return 0;
}

static struct spool_opts fixture_opts(void)
{
	return (struct spool_opts){
		.limits = { .use_max = 1 << 30, .files_max = 200000, .age_max_ns = 7 * DAY },
		.merge = fixture_merge,
		.boot_id = BOOT,
	};
}

/* Of the current directory. */
__attribute__((unused)) static int fixture_open(const struct spool_opts *opts, struct spool **ret)
{
	struct spool_failure failure = { "" };
	int r = spool_open(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), opts, T0, ret, &failure);

	CHECK(r == 0 || failure.text[0] != '\0');
	return r;
}

__attribute__((unused)) static struct spool *must_open(const struct spool_opts *opts)
{
	struct spool *s = NULL;

	CHECK_EQ(fixture_open(opts, &s), 0);
	return s;
}

/* A window of a minute: its processes 1 to @processes, each with @sz bytes, the first of which tell. */
struct minute {
	uint64_t real_ns, boot_ns;
	unsigned int processes;
	unsigned int n; /* of the window */
	size_t sz;
};

__attribute__((unused)) static int commit_minute(struct spool *s, const struct minute *m)
{
	/* No memory is asked for here: it may be made to run out. */
	static char names[64][PROFILE_NAME_MAX], bytes[64][8192 + 64];
	struct spool_file files[64] = { 0 };
	struct spool_window w = {
		.from_real_ns = m->real_ns,
		.to_real_ns = m->real_ns + MINUTE,
		.to_boot_ns = m->boot_ns + MINUTE,
		.files = files,
		.files_cnt = m->processes,
	};

	CHECK(m->processes <= ELEMENTSOF(files) && m->sz <= 8192);
	for (unsigned int i = 0; i < m->processes; i++) {
		struct profile_label l = { .comm = "work",
					   .pid = i + 1,
					   .exec = 1,
					   .start_ticks = 100,
					   .from_real_ns = w.from_real_ns,
					   .to_real_ns = w.to_real_ns };

		profile_name(names[i], sizeof(names[i]), &l);
		files[i] = (struct spool_file){ .name = names[i], .bytes = bytes[i] };
		files[i].sz = (size_t)sprintf(bytes[i], "window %u process %u\n", m->n, i + 1);
		if (m->sz > files[i].sz) {
			memset(bytes[i] + files[i].sz, '\n', m->sz - files[i].sz);
			files[i].sz = m->sz;
		}
	}
	return spool_commit(s, &w);
}

/* What readers see: the lines of all files. */
struct seen {
	unsigned int files, lines;
	uint64_t bytes;
	struct seen_line {
		unsigned int window, process;
	} v[FILES_MAX * 4];
};

static int see_entry(const struct spool_entry *e, void *ctx)
{
	struct seen *seen = ctx;
	char text[8192] = "", *save = NULL;
	_cleanup_close_ int fd = open(e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) >= 0);
	seen->files++;
	seen->bytes += e->bytes;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		struct seen_line *line = &seen->v[seen->lines++];

		CHECK(seen->lines < ELEMENTSOF(seen->v));
		CHECK_EQ(sscanf(l, "window %u process %u", &line->window, &line->process), 2);
	}
	return 0;
}

/* Through the list, which is what readers use. */
__attribute__((unused)) static const struct seen *look(void)
{
	static struct seen seen;
	_cleanup_close_ int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	seen = (struct seen){ 0 };
	CHECK_EQ(spool_list(fd, 0, UINT64_MAX, see_entry, &seen), 0);
	return &seen;
}

__attribute__((unused)) static unsigned int seen_of_window(const struct seen *seen, unsigned int n)
{
	unsigned int cnt = 0;

	for (unsigned int i = 0; i < seen->lines; i++)
		cnt += seen->v[i].window == n;
	return cnt;
}

/* Entries of a directory whose names begin so. */
__attribute__((unused)) static unsigned int entries(const char *path, const char *begin)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	unsigned int cnt = 0;

	CHECK(dir);
	while ((e = readdir(dir)))
		cnt += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		       strncmp(e->d_name, begin, strlen(begin)) == 0;
	closedir(dir);
	return cnt;
}

__attribute__((unused)) static struct spool_figures figures(const struct spool *s)
{
	struct spool_figures f;

	spool_figures(s, &f);
	return f;
}

__attribute__((unused)) static void put_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}
