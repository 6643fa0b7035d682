/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A daemon is asked first: it samples for callers who may not. Without one root gets a cprofd of its
 * own, and others are told so before anything is started or written.
 */

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/log.h"
#include "cprof/base/str.h"
#include "find-cprofd.h"
#include "sampler.h"

static int set_cprofd(void *ctx, const char *arg)
{
	struct sampler_choice *choice = ctx;

	choice->cprofd = arg;
	return 0;
}

static int set_role(void *ctx, const char *arg)
{
	struct sampler_choice *choice = ctx;

	return strchr(arg, '=') ? vec_push(&choice->roles, arg) : -EINVAL;
}

static const struct option_desc sampler_option_descs[] = {
	{ "cprofd", 0, "PATH", NULL, set_cprofd, NULL },
	{ "role", 0, "NAME=PATH", NULL, set_role, "NAME=PATH" },
};

struct option_set sampler_options(struct sampler_choice *choice)
{
	return (struct option_set){ sampler_option_descs, ELEMENTSOF(sampler_option_descs),
				    choice };
}

void sampler_choice_done(struct sampler_choice *choice)
{
	vec_done(&choice->roles);
}

__attribute__((format(printf, 3, 4))) static int sampler_problem(struct sampler_problem *p, int r,
								 const char *fmt, ...)
{
	char raw[SAMPLER_WHY_MAX];
	va_list ap;

	errno = -r;
	va_start(ap, fmt);
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	(void)str_clean(p->why, sizeof(p->why), raw, strlen(raw), NULL);
	return r;
}

int sampler_find(struct session_client *c, const struct ctl_globals *globals,
		 struct sampler_problem *ret_problem)
{
	const char *socket = globals->socket;
	int r;

	r = session_client_connect(c, socket ? socket : CTL_SOCKET);
	if (r == 0)
		return 0;
	if (socket)
		return sampler_problem(ret_problem, r,
				       "cannot reach a daemon at %s: %m; start cprofd, or leave "
				       "--socket out",
				       socket);
	if (geteuid() == 0)
		return 0;
	return sampler_problem(ret_problem, -EPERM,
			       "no daemon is running and this is not root; start cprofd or run it "
			       "with sudo");
}

int sampler_start(struct session_client *c, const struct sampler_choice *choice, bool verbose,
		  const sigset_t *mask, struct sampler_problem *ret_problem)
{
	struct session_program program = {
		.path = choice->cprofd,
		.roles = choice->roles.v,
		.roles_cnt = choice->roles.cnt,
		.mask = mask,
		.verbose = verbose,
	};
	char path[PATH_MAX];
	int r;

	if (c->fd >= 0)
		return 0;
	if (!program.path) {
		r = find_cprofd(path);
		if (r < 0)
			return sampler_problem(
				ret_problem, r,
				"cannot find cprofd beside cprofctl or in /usr/sbin; "
				"install it");
		program.path = path;
	}
	r = session_client_spawn(c, &program);
	if (r < 0)
		return sampler_problem(ret_problem, r,
				       "cannot start %s: %m; check the installation", program.path);
	return 0;
}
