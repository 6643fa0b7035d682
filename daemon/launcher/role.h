/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * role: the life of one role: started, watched, ended, started again after a pause that doubles.
 *
 * A process that is being replaced is killed and abandoned: one that hangs in the kernel dies late or
 * never, and nobody waits for it. The number of the living abandoned is bounded.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cprof/base/log.h"
#include "cprof/base/loop.h"
#include "cost.h"
#include "roles.h"

#define ROLE_ABANDONED_MAX 4

struct crew;
struct rusage;

struct role {
	const struct role_spec *spec;
	struct crew *crew;
	int binary;
	int control; /* our end; -EBADF when there is no process */
	struct loop_source *control_source;
	struct loop_source *restart_timer;
	pid_t pid; /* 0: not running */
	pid_t abandoned[ROLE_ABANDONED_MAX];
	uint64_t started_ns;
	uint64_t ended_ns;     /* of the one before */
	unsigned quick_deaths; /* in a row */
	unsigned restarts;
	unsigned violations; /* ends by SIGSYS */
	uint16_t layers;     /* of the sandbox, as it said; none: it did not */
	uint16_t missing;
	uint64_t dead_cpu_ns; /* of its processes that are no more */
	struct cost_memory memory;
	struct log_limit deaths;
	bool ready;
	bool given_up;
};

int role_init(struct role *role, struct crew *crew, const struct role_spec *spec);
void role_done(struct role *role);

/* Starts a process and connects it with its running neighbours; 0 or -errno. */
int role_start(struct role *role);

/* Asks to end (STOP), or makes it end (SIGKILL; the dead are reaped by the crew). */
void role_stop(struct role *role);
void role_kill(struct role *role);

/* Kills and abandons the process, with one log line that says @why, and starts another one. */
void role_replace(struct role *role, const char *why);

/*
 * As that, without a word and at once: nothing is wrong with it, but what it still has to do is for
 * somebody who is no more.
 */
void role_renew(struct role *role);

/* The process is gone; @status is waitpid(2)'s. */
void role_reaped(struct role *role, int status);

/* Of the daemon: it died young so often that it is started seldom. */
bool role_is_slow(const struct role *role);

/* What all its processes have cost so far. */
void role_cost(struct role *role, uint64_t now_ns, struct wire_cost *ret);
void role_count_cpu(struct role *role, const struct rusage *used);
/* A process of it ended; @status is waitpid(2)'s. True: for a call that it may not make. */
bool role_count_violation(struct role *role, int status);

/* Whether any process of it may still live, an abandoned one included. */
bool role_is_left(const struct role *role);

/* Forgets an abandoned process that was reaped; false when it is none of this role's. */
bool role_forget(struct role *role, pid_t pid);
