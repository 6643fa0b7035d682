/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* text: whether a text in a message is one that may be printed as it is. */

#include <stdbool.h>
#include <stddef.h>

#define WIRE_CLEAN_MAX 1024

/* Valid UTF-8 without control characters over all of @len, which is at most WIRE_CLEAN_MAX. */
bool wire_text_is_clean(const char *s, size_t len);

/* Terminated and clean within its field of at most WIRE_CLEAN_MAX bytes. */
bool wire_field_is_clean(const char *s, size_t sz);
