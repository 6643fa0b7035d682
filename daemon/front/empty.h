/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* empty: the profile of an interval in which nobody asked for used the CPU. */

#include <stddef.h>
#include <stdint.h>

#define EMPTY_PROFILE_MAX 256

/* A whole pprof file, gzip'd; its length. */
size_t empty_profile(uint64_t from_real_ns, uint64_t duration_ns, uint32_t hz,
		     unsigned char dst[static EMPTY_PROFILE_MAX]);
