/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cost: what a process of ours costs, asked of the kernel. */

#include <stdint.h>
#include <sys/types.h>

/* CPU time that a living process has used; 0 when it cannot be told. */
uint64_t cost_cpu_ns(pid_t pid);

/* Its proportional share of memory; 0 when it cannot be told. */
uint64_t cost_pss_bytes(pid_t pid);
