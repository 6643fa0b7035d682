/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-merge — any bytes as profiles to be merged: read without a fault and within bounds, and what
 * comes out is a profile that is merged again to the same sums.
 */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/merge.h"
#include "fuzz.h"

#define MEMORY (32 << 20)

static int to_fd(const void *bytes, size_t sz)
{
	int fd = memfd_create("profile", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, sz) == (ssize_t)sz);
	return fd;
}

static int write_fd(const void *bytes, size_t sz, void *ctx)
{
	return write(*(int *)ctx, bytes, sz) == (ssize_t)sz ? 0 : -EIO;
}

/* *ret_fd: the merged file. */
static int merge(const int *fds, size_t cnt, struct merge_result *ret, int *ret_fd)
{
	_cleanup_close_ int fd = to_fd("", 0);
	const struct merge_opts opts = { .memory_max = MEMORY, .write = write_fd, .ctx = &fd };
	size_t bad = SIZE_MAX;
	int r = merge_profiles(&opts, fds, cnt, ret, &bad);

	FUZZ_CHECK(bad == SIZE_MAX || bad < cnt);
	if (r == 0) {
		FUZZ_CHECK(lseek(fd, 0, SEEK_END) == (off_t)ret->bytes);
		*ret_fd = TAKE_FD(fd);
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_close_ int fd = to_fd(data, sz), one = -EBADF, two = -EBADF, again = -EBADF;
	struct merge_result result, twice;
	int r = merge(&fd, 1, &result, &one);

	if (r < 0)
		return 0;
	/* Only sums may grow too large, and addresses too many. */
	r = merge((int[]){ fd, one }, 2, &twice, &two);
	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -ENOMEM || r == -EFBIG);
	if (r == 0)
		FUZZ_CHECK(twice.samples == 2 * result.samples);
	FUZZ_CHECK(merge(&one, 1, &twice, &again) == 0);
	FUZZ_CHECK(twice.samples == result.samples);
	return 0;
}
