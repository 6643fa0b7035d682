/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crunch-cc [CPU [SECONDS]] — C++ with what its names are made of: namespaces, a template over a
 * type and a number, overloads, a method. Compiled with frame pointers. The hot function is
 * shop::Stock<int, 64>::tally.
 */

#include <array>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <sched.h>

namespace shop
{

template <typename T, int N> class Stock
{
      public:
	Stock()
	{
		for (int i = 0; i < N; i++)
			items_[i] = static_cast<T>(i * 7 + 1);
	}

	__attribute__((noinline)) std::uint64_t tally(std::uint64_t x, int rounds) const
	{
		for (int i = 0; i < rounds; i++) {
			x = x * 6364136223846793005ULL + static_cast<std::uint64_t>(items_[i % N]);
			asm volatile("" : "+r"(x));
		}
		return x;
	}

      private:
	std::array<T, N> items_;
};

namespace
{

__attribute__((noinline)) std::uint64_t run(const Stock<int, 64> &stock, std::uint64_t x)
{
	return stock.tally(x, 300000);
}

double now()
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) / 1e9;
}

} // namespace

} // namespace shop

int main(int argc, char *argv[])
{
	const double end = shop::now() + (argc > 2 ? std::atof(argv[2]) : 3600);
	const shop::Stock<int, 64> stock;
	std::uint64_t x = 1;
	cpu_set_t set;

	if (argc > 1 && std::atoi(argv[1]) >= 0) {
		CPU_ZERO(&set);
		CPU_SET(std::atoi(argv[1]), &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	while (shop::now() < end)
		x = shop::run(stock, x);
	return static_cast<int>(x & 0);
}
