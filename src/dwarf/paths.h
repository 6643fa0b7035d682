/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* paths — the files that a unit's lines lie in, by number, as whole paths. */

#include "funcs.h"
#include "lines.h"

struct path {
	uint64_t file;
	uint64_t dir;
	struct value name;
	uint32_t text; /* of @funcs; 0: not known */
};

struct paths {
	VEC(struct path) list;
};

/* Wants a file; before paths_resolve(). 0 or -ENOMEM. */
int paths_want(struct paths *p, uint64_t file);
/* 0, -EBADMSG (some are not known), -EFBIG, -E2BIG or -errno. */
int paths_resolve(struct paths *p, struct line_program *program, struct funcs *funcs);
/* "" of what is not known. */
uint32_t paths_find(const struct paths *p, uint64_t file);
void paths_done(struct paths *p);
