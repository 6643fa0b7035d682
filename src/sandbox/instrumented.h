/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* instrumented — the calls of a sanitizer's run time; none in a build without one. */

#include "cprof/sandbox.h"

extern const struct sandbox_call sandbox_instrumented[];
extern const size_t sandbox_instrumented_cnt;
