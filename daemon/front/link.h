/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * link: the way to the sampler: questions with their answers, and connections handed over. The sampler
 * may be gone, silent or wrong: whoever waits is told within LINK_PATIENCE_NS.
 */

#include <stdbool.h>
#include <stdint.h>

#include "counts.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/loop.h"
#include "cprof/control.h"

#define LINK_PATIENCE_NS 5000000000ULL
#define LINK_PAUSE_NS 100000000ULL

struct link;

struct link_answer {
	const struct control_status *status;	   /* of STATUS */
	const struct control_processes *processes; /* of PROCESSES */
	int fd;					   /* with these; borrowed */
};

/* @error: 0 and *answer, or -ENOTCONN: the sampler is gone, -ETIMEDOUT, -EBADMSG. */
struct link_waiter {
	void (*fn)(int error, const struct link_answer *answer, void *ctx);
	void *ctx;
	struct link_waiter *next;
	bool patient; /* one of many who may ask without end: not sooner than LINK_PAUSE_NS after the last */
	bool waits;
};

int link_new(struct loop *loop, struct counts *counts, struct link **ret);
struct link *link_free(struct link *l);
DEFINE_CLEANUP(struct link *, link_free);

/* A sampler is there: its socket, owned from now on. 0 or -errno. */
int link_take(struct link *l, int fd);

/*
 * Asks, or joins those who wait for the same: 0 and @w->fn will be called once, never from here;
 * -ENOTCONN: there is no sampler, -EAGAIN: it does not read, or another -errno.
 */
int link_ask(struct link *l, enum control_type type, struct link_waiter *w, uint64_t now_ns);
/* It is not called any more. */
void link_forget(struct link *l, struct link_waiter *w);

/*
 * Hands a connection over (the caller keeps its descriptor): 0, -ENOTCONN, -EAGAIN or another -errno. Of
 * those who do not see all no more wait there than leave room for questions.
 */
int link_send_client(struct link *l, const struct control_client *m, int fd);

/* Tells those who waited too long. Returns whether the sampler was asked anything that it may still answer. */
bool link_check(struct link *l, uint64_t now_ns);
