/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* aranges — what .debug_aranges says of units' code. */

#include "unit.h"

/* A stretch of the unit that begins at @unit; 0 or negative, which ends it. */
typedef int (*arange_fn)(void *ctx, uint64_t unit, uint64_t start, uint64_t end);

/*
 * From *next on, which is where the set begins that was not gone through. 0, what @fn said, -EBADMSG (the
 * rest cannot be read) or -errno.
 */
int aranges_walk(struct readers *rd, struct part *part, uint64_t *next, arange_fn fn, void *ctx);
