/* SPDX-License-Identifier: Apache-2.0 */
/* merge-files OUT FILE... — what the daemon does with the minutes of an hour: one file of many. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/rng.h"
#include "cprof/merge.h"

#define MEMORY_MAX (256u << 20)

static int write_all(const void *bytes, size_t sz, void *ctx)
{
	const int *fd = ctx;

	for (const char *p = bytes; sz > 0;) {
		ssize_t n = write(*fd, p, sz);

		if (n < 0)
			return -errno;
		p += n;
		sz -= (size_t)n;
	}
	return 0;
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "merge-files: %s: %s\n", what, strerror(error));
	return 1;
}

int main(int argc, char **argv)
{
	size_t cnt = argc > 2 ? (size_t)argc - 2 : 0, bad = 0;
	_cleanup_free_ int *fds = calloc(cnt + 1, sizeof(*fds));
	struct merge_result result;
	struct merge_opts opts = {
		.memory_max = MEMORY_MAX,
		.seed = rng_seed(),
		.write = write_all,
	};
	int out, r;

	if (cnt == 0 || !fds)
		return fail("usage: merge-files OUT FILE...", EINVAL);
	for (size_t i = 0; i < cnt; i++) {
		fds[i] = open(argv[i + 2], O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return fail(argv[i + 2], errno);
	}
	out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		return fail(argv[1], errno);
	opts.ctx = &out;
	r = merge_profiles(&opts, fds, cnt, &result, &bad);
	if (r < 0)
		return fail(r == -EBADMSG || r == -EINVAL ? argv[bad + 2] : argv[1], -r);
	printf("{\"samples\": %llu, \"bytes\": %llu, \"files\": %zu}\n",
	       (unsigned long long)result.samples, (unsigned long long)result.bytes, result.files);
	return 0;
}
