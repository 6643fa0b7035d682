/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel runs the program for each thing that there is while the descriptor is read, and cuts what it wrote
 * wherever a read ends.
 */

#include "iterate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"

/* What is left over, of less than a record, goes to the front. */
static int take(char *buf, size_t *len, size_t sz, iterate_fn fn, void *ctx)
{
	size_t at = 0;
	int r = 0;

	for (; r >= 0 && *len - at >= sz; at += sz)
		r = fn(buf + at, ctx);
	*len -= at;
	memmove(buf, buf + at, *len);
	return r;
}

int iterate(const struct bpf_link *link, size_t sz, iterate_fn fn, void *ctx)
{
	char buf[16 * ITERATE_RECORD_MAX] __attribute__((aligned(8)));
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
	size_t len = 0;
	ssize_t n;
	int r = 0;

	if (fd < 0)
		return fd;
	while (r >= 0 && (n = read(fd, buf + len, sizeof(buf) - len)) != 0) {
		if (n < 0)
			return -errno;
		len += (size_t)n;
		r = take(buf, &len, sz, fn, ctx);
	}
	return MIN(r, 0);
}
