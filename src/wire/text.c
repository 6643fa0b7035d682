/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clean is what str_clean() would leave as it is: the border has one rule, and no second one that
 * could differ from it.
 */

#include "text.h"

#include <assert.h>
#include <string.h>

#include "cprof/base/str.h"

bool wire_text_is_clean(const char *s, size_t len)
{
	char copy[3 * WIRE_CLEAN_MAX + 1];
	bool changed;

	assert(len <= WIRE_CLEAN_MAX);

	return str_clean(copy, sizeof(copy), s, len, &changed) == len && !changed;
}

bool wire_field_is_clean(const char *s, size_t sz)
{
	const char *end = memchr(s, '\0', sz);

	return end && wire_text_is_clean(s, (size_t)(end - s));
}
