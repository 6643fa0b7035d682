/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cost: the list of what roles cost, which two messages carry. */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/wire.h"

/* At most WIRE_COSTS_MAX, each of a role that costs something (or the launcher), none of them twice. */
bool wire_costs_are_valid(const struct wire_cost costs[static WIRE_COSTS_MAX], uint32_t cnt);
