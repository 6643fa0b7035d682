/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* lines — LINES entries of a replay file: file and line of a place, and what was inlined there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/names.h"
#include "cprof/replay_format.h"

/* What the entry takes; 0: there is nothing to say. */
size_t lines_size(const struct names *names, const struct name *name);
/* All but its size, object and place, in zeroed room of that size. */
void lines_fill(const struct names *names, const struct name *name, struct replay_lines *e);

/* Is the entry of @sz bytes what its counts and lengths make? */
bool lines_check(const struct replay_lines *e, size_t sz);
/*
 * Cleans and interns the next @len bytes of an entry's text, and goes behind them; *ret_id stays where there
 * are none. 0 or -ENOMEM.
 */
int lines_take_text(struct names *names, const char **text, size_t len, uint32_t *ret_id);
/* Adds a checked entry to the name that its place has; one without a name stays so. 0 or -ENOMEM. */
int lines_restore(struct names *names, const struct replay_lines *e);
