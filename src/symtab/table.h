/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* table — what is behind struct symtab, of either source. */

#include "ranges.h"

struct symtab {
	struct ranges ranges;
	struct symtab_info info;
};
