/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A daemon is asked first: it samples for callers who may not. Without one root gets a cprofd of its
 * own, and others are told so before anything is started or written.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
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

/* A daemon is there, and we cannot have it. */
static int sampler_unreachable(struct problem *p, int r, const char *socket)
{
	if (r == -EAGAIN)
		return problem_set(p, r,
				   "the daemon of %s takes no connection: its queue is full; "
				   "try again, or see journalctl -u cprofd",
				   socket);
	if (r == -EXDEV)
		return problem_set(p, r,
				   "the daemon of %s is outside of this pid namespace and knows "
				   "processes by other numbers; run cprofctl beside it",
				   socket);
	return problem_set(p, r, "cannot speak to the daemon of %s: %m; run it with sudo", socket);
}

int sampler_find(struct session_client *c, const struct ctl_globals *globals, bool by_pid,
		 struct problem *ret_problem)
{
	const char *socket = globals->socket ? globals->socket : CTL_SOCKET;
	bool may_start = !globals->socket && geteuid() == 0;
	int r = session_client_connect(c, socket);

	if (r == 0 && by_pid && c->outside) {
		session_client_hang_up(c);
		c->daemon = NULL;
		r = -EXDEV;
	}
	if (r == 0 || (r == -EXDEV && may_start))
		return 0;
	if (r == -EAGAIN || r == -EACCES || r == -EPERM || r == -EXDEV)
		return sampler_unreachable(ret_problem, r, socket);
	if (globals->socket)
		return problem_set(ret_problem, r,
				   "cannot reach a daemon at %s: %m; start cprofd, or leave "
				   "--socket out",
				   socket);
	if (may_start)
		return 0;
	return problem_set(ret_problem, -EPERM,
			   "no daemon is running and this is not root; start cprofd or run it "
			   "with sudo");
}

int sampler_start(struct session_client *c, const struct sampler_choice *choice, bool verbose,
		  const sigset_t *mask, struct problem *ret_problem)
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
			return problem_set(ret_problem, r,
					   "cannot find cprofd beside cprofctl or in /usr/sbin; "
					   "install it");
		program.path = path;
	}
	r = session_client_spawn(c, &program);
	if (r < 0)
		return problem_set(ret_problem, r, "cannot start %s: %m; check the installation",
				   program.path);
	return 0;
}

/* The daemon's own word of its version; "" when it has none. */
static void daemon_version(const char *socket, char *dst, size_t dst_sz)
{
	const struct ctl_globals globals = { .socket = socket };
	_cleanup_(ask_answer_done) struct ask_answer answer = ASK_ANSWER_INIT;
	struct problem unused;

	(void)ask_daemon(&globals, "/status", &answer, &unused);
	(void)json_text_string(json_text_member(answer.root, "version"), dst, dst_sz);
}

static void daemon_explain(const struct session_client *c, int error, struct problem *p)
{
	char version[64] = "";

	if (error != -ETIMEDOUT)
		daemon_version(c->daemon, version, sizeof(version));
	if (*version && strcmp(version, CPROF_VERSION) != 0)
		(void)problem_set(p, error,
				  "the daemon is of version %s and this is cprofctl " CPROF_VERSION
				  ", which it does not understand; systemctl restart cprofd "
				  "after an upgrade",
				  version);
	else if (error == -ETIMEDOUT)
		(void)problem_set(p, error,
				  "the daemon of %s does not answer; see journalctl -u cprofd, or "
				  "systemctl restart cprofd",
				  c->daemon);
	else if (error == 0)
		(void)problem_set(p, error,
				  "the daemon hung up before the recording began; see "
				  "journalctl -u cprofd");
	else
		(void)problem_set(p, error,
				  "the daemon does not keep the protocol: %m; are cprofctl and "
				  "cprofd of one version? try systemctl restart cprofd");
}

void sampler_explain(const struct session_client *c, int error, struct problem *ret_problem)
{
	if (c->daemon)
		daemon_explain(c, error, ret_problem);
	else if (error == -ETIMEDOUT)
		(void)problem_set(ret_problem, error, "cprofd does not answer; see its messages");
	else if (error == 0)
		(void)problem_set(ret_problem, error,
				  "cprofd ended before the recording began; see its messages");
	else
		(void)problem_set(ret_problem, error,
				  "cprofd does not keep the protocol: %m; are cprofctl and cprofd "
				  "of one version?");
}
