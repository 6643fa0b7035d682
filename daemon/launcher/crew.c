/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Three phases. Running. Stopping: a signal came, the sampler was told and has 5 s to finish.
 * Ending: the sampler is gone, the others were told to stop; after 1 s what is left is killed, and
 * after one more nobody waits: a process in D state dies when the kernel lets it (measured: a FUSE
 * read that its server holds survives SIGKILL for as long as the server likes), and it has the
 * signal already.
 *
 * Signals come through a descriptor: no handler ever runs.
 */

#include "crew.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "role.h"

#define CREW_STOP_NS (5 * NSEC_PER_SEC)
#define CREW_REAP_NS (1 * NSEC_PER_SEC)

enum crew_phase { CREW_RUNNING, CREW_STOPPING, CREW_ENDING, CREW_KILLED };

struct crew {
	struct loop *loop;
	int client;
	int signals;
	bool verbose;
	struct loop_source *deadline;
	enum crew_phase phase;
	int status;
	struct role roles[ROLES_CNT];
};

struct crew *crew_free(struct crew *c)
{
	for (int i = 0; i < ROLES_CNT; i++)
		role_done(&c->roles[i]);
	(void)loop_remove(c->deadline);
	(void)loop_free(c->loop);
	(void)fd_close(c->signals);
	(void)fd_close(c->client);
	free(c);
	return NULL;
}

struct loop *crew_loop(const struct crew *c)
{
	return c->loop;
}

int crew_client(const struct crew *c)
{
	return c->client;
}

bool crew_is_ending(const struct crew *c)
{
	return c->phase >= CREW_ENDING;
}

bool crew_is_verbose(const struct crew *c)
{
	return c->verbose;
}

struct role *crew_role(struct crew *c, enum wire_role number)
{
	for (int i = 0; i < ROLES_CNT; i++)
		if (role_specs[i].number == number)
			return &c->roles[i];
	return NULL;
}

static bool crew_is_empty(const struct crew *c)
{
	for (int i = 0; i < ROLES_CNT; i++)
		if (role_is_left(&c->roles[i]))
			return false;
	return true;
}

void crew_end(struct crew *c, int status)
{
	if (crew_is_ending(c))
		return;
	c->phase = CREW_ENDING;
	c->status = status;
	for (int i = 0; i < ROLES_CNT; i++) {
		loop_timer_set(c->roles[i].restart_timer, UINT64_MAX);
		if (status == EXIT_SUCCESS)
			role_stop(&c->roles[i]);
		else
			role_kill(&c->roles[i]);
	}
	loop_timer_set(c->deadline, clock_mono_ns() + CREW_REAP_NS);
}

static int crew_on_deadline(struct loop_source *source, uint64_t now_ns, void *ctx)
{
	struct crew *c = ctx;

	switch (c->phase) {
	case CREW_RUNNING:
		return 0;
	case CREW_STOPPING:
		log_error(0, "the sampler did not stop within 5 s; it is killed");
		crew_end(c, EXIT_FAILURE);
		return 0;
	case CREW_ENDING:
		c->phase = CREW_KILLED;
		for (int i = 0; i < ROLES_CNT; i++)
			role_kill(&c->roles[i]);
		loop_timer_set(c->deadline, now_ns + CREW_REAP_NS);
		return 0;
	case CREW_KILLED:
		log_warning(0, "a role hangs in the kernel; it dies when the kernel lets it");
		loop_exit(c->loop, c->status);
		return 0;
	}
	return 0;
}

static void crew_reap(struct crew *c)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < ROLES_CNT; i++) {
			struct role *role = &c->roles[i];

			if (role_forget(role, pid))
				break;
			if (role->pid == pid) {
				role_reaped(role, status);
				break;
			}
		}
	}
	if (crew_is_ending(c) && crew_is_empty(c))
		loop_exit(c->loop, c->status);
}

static void crew_stop(struct crew *c)
{
	if (c->phase != CREW_RUNNING)
		return;
	c->phase = CREW_STOPPING;
	role_stop(crew_role(c, WIRE_ROLE_SAMPLER));
	loop_timer_set(c->deadline, clock_mono_ns() + CREW_STOP_NS);
}

static int crew_on_signal(struct loop_source *source, uint32_t events, void *ctx)
{
	struct crew *c = ctx;
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGCHLD)
		crew_reap(c);
	else
		crew_stop(c);
	return 0;
}

static int crew_watch_signals(struct crew *c)
{
	struct loop_source *source;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->signals < 0)
		return -errno;
	return loop_add_io(c->loop, c->signals, EPOLLIN, CREW_SIGNALS, crew_on_signal, c, &source);
}

static int crew_init_roles(struct crew *c, const char *const programs[static ROLES_CNT])
{
	for (int i = 0; i < ROLES_CNT; i++) {
		struct role *role = &c->roles[i];
		int r;

		r = role_init(role, c, &role_specs[i]);
		if (r < 0)
			return log_error(r, "%s: %m", role_specs[i].name);
		role->binary = roles_open_program(&role_specs[i], programs[i]);
		if (role->binary < 0 && programs[i])
			return log_error(role->binary, "%s: %m; see --role", programs[i]);
		if (role->binary < 0)
			return log_error(role->binary, "%s: %m beside cprofd or in %s; reinstall",
					 role_specs[i].program, CPROF_LIBEXECDIR);
	}
	return 0;
}

int crew_new(int client, const char *const programs[static ROLES_CNT], bool verbose,
	     struct crew **ret)
{
	_cleanup_close_ int owned_client = client;
	_cleanup_(crew_freep) struct crew *c = NULL;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c)
		return log_error(-ENOMEM, "%m");
	c->client = TAKE_FD(owned_client);
	c->signals = -EBADF;
	c->verbose = verbose;
	for (int i = 0; i < ROLES_CNT; i++)
		c->roles[i].binary = c->roles[i].control = -EBADF;

	r = loop_new(&c->loop);
	if (r < 0)
		return log_error(r, "event loop: %m");
	r = crew_watch_signals(c);
	if (r < 0)
		return log_error(r, "signals: %m");
	r = loop_add_timer(c->loop, CREW_TIMERS, crew_on_deadline, c, &c->deadline);
	if (r < 0)
		return log_error(r, "timer: %m");
	r = crew_init_roles(c, programs);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

int crew_run(struct crew *c)
{
	int r;

	for (int i = 0; i < ROLES_CNT && !crew_is_ending(c); i++)
		(void)role_start(&c->roles[i]);
	c->client = fd_close(c->client); /* the sampler's alone: its end is the client's end */
	if (crew_is_ending(c) && crew_is_empty(c))
		return c->status;
	r = loop_run(c->loop);
	return r < 0 ? EXIT_FAILURE : r;
}
