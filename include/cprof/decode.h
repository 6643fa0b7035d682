/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * decode — bytes of a ring to a record. Pure, bounds-checked, allocates nothing, copies nothing.
 */

#include <stddef.h>

#include "cprof/record.h"

/*
 * 0 and *ret pointing into @bytes (which must be 8-byte aligned), or -EBADMSG: too short, another
 * version, an unknown type, counts beyond the size or beyond the limits of abi.h, an object
 * reference to a key that is not there.
 */
int decode_record(const void *bytes, size_t sz, struct record *ret);
