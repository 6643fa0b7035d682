/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * door: connections for sessions (session.h). Who comes is looked at, waits here until he says
 * something, and is handed to the sampler with all that he said unread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "counts.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/loop.h"
#include "link.h"

struct door;

int door_new(struct loop *loop, struct link *link, struct counts *counts, struct door **ret);
struct door *door_free(struct door *d);
DEFINE_CLEANUP(struct door *, door_free);

/* The listening socket, owned from now on. 0 or -errno. */
int door_listen(struct door *d, int fd);
void door_set_group(struct door *d, uint32_t gid);

/* Sends away who said nothing for too long. Returns whether anybody else waits. */
bool door_check(struct door *d, uint64_t now_ns);
