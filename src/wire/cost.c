/* SPDX-License-Identifier: Apache-2.0 */

/* A role that stood in the list twice would be added up twice. */

#include "cost.h"

#include <limits.h>

_Static_assert(WIRE_ROLE_MAX <= 32, "a bit for each role");

bool wire_costs_are_valid(const struct wire_cost costs[static WIRE_COSTS_MAX], uint32_t cnt)
{
	uint32_t seen = 0;

	if (cnt > WIRE_COSTS_MAX)
		return false;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct wire_cost *c = &costs[i];

		if (c->role >= WIRE_ROLE_MAX || c->role == WIRE_ROLE_CLIENT || c->pid > INT_MAX)
			return false;
		if ((c->layers | c->missing) > WIRE_LAYER_ALL || (c->layers & c->missing) != 0)
			return false;
		if (seen & UINT32_C(1) << c->role)
			return false;
		seen |= UINT32_C(1) << c->role;
	}
	return true;
}
