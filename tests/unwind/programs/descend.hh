// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Recursion in C++ that is none to optimise away: each descend() has something to destroy and needs registers that
 * it must save. What is done at the bottom() is the program's.
 */

namespace stacks
{

struct Held {
	explicit Held(unsigned n) : value(n)
	{
	}
	~Held()
	{
		asm volatile("" ::"r"(value));
	}
	unsigned value;
};

__attribute__((noinline, noclone)) unsigned bottom(unsigned x);

__attribute__((noinline, noclone)) static unsigned descend(unsigned n, unsigned a, unsigned b)
{
	Held held(a ^ b);

	if (n > 1)
		a += descend(n - 1, a * 3, b + 1);
	else
		a += bottom(b);
	asm volatile("" : "+r"(a));
	return a + b + held.value;
}

/* Rounds of arithmetic that are really made. */
static inline unsigned spin(unsigned x, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		x = x * 1664525 + 1013904223;
		asm volatile("" : "+r"(x));
	}
	return x;
}

} // namespace stacks
