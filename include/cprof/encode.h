/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * encode — processes of a window (one, some or all) to the bytes of a pprof file: profile.proto
 * (https://github.com/google/pprof/blob/main/proto/profile.proto), gzip.
 *
 * The only user of protobuf-c and zlib on the writing side. Sub-messages are encoded singly and
 * streamed into deflate, so a tree of the whole profile never stands in memory. Rules that readers
 * punish are in docs/formats/profile.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/cgroups.h"
#include "cprof/counters.h"
#include "cprof/event.h"
#include "cprof/names.h"
#include "cprof/object.h"
#include "cprof/window.h"

/* Takes the next bytes of the file; 0 or -errno, which ends the encoding. */
typedef int (*encode_write_fn)(const void *bytes, size_t sz, void *ctx);

struct encode_opts {
	const struct window *window;
	struct objects *objects;
	const struct names *names;
	const struct cgroups *cgroups; /* may be NULL: units and containers are not known */
	const uint32_t *processes;     /* indexes in the window, each once; NULL: all */
	uint32_t processes_cnt;
	bool labels; /* each sample tells whose it is; without, there is one process only */
	bool walk_proc; /* user frames were located by /proc, at least some: the walk is switched off */
	const struct event *event;
	uint64_t event_count;  /* a sample for every so many of it; 0: by the window's hz */
	const char *version;   /* ours */
	const char *boot_id;   /* may be NULL */
	const char *host_name; /* may be NULL */
	uint32_t host_cpus;
	encode_write_fn write;
	void *ctx;
};

struct encode_result {
	uint64_t samples; /* sum of samples/count as written */
	uint64_t
		weight_ns; /* sum of the other type as written: nanoseconds, or the event's count */
	uint64_t frames;   /* locations written, weighted by nothing */
	uint64_t frames_named;
	uint64_t bytes;
};

/* 0 and *ret, or -ENOMEM or the writer's error. */
int encode_profile(const struct encode_opts *opts, struct encode_result *ret);
