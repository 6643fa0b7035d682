/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The daemon before its first role: everything that can be wrong with the configuration, the rights,
 * the directories and the sockets is found here, told in one line, and ends with status 1. What takes
 * root happens before the launcher drops what it does not hand out; therefore directory, sockets and
 * group are fixed from then on, and a reload that changes them says that they wait for a restart.
 */

#include "daemon.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/root.h"
#include "crew.h"
#include "identity.h"
#include "places.h"
#include "precedence.h"

static void daemon_on_problem(const char *text, bool error, void *ctx)
{
	struct daemon *d = ctx;

	log_line(error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, 0, "%s", text);
	if (error && d->problem[0] == '\0')
		(void)snprintf(d->problem, sizeof(d->problem), "%s", text);
}

static int daemon_load(struct daemon *d, struct config *ret)
{
	_cleanup_(root_done) struct root root = ROOT_INIT;
	const struct config_source source = {
		.root = &root,
		.file = d->options->config,
		.options = d->options->settings,
		.options_cnt = d->options->settings_cnt,
		.on_problem = daemon_on_problem,
		.ctx = d,
	};
	int r;

	d->problem[0] = '\0';
	r = root_open(&root, "/");
	if (r < 0)
		return log_error(r, "/: %m");
	return config_load(&source, ret);
}

static void daemon_keep(char *fresh, const char *old, size_t sz, const char *key)
{
	if (strcmp(fresh, old) == 0)
		return;
	log_warning(0, "%s=%s: it stays %s until the next start", key, fresh, old);
	(void)memcpy(fresh, old, sz);
}

int daemon_reload(struct daemon *d)
{
	struct config fresh, *now = &d->config;
	int r;

	r = daemon_load(d, &fresh);
	if (r < 0)
		return r;
	daemon_keep(fresh.directory, now->directory, sizeof(now->directory), "Directory");
	daemon_keep(fresh.socket, now->socket, sizeof(now->socket), "Socket");
	daemon_keep(fresh.group, now->group, sizeof(now->group), "Group");
	*now = fresh;
	return 0;
}

int daemon_check(const struct options *o)
{
	struct daemon d = { .options = o };

	if (daemon_load(&d, &d.config) < 0)
		return EXIT_FAILURE;
	(void)puts("cprofd: the configuration is good");
	return EXIT_SUCCESS;
}

/* Without these there is nothing to run; without the opener's only names are missing. */
static int daemon_check_rights(void)
{
	static const uint64_t needed = IDENTITY_CAP(CAP_BPF) | IDENTITY_CAP(CAP_PERFMON) |
				       IDENTITY_CAP(CAP_SETUID) | IDENTITY_CAP(CAP_SETGID) |
				       IDENTITY_CAP(CAP_SETPCAP) | IDENTITY_CAP(CAP_KILL);
	char names[256];

	if (geteuid() != 0)
		return log_error(-EPERM, "not started as root: it needs BPF and perf events; use"
					 " systemctl start cprofd, or sudo");
	if (identity_missing(needed, names, sizeof(names)) != 0)
		return log_error(-EPERM,
				 "root without %s: it cannot run; give it the capability"
				 " (a container: --cap-add)",
				 names);
	if (identity_missing(roles_launcher_caps(), names, sizeof(names)) != 0)
		log_warning(0, "root without %s: some names will be missing", names);
	return 0;
}

static void daemon_done(struct daemon *d)
{
	places_attempt_done(&d->attempt);
	sockets_done(&d->sockets);
	d->spool = fd_close(d->spool);
	d->lock = fd_close(d->lock);
}

static struct places_owner daemon_owner(struct daemon *d)
{
	const int sampler = roles_by_name("sampler", strlen("sampler"));

	users_find(d->config.group, &d->users);
	return (struct places_owner){
		.uid = d->users.roles[sampler].uid,
		.gid = d->users.roles[sampler].gid,
	};
}

int daemon_make_place(const struct options *o)
{
	struct daemon d = { .options = o };
	struct places_owner owner;

	(void)umask(022);
	if (daemon_load(&d, &d.config) < 0)
		return EXIT_FAILURE;
	owner = daemon_owner(&d);
	return places_prepare(d.config.directory, &owner) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int daemon_prepare(struct daemon *d)
{
	struct places_owner owner;
	int r;

	r = places_runtime(d->config.socket, &d->lock);
	if (r < 0)
		return r;
	owner = daemon_owner(d);
	r = places_profiles(d->config.directory, &owner, &d->attempt, &d->spool);
	if (r < 0)
		return r;
	return sockets_open(d->config.socket, &d->sockets);
}

int daemon_run(const struct options *o)
{
	_cleanup_(daemon_done) struct daemon d = {
		.options = o,
		.sockets = SOCKETS_INIT,
		.lock = -EBADF,
		.spool = -EBADF,
		.attempt = PLACES_ATTEMPT_INIT,
	};

	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	precedence_take();
	if (daemon_load(&d, &d.config) < 0 || daemon_check_rights() < 0)
		return EXIT_FAILURE;
	if (daemon_prepare(&d) < 0)
		return EXIT_FAILURE;
	return crew_run(&(struct crew_opts){
		.client = -EBADF,
		.programs = o->programs,
		.verbose = o->verbose,
		.daemon = &d,
	});
}
