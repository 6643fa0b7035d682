/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* wiring: who talks to whom. */

#include <stddef.h>

#include "cprof/wire.h"

struct role;
struct crew;

/*
 * Gives a role that was just started its sockets: to every neighbour that runs (which gets its new
 * end too), to the client, and the kernel's symbols. A role that does not take them is replaced.
 */
void wiring_connect(struct crew *crew, struct role *fresh);

/* Sends one message, with @fd when it is >= 0 (lent). A role that does not take it is replaced. */
void wiring_tell(struct role *to, const void *m, size_t sz, int fd);

/* To the sampler, if it runs: how many roles were ended for a call that they may not make. */
void wiring_tell_violations(struct crew *crew);

/* Of the daemon: the configuration as it is now, if that role runs. */
void wiring_configure(struct crew *crew, enum wire_role number);
