/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * crew: all roles together, for one recording.
 *
 * It ends when the sampler does: with its success as status 0, with 1 when it failed. A signal asks
 * the sampler to finish. No role outlives the crew.
 */

#include <stdbool.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/loop.h"
#include "roles.h"

enum crew_priority { CREW_SIGNALS, CREW_CONTROL, CREW_TIMERS };

struct role;
struct crew;

/* @client is taken over in every case. @programs: paths that replace the roles' own, or NULL. */
int crew_new(int client, const char *const programs[static ROLES_CNT], bool verbose,
	     struct crew **ret);
struct crew *crew_free(struct crew *c);

/* Runs to the end; the exit status. */
int crew_run(struct crew *c);

/* For the roles. */
struct loop *crew_loop(const struct crew *c);
struct role *crew_role(struct crew *c, enum wire_role number);
int crew_client(const struct crew *c);
bool crew_is_ending(const struct crew *c);
bool crew_is_verbose(const struct crew *c);

/* The sampler is gone: everybody else goes too, and crew_run() returns @status. */
void crew_end(struct crew *c, int status);

DEFINE_CLEANUP(struct crew *, crew_free);
