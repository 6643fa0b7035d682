/* SPDX-License-Identifier: Apache-2.0 */

/* Functions in C that compilers split, clone and inline: what oracle.py asks names of. */

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shapes.h"

static jmp_buf out;

static inline unsigned int mix(unsigned int x)
{
	x ^= x >> 16;
	x *= 0x7feb352dU;
	return x ^ x >> 15;
}

static inline unsigned int mix_twice(unsigned int x)
{
	return mix(mix(x) + 1);
}

/* Its second argument is always the same: a clone without it. */
__attribute__((noinline)) static unsigned int folded(unsigned int x, int by)
{
	for (int i = 0; i < by; i++)
		x = mix_twice(x + (unsigned int)i);
	return x;
}

/* What never happens goes to a part of its own. */
__attribute__((noinline)) unsigned int shape_cold(unsigned int x)
{
	if (__builtin_expect(x == 0xdeadbeef, 0)) {
		fprintf(stderr, "unlikely %u\n", mix_twice(x));
		longjmp(out, 1);
	}
	return folded(x, 7) + folded(x + 1, 7);
}

/* A function within another. */
static unsigned int nested(unsigned int x)
{
	unsigned int sum = 0;

	__attribute__((noinline)) void add(unsigned int y)
	{
		sum += mix(y) ^ x;
	}
	for (unsigned int i = 0; i < x % 7; i++)
		add(i);
	return sum;
}

static int by_value(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

unsigned int shape_sort(unsigned int x)
{
	unsigned int v[64];

	for (unsigned int i = 0; i < 64; i++)
		v[i] = shape_header(mix_twice(x + i));
	qsort(v, 64, sizeof(v[0]), by_value);
	return v[x % 64] + nested(x);
}

unsigned int shape_switch(unsigned int x)
{
	switch (x % 9) {
	case 0:
		return shape_cold(x);
	case 1:
		return mix(x);
	case 2:
		return mix_twice(x) + shape_other(x);
	case 3:
		return (unsigned int)strlen(getenv("HOME") ? getenv("HOME") : "");
	case 5:
		return shape_sort(x);
	case 7:
		return shape_header(x);
	default:
		return nested(x);
	}
}

int main(int argc, char **argv)
{
	unsigned int sum = 0;

	if (setjmp(out) != 0)
		return 1;
	for (unsigned int i = 0; i < 100; i++)
		sum += shape_switch(i + (unsigned int)argc);
	printf("%u\n", sum);
	return 0;
}
