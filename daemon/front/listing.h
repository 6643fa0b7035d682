/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* listing: the stored profiles as JSON, looked up by a process of its own. */

#include <stdint.h>

#include "cprof/base/loop.h"
#include "route.h"

struct listing;

/* @fd is the callee's to own; or @error is negative. Called once, never from listing_start() or _free(). */
typedef void (*listing_fn)(int error, int fd, uint64_t bytes, void *ctx);

struct listing_opts {
	struct loop *loop;
	int spool;	       /* the directory */
	const char *directory; /* its name, to be told */
	struct route_files files;
	listing_fn fn;
	void *ctx;
};

/* 0 or -errno. */
int listing_start(const struct listing_opts *opts, uint64_t now_ns, struct listing **ret);
struct listing *listing_free(struct listing *l);
