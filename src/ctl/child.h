/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * child — a program that we start: the command to be recorded, or a private cprofd.
 *
 * child_fork() makes the process but lets it wait, so that its number can be told to the sampler
 * before its first instruction; child_release() lets it exec, and brings back the errno when that
 * fails. A child whose parent goes away before that ends without having run.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cprof/base/cleanup.h"

struct child {
	pid_t pid; /* 0: none, or reaped */
	int pidfd;
	int gate;	 /* our end; the child execs when a byte comes */
	int status;	 /* as of wait4(2), once it is reaped */
	uint64_t cpu_ns; /* user and system time, of its reaped children too */
};

#define CHILD_INIT ((struct child){ .pidfd = -EBADF, .gate = -EBADF })

struct child_setup {
	char *const *argv;
	const sigset_t *mask; /* the signal mask it starts with */
	/*
	 * >= 0: a helper of ours: this descriptor becomes 3, nothing else is inherited, stdin is
	 * /dev/null, stdout goes to stderr, and it sits in a process group of its own, so that the
	 * terminal's Ctrl-C is not for it. -EBADF: the command of the user, all stays as it is.
	 */
	int control_fd;
	bool search; /* look for argv[0] in PATH */
};

int child_fork(struct child *c, const struct child_setup *setup);

/* 0 when the program runs, or the -errno of its exec (the child is then reaped). */
int child_release(struct child *c);

/* Reaps it if it has ended: true when it is gone. */
bool child_reap(struct child *c);

/* Waits at most @timeout_ms, then kills its process group when it has its own, else itself. */
void child_finish(struct child *c, int timeout_ms, bool group);

/* Lets go: a child that still waits ends; one that runs is left alone. */
void child_done(struct child *c);

/* As a shell reports it: the exit status, or 128 and the signal. */
int child_exit_status(int wait_status);
