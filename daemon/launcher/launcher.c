/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cprofd — the launcher: starts, kills, reaps and restarts the roles, each under its own identity.
 *
 * It is the only process that has everybody's capabilities, so it does as little as it can: no
 * file of anyone is read, no profile is seen, and from the roles come two fixed messages. What the
 * roles say to each other goes over sockets that it makes and forgets.
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
#include "identity.h"
#include "roles.h"

#define LAUNCHER_USAGE 2

struct launcher_options {
	bool session;
	bool verbose;
	int session_fd;
	const char *replay; /* the file; NULL: no replay */
	const char *output;
	const char *programs[ROLES_CNT];
	bool done; /* --help or --version was answered */
};

struct launcher_option {
	const char *name;
	const char *argument; /* NULL: takes none */
	const char *help;
	int (*set)(struct launcher_options *o, const char *value);
};

static int launcher_set_session(struct launcher_options *o, const char *value)
{
	o->session = true;
	return 0;
}

static int launcher_set_session_fd(struct launcher_options *o, const char *value)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || fd <= STDERR_FILENO || fd > 1 << 20)
		return -EINVAL;
	o->session_fd = (int)fd;
	return 0;
}

static int launcher_set_role(struct launcher_options *o, const char *value)
{
	const char *eq = strchr(value, '=');
	int i;

	if (!eq || eq[1] == '\0')
		return -EINVAL;
	i = roles_by_name(value, (size_t)(eq - value));
	if (i < 0)
		return -EINVAL;
	o->programs[i] = eq + 1;
	return 0;
}

static int launcher_set_replay(struct launcher_options *o, const char *value)
{
	o->replay = value;
	return 0;
}

static int launcher_set_output(struct launcher_options *o, const char *value)
{
	o->output = value;
	return *value ? 0 : -EINVAL;
}

static int launcher_set_verbose(struct launcher_options *o, const char *value)
{
	o->verbose = true;
	return 0;
}

static int launcher_help(struct launcher_options *o, const char *value);

static int launcher_version(struct launcher_options *o, const char *value)
{
	(void)puts("cprofd " CPROF_VERSION);
	o->done = true;
	return 0;
}

static const struct launcher_option launcher_option_table[] = {
	{ "session", NULL, "record for one client, then end (what cprofctl starts)",
	  launcher_set_session },
	{ "session-fd", "N", "the socket to that client, inherited (default: 3)",
	  launcher_set_session_fd },
	{ "role", "ROLE=PATH", "run this program as sampler, opener or symbolizer",
	  launcher_set_role },
	{ "replay", "FILE", "make the profiles of a file of cprofctl record --raw again",
	  launcher_set_replay },
	{ "output", "DIR", "with --replay, also -o DIR: where to (default: here)",
	  launcher_set_output },
	{ "verbose", NULL, "say more, the roles too", launcher_set_verbose },
	{ "help", NULL, "show this", launcher_help },
	{ "version", NULL, "show the version", launcher_version },
};

static int launcher_help(struct launcher_options *o, const char *value)
{
	(void)puts("Usage: cprofd [OPTION...]\n\n"
		   "Profiles every process of this machine. Started as root.\n");
	for (size_t i = 0; i < ELEMENTSOF(launcher_option_table); i++) {
		const struct launcher_option *opt = &launcher_option_table[i];
		char form[64];

		(void)snprintf(form, sizeof(form), "%s%s%s", opt->name, opt->argument ? "=" : "",
			       opt->argument ?: "");
		(void)printf("  --%-20s %s\n", form, opt->help);
	}
	(void)puts("\nTo record now: cprofctl record --help");
	o->done = true;
	return 0;
}

static const struct launcher_option *launcher_find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < ELEMENTSOF(launcher_option_table); i++) {
		const struct launcher_option *opt = &launcher_option_table[i];

		if (strlen(opt->name) == len && memcmp(opt->name, name, len) == 0)
			return opt;
	}
	return NULL;
}

static int launcher_usage(const char *what, const char *arg)
{
	return log_error(-EINVAL, "%s: %s; see cprofd --help", arg, what);
}

/* Takes argv[*pos] and, where the option wants one, the value behind it. */
static int launcher_parse_one(struct launcher_options *o, char **argv, int *pos)
{
	const struct launcher_option *opt = NULL;
	const char *arg = argv[(*pos)++];
	const char *value;

	if (strcmp(arg, "-o") == 0)
		opt = launcher_find_option("output", strlen("output"));
	else if (strncmp(arg, "--", 2) == 0)
		opt = launcher_find_option(arg + 2, strcspn(arg + 2, "="));
	if (!opt)
		return launcher_usage("no such option", arg);
	value = strchr(arg, '=');
	value = value ? value + 1 : NULL;
	if (!opt->argument && value)
		return launcher_usage("takes no value", arg);
	if (opt->argument && !value) {
		value = argv[*pos];
		if (!value)
			return launcher_usage("needs a value", arg);
		(*pos)++;
	}
	if (opt->set(o, value) < 0)
		return launcher_usage("wrong value", arg);
	return 0;
}

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

static int launcher_session(const struct launcher_options *o)
{
	_cleanup_(crew_freep) struct crew *crew = NULL;
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
	if (o->verbose)
		log_open("cprofd", LOG_LEVEL_DEBUG);
	/* Ctrl-C is for the client, who asks for the end in its own words. */
	(void)setpgid(0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	r = identity_limit(roles_launcher_caps());
	if (r < 0) {
		log_error(r, "cannot drop capabilities: %m; CAP_SETPCAP is needed");
		return EXIT_FAILURE;
	}
	r = crew_new(o->session_fd, o->programs, o->verbose, &crew);
	if (r < 0)
		return EXIT_FAILURE;
	return crew_run(crew);
}

/* The file may be a stranger's: the sampler's program reads it, with no right but the caller's. */
static int launcher_replay(const struct launcher_options *o)
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
	struct launcher_options o = { .session_fd = 3 };

	if (launcher_fill_stdio() < 0)
		return EXIT_FAILURE;
	log_open("cprofd", LOG_LEVEL_INFO);
	for (int pos = 1; pos < argc && !o.done;)
		if (launcher_parse_one(&o, argv, &pos) < 0)
			return LAUNCHER_USAGE;
	if (o.done)
		return EXIT_SUCCESS;
	if (o.replay)
		return launcher_replay(&o);
	if (!o.session) {
		log_error(0, "the daemon mode is not built yet; use cprofctl record");
		return LAUNCHER_USAGE;
	}
	return launcher_session(&o);
}
