/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cprofd — the launcher: starts, kills, reaps and restarts the roles, each under its own identity,
 * for one recording (--session) or as the daemon.
 *
 * It is the only process that has everybody's capabilities, so it does as little as it can: of files
 * it reads root's own configuration, no profile is seen, and from the roles come four fixed messages.
 * What the roles say to each other goes over sockets that it makes and forgets.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "crew.h"
#include "daemon.h"
#include "options.h"
#include "roles.h"

#define LAUNCHER_USAGE 2

/* Descriptors 0 to 2 are never anything else than what they should be. */
static int launcher_fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	(void)close(fd);
	return 0;
}

static int launcher_check_socket(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int launcher_session(const struct options *o)
{
	int r;

	if (geteuid() != 0) {
		log_error(0, "not started as root: it needs BPF and perf events; use sudo");
		return EXIT_FAILURE;
	}
	r = launcher_check_socket(o->session_fd);
	if (r < 0) {
		log_error(r,
			  "--session: descriptor %d is no client's socket: %m; use cprofctl record",
			  o->session_fd);
		return LAUNCHER_USAGE;
	}
	/* Ctrl-C is for the client, who asks for the end in its own words. */
	(void)setpgid(0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	return crew_run(&(struct crew_opts){
		.client = o->session_fd,
		.programs = o->programs,
		.verbose = o->verbose,
	});
}

/* The file may be a stranger's: the sampler's program reads it, with no right but the caller's. */
static int launcher_replay(const struct options *o)
{
	const int i = roles_by_name("sampler", strlen("sampler"));
	const char *argv[] = { role_specs[i].program,	"--replay", o->replay,
			       o->output ? "-o" : NULL, o->output,  NULL };
	_cleanup_close_ int fd = roles_open_program(&role_specs[i], o->programs[i]);
	int r = fd;

	if (fd >= 0) {
		(void)execveat(fd, "", (char *const *)(uintptr_t)argv, environ, AT_EMPTY_PATH);
		r = -errno;
	}
	log_error(r, "--replay: cannot run %s: %m; check the installation", role_specs[i].program);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options o;

	if (launcher_fill_stdio() < 0)
		return EXIT_FAILURE;
	log_open("cprofd", LOG_LEVEL_INFO);
	if (options_parse(&o, argc, argv) < 0)
		return LAUNCHER_USAGE;
	if (o.done)
		return EXIT_SUCCESS;
	if (o.verbose)
		log_open("cprofd", LOG_LEVEL_DEBUG);
	if (o.replay)
		return launcher_replay(&o);
	if (o.session)
		return launcher_session(&o);
	if (o.prepare)
		return daemon_make_place(&o);
	return o.check ? daemon_check(&o) : daemon_run(&o);
}
