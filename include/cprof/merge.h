/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * merge — finished pprof files of one process and kind to one file: minutes to an hour.
 *
 * Reads what this daemon wrote earlier, and believes none of it: the bytes come from a disk. Samples
 * with equal stacks and labels are added; functions, locations and mappings of different files are
 * brought together; the interval becomes the union of all; the figures in the comments (`#cprofd
 * key=value`) are added where they are sums (samples, missed, lost, cpu_true_ns, gap_ns, complete,
 * truncated, symbolized, frames) and kept where all agree. Same rules as encode for what it writes.
 */

#include <stddef.h>
#include <stdint.h>

struct merge_opts {
	size_t memory_max; /* -EFBIG beyond it: the files stay as they are */
	int (*write)(const void *bytes, size_t sz, void *ctx);
	void *ctx;
};

struct merge_result {
	uint64_t samples; /* sum of the first sample type */
	uint64_t bytes;
	size_t files;
};

/*
 * Merges the files, in this order. 0 and *ret; -EBADMSG: one of them is no proper profile, and
 * *ret_bad is its index; -EINVAL: their sample types or periods differ (likewise); -EFBIG, -ENOMEM, or
 * the writer's error. Descriptors are borrowed and read from their beginning.
 */
int merge_profiles(const struct merge_opts *opts, const int *fds, size_t cnt,
		   struct merge_result *ret, size_t *ret_bad);
