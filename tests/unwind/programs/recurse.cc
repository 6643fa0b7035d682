// SPDX-License-Identifier: Apache-2.0
/*
 * recurse DEPTH: C++ that goes DEPTH calls deep and works at the bottom, for ever. Each descend() has
 * something to destroy, so that it is no loop, and needs registers that it must save.
 */

#include <cstdlib>
#include <string>

namespace stacks {

struct Held {
	explicit Held(unsigned n) : value(n) {}
	~Held() { asm volatile("" ::"r"(value)); }
	unsigned value;
};

static unsigned *seen;

__attribute__((noinline, noclone)) unsigned bottom(unsigned x)
{
	for (int i = 0; i < 200000; i++) {
		x = x * 1664525 + 1013904223;
		asm volatile("" : "+r"(x));
	}
	return x;
}

__attribute__((noinline, noclone)) unsigned descend(unsigned n, unsigned a, unsigned b)
{
	Held held(a ^ b);

	if (n > 1)
		a += descend(n - 1, a * 3, b + 1);
	else
		a += bottom(b);
	asm volatile("" : "+r"(a));
	return a + b + held.value;
}

} // namespace stacks

int main(int argc, char **argv)
{
	unsigned sum = 0;

	stacks::seen = &sum;
	for (;;) {
		sum += stacks::descend(static_cast<unsigned>(std::atoi(argv[argc > 1])), sum, 1);
		asm volatile("" ::"r"(stacks::seen) : "memory");
	}
}
