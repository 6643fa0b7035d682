/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * loop — a small epoll loop for the roles (sd-event would pull liblzma into them).
 *
 * Callbacks return 0, or -errno which ends loop_run() with it. Sources are dispatched in order of
 * priority (lower first). A callback may remove any source, itself included. Not for stages: they
 * know no loop.
 */

#include <stdint.h>

struct loop;
struct loop_source;

typedef int (*loop_io_fn)(struct loop_source *s, uint32_t events, void *ctx);
typedef int (*loop_timer_fn)(struct loop_source *s, uint64_t now_ns, void *ctx);

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *l);

/* Watches @fd (borrowed) for EPOLLIN, EPOLLOUT...; the source is owned by the loop. */
int loop_add_io(struct loop *l, int fd, uint32_t events, int priority, loop_io_fn fn, void *ctx,
		struct loop_source **ret);
/* A timer on CLOCK_MONOTONIC, not armed at first. */
int loop_add_timer(struct loop *l, int priority, loop_timer_fn fn, void *ctx,
		   struct loop_source **ret);
/* Arms for an absolute time; UINT64_MAX disarms. */
void loop_timer_set(struct loop_source *s, uint64_t at_ns);
/* Removes and frees the source; NULL is allowed; returns NULL. */
struct loop_source *loop_remove(struct loop_source *s);

/* Runs until loop_exit() or an error; returns the code given. */
int loop_run(struct loop *l);
void loop_exit(struct loop *l, int code);
