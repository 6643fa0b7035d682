/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* roles: what roles there are, and where their executables lie. */

#include <stdbool.h>

#include "cprof/wire.h"
#include "identity.h"

struct role_spec {
	enum wire_role number;
	const char *name;    /* "opener": in options, log lines and the build tree */
	const char *program; /* "cprofd-opener" */
	struct role_identity identity;
	bool daemon_only; /* a recording has none */
};

/* In the order in which they are started. */
#define ROLES_CNT 4
extern const struct role_spec role_specs[ROLES_CNT];

/* The role's identity on this kernel: one that is harder to please takes more. */
struct role_identity roles_identity(const struct role_spec *spec);

/* What the launcher keeps: all that it hands out, and what handing out takes. */
uint64_t roles_launcher_caps(void);

/* The index in role_specs of a role by its name, or -ENOENT. */
int roles_by_name(const char *name, size_t len);

/*
 * Opens the executable (O_PATH): @path where it is given, else beside our own real path, in the
 * build tree, or where it is installed. A descriptor or -errno.
 */
int roles_open_program(const struct role_spec *spec, const char *path);
