/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* wiring: who talks to whom. */

struct role;
struct crew;

/*
 * Gives a role that was just started its sockets: to every neighbour that runs (which gets its new
 * end too), to the client, and the kernel's symbols. A role that does not take them is replaced.
 */
void wiring_connect(struct crew *crew, struct role *fresh);
