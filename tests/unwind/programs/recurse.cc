// SPDX-License-Identifier: Apache-2.0
/*
 * recurse DEPTH: C++ that goes DEPTH calls deep and works at the bottom, for ever.
 */

#include <cstdlib>
#include <string>

#include "descend.hh"

namespace stacks {

static unsigned *seen;

unsigned bottom(unsigned x)
{
	return spin(x, 200000);
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
