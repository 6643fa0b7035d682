/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * desk: the sampler's questions, handed out to workers so that one process that cannot be looked at keeps nobody
 * else waiting.
 *
 * Each question is answered, whatever becomes of its worker: with HUNG, when the kernel did not let it
 * come back within a second, or less when the same user's did that before. That process is not looked at for the next ten minutes; a user has two workers at most,
 * and two more that are killed and not gone yet, and others keep theirs.
 */

#include <stdbool.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/loop.h"
#include "serve.h"

struct desk;

#define DESK_REPLIES 1 /* the priority of what it waits for */

struct desk_opts {
	struct loop *loop;
	const struct root *root; /* has to live as long */
	/* A reply, valid during the call; 0, or -errno, which ends the loop. */
	int (*on_reply)(const struct wire_head *m, void *ctx);
	void *ctx;
};

int desk_new(const struct desk_opts *opts, struct desk **ret);
struct desk *desk_free(struct desk *d);

/* Takes a checked question; 0, -ENOMEM, or what on_reply returned. Only while desk_has_room(). */
int desk_put(struct desk *d, const union question *q);
bool desk_has_room(const struct desk *d);
/* While it is held back no worker gets another question. */
int desk_hold(struct desk *d, bool held);

/* Takes the descriptor; negative: there is none. */
void desk_set_symbolizer(struct desk *d, int fd);
/* Who asked is gone: nothing of what was asked is answered. */
void desk_drop(struct desk *d);

DEFINE_CLEANUP(struct desk *, desk_free);
