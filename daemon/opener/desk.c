/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever looks into a process waits for its locks. One that a fault on its own file system holds is held for as
 * long as that file system's server likes, and so are all who open /proc/PID/maps (ADR 37). A worker that
 * does not come back is killed, and abandoned: in most such waits it dies at once, in others (a last
 * descriptor whose close has the server asked) when the kernel lets it. Nobody waits for it; until it is gone it counts
 * against the user whose process that was.
 *
 * A lane is a user. Questions that do not say whose process it is have a lane for each kind.
 *
 * Workers come when there is something to do and go after some seconds without, so an idle machine has none. None gets old: what
 * one cost is known to the launcher only when it is gone.
 */

#include "desk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "cprof/base/vec.h"
#include "cprof/procfs.h"
#include "patience.h"
#include "shunned.h"
#include "worker.h"

/* By then the sampler has to have heard something, or it has us replaced. */
#define ANSWER_NS (1500 * NSEC_PER_MSEC)
#define IDLE_NS (3 * NSEC_PER_SEC)
#define LIFE_NS (10 * NSEC_PER_SEC)
#define END_MS 20 /* of patience with one that was killed */

#define WAITING_MAX 1024
/* At work at a time: of one user, of all but root. */
#define LANE_BUSY_MAX 2
#define USERS_BUSY_MAX 6
/* Killed and not gone: of one user, of root. With those at work, of all but root. */
#define LANE_ABANDONED_MAX 2
#define ROOT_ABANDONED_MAX 8
#define USERS_MAX 14
#define WORKERS_MAX (USERS_MAX + ROOT_ABANDONED_MAX + LANE_BUSY_MAX)

/* Beyond what users are numbered by. */
#define LANE_OF_KIND (1ull << 32)

enum worker_state { WORKER_NONE, WORKER_IDLE, WORKER_BUSY, WORKER_LEAVING, WORKER_ABANDONED };

struct worker {
	struct desk *desk;
	struct worker_process p;
	struct loop_source *replies;
	struct loop_source *end;
	enum worker_state state;
	uint64_t born_ns;
	uint64_t since_ns;  /* in this state */
	uint64_t waited_ns; /* for a CPU, when it got its question */
	uint64_t asked_ns;
	uint64_t patience_ns;
	uint64_t lane;
	union question *question; /* BUSY */
	bool unwanted;		  /* BUSY: nobody waits for its reply any more */
};

struct desk {
	struct desk_opts opts;
	struct loop_source *timer;
	int symbolizer;
	bool held;
	VEC(union question *) waiting;
	struct worker workers[WORKERS_MAX];
	struct shunned shunned;
	struct patience patience;
	union reply reply;
};

static uint64_t lane_of(const union question *q)
{
	if (q->head.type == WIRE_OPEN && q->open.kind != WIRE_FILE_LINES)
		return q->open.uid;
	return LANE_OF_KIND + q->head.type;
}

static struct shunned_process process_of(const union question *q)
{
	switch (q->head.type) {
	case WIRE_OPEN:
		return (struct shunned_process){ q->open.start_ns, q->open.pid };
	case WIRE_OPEN_DEBUG:
		return (struct shunned_process){ q->debug.m.start_ns, q->debug.m.pid };
	case WIRE_OPEN_COMPANION:
		return (struct shunned_process){ q->companion.m.start_ns, q->companion.m.pid };
	default:
		return (struct shunned_process){ q->maps.head.start_ns, q->maps.head.pid };
	}
}

static int reply_none(struct desk *d, const union question *q, enum wire_opened_status why)
{
	serve_none(q, why, &d->reply);
	return d->opts.on_reply(&d->reply.head, d->opts.ctx);
}

/* How many of the lane, or of all but root's (@users), are in that state. */
static unsigned int count(const struct desk *d, enum worker_state state, uint64_t lane, bool users)
{
	unsigned int cnt = 0;

	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++) {
		const struct worker *w = &d->workers[i];

		cnt += w->state == state && (users ? w->lane != 0 : w->lane == lane);
	}
	return cnt;
}

static bool is_exhausted(const struct desk *d, uint64_t lane)
{
	return count(d, WORKER_ABANDONED, lane, false) >=
	       (lane == 0 ? ROOT_ABANDONED_MAX : LANE_ABANDONED_MAX);
}

static bool has_turn(const struct desk *d, uint64_t lane)
{
	unsigned int busy;

	if (count(d, WORKER_BUSY, lane, false) >= LANE_BUSY_MAX)
		return false;
	busy = count(d, WORKER_BUSY, 0, true);
	return lane == 0 ||
	       (busy < USERS_BUSY_MAX && busy + count(d, WORKER_ABANDONED, 0, true) < USERS_MAX);
}

static void disconnect(struct worker *w)
{
	w->replies = loop_remove(w->replies);
	w->p.link = fd_close(w->p.link);
}

/* As one that was never started. */
static void vacate(struct desk *d, struct worker *w)
{
	disconnect(w);
	free(w->question);
	w->end = loop_remove(w->end);
	(void)fd_close(w->p.pidfd);
	*w = (struct worker){ .desk = d, .p = { .pidfd = -EBADF, .link = -EBADF } };
}

static void set_state(struct worker *w, enum worker_state state, uint64_t now_ns)
{
	w->state = state;
	w->since_ns = now_ns;
	if (state == WORKER_BUSY)
		return;
	free(w->question);
	w->question = NULL;
}

/* It goes by itself when it sees that. */
static void let_go(struct worker *w, uint64_t now_ns)
{
	disconnect(w);
	set_state(w, WORKER_LEAVING, now_ns);
}

static void abandon(struct worker *w, uint64_t now_ns)
{
	(void)kill(w->p.pid, SIGKILL);
	disconnect(w);
	set_state(w, WORKER_ABANDONED, now_ns);
}

static int pump(struct desk *d);

/* What it was asked is answered: that it did not come back. */
static int give_up(struct desk *d, const struct worker *w, uint64_t now_ns)
{
	struct shunned_process process = process_of(w->question);

	log_debug("process %u cannot be looked at", (unsigned int)process.pid);
	shunned_add(&d->shunned, &process, now_ns);
	/* A lane of many users is none to lose patience with. */
	if (w->lane < LANE_OF_KIND)
		patience_lost(&d->patience, w->lane, now_ns);
	return w->unwanted ? 0 : reply_none(d, w->question, WIRE_OPENED_HUNG);
}

static bool is_reply_to(const union reply *reply, const union question *q)
{
	static const uint16_t types[WIRE_TYPE_MAX] = {
		[WIRE_OPEN] = WIRE_OPENED,
		[WIRE_OPEN_DEBUG] = WIRE_DEBUG_OPENED,
		[WIRE_OPEN_COMPANION] = WIRE_COMPANION_OPENED,
		[WIRE_MAPS] = WIRE_MAPPED,
	};

	return reply->head.type == types[q->head.type] && reply->head.id == q->head.id;
}

static int on_replies(struct loop_source *source, uint32_t events, void *ctx)
{
	struct worker *w = ctx;
	struct desk *d = w->desk;
	uint64_t now_ns = clock_mono_ns();
	ssize_t n = seqpacket_recv(w->p.link, &d->reply, sizeof(d->reply), NULL);
	int r;

	if (n == -EAGAIN)
		return 0;
	if (n <= 0 || wire_check(&d->reply, (size_t)n) < 0 || w->state != WORKER_BUSY ||
	    !is_reply_to(&d->reply, w->question)) {
		/* It ends, or it is not what it was: its end tells. */
		(void)kill(w->p.pid, SIGKILL);
		w->replies = loop_remove(w->replies);
		return 0;
	}
#ifdef CPROF_LEAK_ONE_IN
	if (d->reply.head.id % CPROF_LEAK_ONE_IN == 0)
		(void)fcntl(w->p.link, F_DUPFD_CLOEXEC, 0);
#endif
	r = w->unwanted ? 0 : d->opts.on_reply(&d->reply.head, d->opts.ctx);
	if (w->unwanted || now_ns > w->born_ns + LIFE_NS)
		let_go(w, now_ns);
	else
		set_state(w, WORKER_IDLE, now_ns);
	return r < 0 ? r : pump(d);
}

/* Whoever made a call that it may not make is ended by a signal, which is to be seen from outside. */
static void end_like(const siginfo_t *info)
{
	if (info->si_code != CLD_EXITED && info->si_status == SIGSYS)
		(void)raise(SIGSYS);
}

static int on_end(struct loop_source *source, uint32_t events, void *ctx)
{
	struct worker *w = ctx;
	struct desk *d = w->desk;
	siginfo_t info = { 0 };
	int r = 0;

	if (waitid(P_PID, (id_t)w->p.pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return 0;
	end_like(&info);
	if (w->state == WORKER_BUSY)
		r = give_up(d, w, clock_mono_ns());
	vacate(d, w);
	return r < 0 ? r : pump(d);
}

static int watch(struct desk *d, struct worker *w)
{
	int r = loop_add_io(d->opts.loop, w->p.link, EPOLLIN, DESK_REPLIES, on_replies, w,
			    &w->replies);

	return r < 0 ? r
		     : loop_add_io(d->opts.loop, w->p.pidfd, EPOLLIN, DESK_REPLIES, on_end, w,
				   &w->end);
}

/* An idle one, or a new one; NULL: there is no room. */
static struct worker *find_worker(struct desk *d, uint64_t now_ns)
{
	struct worker *free_one = NULL;

	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++) {
		struct worker *w = &d->workers[i];

		if (w->state == WORKER_IDLE)
			return w;
		if (w->state == WORKER_NONE)
			free_one = w;
	}
	if (!free_one || worker_start(d->symbolizer, &free_one->p) < 0)
		return NULL;
	free_one->born_ns = now_ns;
	set_state(free_one, WORKER_IDLE, now_ns);
	if (watch(d, free_one) == 0)
		return free_one;
	abandon(free_one, now_ns);
	return NULL;
}

/* When to look next. */
static void arm(struct desk *d)
{
	uint64_t at_ns = UINT64_MAX;

	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++) {
		const struct worker *w = &d->workers[i];

		if (w->state == WORKER_BUSY)
			at_ns = MIN(at_ns,
				    MIN(w->since_ns + w->patience_ns, w->asked_ns + ANSWER_NS));
		else if (w->state == WORKER_IDLE)
			at_ns = MIN(at_ns, w->since_ns + IDLE_NS);
	}
	loop_timer_set(d->timer, at_ns);
}

/* Takes the question. */
static void hand_out(struct desk *d, struct worker *w, union question *q, uint64_t now_ns)
{
	w->question = q;
	w->unwanted = false;
	w->lane = lane_of(q);
	w->asked_ns = now_ns;
	w->patience_ns = patience_of(&d->patience, w->lane, now_ns);
	w->waited_ns = 0;
	(void)procfs_waited_ns(d->opts.root, (uint32_t)w->p.pid, &w->waited_ns);
	set_state(w, WORKER_BUSY, now_ns);
	/* One that does not take it is gone, and its end tells. */
	(void)seqpacket_send(w->p.link, q, q->head.size, -EBADF);
}

/* 1: the first @i of those who wait is served; 0: not now; -errno. */
static int serve_waiting(struct desk *d, size_t i, uint64_t now_ns)
{
	union question *q = d->waiting.v[i];
	struct shunned_process process = process_of(q);
	struct worker *w;
	int r;

	if (shunned_has(&d->shunned, &process, now_ns) || is_exhausted(d, lane_of(q))) {
		r = reply_none(d, q, WIRE_OPENED_HUNG);
		free(q);
		return r < 0 ? r : 1;
	}
	w = has_turn(d, lane_of(q)) ? find_worker(d, now_ns) : NULL;
	if (!w)
		return 0;
	hand_out(d, w, q, now_ns);
	return 1;
}

static int pump(struct desk *d)
{
	uint64_t now_ns = clock_mono_ns();
	size_t i = 0;
	int r = 0;

	while (i < d->waiting.cnt && !d->held && r >= 0) {
		r = serve_waiting(d, i, now_ns);
		if (r == 0) {
			i++;
			continue;
		}
		d->waiting.cnt--;
		memmove(d->waiting.v + i, d->waiting.v + i + 1,
			(d->waiting.cnt - i) * sizeof(*d->waiting.v));
	}
	arm(d);
	return r < 0 ? r : 0;
}

/* Who was ready to run and got no CPU is not late for that. */
static bool is_late(struct desk *d, struct worker *w, uint64_t now_ns)
{
	uint64_t waited_ns = w->waited_ns;

	if (now_ns < w->since_ns + w->patience_ns)
		return false;
	(void)procfs_waited_ns(d->opts.root, (uint32_t)w->p.pid, &waited_ns);
	w->since_ns += waited_ns - MIN(w->waited_ns, waited_ns);
	w->waited_ns = waited_ns;
	return now_ns >= w->since_ns + w->patience_ns;
}

static int on_timer(struct loop_source *source, uint64_t now_ns, void *ctx)
{
	struct desk *d = ctx;
	int r = 0;

	for (size_t i = 0; i < ELEMENTSOF(d->workers) && r >= 0; i++) {
		struct worker *w = &d->workers[i];

		if (w->state == WORKER_BUSY && is_late(d, w, now_ns)) {
			r = give_up(d, w, now_ns);
			abandon(w, now_ns);
		} else if (w->state == WORKER_BUSY && now_ns >= w->asked_ns + ANSWER_NS) {
			/* It got no CPU: nothing is wrong with the process. */
			r = w->unwanted ? 0 : reply_none(d, w->question, WIRE_OPENED_FAILED);
			abandon(w, now_ns);
		} else if (w->state == WORKER_IDLE && now_ns >= w->since_ns + IDLE_NS) {
			let_go(w, now_ns);
		}
	}
	return r < 0 ? r : pump(d);
}

int desk_new(const struct desk_opts *opts, struct desk **ret)
{
	_cleanup_(desk_freep) struct desk *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->opts = *opts;
	d->symbolizer = -EBADF;
	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++)
		d->workers[i] =
			(struct worker){ .desk = d, .p = { .pidfd = -EBADF, .link = -EBADF } };
	r = loop_add_timer(opts->loop, DESK_REPLIES, on_timer, d, &d->timer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

/* Nobody is left for another process to collect, but who cannot be killed. */
static void end_workers(struct desk *d)
{
	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++) {
		const struct worker *w = &d->workers[i];

		if (w->p.pidfd >= 0 && w->state != WORKER_ABANDONED)
			(void)kill(w->p.pid, SIGKILL);
	}
	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++) {
		const struct worker *w = &d->workers[i];
		struct pollfd end = { .fd = w->p.pidfd, .events = POLLIN };
		siginfo_t info;

		if (w->p.pidfd >= 0 && poll(&end, 1, w->state == WORKER_ABANDONED ? 0 : END_MS) > 0)
			(void)waitid(P_PID, (id_t)w->p.pid, &info, WEXITED | WNOHANG);
	}
}

struct desk *desk_free(struct desk *d)
{
	if (!d)
		return NULL;
	desk_drop(d);
	end_workers(d);
	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++)
		vacate(d, &d->workers[i]);
	d->timer = loop_remove(d->timer);
	d->symbolizer = fd_close(d->symbolizer);
	vec_done(&d->waiting);
	free(d);
	return NULL;
}

bool desk_has_room(const struct desk *d)
{
	return d->waiting.cnt < WAITING_MAX;
}

int desk_put(struct desk *d, const union question *q)
{
	union question *copy;
	int r;

	r = vec_reserve(&d->waiting, 1);
	if (r < 0)
		return r;
	copy = malloc(q->head.size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, q, q->head.size);
	d->waiting.v[d->waiting.cnt++] = copy;
	return pump(d);
}

int desk_hold(struct desk *d, bool held)
{
	d->held = held;
	return held ? 0 : pump(d);
}

void desk_set_symbolizer(struct desk *d, int fd)
{
	uint64_t now_ns = clock_mono_ns();

	(void)fd_close(d->symbolizer);
	d->symbolizer = fd;
	/* They have the old one; what is asked of those at work fails with it, and is asked again. */
	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++) {
		if (d->workers[i].state == WORKER_IDLE)
			let_go(&d->workers[i], now_ns);
		else if (d->workers[i].state == WORKER_BUSY)
			d->workers[i].born_ns = 0;
	}
}

void desk_drop(struct desk *d)
{
	while (d->waiting.cnt > 0)
		free(d->waiting.v[--d->waiting.cnt]);
	for (size_t i = 0; i < ELEMENTSOF(d->workers); i++)
		d->workers[i].unwanted = true;
}
