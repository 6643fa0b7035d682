/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * plausible — may code lie at this address? All that can be said of it without the mapping tree.
 *
 * The lowest 64 KiB are never mapped (vm.mmap_min_addr, as every distribution sets it); above bit 46
 * is the kernel's half, or an address that only asks for five-level paging.
 */

#include "kenv.h"

#define PLAUSIBLE_LOWEST 0x10000ull
#define PLAUSIBLE_BITS 47

static __always_inline bool plausible_code(__u64 addr)
{
	return addr >= PLAUSIBLE_LOWEST && addr >> PLAUSIBLE_BITS == 0;
}
