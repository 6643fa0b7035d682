/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sampler — who samples for us: a daemon that answers, or a private cprofd, which takes root. Every
 * command that needs samples comes here, so that all of them fail with the same words.
 */

#include <stdbool.h>

#include "cprof/base/clock.h"
#include "cprof/base/vec.h"
#include "ctl.h"
#include "options.h"
#include "problem.h"
#include "session-client.h"

/* Which programs, where they are not found by themselves: options that only tests use. */
struct sampler_choice {
	const char *cprofd;	 /* NULL: beside cprofctl, or where it is installed */
	VEC(const char *) roles; /* NAME=PATH */
};

/* --cprofd and --role, which no help shows. */
struct option_set sampler_options(struct sampler_choice *choice);
void sampler_choice_done(struct sampler_choice *choice);

/* What a daemon gets for its first answer; a private cprofd has more, for it is started first. */
#define SAMPLER_FIRST_ANSWER_NS (20 * NSEC_PER_SEC)

/*
 * Connects to a daemon, or finds that we may start a cprofd; else -errno and *ret_problem. @by_pid:
 * processes will be named by their pids, so that it must know them by the same.
 */
int sampler_find(struct session_client *c, const struct ctl_globals *globals, bool by_pid,
		 struct problem *ret_problem);
/* Starts a private cprofd where no daemon answered; @mask is the signal mask that it gets. */
int sampler_start(struct session_client *c, const struct sampler_choice *choice, bool verbose,
		  const sigset_t *mask, struct problem *ret_problem);

/*
 * Why a recording did not begin, or broke off: 0: it hung up; -EBADMSG: it does not keep the protocol;
 * -ETIMEDOUT: it says nothing. A daemon is asked for its version, if it still speaks.
 */
void sampler_explain(const struct session_client *c, int error, struct problem *ret_problem);
