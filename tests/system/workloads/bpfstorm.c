/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpfstorm [CPU [SECONDS]] — a loop of bpf(BPF_MAP_UPDATE_ELEM) on a hash map.
 *
 * While the kernel changes such a map it keeps BPF programs from running on that CPU
 * (bpf_disable_instrumentation), so about half of all ticks never reach a profiler, and no counter
 * of the kernel shows it. Prints how often it did that and its CPU time as one line of JSON.
 */

#include <linux/bpf.h>
#include <sys/syscall.h>

#include "load.h"

static int bpfstorm_create(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_HASH,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = 1024,
	};

	return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int bpfstorm_update(int map, uint32_t key, uint64_t value)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)&value,
	};

	return (int)syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
}

int main(int argc, char *argv[])
{
	double seconds = load_arg(argc, argv, 2, 3600);
	uint64_t end, updates = 0;
	int map;

	load_pin((int)load_arg(argc, argv, 1, -1));
	map = bpfstorm_create();
	if (map < 0) {
		perror("BPF_MAP_CREATE");
		return 1;
	}
	end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	while (load_now(CLOCK_MONOTONIC) < end)
		for (int i = 0; i < 64; i++, updates++)
			if (bpfstorm_update(map, (uint32_t)(updates % 1024), updates) < 0)
				return 1;
	printf("{\"pid\": %d, \"cpu_ns\": %llu, \"updates\": %llu}\n", getpid(),
	       (unsigned long long)load_now(CLOCK_PROCESS_CPUTIME_ID), (unsigned long long)updates);
	return 0;
}
