/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* frame — the rule for each instruction of one function. */

#include "code.h"
#include "seam.h"

struct frame {
	struct tables *tables;
	const struct gopclntab_func *func;
	enum seam seam;
	bool entered;		  /* the first stretch with something on the stack was seen */
	struct prologue prologue; /* UINT64_MAX where rbp is not saved */
	int popped;		  /* the register that took the return address; negative: none */
	uint64_t switched;	  /* from here on another stack; UINT64_MAX: never */
	uint64_t back;		  /* from here on its own again */
	struct growth growth;
};

/* 0 or -errno: of a read, or -E2BIG. */
int frame_init(struct frame *fr, struct tables *t, const struct gopclntab_func *f);

/* The next stretch, and the one behind it, if there is one (@next->start is its end). 0 or -errno of a read. */
int frame_enter(struct frame *fr, const struct step *step, const struct step *next);

/* The rule at @pc of the stretch, and where it ends. */
struct cprof_rule frame_rule(const struct frame *fr, const struct step *step,
			     const struct step *next, uint64_t pc, uint64_t *ret_end);
