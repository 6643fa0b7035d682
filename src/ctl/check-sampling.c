/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The whole line once, small: a private cprofd (or the daemon) samples a child that makes system
 * calls as fast as it can, so that there are samples in the kernel and in a library, and both must
 * get names. Each promise is then judged by itself: that samples came, that they stand for the CPU
 * time which the kernel charged, that the books balance, that names came, how frames were located.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check-sampling.h"
#include "cprof/base/clock.h"
#include "live.h"
#include "losses.h"

#define CHECK_NS NSEC_PER_SEC
#define CHECK_HZ 499
#define CHECK_SAMPLES_MIN 10
#define CHECK_TIME_OFF 0.25 /* of the child's CPU time; a busy machine tells us late */

struct burner {
	pid_t pid;
	uint64_t from_ns; /* its CPU time when sampling began */
	uint64_t to_ns;
};

static uint64_t burner_cpu_ns(const struct burner *b)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(b->pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int burner_start(struct burner *b)
{
	pid_t parent = getpid();

	b->pid = fork();
	if (b->pid < 0)
		return -errno;
	if (b->pid > 0)
		return 0;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent)
		;
	_exit(0);
}

static void burner_end(struct burner *b)
{
	if (b->pid <= 0)
		return;
	(void)kill(b->pid, SIGKILL);
	(void)TEMP_FAILURE_RETRY(waitpid(b->pid, NULL, 0));
	b->pid = 0;
}

static void on_phase(void *ctx, bool sampling)
{
	struct burner *b = ctx;

	*(sampling ? &b->from_ns : &b->to_ns) = burner_cpu_ns(b);
}

static void judge_events(struct checklist *list, const struct live *l, unsigned int online)
{
	if (l->cpus == online || online == 0)
		checklist_add(list, CHECKED_OK, "events", "each of the %u CPUs has its event",
			      l->cpus);
	else
		checklist_add(list, CHECKED_WARN, "events",
			      "%u of %u CPUs have an event: the others are not sampled; is a CPU "
			      "being switched on or off?",
			      l->cpus, online);
}

static void judge_samples(struct checklist *list, const struct live *l, const struct burner *b)
{
	double sampled = (double)l->weight_ns / (double)NSEC_PER_SEC;
	double used = (double)(b->to_ns - b->from_ns) / (double)NSEC_PER_SEC;
	uint64_t samples = l->acc->received;
	struct losses losses;

	if (samples < CHECK_SAMPLES_MIN && losses_find(&l->acc->end.counters, &losses))
		checklist_add(list, CHECKED_FAIL, "samples", "%" PRIu64 " were lost: %s (%s); %s",
			      losses.samples, losses.why, losses.counters, losses.next);
	else if (samples < CHECK_SAMPLES_MIN)
		checklist_add(list, CHECKED_FAIL, "samples",
			      "%" PRIu64 " of a process that used %.2f s of CPU; does the kernel "
			      "tick? try record --hz 99 and --event task-clock",
			      samples, used);
	else
		checklist_add(list, CHECKED_OK, "samples",
			      "%" PRIu64 " of a process that used %.2f s of CPU", samples, used);
	if (sampled > used * (1 + CHECK_TIME_OFF) || sampled < used * (1 - CHECK_TIME_OFF))
		checklist_add(list, CHECKED_WARN, "time",
			      "samples stand for %.2f s, the kernel charged %.2f s; try again when "
			      "the machine is less busy",
			      sampled, used);
	else
		checklist_add(list, CHECKED_OK, "time", "samples stand for %.2f s", sampled);
}

static void judge_books(struct checklist *list, const struct accounting *acc)
{
	const struct books *b = &acc->end.books;
	uint64_t lost = accounting_lost(acc);

	if (b->difference != 0 || acc->received != b->in_profiles)
		checklist_add(list, CHECKED_FAIL, "books",
			      "they do not balance: %" PRIu64
			      " samples are unaccounted for; this is "
			      "a fault of cprofd, please report it",
			      (uint64_t)MAX(b->difference, (__u64)1));
	else
		checklist_add(list, lost > 0 ? CHECKED_WARN : CHECKED_OK, "books",
			      "every sample is accounted for: %" PRIu64 " ran, %" PRIu64
			      " missed, %" PRIu64 " lost%s",
			      (uint64_t)b->runs, (uint64_t)b->missed, lost,
			      lost > 0 ? "; see cprofctl --json record" : "");
}

/* The report's own names of frames without one are in brackets. */
static size_t names_of(const struct accounting *acc)
{
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };
	size_t named = 0;

	if (report_top(acc->report, &(struct report_query){ .max = 0 }, &rows) < 0)
		return 0;
	for (size_t i = 0; i < rows.cnt; i++)
		named += rows.v[i].name[0] != '[' && rows.v[i].name[0] != '<';
	return named;
}

static void judge_names(struct checklist *list, const struct accounting *acc)
{
	const __u64 *c = acc->end.counters.v;
	uint64_t named = c[COUNTER_frames_named], frames = c[COUNTER_frames];

	uint64_t broken =
		c[COUNTER_symbolizer_lost] + c[COUNTER_symbolizer_lied] + c[COUNTER_opener_lost];

	if (named == 0 && c[COUNTER_names_late] > 0 && broken == 0)
		checklist_add(list, CHECKED_WARN, "names",
			      "none of %" PRIu64 " frames got one in time; try again when the "
			      "machine is less busy",
			      frames);
	else if (named == 0 || names_of(acc) == 0)
		checklist_add(list, CHECKED_FAIL, "names",
			      "none of %" PRIu64
			      " frames has a name; see cprofctl -v check for what "
			      "the opener and the symbolizer say",
			      frames);
	else
		checklist_add(list, CHECKED_OK, "names",
			      "%" PRIu64 " of %" PRIu64 " frames have one", named, frames);
}

static void judge_walk(struct checklist *list, const struct accounting *acc)
{
	if (acc->end.walk == SESSION_WALK_TREE)
		checklist_add(list, CHECKED_OK, "walk",
			      "the kernel's own tree says which file a frame lies in");
	else
		checklist_add(list, CHECKED_WARN, "walk",
			      "frames are located by /proc afterwards: short processes lose names; "
			      "use a newer cprofd");
	for (size_t i = 0; i < acc->degraded.cnt; i++)
		checklist_add(list, CHECKED_WARN, "note", "%s", acc->degraded.v[i]);
}

void check_sampling_skip(struct checklist *list, const char *why)
{
	checklist_add(list, CHECKED_SKIP, "sampling", "%s", why);
}

static int sample_burner(struct checklist *list, struct check_sampling *c, struct live *l,
			 const struct burner *b)
{
	struct problem problem;
	sigset_t mask;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	l->start.pids[0] = b->pid;
	l->start.pids_cnt = 1;
	if (sampler_start(c->client, c->choice, c->globals->verbose, &mask, &problem) < 0) {
		checklist_add(list, CHECKED_FAIL, "sampler", "%s", problem.why);
		return -ECHILD;
	}
	if (live_run(l) < 0) {
		checklist_add(list, CHECKED_FAIL, "sampler", "%s", l->why);
		return -EIO;
	}
	checklist_add(list, CHECKED_OK, "sampler", "cprofd runs, its programs are in the kernel");
	return 0;
}

void check_sampling(struct checklist *list, struct check_sampling *c)
{
	_cleanup_(accounting_done) struct accounting acc = { 0 };
	_cleanup_(burner_end) struct burner burner = { 0 };
	struct live live = {
		.client = c->client,
		.start = { .hz = CHECK_HZ, .duration_ns = CHECK_NS },
		.acc = &acc,
		.on_phase = on_phase,
		.ctx = &burner,
	};

	if (accounting_init(&acc) < 0 || burner_start(&burner) < 0) {
		checklist_add(list, CHECKED_FAIL, "sampler",
			      "cannot start a process to sample; see ulimit -u");
		return;
	}
	if (sample_burner(list, c, &live, &burner) < 0)
		return;
	c->cpus = live.cpus;
	judge_events(list, &live, c->cpus_online);
	judge_samples(list, &live, &burner);
	judge_books(list, &acc);
	judge_names(list, &acc);
	judge_walk(list, &acc);
}
