/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a role may say to the launcher is READY, once, and from the sampler alone PEER with a
 * neighbour's number: "replace that one, it hangs or lies", and in the daemon STATE and PROGRESS.
 * Anything else is a role that is broken or taken over, and is treated as one that died: killed and
 * started again. So none of them can keep the launcher busy.
 *
 * Pauses before a new start go from 50 ms to 2 s and back to the beginning once a process has lived
 * for 10 s. A role that dies young twenty times in a row is given up for this recording, and its
 * neighbours live on with a closed socket; the daemon, which nobody watches, tries once a minute.
 */

#include "role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "crew.h"
#include "daemon.h"
#include "guard.h"
#include "service.h"
#include "spawn.h"
#include "wiring.h"

#define ROLE_PAUSE_MIN_NS (50 * NSEC_PER_MSEC)
#define ROLE_PAUSE_MAX_NS (2 * NSEC_PER_SEC)
#define ROLE_SETTLED_NS (10 * NSEC_PER_SEC)
#define ROLE_QUICK_DEATHS_MAX 20
#define ROLE_PAUSE_SLOW_NS (60 * NSEC_PER_SEC)
#define ROLE_CHILDREN_MAX 32
#define ROLE_LAST_ONE_NS (2 * NSEC_PER_SEC)

union role_message {
	struct wire_head head;
	struct wire_peer peer;
	struct wire_state state;
	struct wire_sandbox sandbox;
};

static int role_on_restart(struct loop_source *s, uint64_t now_ns, void *ctx)
{
	struct role *role = ctx;

	(void)role_start(role); /* it arranges for its own next try */
	return 0;
}

int role_init(struct role *role, struct crew *crew, const struct role_spec *spec)
{
	*role = (struct role){
		.spec = spec,
		.crew = crew,
		.binary = -EBADF,
		.control = -EBADF,
	};
	return loop_add_timer(crew_loop(crew), CREW_TIMERS, role_on_restart, role,
			      &role->restart_timer);
}

static void role_disconnect(struct role *role)
{
	role->control_source = loop_remove(role->control_source);
	role->control = fd_close(role->control);
	role->ready = false;
	role->layers = role->missing = 0;
}

void role_done(struct role *role)
{
	role_disconnect(role);
	role->restart_timer = loop_remove(role->restart_timer);
	role->binary = fd_close(role->binary);
}

bool role_is_slow(const struct role *role)
{
	return crew_guard(role->crew) && role->quick_deaths >= ROLE_QUICK_DEATHS_MAX;
}

static uint64_t role_pause(const struct role *role)
{
	unsigned doublings = MIN(role->quick_deaths > 0 ? role->quick_deaths - 1 : 0, 16U);

	if (role_is_slow(role))
		return ROLE_PAUSE_SLOW_NS;
	return MIN(ROLE_PAUSE_MIN_NS << doublings, ROLE_PAUSE_MAX_NS);
}

static unsigned role_abandoned_cnt(const struct role *role)
{
	unsigned cnt = 0;

	for (unsigned i = 0; i < ROLE_ABANDONED_MAX; i++)
		cnt += role->abandoned[i] != 0;
	return cnt;
}

/* A recording lasts minutes, and each line may matter; a daemon that fills the journal does not. */
static void role_tell_end(struct role *role, const char *why, uint64_t now_ns)
{
	const bool daemon = crew_guard(role->crew) != NULL;
	char text[256], more[LOG_MORE_SZ];
	unsigned held = 0;

	if (daemon && !log_limit_pass(&role->deaths, now_ns, &held))
		return;
	(void)snprintf(text, sizeof(text), "the %s %s; restart %u in %llu ms%s", role->spec->name,
		       why, role->restarts, (unsigned long long)(role_pause(role) / NSEC_PER_MSEC),
		       log_more(more, held));
	if (daemon)
		service_log(SERVICE_ROLE_ENDED, role->spec->name, text);
	else
		log_warning(0, "%s", text);
}

/* Whether with its end everything ends. */
static bool role_is_last(const struct role *role)
{
	return role->spec->number == WIRE_ROLE_SAMPLER &&
	       (!crew_guard(role->crew) || crew_is_stopping(role->crew));
}

/* There is no process any more; @why tells how it ended. */
static void role_ended(struct role *role, const char *why)
{
	struct guard *guard = crew_guard(role->crew);
	uint64_t now = clock_mono_ns();

	role_disconnect(role);
	role->pid = 0;
	role->ended_ns = now;
	if (crew_is_ending(role->crew))
		return;
	if (role_is_last(role)) {
		log_error(0, "the sampler %s; %s", why,
			  guard ? "the open window is lost" : "the session ends");
		crew_end(role->crew, EXIT_FAILURE);
		return;
	}
	role->quick_deaths = now - role->started_ns < ROLE_SETTLED_NS ? role->quick_deaths + 1 : 0;
	if (!guard && role->quick_deaths >= ROLE_QUICK_DEATHS_MAX) {
		role->given_up = true;
		log_error(0, "the %s %s; given up after %u quick ends in a row", role->spec->name,
			  why, role->quick_deaths);
		return;
	}
	role->restarts++;
	role_tell_end(role, why, now);
	loop_timer_set(role->restart_timer, now + role_pause(role));
	if (guard)
		guard_role_ended(guard, role, why);
}

void role_reaped(struct role *role, int status)
{
	char why[64];

	if (role_is_last(role) && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		crew_end(role->crew, EXIT_SUCCESS);
	if (WIFSIGNALED(status))
		(void)snprintf(why, sizeof(why), "was killed by signal %d (SIG%s)",
			       WTERMSIG(status), sigabbrev_np(WTERMSIG(status)) ?: "?");
	else
		(void)snprintf(why, sizeof(why), "exited with status %d", WEXITSTATUS(status));
	role_ended(role, why);
}

/* A recording says what it lacks when it is asked to say more; the daemon's users read the journal. */
static bool role_take_sandbox(struct role *role, const struct wire_sandbox *m)
{
	static const char *const lacks[] = { "", "seccomp", "Landlock", "seccomp and Landlock" };
	const char *name = role->spec->name, *what = lacks[m->missing & WIRE_LAYER_ALL];

	if (!role->ready || role->layers != 0 || role->missing != 0)
		return false;
	role->layers = m->layers;
	role->missing = m->missing;
	if (m->missing && crew_guard(role->crew) && role->restarts == 0)
		log_warning(0, "the %s is less confined: there is no %s in this kernel or here",
			    name, what);
	else
		log_debug("the %s is confined%s%s", name, m->missing ? ", without " : "", what);
	return true;
}

/* False when it must not say that, or not now. */
static bool role_take(struct role *role, int type, const union role_message *m)
{
	struct guard *guard = crew_guard(role->crew);
	const bool sampler = role->spec->number == WIRE_ROLE_SAMPLER;
	const bool again = role->ready;
	struct role *other;

	switch (type) {
	case WIRE_READY:
		role->ready = true;
		return !again;
	case WIRE_SANDBOX:
		return role_take_sandbox(role, &m->sandbox);
	case WIRE_PEER:
		other = sampler ? crew_role(role->crew, m->peer.role) : NULL;
		if (!other || other == role)
			return false;
		role_replace(other, "was found hanging or lying by the sampler");
		return true;
	case WIRE_STATE:
		return sampler && guard && guard_state(guard, &m->state);
	case WIRE_PROGRESS:
		return sampler && guard && guard_progress(guard);
	default:
		return false;
	}
}

static int role_on_control(struct loop_source *s, uint32_t events, void *ctx)
{
	struct role *role = ctx;
	union role_message m;
	ssize_t n;
	int type;

	n = seqpacket_recv(role->control, &m, sizeof(m), NULL);
	if (n == -EAGAIN)
		return 0;
	if (n == 0 || n == -ECONNRESET) { /* it is ending, or cannot be told to: SIGCHLD decides */
		role->control_source = loop_remove(role->control_source);
		return 0;
	}
	type = n > 0 ? wire_check(&m, (size_t)n) : -EBADMSG;
	if (!role_take(role, type, &m))
		role_replace(role, "broke the protocol");
	return 0;
}

static struct role_identity role_identity_of(const struct role *role)
{
	const struct daemon *daemon = crew_daemon(role->crew);
	struct role_identity identity = roles_identity(role->spec);
	const ptrdiff_t i = role->spec - role_specs;

	if (daemon) {
		identity.uid = daemon->users.roles[i].uid;
		identity.gid = daemon->users.roles[i].gid;
	}
	return identity;
}

static int role_launch(struct role *role)
{
	const struct role_identity identity = role_identity_of(role);
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int fds[2], r;

	r = seqpacket_pair(fds);
	if (r < 0)
		return r;
	ours = fds[0];
	theirs = fds[1];
	r = loop_add_io(crew_loop(role->crew), ours, EPOLLIN, CREW_CONTROL, role_on_control, role,
			&role->control_source);
	if (r < 0)
		return r;
	r = spawn_start(
		&(struct spawn){
			.name = role->spec->program,
			.verbose = crew_is_verbose(role->crew),
			.binary = role->binary,
			.control = theirs,
			.identity = &identity,
		},
		&role->pid);
	if (r < 0) {
		role->control_source = loop_remove(role->control_source);
		return r;
	}
	role->control = TAKE_FD(ours);
	log_debug("started the %s as process %d", role->spec->name, role->pid);
	return 0;
}

/*
 * The next sampler waits until the last is gone, and the lock on the directory with it; but not for long:
 * one that hangs in the kernel may stay, and sampling is worth more than files.
 */
static bool role_must_wait(struct role *role, uint64_t now_ns)
{
	const unsigned abandoned = role_abandoned_cnt(role);
	uint64_t pause;

	if (role->spec->number == WIRE_ROLE_SAMPLER && abandoned > 0 &&
	    now_ns - role->ended_ns < ROLE_LAST_ONE_NS)
		pause = ROLE_PAUSE_MIN_NS;
	else if (abandoned == ROLE_ABANDONED_MAX)
		pause = ROLE_PAUSE_MAX_NS;
	else
		return false;
	loop_timer_set(role->restart_timer, now_ns + pause);
	return true;
}

int role_start(struct role *role)
{
	char why[96];
	int r;

	if (role_must_wait(role, clock_mono_ns()))
		return 0;
	role->started_ns = clock_mono_ns();
	r = role_launch(role);
	if (r < 0) {
		(void)snprintf(why, sizeof(why), "could not be started: %s", strerrordesc_np(-r));
		role_ended(role, why);
		return r;
	}
	if (crew_guard(role->crew))
		guard_role_started(crew_guard(role->crew), role);
	wiring_connect(role->crew, role);
	return 0;
}

void role_stop(struct role *role)
{
	struct wire_head stop = { .size = sizeof(stop), .type = WIRE_STOP };

	/* Whoever does not read it is killed at the deadline. */
	if (role->control >= 0)
		(void)seqpacket_send(role->control, &stop, sizeof(stop), -EBADF);
}

void role_kill(struct role *role)
{
	if (role->pid > 0)
		(void)kill(role->pid, SIGKILL);
}

static void role_abandon(struct role *role)
{
	role_kill(role);
	for (unsigned i = 0; i < ROLE_ABANDONED_MAX; i++) {
		if (role->abandoned[i] == 0) {
			role->abandoned[i] = role->pid;
			break;
		}
	}
}

void role_replace(struct role *role, const char *why)
{
	if (role->pid == 0)
		return;
	role_abandon(role);
	role_ended(role, why);
}

void role_renew(struct role *role)
{
	if (role->pid == 0)
		return;
	role_abandon(role);
	role_disconnect(role);
	role->pid = 0;
	(void)role_start(role);
}

void role_count_cpu(struct role *role, const struct rusage *used)
{
	const uint64_t usec = (uint64_t)used->ru_utime.tv_usec + (uint64_t)used->ru_stime.tv_usec;
	const uint64_t sec = (uint64_t)used->ru_utime.tv_sec + (uint64_t)used->ru_stime.tv_sec;

	role->dead_cpu_ns += sec * NSEC_PER_SEC + usec * (NSEC_PER_MSEC / 1000);
}

bool role_count_violation(struct role *role, int status)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		return false;
	role->violations++;
	return true;
}

/*
 * Of what a role started itself the CPU time counts when it has ended, for then it is told whole.
 * Of an abandoned process the CPU time comes when it is reaped, and its memory is gone but for pages.
 */
void role_cost(struct role *role, uint64_t now_ns, struct wire_cost *ret)
{
	pid_t children[ROLE_CHILDREN_MAX];
	size_t cnt;

	*ret = (struct wire_cost){
		.cpu_ns = role->dead_cpu_ns,
		.role = role->spec->number,
		.pid = (uint32_t)role->pid,
		.restarts = role->restarts,
		.layers = role->layers,
		.missing = role->missing,
	};
	if (role->pid == 0)
		return;
	ret->cpu_ns += cost_cpu_ns(role->pid) + cost_reaped_ns(role->pid);
	ret->pss_bytes = cost_memory_bytes(&role->memory, role->pid,
					   role->spec->number == WIRE_ROLE_SAMPLER, now_ns);
	cnt = cost_children(role->pid, children, ELEMENTSOF(children));
	for (size_t i = 0; i < cnt; i++)
		ret->pss_bytes += cost_pss_bytes(children[i], false);
}

bool role_is_left(const struct role *role)
{
	return role->pid != 0 || role_abandoned_cnt(role) > 0;
}

bool role_forget(struct role *role, pid_t pid)
{
	for (unsigned i = 0; i < ROLE_ABANDONED_MAX; i++) {
		if (role->abandoned[i] == pid) {
			role->abandoned[i] = 0;
			return true;
		}
	}
	return false;
}
