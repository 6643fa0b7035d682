/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * merge — finished pprof files of one process and kind to one file: minutes to an hour.
 *
 * Reads what this daemon wrote earlier, and believes none of it: the bytes come from a disk. Samples
 * with equal stacks and labels are added; functions, locations and mappings of different files are
 * brought together; the interval is from the first begin to the last end. Of the comments (`#cprofd
 * key=value`) those that are sums are added, those that all files agree in are kept, and those that
 * count what is in the file are made anew: docs/formats/profile.md. A merged file can be merged again.
 *
 * One file at a time is in memory, beside what the files have in common.
 */

#include <stddef.h>
#include <stdint.h>

struct merge_opts {
	size_t memory_max; /* -EFBIG beyond it: the files stay as they are */
	uint64_t seed;	   /* random: names of functions are chosen by strangers */
	int (*write)(const void *bytes, size_t sz, void *ctx);
	void *ctx;
};

struct merge_result {
	uint64_t samples; /* sum of the first sample type */
	uint64_t bytes;
	size_t files;
};

/*
 * Merges the files, in this order; at least one. 0 and *ret; -EBADMSG: one of them is no proper
 * profile, and *ret_bad is its index; -EINVAL: its sample types or event differ from those before it
 * (likewise); -EFBIG, -ENOMEM, -errno of reading, or the writer's error. Descriptors are borrowed and
 * read from their beginning; their offsets do not move. Nothing is written before all were read.
 */
int merge_profiles(const struct merge_opts *opts, const int *fds, size_t cnt,
		   struct merge_result *ret, size_t *ret_bad);
