/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox — what a process gives up for good once it has what it needs: system calls by a table, paths
 * by Landlock, resources by limits. Each role's own table is in its confine.c, with the reason of
 * every row; here is only how a table becomes a filter, and how a kernel that lacks something is found
 * out about.
 *
 * A call that no row allows ends the process with SIGSYS, which whoever waits for it counts. Rows look
 * at the low halves of arguments: of all arguments that are looked at the kernel itself takes no more
 * (families, flags, commands, protections), but for what can be done with their upper halves nobody
 * should take this on trust: a row for another kind of argument needs another test.
 *
 * Programs of a build with AddressSanitizer may do what its run time does as well.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sock_filter;

enum sandbox_test {
	SANDBOX_ALWAYS,
	SANDBOX_EQUAL,	 /* the argument is @value */
	SANDBOX_WITHOUT, /* the argument has none of the bits of @value */
	SANDBOX_SELF,	 /* the argument is our own process id */
};

struct sandbox_arg {
	uint8_t arg;  /* 0 to 5 */
	uint8_t test; /* enum sandbox_test */
	uint32_t value;
};

/* Several rows for one call: any of them will do. The first one that fits, in both arguments, decides. */
struct sandbox_call {
	uint16_t nr;
	uint16_t error; /* fails with that, and nobody dies; 0: the kernel does it */
	struct sandbox_arg args[2];
};

#define SANDBOX_CALL(name)       \
	{                        \
		.nr = SYS_##name \
	}
#define SANDBOX_FAIL(name, why)                  \
	{                                        \
		.nr = SYS_##name, .error = (why) \
	}
#define SANDBOX_ARG(number, how, what)                                            \
	{                                                                         \
		.arg = (number), .test = SANDBOX_##how, .value = (uint32_t)(what) \
	}
#define SANDBOX_CALL_IF(name, number, how, what)                             \
	{                                                                    \
		.nr = SYS_##name, .args = { SANDBOX_ARG(number, how, what) } \
	}
#define SANDBOX_CALL_IFS(name, ...)                       \
	{                                                 \
		.nr = SYS_##name, .args = { __VA_ARGS__ } \
	}

/*
 * What every program of ours does. malloc(): as large as it likes, never executable; qsort() asks for the
 * size of memory. And a proper end, also by assert() or a smashed stack, so that whoever counts deaths by
 * SIGSYS counts no others: a line to stderr and a signal to itself. The clock is a call where the vDSO has
 * none; a wait that a debugger or SIGSTOP interrupted goes on by restart_syscall().
 */
#define SANDBOX_HEAP                                                                      \
	SANDBOX_CALL(brk), SANDBOX_CALL(munmap), SANDBOX_CALL(mremap),                    \
		SANDBOX_CALL_IFS(mmap, SANDBOX_ARG(2, WITHOUT, PROT_EXEC),                \
				 SANDBOX_ARG(3, EQUAL, MAP_PRIVATE | MAP_ANONYMOUS)),     \
		SANDBOX_CALL_IF(madvise, 2, EQUAL, MADV_DONTNEED), SANDBOX_CALL(sysinfo), \
		SANDBOX_CALL(getrandom)
#define SANDBOX_END                                                                              \
	SANDBOX_CALL(exit_group), SANDBOX_CALL_IF(write, 0, EQUAL, STDERR_FILENO),               \
		SANDBOX_CALL_IF(writev, 0, EQUAL, STDERR_FILENO), SANDBOX_CALL(rt_sigprocmask),  \
		SANDBOX_CALL(getpid), SANDBOX_CALL(gettid), SANDBOX_CALL_IF(tgkill, 0, SELF, 0), \
		SANDBOX_CALL(clock_gettime), SANDBOX_CALL(restart_syscall)

#define SANDBOX_FILTER_MAX 1024 /* instructions */

/*
 * Writes the filter for a table to SANDBOX_FILTER_MAX places; the number of instructions, or -EINVAL (a row that makes no sense),
 * -E2BIG. No row is for x86-64's numbers as 32-bit programs or x32 use them: those end the process.
 */
int sandbox_compile(const struct sandbox_call *calls, size_t cnt, struct sock_filter *ret);

/* Puts it in force for all threads. 1, 0 where the kernel (or a filter around us) has none, or -errno. */
int sandbox_only_calls(const struct sandbox_call *calls, size_t cnt);

enum sandbox_access {
	SANDBOX_LIST,  /* directories and the names in them */
	SANDBOX_READ,  /* files, directories and all below */
	SANDBOX_WRITE, /* and make, change, move and remove them */
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
