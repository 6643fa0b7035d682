/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * control — what the front asks of the sampler, over the socketpair that the launcher made.
 *
 *	front -> sampler	STATUS, PROCESSES (bare heads), CLIENT (with a connection)
 *	sampler -> front	STATUS (inline), PROCESSES (with a sealed memfd of struct control_process[])
 *
 * Same framing as wire.h; ids are echoed. The front is the weaker side: the sampler checks all that it
 * says, and never waits for it. Whom a client may see is decided by the front and enforced by the
 * sampler: a client without CONTROL_ALL gets samples of processes of its own uid only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/counters.h"
#include "cprof/wire.h"

enum control_type {
	CONTROL_STATUS = 128,
	CONTROL_PROCESSES,
	CONTROL_CLIENT,
	CONTROL_TYPE_MAX,
};

enum control_client_flag { CONTROL_ALL = 1 };

/* A connection that will speak the session protocol (session.h); it comes with the message. */
struct control_client {
	struct wire_head head;
	uint32_t uid; /* of the peer */
	uint32_t flags;
};

#define CONTROL_DEGRADED_MAX 8
#define CONTROL_TEXT_SZ 256
#define CONTROL_VERSION_SZ 32

/* As interface.md's status --json, in nanoseconds and bytes. */
struct control_status {
	struct wire_head head;
	char version[CONTROL_VERSION_SZ];
	char event[32];
	uint64_t uptime_ns;
	uint64_t from_real_ns; /* of the open window */
	uint64_t window_ns;
	uint32_t hz;
	uint32_t cpus;
	uint32_t degraded_cnt;
	uint32_t sessions; /* recordings under way */
	char degraded[CONTROL_DEGRADED_MAX][CONTROL_TEXT_SZ];
	struct counters counters;
	struct books books;
	uint64_t stack_ends[64]; /* samples by enum cprof_stack_end of the user stack */
	uint32_t counters_cnt;	 /* COUNTER_MAX of the sender */
	uint32_t roles_cnt;
	struct wire_cost roles[WIRE_COSTS_MAX];
	uint64_t bpf_bytes;
	uint64_t gap_ns; /* not sampled before this run, since the last window of the one before */
	uint64_t spool_files, spool_bytes, spool_evicted, spool_quarantined, spool_windows,
		spool_windows_failed, spool_merged;
	uint64_t next_rotation_ns; /* CLOCK_MONOTONIC */
	uint64_t minute_ns;	   /* CPU time in the last minute: all roles and BPF */
	uint64_t minute_max_ns;	   /* what CPU= allows of it */
	uint64_t memory_max;	   /* what Memory= allows, of the roles' and of BPF's bytes */
};

/* A process of the last whole window. */
struct control_process {
	uint64_t start_ticks;
	uint64_t samples, weight_ns, complete;
	uint32_t pid, exec, uid, euid;
	uint32_t cred; /* as in struct window_process */
	uint32_t pad;
	char comm[64]; /* clean, terminated */
	char unit[128];
	char container[80];
};

#define CONTROL_PROCESSES_MAX (1u << 20)

struct control_processes {
	struct wire_head head; /* with the memfd */
	uint64_t window_ns;    /* how long it was; 0: there is none yet */
	uint64_t from_real_ns;
	uint32_t cnt;
	uint32_t cpus;
};

/*
 * As wire_check(): the type, or -EBADMSG. Texts are terminated and clean, counts within bounds. STATUS
 * and PROCESSES are bare heads as questions and whole structures as answers: head.size tells which.
 */
int control_check(const void *msg, size_t sz);

/* One of those in the memfd: texts terminated and clean, nothing complete that is no sample. */
bool control_process_is_valid(const struct control_process *p);
