/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* process: who has a pid now, as /proc/PID/stat and /proc/PID/status tell. */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/base/root.h"

/* True when the process with this pid is the one that started then (CLOCK_BOOTTIME). */
bool process_is(const struct root *root, uint32_t pid, uint64_t start_ns);

/* Its pid in the innermost pid namespace that it is in: how it knows itself. 0: not known. */
uint32_t process_inner_pid(const struct root *root, uint32_t pid);
