/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* users: who the roles of the daemon are, and whose group may see everything. */

#include <stdbool.h>
#include <sys/types.h>

#include "cprof/config.h"
#include "roles.h"

#define USERS_NOBODY ((gid_t)-1)

struct users {
	struct {
		uid_t uid;
		gid_t gid;
	} roles[ROLES_CNT];
	gid_t control; /* of [Control] Group=; USERS_NOBODY: there is no such group */
};

/* Never fails: what is not there has a number, and whoever is missing is told of in a line. */
void users_find(const char *group, struct users *ret);
