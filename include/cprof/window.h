/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * window — all data of one interval: processes, unique stacks and how often each was seen.
 *
 * Plain data with 32-bit ids instead of pointers; everything lives in the window's arena or vectors
 * and goes away with window_free(). Filled by fold, read by symbolize and encode.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cprof/abi.h"
#include "cprof/base/arena.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/map.h"
#include "cprof/base/vec.h"

#define WINDOW_NONE UINT32_MAX

/* One generation of a process: (pid, start, exec). */
struct window_process {
	uint64_t start_ns; /* CLOCK_BOOTTIME */
	uint64_t cgroup;
	uint32_t pid;
	uint32_t inner_pid;
	uint32_t exec;
	uint32_t uid;
	uint32_t euid;
	uint32_t cred;
	uint32_t exe; /* object index */
	uint8_t cgroup_hierarchy;
	uint8_t ended; /* an exit told so, or a later generation */
	uint8_t brief; /* it began and ended in the window; set by fold_settle() */
	char comm[3 * CPROF_COMM_SZ + 1]; /* the process's, clean UTF-8 */
	uint64_t samples;		  /* runs */
	uint64_t weight_ns;
	uint64_t cpu_true_ns;  /* by the kernel's account in the window; UINT64_MAX: not known */
	uint64_t complete;     /* samples whose stack reached its root */
	uint32_t first_sample; /* of the chain of its samples; WINDOW_NONE: there is none */
	uint32_t last_sample;
};

/* A located frame: an object of the object table, and a place in it. */
struct window_frame {
	uint64_t offset; /* as in struct cprof_frame */
	uint32_t object; /* object index */
	uint32_t flags;	 /* CPROF_FRAME_* */
};

/* The process that a stack belongs to, because its addresses mean something there only. */
struct window_owner {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t exec;
};

/* Kernel frames first, then user frames, both leaf first: the order of profile.proto. */
struct window_stack {
	const struct window_frame *frames; /* in the arena */
	struct window_owner owner;	   /* all 0: any process may have it */
	uint32_t cnt;
	uint8_t kernel_end; /* enum cprof_stack_end */
	uint8_t user_end;
	uint8_t complete;
};

/* User frames of a stack, leaf first. */
struct window_user {
	const struct window_frame *frames;
	uint32_t cnt;
	uint8_t end; /* enum cprof_stack_end */
};

struct window_sample {
	uint32_t process;
	uint32_t stack;
	uint32_t next; /* of the same process; WINDOW_NONE at the end */
	uint64_t cnt;
	uint64_t weight_ns;
};

/* The bytes of a stack as they came, so that equal ones are found before they are located. */
struct window_raw {
	const void *bytes; /* in the arena */
	uint32_t sz;
	uint32_t stack;
};

struct window {
	struct arena arena;
	VEC(struct window_process) processes;
	VEC(struct window_stack) stacks;
	VEC(struct window_sample) samples;
	uint64_t from_boot_ns, to_boot_ns; /* CLOCK_BOOTTIME */
	uint64_t from_real_ns;		   /* wall time, derived once per window */
	uint64_t missed;
	uint64_t lost;	 /* runs that were dropped or discarded */
	uint64_t gap_ns; /* not sampled before it, since the window before; 0: no gap is known */
	uint32_t hz;
	uint64_t seed;
	struct map process_map, raw_map, stack_map, sample_map; /* fold's indexes */
	VEC(struct window_raw) raws;
};

struct window *window_new(uint64_t from_boot_ns, uint64_t from_real_ns, uint64_t seed);
struct window *window_free(struct window *w);

/* All that it takes of memory. */
size_t window_bytes(const struct window *w);

/* The frames of a stack, to be changed in place by whoever locates them late. */
struct window_frame *window_frames(struct window *w, uint32_t stack);

/*
 * The stack's user frames from now on, behind its @kernel_cnt kernel frames, and why they end; it is complete
 * or not by that. 0, or -ENOMEM and nothing changed. Who changes any calls window_recount() in the end.
 */
int window_set_user(struct window *w, uint32_t stack, uint32_t kernel_cnt,
		    const struct window_user *user);
/* Sums up anew how many samples of each process have complete stacks. */
void window_recount(struct window *w);
/* Did a stack that ends so (enum cprof_stack_end) reach its root? */
bool window_end_is_complete(uint8_t end);

/* Adds the sample at @idx to the chain of its process. */
void window_chain(struct window *w, uint32_t idx);

DEFINE_CLEANUP(struct window *, window_free);
