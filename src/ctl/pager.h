/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pager — on a terminal, what may be longer than it goes through a pager: that of PAGER, or less(1),
 * which leaves by itself when all fits on one screen.
 */

#include <sys/types.h>

#include "ctl.h"

enum pager_lines { PAGER_CHOP /* of tables */, PAGER_WRAP /* of sentences */ };

struct pager {
	pid_t pid; /* 0: none */
};

/* From here on standard output is the pager's, where there is to be one. Nothing may fail for it. */
struct pager pager_open(const struct ctl_globals *globals, enum pager_lines lines);
/* Waits for its reader; standard output is closed then. */
void pager_close(struct pager *p);
