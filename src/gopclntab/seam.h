/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* seam — functions of the runtime whose frames are not what their tables say, by name. */

#include "tables.h"

enum seam {
	SEAM_NONE,
	SEAM_ROOT,	/* the outermost frame of a stack */
	SEAM_SCHEDULER, /* as well: it never returns, and what called it is on its way elsewhere */
	SEAM_SIGRETURN, /* where signal handlers return to */
	SEAM_EXACT,	/* its caller did not call it: it was interrupted */
	SEAM_FRAME, /* goes to another stack and keeps its own frame's, or its caller's, address in rbp */
	SEAM_BOTTOM, /* after the switch it is the outermost frame of the other stack */
	SEAM_LOST,   /* after the switch nothing leads back */
	SEAM_GROWTH, /* after the switch only the runtime's own memory leads back to the goroutine */
	SEAM_SYSTEM,  /* a FRAME, whose code shows where the goroutine is kept */
	SEAM_UNKNOWN, /* writes the stack pointer, nobody knows how */
};

/* Which one @f is. 0 or -errno of a read. */
int seam_of(struct tables *t, const struct gopclntab_func *f, enum seam *ret);
