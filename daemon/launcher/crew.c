/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Three phases. Running. Stopping: a signal came, the sampler was told and has 5 s to finish, in the
 * daemon 3. Ending: the sampler is gone, the others were told to stop; after a second what is left is
 * killed, and after one more nobody waits (the daemon, which shall be gone within 5 s whatever hangs,
 * takes half of that): a process in D state dies when the kernel lets it (measured: a FUSE read that
 * its server holds survives SIGKILL for as long as the server likes), and it has the signal already.
 *
 * Signals come through a descriptor: no handler ever runs.
 */

#include "crew.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "guard.h"
#include "identity.h"
#include "role.h"
#include "wiring.h"

#define CREW_STOP_NS (5 * NSEC_PER_SEC)
#define CREW_DAEMON_STOP_NS (3 * NSEC_PER_SEC)
#define CREW_REAP_NS (1 * NSEC_PER_SEC)

enum crew_phase { CREW_RUNNING, CREW_STOPPING, CREW_ENDING, CREW_KILLED };

struct crew {
	struct loop *loop;
	int client;
	int signals;
	bool verbose;
	struct daemon *daemon;
	struct guard *guard;
	struct loop_source *deadline;
	enum crew_phase phase;
	int status;
	struct role roles[ROLES_CNT];
};

static struct crew *crew_free(struct crew *c)
{
	for (int i = 0; i < ROLES_CNT; i++)
		role_done(&c->roles[i]);
	if (c->guard)
		(void)guard_free(c->guard);
	(void)loop_remove(c->deadline);
	(void)loop_free(c->loop);
	(void)fd_close(c->signals);
	(void)fd_close(c->client);
	free(c);
	return NULL;
}

DEFINE_CLEANUP(struct crew *, crew_free);

struct loop *crew_loop(const struct crew *c)
{
	return c->loop;
}

int crew_client(const struct crew *c)
{
	return c->client;
}

struct daemon *crew_daemon(const struct crew *c)
{
	return c->daemon;
}

struct guard *crew_guard(const struct crew *c)
{
	return c->guard;
}

bool crew_is_stopping(const struct crew *c)
{
	return c->phase >= CREW_STOPPING;
}

bool crew_is_ending(const struct crew *c)
{
	return c->phase >= CREW_ENDING;
}

bool crew_is_verbose(const struct crew *c)
{
	return c->verbose;
}

static bool crew_has(const struct crew *c, int i)
{
	return c->daemon || !role_specs[i].daemon_only;
}

struct role *crew_role(struct crew *c, enum wire_role number)
{
	for (int i = 0; i < ROLES_CNT; i++)
		if (role_specs[i].number == number && crew_has(c, i))
			return &c->roles[i];
	return NULL;
}

static uint64_t crew_reap_ns(const struct crew *c)
{
	return c->daemon ? CREW_REAP_NS / 2 : CREW_REAP_NS;
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
	if (c->guard)
		guard_stopping(c->guard);
	for (int i = 0; i < ROLES_CNT; i++) {
		if (!crew_has(c, i))
			continue;
		loop_timer_set(c->roles[i].restart_timer, UINT64_MAX);
		if (status == EXIT_SUCCESS)
			role_stop(&c->roles[i]);
		else
			role_kill(&c->roles[i]);
	}
	loop_timer_set(c->deadline, clock_mono_ns() + crew_reap_ns(c));
}

static uint64_t crew_stop_ns(const struct crew *c)
{
	return c->daemon ? CREW_DAEMON_STOP_NS : CREW_STOP_NS;
}

static int crew_on_deadline(struct loop_source *source, uint64_t now_ns, void *ctx)
{
	struct crew *c = ctx;

	switch (c->phase) {
	case CREW_RUNNING:
		return 0;
	case CREW_STOPPING:
		log_error(0, "the sampler did not stop within %llu s; it is killed",
			  (unsigned long long)(crew_stop_ns(c) / NSEC_PER_SEC));
		crew_end(c, EXIT_FAILURE);
		return 0;
	case CREW_ENDING:
		c->phase = CREW_KILLED;
		for (int i = 0; i < ROLES_CNT; i++)
			role_kill(&c->roles[i]);
		loop_timer_set(c->deadline, now_ns + crew_reap_ns(c));
		return 0;
	case CREW_KILLED:
		log_warning(0, "a role hangs in the kernel; it dies when the kernel lets it");
		loop_exit(c->loop, c->status);
		return 0;
	}
	return 0;
}

unsigned crew_violations(const struct crew *c)
{
	unsigned sum = 0;

	for (int i = 0; i < ROLES_CNT; i++)
		sum += c->roles[i].violations;
	return sum;
}

static void crew_bury(struct crew *c, pid_t pid, int status, const struct rusage *used)
{
	for (int i = 0; i < ROLES_CNT; i++) {
		struct role *role = &c->roles[i];
		const bool was_abandoned = role_forget(role, pid);
		bool violation;

		if (!was_abandoned && role->pid != pid)
			continue;
		role_count_cpu(role, used);
		violation = role_count_violation(role, status);
		if (!was_abandoned)
			role_reaped(role, status);
		if (violation)
			wiring_tell_violations(c);
		return;
	}
}

static void crew_reap(struct crew *c)
{
	struct rusage used;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0)
		crew_bury(c, pid, status, &used);
	if (crew_is_ending(c) && crew_is_empty(c))
		loop_exit(c->loop, c->status);
}

static void crew_stop(struct crew *c)
{
	struct role *sampler = crew_role(c, WIRE_ROLE_SAMPLER);

	if (c->phase != CREW_RUNNING)
		return;
	c->phase = CREW_STOPPING;
	if (c->guard)
		guard_stopping(c->guard);
	if (sampler->pid == 0) { /* between two lives: there is nothing to finish */
		crew_end(c, EXIT_SUCCESS);
		return;
	}
	role_stop(sampler);
	loop_timer_set(c->deadline, clock_mono_ns() + crew_stop_ns(c));
}

static int crew_on_signal(struct loop_source *source, uint32_t events, void *ctx)
{
	struct crew *c = ctx;
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGCHLD)
		crew_reap(c);
	else if (info.ssi_signo == SIGHUP && c->guard)
		guard_reload(c->guard);
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

static int crew_init_roles(struct crew *c, const char *const *programs)
{
	for (int i = 0; i < ROLES_CNT; i++) {
		struct role *role = &c->roles[i];
		int r;

		if (!crew_has(c, i)) {
			role->spec = &role_specs[i];
			continue;
		}
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

static int crew_init(struct crew *c)
{
	int r;

	r = loop_new(&c->loop);
	if (r < 0)
		return log_error(r, "event loop: %m");
	r = crew_watch_signals(c);
	if (r < 0)
		return log_error(r, "signals: %m");
	r = loop_add_timer(c->loop, CREW_TIMERS, crew_on_deadline, c, &c->deadline);
	if (r < 0)
		return log_error(r, "timer: %m");
	return 0;
}

static int crew_new(const struct crew_opts *opts, struct crew **ret)
{
	_cleanup_close_ int owned_client = opts->client;
	_cleanup_(crew_freep) struct crew *c = NULL;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c)
		return log_error(-ENOMEM, "%m");
	c->client = TAKE_FD(owned_client);
	c->signals = -EBADF;
	c->verbose = opts->verbose;
	c->daemon = opts->daemon;
	for (int i = 0; i < ROLES_CNT; i++)
		c->roles[i].binary = c->roles[i].control = -EBADF;

	r = crew_init(c);
	if (r < 0)
		return r;
	r = crew_init_roles(c, opts->programs);
	if (r < 0)
		return r;
	if (c->daemon) {
		r = guard_new(c, c->daemon, &c->guard);
		if (r < 0)
			return log_error(r, "timers: %m");
	}
	*ret = TAKE_PTR(c);
	return 0;
}

static int crew_live(struct crew *c)
{
	int r;

	for (int i = 0; i < ROLES_CNT && !crew_is_ending(c); i++)
		if (crew_has(c, i))
			(void)role_start(&c->roles[i]);
	c->client = fd_close(c->client); /* the sampler's alone: its end is the client's end */
	if (crew_is_ending(c) && crew_is_empty(c))
		return c->status;
	r = loop_run(c->loop);
	return r < 0 ? EXIT_FAILURE : r;
}

int crew_run(const struct crew_opts *opts)
{
	_cleanup_(crew_freep) struct crew *c = NULL;
	int r = identity_limit(roles_launcher_caps());

	if (r < 0) {
		(void)fd_close(opts->client);
		(void)log_error(r, "cannot drop capabilities: %m; CAP_SETPCAP is needed");
		return EXIT_FAILURE;
	}
	r = crew_new(opts, &c);
	return r < 0 ? EXIT_FAILURE : crew_live(c);
}
