/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* perf-map: the list of functions that a JIT compiler left in the /tmp of its process. */

#include "target.h"

/* *ret is set with WIRE_OPENED_OK only; NONE when there is none, REFUSED when it is not its own. */
enum wire_opened_status perf_map_open(const struct root *root, const struct wire_open *req,
				      struct target *ret);
