/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * daemon: what the daemon has and a recording has not: a configuration, a place for profiles, sockets
 * that strangers connect to, users of its own.
 */

#include "cprof/config.h"
#include "options.h"
#include "places.h"
#include "sockets.h"
#include "users.h"

#define DAEMON_PROBLEM_SZ 256

struct daemon {
	const struct options *options;
	struct config config;
	struct users users;
	struct sockets sockets;
	int lock;
	int spool;
	struct places_attempt attempt; /* to write there, until it is over */
	char problem
		[DAEMON_PROBLEM_SZ]; /* the first error of the configuration, when it was read */
};

/* Runs to the end; the exit status. */
int daemon_run(const struct options *o);

/*
 * --prepare: the directory of profiles is made and is the sampler's, so that the daemon itself needs no right to
 * give it away. The exit status.
 */
int daemon_make_place(const struct options *o);

/* --check: the exit status. */
int daemon_check(const struct options *o);

/*
 * Reads the configuration again. 0; -EINVAL or another: it is as it was, and the problems were told.
 * What was fixed at the start stays, with a line that says so.
 */
int daemon_reload(struct daemon *d);
