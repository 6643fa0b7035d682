/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* named — NAMED messages: what wire_check() holds against their counts and lengths. */

#include <stdbool.h>
#include <stddef.h>

bool named_check(const void *msg, size_t sz);
