/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* local: names that strangers may have made, looked up where nobody can make that hang. */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/root.h"

/* As openat2(2), with O_PATH; nothing is followed that is a link. A descriptor or -errno. */
int local_openat(int dir, const char *name, uint64_t flags, uint64_t resolve);

/*
 * Does this directory wait for nothing but a local disk? @pid is in whose mount namespace it may be (0: ours).
 * An overlay does if root mounted it: one of a stranger's user namespace may have anything below.
 */
bool local_is(const struct root *root, uint32_t pid, int dir);
