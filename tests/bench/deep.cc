// SPDX-License-Identifier: Apache-2.0
/*
 * deep [THREADS]: C++ to be compiled without frame pointers. Each thread goes 30 to 60 calls deep, works there for
 * some 30 us and comes back. SIGTERM ends it, and it prints how much work that was and the CPU time it took.
 */

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <vector>

#include "../unwind/programs/descend.hh"

unsigned stacks::bottom(unsigned x)
{
	return spin(x, 20000);
}

namespace deep {

static volatile std::sig_atomic_t over;

static void run(std::uint64_t *units)
{
	unsigned x = 1;

	while (!over) {
		x = stacks::descend(30 + x % 31, x, 1) | 1;
		++*units;
	}
}

} // namespace deep

int main(int argc, char **argv)
{
	std::vector<std::uint64_t> units(argc > 1 ? std::atoi(argv[1]) : 2);
	std::vector<std::thread> threads;
	std::uint64_t sum = 0;
	timespec cpu;

	std::signal(SIGTERM, [](int) { deep::over = 1; });
	for (auto &mine : units)
		threads.emplace_back(deep::run, &mine);
	for (auto &thread : threads)
		thread.join();
	for (auto mine : units)
		sum += mine;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	std::printf("{\"units\": %llu, \"cpu_ns\": %llu}\n", static_cast<unsigned long long>(sum),
		    static_cast<unsigned long long>(cpu.tv_sec) * 1000000000ull + cpu.tv_nsec);
	return 0;
}
