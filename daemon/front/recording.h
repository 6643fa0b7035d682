/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* recording: a profile for one request: the front is itself a client of the sampler's. */

#include <stdint.h>

#include "cprof/base/loop.h"
#include "cprof/session_receive.h"
#include "link.h"
#include "refusal.h"

struct recording;

struct recording_result {
	int error;		/* 0; else *refusal */
	struct refusal refusal; /* for the client */
	int fd; /* of the profile, the callee's to take; -EBADF: there was no sample */
	uint64_t bytes;
	uint64_t from_real_ns; /* without a profile: what it would have been of */
	uint64_t duration_ns;
	uint32_t hz;
};

typedef void (*recording_fn)(struct recording_result *result, void *ctx);

struct recording_opts {
	struct loop *loop;
	struct link *link;
	struct session_start start; /* flags, hz, duration, whom */
	struct control_client client;
	recording_fn fn; /* called once, never from recording_start() or _free() */
	void *ctx;
};

/* 0; -ENOTCONN: there is no sampler, -EAGAIN: it does not read, or another -errno. */
int recording_start(const struct recording_opts *opts, uint64_t now_ns, struct recording **ret);
/* Ends it: for the sampler the client has left. */
struct recording *recording_free(struct recording *r);
