/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * storm — what the workloads that start many short processes share: each child is known by pid and
 * start time, and what the kernel charged it is written down, one line for each: the truth that a
 * recording is held against.
 */

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "load.h"

extern char **environ;

/* Field 22 of /proc/PID/stat: of a process that has ended and was not waited for yet, too. */
static inline unsigned long long storm_start_ticks(pid_t pid)
{
	char path[32], text[1024];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/* Waits for any child (or returns 0 if none has ended and @options has WNOHANG) and logs it. */
static inline pid_t storm_reap(FILE *log, int options, const char *(*name_of)(pid_t pid))
{
	unsigned long long start;
	struct rusage ru;
	siginfo_t info = { 0 };
	long long us;

	if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | options) < 0 || info.si_pid == 0)
		return 0;
	start = storm_start_ticks(info.si_pid);
	if (wait4(info.si_pid, NULL, 0, &ru) < 0)
		return 0;
	us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000LL + ru.ru_utime.tv_usec +
	     ru.ru_stime.tv_usec;
	fprintf(log, "%d %llu %lld %s\n", info.si_pid, start, us,
		name_of ? name_of(info.si_pid) : "-");
	return info.si_pid;
}

static inline pid_t storm_spawn(const char *program, char *const argv[])
{
	pid_t pid;
	int r = posix_spawn(&pid, program, NULL, NULL, argv, environ);

	if (r != 0) {
		fprintf(stderr, "%s: %s\n", program, strerror(r));
		exit(1);
	}
	return pid;
}
