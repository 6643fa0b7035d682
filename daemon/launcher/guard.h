/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * guard: what of the daemon is more than its roles' lives: whether the sampler makes progress, what
 * the service manager hears of that, what all of it costs, and reading the configuration again.
 */

#include <stdbool.h>

#include "cprof/base/cleanup.h"
#include "cprof/wire.h"

struct crew;
struct daemon;
struct guard;
struct role;

int guard_new(struct crew *crew, struct daemon *daemon, struct guard **ret);
struct guard *guard_free(struct guard *g);

/* What the sampler says; false when it says too much. */
bool guard_state(struct guard *g, const struct wire_state *m);
bool guard_progress(struct guard *g);

/* A process of @role runs now; or does no more, and @why tells how it ended. */
void guard_role_started(struct guard *g, const struct role *role);
void guard_role_ended(struct guard *g, struct role *role, const char *why);

void guard_reload(struct guard *g);

/* From now on nothing is watched: what is told to go may take its time, and has a deadline. */
void guard_stopping(struct guard *g);

DEFINE_CLEANUP(struct guard *, guard_free);
