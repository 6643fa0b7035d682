/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* merge-fixture — profiles as descriptors, and what becomes of several. */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "cprof/merge.h"
#include "sink.h"

#define MEMORY (64 << 20)

static int to_fd(const void *bytes, size_t sz)
{
	int fd = memfd_create("profile", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, bytes, sz), sz);
	return fd;
}

static int merge(const int *fds, size_t cnt, struct sink *file, struct merge_result *ret)
{
	const struct merge_opts opts = {
		.memory_max = MEMORY,
		.seed = 1,
		.write = sink_write,
		.ctx = file,
	};
	size_t bad = SIZE_MAX;
	int r = merge_profiles(&opts, fds, cnt, ret, &bad);

	CHECK_EQ(bad != SIZE_MAX, r == -EBADMSG || r == -EINVAL);
	return r == -EBADMSG || r == -EINVAL ? r * 1000 - (int)bad : r;
}

/* As merge() tells of a file that it refuses. */
#define BAD(error, file) ((error)*1000 - (file))

__attribute__((unused)) static int merged(const int *fds, size_t cnt, struct merge_result *ret)
{
	struct sink file = { 0 };
	int fd;

	CHECK_EQ(merge(fds, cnt, &file, ret), 0);
	CHECK_EQ(ret->bytes, file.v.cnt);
	CHECK_EQ(ret->files, cnt);
	fd = to_fd(file.v.v, file.v.cnt);
	vec_done(&file.v);
	return fd;
}

__attribute__((unused)) static void close_all(const int *fds, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		close(fds[i]);
}
