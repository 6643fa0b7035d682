/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* spawn: one process of a role, with nothing of ours in it but what is handed to it. */

#include <stdbool.h>
#include <sys/types.h>

#include "identity.h"

struct spawn {
	const char *name; /* argv[0] and the name in log lines */
	bool verbose;	  /* it shall log what is of use in finding faults only */
	int binary;	  /* O_PATH descriptor of the executable */
	int control;	  /* becomes WIRE_CONTROL_FD */
	const struct role_identity *identity;
};

/* 0 and *ret_pid, or -errno. A program that cannot be run ends with status 127 and one log line. */
int spawn_start(const struct spawn *s, pid_t *ret_pid);
