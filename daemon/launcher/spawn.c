/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The launcher has one thread and little memory, so a plain fork is cheap and the child may use
 * ordinary code. The executable was opened as root beforehand: the role's own uid need not reach its
 * path (a build tree under a home directory), and nobody can swap it between two starts.
 *
 * The order matters: the bounds of the identity need our capabilities; a change of credentials
 * clears the death signal, so that is set afterwards, and the parent may have died before it was.
 */

#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/wire.h"

#define SPAWN_BINARY_FD (WIRE_CONTROL_FD + 1)
#define SPAWN_NOT_RUN 127

/* Standard input is empty, output goes where errors go: ours may be a pipe that waits for its end. */
static int spawn_arrange_fds(const struct spawn *s)
{
	int null, binary, control;

	/* First out of the way of the numbers they get: never freed again, this process execs. */
	binary = fcntl(s->binary, F_DUPFD_CLOEXEC, SPAWN_BINARY_FD + 1);
	control = fcntl(s->control, F_DUPFD_CLOEXEC, SPAWN_BINARY_FD + 1);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (binary < 0 || control < 0 || null < 0)
		return -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    dup2(control, WIRE_CONTROL_FD) < 0 || dup3(binary, SPAWN_BINARY_FD, O_CLOEXEC) < 0)
		return -errno;
	return close_range(SPAWN_BINARY_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int spawn_reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* fails for KILL, STOP and libc's own */
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* Precedence is for whoever samples a busy machine, not for those who read its files. */
static int spawn_give_way(void)
{
	if (getpriority(PRIO_PROCESS, 0) >= 0)
		return 0;
	return setpriority(PRIO_PROCESS, 0, 0) < 0 ? -errno : 0;
}

static int spawn_prepare(const struct spawn *s, pid_t parent)
{
	int r;

	/* A session of its own is a group of its own for the scheduler, too (sched(7), autogroup). */
	r = s->identity->first ? setpgid(0, 0) : setsid();
	if (r < 0)
		return -errno;
	r = spawn_arrange_fds(s);
	if (r < 0)
		return r;
	r = spawn_reset_signals();
	if (r < 0)
		return r;
	if (!s->identity->first) {
		r = spawn_give_way();
		if (r < 0)
			return r;
	}
	r = identity_take(s->identity);
	if (r < 0)
		return r;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static _Noreturn void spawn_exec(const struct spawn *s, pid_t parent)
{
	const char *argv[] = { s->name, s->verbose ? "--verbose" : NULL, NULL };
	const char *envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL };
	char *const *args = (char *const *)(uintptr_t)argv;
	char *const *env = (char *const *)(uintptr_t)envp;
	int r;

	r = spawn_prepare(s, parent);
	if (r < 0) {
		log_error(r, "%s: cannot take its identity: %m", s->name);
		_exit(SPAWN_NOT_RUN);
	}
	(void)execveat(SPAWN_BINARY_FD, "", args, env, AT_EMPTY_PATH);
	/* A script: its interpreter opens it by the descriptor, which must outlive the exec. */
	if (errno == ENOENT && fcntl(SPAWN_BINARY_FD, F_SETFD, 0) == 0)
		(void)execveat(SPAWN_BINARY_FD, "", args, env, AT_EMPTY_PATH);
	log_error(-errno, "%s: cannot be run: %m", s->name);
	_exit(SPAWN_NOT_RUN);
}

int spawn_start(const struct spawn *s, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		spawn_exec(s, parent);
	*ret_pid = pid;
	return 0;
}
