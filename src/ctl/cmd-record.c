/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `cprofctl record`. In this order, so that an error leaves nothing behind: what is asked for, do
 * the processes exist, who can sample (a daemon, or root with a private cprofd), can the output be
 * written, and only then are programs started. struct record owns all of it.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/str.h"
#include "cprof/profile_name.h"
#include "losses.h"
#include "recording.h"

struct record {
	const struct ctl_globals *globals;
	struct record_args args;
	struct targets targets;
	struct output output;
	struct output raw;
	struct session_client client;
	struct child command;
	struct accounting acc;
	struct recording rec;
	sigset_t mask; /* as we were started */
	int signal_fd;
};

static void record_done(struct record *c)
{
	session_client_done(&c->client);
	child_done(&c->command);
	output_done(&c->output);
	output_done(&c->raw);
	targets_done(&c->targets);
	accounting_done(&c->acc);
	record_args_done(&c->args);
	c->signal_fd = fd_close(c->signal_fd);
}

/* For messages: a text of the command line, with nothing in it that a terminal would obey. */
static const char *clean(char dst[static 256], const char *text)
{
	(void)str_clean(dst, 256, text, strlen(text), NULL);
	return dst;
}

static int record_find_targets(struct record *c)
{
	_cleanup_(root_done) struct root root = ROOT_INIT;
	struct target_problem problem;
	int r;

	r = root_open(&root, "/");
	if (r == 0)
		r = targets_open(&c->targets, &root, c->args.pids.v, c->args.pids.cnt, &problem);
	if (r == -ESRCH && problem.fault == TARGET_THREAD)
		log_error(0, "record: %d is a thread of process %d; use --pid %d", problem.pid,
			  problem.process, problem.process);
	else if (r == -ESRCH)
		log_error(0, "record: no process %d; see ps -e", problem.pid);
	else if (r < 0)
		log_error(r, "record: cannot look for the processes: %m; is /proc mounted?");
	return r;
}

/* A daemon, or the right to have one of our own. */
static int record_find_sampler(struct record *c)
{
	struct problem problem;
	bool by_pid = c->args.pids.cnt > 0 || c->args.command;
	int r = sampler_find(&c->client, c->globals, by_pid, &problem);

	if (r < 0)
		log_error(0, "record: %s", problem.why);
	return r;
}

static int record_open_raw(struct record *c)
{
	char shown[256];
	int r;

	if (!c->args.raw)
		return 0;
	c->raw.secret = c->args.with_memory;
	r = output_open_file(&c->raw, c->args.raw);
	return r < 0 ? log_error(r,
				 "record: cannot write to %s: %m; choose another file with --raw",
				 clean(shown, c->args.raw))
		     : 0;
}

static int record_open_output(struct record *c)
{
	const char *path = c->args.output;
	char name[64], shown[256];
	bool wide = c->args.all || c->args.unit[0];
	bool many = wide || (c->args.pids.cnt > 1 && !c->args.children);
	int r;

	if (!path && wide) {
		profile_directory_name(name, sizeof(name), clock_real_ns());
		path = name;
	}
	if (!path)
		r = output_open_here(&c->output);
	else if (many || output_is_directory(path))
		r = output_open_directory(&c->output, path);
	else
		r = output_open_file(&c->output, path);
	if (r == -EINVAL || (r == -ENOTDIR && many))
		return log_error(
			r, "record: %s is no %s; choose another place with -o", clean(shown, path),
			many ? "directory, and several processes need one" : "regular file");
	if (r < 0)
		return log_error(r, "record: cannot write to %s: %m; choose another place with -o",
				 path ? clean(shown, path) : "the current directory");
	c->acc.dir = c->output.dir;
	return 0;
}

static int record_start_sampler(struct record *c)
{
	struct problem problem;
	int r = sampler_start(&c->client, &c->args.sampler, c->globals->verbose, &c->mask,
			      &problem);

	if (r < 0)
		log_error(0, "record: %s", problem.why);
	return r;
}

/* What our caller has us ignore (nohup) stays ignored. */
static int record_take_signals(struct record *c)
{
	static const int wanted[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t taken;

	(void)sigemptyset(&taken);
	for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
		struct sigaction sa;

		if (sigaction(wanted[i], NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
			(void)sigaddset(&taken, wanted[i]);
	}
	if (sigprocmask(SIG_BLOCK, &taken, &c->mask) < 0)
		return log_error(-errno, "record: cannot block signals: %m");
	c->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->signal_fd < 0)
		return log_error(-errno, "record: cannot wait for signals: %m");
	return 0;
}

static int record_fork_command(struct record *c)
{
	const struct child_setup setup = {
		.argv = c->args.command,
		.mask = &c->mask,
		.control_fd = -EBADF,
		.search = true,
	};
	int r;

	if (!c->args.command)
		return 0;
	r = child_fork(&c->command, &setup);
	if (r < 0)
		return log_error(
			r, "record: cannot start a process for the command: %m; see ulimit -u");
	return 0;
}

static int record_send_start(struct record *c)
{
	struct session_start start = {
		.hz = c->args.hz,
		.event_count = c->args.event_count,
		.duration_ns = c->args.duration_ns,
		.ring_bytes = c->args.ring_bytes,
	};
	int r;

	if (c->args.all)
		start.flags = SESSION_ALL;
	if (c->args.unit[0])
		start.flags = SESSION_UNIT;
	(void)snprintf(start.unit, sizeof(start.unit), "%s", c->args.unit);
	for (size_t i = 0; i < c->args.pids.cnt; i++)
		start.pids[start.pids_cnt++] = c->args.pids.v[i];
	if (c->args.command) {
		start.pids[start.pids_cnt++] = c->command.pid;
	}
	if (c->args.command || c->args.children) {
		start.flags = SESSION_TREE;
		/* Into a directory one file each. */
		if (!c->args.output || c->output.file)
			start.flags |= SESSION_MERGED;
	}
	(void)snprintf(start.event, sizeof(start.event), "%s", c->args.event->name);
	if (c->args.raw)
		start.flags |= SESSION_RAW;
	if (c->args.with_memory)
		start.flags |= SESSION_MEMORY;
	r = session_client_start(&c->client, &start);
	/* EPIPE: it has ended already; the end of the stream tells more. */
	if (r < 0 && r != -EPIPE)
		return log_error(r, "record: cannot speak to cprofd: %m; try again");
	return 0;
}

static int record_check_memory(void)
{
	if (geteuid() == 0)
		return 0;
	return log_error(-EPERM, "record: --with-memory is for root alone: the file would hold "
				 "memory of processes; run it with sudo, or leave it out");
}

/* Whose secrets the file is going to hold. */
static void record_warn_memory(const struct record *c)
{
	char shown[256], comm[256], whose[320];

	if (c->args.all)
		(void)snprintf(whose, sizeof(whose), "every process of the machine");
	else if (c->args.unit[0])
		(void)snprintf(whose, sizeof(whose), "the processes of %s", c->args.unit);
	else if (c->args.command)
		(void)snprintf(whose, sizeof(whose), "%s and all that it starts",
			       clean(shown, c->args.command[0]));
	else
		(void)snprintf(whose, sizeof(whose), "%s (%d)%s%s",
			       clean(comm, c->targets.v[0].comm), c->targets.v[0].pid,
			       c->targets.cnt > 1 ? " and others" : "",
			       c->args.children ? " and all that descends from it" : "");
	log_warning(
		0,
		"record: %s will hold memory of %s: what is on their stacks, passwords and keys "
		"too; keep it as you keep those, and delete it after use",
		clean(shown, c->args.raw), whose);
}

static int record_prepare(struct record *c)
{
	int r = c->args.with_memory ? record_check_memory() : 0;

	if (r == 0)
		r = record_find_targets(c);
	if (r == 0)
		r = record_find_sampler(c);
	if (r == 0)
		r = record_open_output(c);
	if (r == 0)
		r = record_open_raw(c);
	if (r == 0)
		r = record_take_signals(c);
	if (r == 0)
		r = record_fork_command(c);
	if (r == 0)
		r = record_start_sampler(c);
	if (r == 0 && c->args.with_memory)
		record_warn_memory(c);
	if (r == 0)
		r = record_send_start(c);
	return r;
}

static void record_run(struct record *c)
{
	const struct ctl_globals *g = c->globals;
	bool watched = isatty(STDERR_FILENO) && !g->quiet && !g->json;
	int r;

	c->rec = (struct recording){
		.args = &c->args,
		.client = &c->client,
		.targets = &c->targets,
		.command = c->args.command ? &c->command : NULL,
		.command_pid = (uint32_t)c->command.pid,
		.output = &c->output,
		.raw = c->args.raw ? &c->raw : NULL,
		.acc = &c->acc,
		.progress = { .f = watched ? stderr : NULL },
		.signal_fd = c->signal_fd,
	};
	r = recording_run(&c->rec);
	if (r < 0) {
		c->rec.failed = true;
		log_error(r, "record: cannot go on: %m; profiles already received are kept");
	}
	/* Only its own wait4(2) tells what the roles cost together. */
	session_client_close(&c->client);
	c->acc.cpu_ns = c->client.cprofd.cpu_ns;
	c->acc.cpu_known = c->client.cprofd.pidfd >= 0;
}

/* One that was asked for is another user's, or may not be traced: its samples may be withheld. */
static bool record_of_others(const struct record *c)
{
	char path[32];
	struct stat st;
	bool found = false;

	for (size_t i = 0; geteuid() != 0 && i < c->args.pids.cnt; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%" PRId32, c->args.pids.v[i]);
		found = found || (stat(path, &st) == 0 && st.st_uid != geteuid());
	}
	return found;
}

static void record_explain_nothing(const struct record *c)
{
	if (record_of_others(c))
		log_info("record: no samples: idle for the whole time; and of processes that are "
			 "not "
			 "yours only root and the daemon's group, cprofd, see any");
	else if (c->rec.gone > 0)
		log_info("record: no samples: the process was gone too early; see ps -e");
	else if (c->args.event->kind != EVENT_CLOCK)
		log_info("record: no samples: none of %s came, or fewer than one in so many; try a "
			 "longer --seconds or a lower count",
			 c->args.event->name);
	else if (c->args.command)
		log_info("record: no samples: the command and what it started used no CPU when we "
			 "looked; a higher --hz sees shorter runs");
	else
		log_info("record: no samples: %s idle for the whole time; try a longer --seconds",
			 c->args.all		 ? "the machine was"
			 : c->args.unit[0]	 ? "the unit was"
			 : c->args.pids.cnt == 1 ? "the process was"
						 : "the processes were");
}

/* Of other users there is nothing to be had; who asked for them by name is told, and so is a script. */
static void record_explain_forbidden(struct record *c, uint64_t samples)
{
	bool nothing = c->acc.received == 0;

	if (c->args.all && nothing)
		log_info("record: no samples of your own processes: they were "
			 "idle; " LOSSES_FORBIDDEN_NEXT ", to see all");
	if (c->args.all)
		return;
	c->rec.failed = c->rec.failed || nothing;
	log_error(0,
		  "record: %" PRIu64 " samples are of other users' processes, which you may not "
		  "see; " LOSSES_FORBIDDEN_NEXT,
		  samples);
}

/* What is lost must never look like what was idle: it is said, and no success. */
static void record_explain(struct record *c)
{
	const struct counters *counters = &c->acc.end.counters;
	struct losses l;

	if (!c->acc.ended)
		return;
	if (c->acc.received == 0 && losses_find(counters, &l)) {
		log_error(0, "record: all %" PRIu64 " samples were lost: %s (%s); %s", l.samples,
			  l.why, l.counters, l.next);
		c->rec.failed = true;
	} else if (losses_find_profiles(counters, &l)) {
		log_error(0, "record: %" PRIu64 " samples are in no file: %s (%s); %s", l.samples,
			  l.why, l.counters, l.next);
		c->rec.failed = true;
	} else if (counters->v[COUNTER_discard_forbidden] > 0) {
		record_explain_forbidden(c, counters->v[COUNTER_discard_forbidden]);
	} else if (c->acc.received == 0 && !c->rec.failed) {
		record_explain_nothing(c);
	}
}

/* Where a command has written to stdout our words go to stderr, as those of perf stat and time. */
static void record_report(struct record *c)
{
	FILE *f = c->args.command ? stderr : stdout;

	if (c->globals->json)
		accounting_print_json(&c->acc, stdout);
	else if (!c->globals->quiet &&
		 (c->acc.files.cnt > 0 || c->acc.received > 0 || accounting_lost(&c->acc) > 0))
		accounting_print(&c->acc, f, ctl_colour(f));
}

/* The command's status is ours, unless it succeeded where we did not. */
static int record_exit_status(const struct record *c)
{
	bool nothing = c->acc.ended && c->acc.received == 0;
	int status;

	if (c->rec.ran) {
		status = child_exit_status(c->command.status);
		return status == 0 && c->rec.failed ? CTL_FAILED : status;
	}
	if (c->rec.failed)
		return CTL_FAILED;
	return nothing ? CTL_NOTHING : CTL_DONE;
}

static int record_cannot_execute(const struct record *c)
{
	char shown[256];

	log_error(c->rec.exec_error,
		  "record: cannot run %s: %m; check the name and its permissions",
		  clean(shown, c->args.command[0]));
	return c->rec.exec_error == -ENOENT ? CTL_NOT_FOUND : CTL_CANNOT_EXECUTE;
}

int cmd_record(struct ctl_globals *globals, int argc, char **argv)
{
	_cleanup_(record_done) struct record c = {
		.globals = globals,
		.targets = TARGETS_INIT,
		.output = OUTPUT_INIT,
		.raw = OUTPUT_INIT,
		.client = SESSION_CLIENT_INIT,
		.command = CHILD_INIT,
		.signal_fd = -EBADF,
	};
	struct option_problem problem = { "" };
	int r;

	r = record_args_parse(&c.args, globals, argc, argv, &problem);
	ctl_log_open(globals);
	if (r == -EINVAL) {
		log_error(0, "record: %s; see cprofctl record --help", problem.why);
		return CTL_USAGE;
	}
	if (r == 0 && c.args.help) {
		record_args_help();
		return CTL_DONE;
	}
	if (r == 0)
		r = accounting_init(&c.acc);
	if (r < 0) {
		log_error(r, "record: %m");
		return CTL_FAILED;
	}
	if (record_prepare(&c) < 0)
		return CTL_FAILED;
	record_run(&c);
	if (c.rec.exec_error)
		return record_cannot_execute(&c);
	record_explain(&c);
	record_report(&c);
	return record_exit_status(&c);
}
