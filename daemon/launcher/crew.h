/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * crew: all roles together, for one recording or as the daemon.
 *
 * A recording ends when the sampler does: with its success as status 0, with 1 when it failed. The
 * daemon starts the sampler again. A signal asks the sampler to finish; SIGHUP has the daemon read its
 * configuration again. No role outlives the crew.
 */

#include <stdbool.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/loop.h"
#include "roles.h"

enum crew_priority { CREW_SIGNALS, CREW_CONTROL, CREW_TIMERS };

struct crew;
struct daemon;
struct guard;
struct role;

struct crew_opts {
	int client;		     /* of a recording; taken over in every case */
	const char *const *programs; /* ROLES_CNT paths that replace the roles' own, or NULL */
	bool verbose;
	struct daemon *daemon; /* NULL: a recording */
};

/* Gives up the capabilities that nobody needs, and runs to the end: the exit status. */
int crew_run(const struct crew_opts *opts);

/* For the roles. */
struct loop *crew_loop(const struct crew *c);
struct role *crew_role(struct crew *c, enum wire_role number); /* NULL: it has none such */
int crew_client(const struct crew *c);			       /* -EBADF: there is none */
struct daemon *crew_daemon(const struct crew *c);	       /* NULL: a recording */
struct guard *crew_guard(const struct crew *c);		       /* the daemon's; else NULL */
bool crew_is_stopping(const struct crew *c); /* the sampler was told to finish, or it is ending */
bool crew_is_ending(const struct crew *c);
bool crew_is_verbose(const struct crew *c);
unsigned crew_violations(const struct crew *c); /* ends of roles by a forbidden call, so far */

/* The sampler is gone, for good: everybody else goes too, and crew_run() returns @status. */
void crew_end(struct crew *c, int status);
