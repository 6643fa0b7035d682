/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * kenv — the environment of the BPF logic: how memory is read and loops are run.
 *
 * The only file that includes helper headers. The logic in the other headers calls nothing but
 * kenv_*(), so that it compiles for the host too, where tests/bpf/kenv-host.h (chosen by
 * CPROF_KENV_HOST) reads from a memory image instead.
 */

#ifdef CPROF_KENV_HOST
#include "kenv-host.h"
#else

#include "cprof/abi.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* 0 or a negative error; never faults. */
#define kenv_read_kernel(dst, sz, addr) bpf_probe_read_kernel((dst), (sz), (const void *)(addr))
#define kenv_read_user(dst, sz, addr) bpf_probe_read_user((dst), (sz), (const void *)(addr))

/* Calls fn(index, ctx) until it returns 1, at most @turns times. */
#define kenv_loop(turns, fn, ctx) bpf_loop((turns), (fn), (ctx), 0)

#define kenv_now() bpf_ktime_get_ns()

/*
 * Loads of what others store meanwhile. x86-64 keeps loads in order, so the compiler alone is to be held.
 */
#define kenv_load(p) (*(const volatile __typeof__(*(p)) *)(p))
#define kenv_fence_acquire() barrier()
#define kenv_load_acquire(p)                        \
	({                                          \
		__typeof__(*(p)) _v = kenv_load(p); \
		kenv_fence_acquire();               \
		_v;                                 \
	})

#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define KENV_ENOENT 2
#define KENV_EFAULT 14
#define KENV_EAGAIN 11
