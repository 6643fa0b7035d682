/* SPDX-License-Identifier: Apache-2.0 */

/* A second unit. */

#include "shapes.h"

__attribute__((noinline)) static unsigned int unused_part(unsigned int x)
{
	return shape_header(x) * 3;
}

unsigned int shape_other(unsigned int x)
{
	return unused_part(x) + shape_header(~x);
}

/* What --gc-sections throws away. */
unsigned int shape_unused(unsigned int x);

unsigned int shape_unused(unsigned int x)
{
	for (int i = 0; i < 100; i++)
		x += shape_header(x + (unsigned int)i);
	return x;
}
