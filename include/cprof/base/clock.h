/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* clock — the three clocks in nanoseconds. For programs and tests; modules take times as arguments. */

#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_TICK 10000000ULL /* of /proc/PID/stat: USER_HZ is 100 on all of x86 */

uint64_t clock_mono_ns(void); /* what bpf_ktime_get_ns() reads */
uint64_t clock_boot_ns(void); /* what bpf_ktime_get_boot_ns() and start times read */
uint64_t clock_real_ns(void);

/* The next whole second after it: what is due once a second is due at one time. */
static inline uint64_t clock_next_second(uint64_t now_ns)
{
	return (now_ns / NSEC_PER_SEC + 1) * NSEC_PER_SEC;
}
