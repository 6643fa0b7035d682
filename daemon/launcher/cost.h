/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cost: what a process of ours costs, asked of the kernel. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CPU time that a living process has used; 0 when it cannot be told. */
uint64_t cost_cpu_ns(pid_t pid);

/*
 * Its proportional share of memory; 0 when it cannot be told. @has_maps: what it has mapped of BPF maps does not count,
 * for these are counted by themselves.
 */
uint64_t cost_pss_bytes(pid_t pid, bool has_maps);

/* That of one process, as it was last asked for. */
struct cost_memory {
	pid_t pid;
	uint64_t again_ns, pause_ns;
	uint64_t own_bytes, pss_bytes;
};

/*
 * The same for who asks again and again: asked of the kernel once a minute, of a young process more often, and when
 * memory of no file moved by more than a quarter; between that carried on by it.
 */
uint64_t cost_memory_bytes(struct cost_memory *m, pid_t pid, bool has_maps, uint64_t now_ns);

/* CPU time of what it started and saw ending, in ticks of 10 ms; 0 when it cannot be told. */
uint64_t cost_reaped_ns(pid_t pid);
/* What it started and what lives: how many, at most @max. */
size_t cost_children(pid_t pid, pid_t *ret, size_t max);

/*
 * How long its first thread was ready to run and waited for a CPU, in all; 0 when it cannot be told. What it waits
 * for now is in it when it runs.
 */
uint64_t cost_waited_ns(pid_t pid);
