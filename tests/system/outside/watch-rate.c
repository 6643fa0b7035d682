/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch-rate MAP_ID CPU — writes down every period that an array of struct cprof_rate had.
 *
 * The period is drawn anew all the time, so "how many ticks were due" cannot be told from the
 * nominal rate to better than a percent in a short run. This looks at the map from outside, every
 * 20 ms, and prints one line per change: CLOCK_MONOTONIC of the period's begin and its length. Ends
 * with its standard input.
 */

#include <errno.h>
#include <linux/bpf.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cprof/abi.h"

#define INTERVAL_MS 20

static int read_rate(int map, __u32 cpu, struct cprof_rate *ret)
{
	union bpf_attr attr = {
		.map_fd = (__u32)map,
		.key = (__u64)(unsigned long)&cpu,
		.value = (__u64)(unsigned long)ret,
	};

	return (int)syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr));
}

int main(int argc, char *argv[])
{
	union bpf_attr attr = {};
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	__u64 last = 0;
	int map;

	if (argc != 3)
		return 2;
	attr.map_id = (__u32)strtoul(argv[1], NULL, 10);
	map = (int)syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));
	if (map < 0) {
		perror("BPF_MAP_GET_FD_BY_ID");
		return 1;
	}
	while (poll(&in, 1, INTERVAL_MS) == 0) {
		struct cprof_rate rate = {};

		if (read_rate(map, (__u32)strtoul(argv[2], NULL, 10), &rate) < 0)
			return 1;
		if (rate.epoch % 2 || rate.epoch == last || rate.since_ns == 0)
			continue;
		last = rate.epoch;
		printf("%llu %llu\n", (unsigned long long)rate.since_ns,
		       (unsigned long long)rate.period_ns);
		fflush(stdout);
	}
	return 0;
}
