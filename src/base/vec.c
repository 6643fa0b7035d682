/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Doubling, from 8 elements. The array's pointer is read and written by memcpy: the macros hand it
 * over as `void **` whatever its type is, and plain access would break the aliasing rules.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/vec.h"

#define VEC_CAP_MIN 8

int vec_grow(void **v, size_t cnt, size_t *cap, size_t more, size_t elem_sz)
{
	size_t need, new_cap, bytes;
	void *p;

	if (more <= *cap - cnt)
		return 0;
	if (__builtin_add_overflow(cnt, more, &need) || need > SIZE_MAX / 2)
		return -ENOMEM;
	new_cap = *cap > 0 ? *cap : VEC_CAP_MIN;
	while (new_cap < need)
		new_cap *= 2;
	if (__builtin_mul_overflow(new_cap, elem_sz, &bytes) || bytes > PTRDIFF_MAX)
		return -ENOMEM;

	memcpy(&p, v, sizeof(p));
	p = realloc(p, bytes);
	if (!p)
		return -ENOMEM;
	memcpy(v, &p, sizeof(p));
	*cap = new_cap;
	return 0;
}
