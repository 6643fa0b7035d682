/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox — what a process gives up for good once it has what it needs: system calls by a table, paths
 * by Landlock, resources by limits. Each role's own table is in its confine.c, with the reason of
 * every row; here is only how a table becomes a filter, and how a kernel that lacks something is found
 * out about.
 *
 * A call that no row allows ends the process with SIGSYS, which whoever waits for it counts. Rows look
 * at the low half of one argument: of all arguments that are looked at the kernel itself takes no more
 * (families, flags, commands, protections), but for what can be done with their upper halves nobody
 * should take this on trust: a row for another kind of argument needs another test.
 *
 * Programs of a build with AddressSanitizer may do what its run time does as well.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct sock_filter;

enum sandbox_test {
	SANDBOX_ALWAYS,
	SANDBOX_EQUAL,	 /* the argument is @value */
	SANDBOX_WITHOUT, /* the argument has none of the bits of @value */
	SANDBOX_SELF,	 /* the argument is our own process id */
};

/* Several rows for one call: any of them will do. The first one that fits decides. */
struct sandbox_call {
	uint16_t nr;
	uint16_t error; /* fails with that, and nobody dies; 0: the kernel does it */
	uint8_t arg;	/* 0 to 5 */
	uint8_t test;	/* enum sandbox_test */
	uint32_t value;
};

#define SANDBOX_CALL(name)       \
	{                        \
		.nr = SYS_##name \
	}
#define SANDBOX_FAIL(name, why)                  \
	{                                        \
		.nr = SYS_##name, .error = (why) \
	}
#define SANDBOX_CALL_IF(name, number, how, what)                          \
	{                                                                 \
		.nr = SYS_##name, .arg = (number), .test = SANDBOX_##how, \
		.value = (uint32_t)(what)                                 \
	}

#define SANDBOX_FILTER_MAX 1024 /* instructions */

/*
 * Writes the filter for a table to SANDBOX_FILTER_MAX places; the number of instructions, or -EINVAL (a row that makes no sense),
 * -E2BIG. No row is for x86-64's numbers as 32-bit programs or x32 use them: those end the process.
 */
int sandbox_compile(const struct sandbox_call *calls, size_t cnt, struct sock_filter *ret);

/* Puts it in force for all threads. 1, 0 where the kernel (or a filter around us) has none, or -errno. */
int sandbox_only_calls(const struct sandbox_call *calls, size_t cnt);

enum sandbox_access {
	SANDBOX_READ = 1,  /* files, directories and all below */
	SANDBOX_WRITE = 2, /* and make, change, move and remove them */
};

struct sandbox_path {
	int fd; /* of a directory, O_PATH will do; negative: as if it were not in the list */
	enum sandbox_access access;
};

/*
 * From now on this thread and those that it starts open, make and remove nothing but below @paths;
 * what is open stays so. It also ends looking into other processes (ptrace(2) and what /proc ties to
 * it), abstract sockets and signals out of the sandbox, and TCP, as far as the kernel knows how.
 * 1, 0 where the kernel has no Landlock, or -errno.
 */
int sandbox_only_paths(const struct sandbox_path *paths, size_t cnt);

struct sandbox_limit {
	int resource;
	rlim_t max;
};

/* Both the limit in force and the one above it; what is lower already stays. 0 or -errno. */
int sandbox_limit(const struct sandbox_limit *limits, size_t cnt);

/* No core, no ptrace(2) by processes of our user, no new privileges. 0 or -errno. */
int sandbox_close(void);

/* Whether this build has a run time that needs room and calls of its own. */
bool sandbox_is_instrumented(void);
