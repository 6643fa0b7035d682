/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* gunzip — a gzip file to its bytes, within a limit. */

#include <stddef.h>
#include <stdint.h>

/*
 * 0 and a buffer that the caller frees; -EBADMSG: damaged or cut; -E2BIG: more than @max bytes;
 * -ENOMEM. Files of several members, one after the other, are one, as for gzip(1).
 */
int gunzip(const void *bytes, size_t sz, size_t max, uint8_t **ret, size_t *ret_sz);
