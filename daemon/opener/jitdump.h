/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* jitdump: what a process tells perf in more detail about code that it made itself. */

#include "cprof/base/root.h"
#include "cprof/wire.h"
#include "target.h"

/*
 * The jitdump of the process, of which only pid, start_ns and uid count: WIRE_OPENED_NONE, if it has none.
 * *ret's descriptor and size are set with WIRE_OPENED_OK only.
 */
enum wire_opened_status jitdump_open(const struct root *root, const struct wire_open *req,
				     struct target *ret);
