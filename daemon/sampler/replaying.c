/* SPDX-License-Identifier: Apache-2.0 */

/*
 * replaying — a file that `cprofctl record --raw` wrote, through decode, locate, fold and encode as if
 * its records came from the rings: the same profiles again, under the same names.
 *
 * Run by a plain user: no BPF, no roles, no client. The file is a stranger's: what reads it checks it,
 * and what cannot be read ends with one line, before any profile is written.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cprof/base/fd.h"
#include "cprof/base/log.h"
#include "cprof/base/rng.h"
#include "cprof/base/str.h"
#include "cprof/output.h"
#include "cprof/profile_name.h"
#include "cprof/replay.h"
#include "recording.h"

struct replaying {
	struct sampler *s;
	struct stream stream; /* without a collection: its samples come from the file */
	struct writing writing;
	struct replay_tables tables;
	struct output output;
	const char *file; /* as shown in messages */
	int fd;
	uint64_t raw_lost;
	uint32_t files;
};

static ssize_t read_file(void *dst, size_t sz, void *ctx)
{
	const struct replaying *rp = ctx;
	return fd_read_upto(rp->fd, dst, sz);
}

static int open_interval(struct replaying *rp, const struct replay_session *about)
{
	struct interval *iv;
	int r = interval_new(rp->s, &rp->stream.counters, &iv);

	if (r < 0)
		return r;
	rp->stream.open = iv;
	iv->settled = true; /* no exits are told */
	iv->window = window_new(about->from_boot_ns, about->from_real_ns, rng_seed());
	if (!iv->window)
		return -ENOMEM;
	iv->window->to_boot_ns = about->to_boot_ns;
	iv->window->missed = about->missed;
	iv->window->lost = about->lost;
	iv->window->hz = about->hz;
	rp->writing.interval = iv;
	rp->tables.window = iv->window;
	return 0;
}

static int on_session(struct replaying *rp, const struct replay_session *about)
{
	rp->writing.event = event_find(about->event);
	if (!rp->writing.event || event_check_count(rp->writing.event, about->event_count) < 0)
		return -EBADMSG;
	rp->writing.about = *about;
	return open_interval(rp, about);
}

static void on_end(struct replaying *rp, const struct replay_end *end)
{
	const uint64_t *counters = (const void *)(end + 1);

	if (end->counters_cnt > COUNTER_raw_lost)
		rp->raw_lost = counters[COUNTER_raw_lost];
}

static int on_entry(enum replay_type type, const void *entry, void *ctx)
{
	struct replaying *rp = ctx;
	const struct cprof_head *head = entry;

	switch (type) {
	case REPLAY_SESSION:
		return on_session(rp, entry);
	case REPLAY_RECORDS:
		(void)pipeline_on_sample(entry, head->size, &rp->stream);
		return rp->stream.counters.v[COUNTER_discard_malformed] > 0 ? -EBADMSG : 0;
	case REPLAY_END:
		on_end(rp, entry);
		return 0;
	default:
		return replay_restore(&rp->tables, type, entry);
	}
}

/* In the recording it was named after the command, of which the file has the process. */
static void name_merged(const struct replaying *rp, struct profile_label *label)
{
	const struct window *w = rp->tables.window;

	label->pid = (uint32_t)rp->writing.about.pids[0];
	label->comm = "merged";
	for (size_t i = 0; i < w->processes.cnt; i++)
		if (w->processes.v[i].pid == label->pid)
			label->comm = w->processes.v[i].comm;
}

static void name_file(const struct replaying *rp, char name[static PROFILE_NAME_MAX])
{
	const struct session_profile *m = &rp->writing.profile;
	struct profile_label label = {
		.from_real_ns = m->from_real_ns,
		.to_real_ns = m->to_real_ns,
	};

	if (!(rp->writing.about.flags & REPLAY_MERGED)) {
		writing_name(m, name);
		return;
	}
	name_merged(rp, &label);
	profile_name_merged(name, PROFILE_NAME_MAX, &label);
}

static int write_profile(struct replaying *rp)
{
	_cleanup_close_ int fd = TAKE_FD(rp->writing.fd);
	_cleanup_free_ char *path = NULL;
	char name[PROFILE_NAME_MAX];
	int r;

	name_file(rp, name);
	r = output_copy(&rp->output, name, fd, rp->writing.profile.bytes, &path);
	if (r < 0)
		return log_error(r,
				 "replay: cannot write %s%s: %m; make room or choose another "
				 "place with -o",
				 rp->output.dir, name);
	writing_settle(&rp->writing, COUNTER_in_profiles);
	rp->files++;
	return 0;
}

static int write_profiles(struct replaying *rp)
{
	writing_begin(&rp->writing);
	for (;;) {
		int r;

		writing_next(&rp->writing);
		if (rp->writing.fd < 0)
			return 0;
		r = write_profile(rp);
		if (r < 0)
			return r;
	}
}

static int read_all(struct replaying *rp)
{
	const struct replay_reader_opts opts = {
		.read = read_file,
		.entry = on_entry,
		.ctx = rp,
	};
	struct replay_fault fault;
	int r = replay_read(&opts, &fault);

	if (r == -EPROTONOSUPPORT)
		return log_error(r, "replay: %s: %s; use the cprofd that recorded it", rp->file,
				 fault.text);
	if (r == -EBADMSG)
		return log_error(r,
				 "replay: %s: %s (at byte %" PRIu64 "); record or fetch it again",
				 rp->file, fault.text, fault.offset);
	if (r < 0)
		return log_error(r, "replay: %s: %m (at byte %" PRIu64 ")", rp->file, fault.offset);
	return 0;
}

static int open_file(struct replaying *rp, const char *file)
{
	struct stat st;

	/* A FIFO would be waited for. */
	rp->fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (rp->fd < 0 || fstat(rp->fd, &st) < 0)
		return log_error(-errno,
				 "replay: cannot open %s: %m; check the name and its "
				 "permissions",
				 rp->file);
	if (!S_ISREG(st.st_mode))
		return log_error(-EINVAL,
				 "replay: %s is no regular file; give a file that "
				 "cprofctl record --raw wrote",
				 rp->file);
	return 0;
}

static int open_output(struct replaying *rp, const char *dir)
{
	char shown[256];
	int r = dir ? output_open_directory(&rp->output, dir) : output_open_here(&rp->output);

	(void)str_clean(shown, sizeof(shown), dir ?: ".", strlen(dir ?: "."), NULL);
	return r < 0 ? log_error(r, "replay: cannot write to %s: %m; choose another place with -o",
				 shown)
		     : 0;
}

/* Without the decoder's consent to every record it is not the recording again. */
static int account(const struct replaying *rp)
{
	const struct counters *c = &rp->stream.counters;
	const struct window *w = rp->tables.window;
	const uint64_t delivered = c->v[COUNTER_delivered];

	(void)printf("replayed %" PRIu64 " samples of %zu processes into %" PRIu32
		     " files in %s (%" PRIu64 " missed, %" PRIu64 " lost, %" PRIu64
		     " not in the raw file; %" PRIu64 " of %" PRIu64 " frames named)\n",
		     (uint64_t)c->v[COUNTER_in_profiles], w->processes.cnt, rp->files,
		     rp->output.dir[0] ? rp->output.dir : "./", w->missed, w->lost, rp->raw_lost,
		     (uint64_t)c->v[COUNTER_frames_named], (uint64_t)c->v[COUNTER_frames]);
	if (c->v[COUNTER_in_profiles] == delivered)
		return 0;
	return log_error(-EBADMSG,
			 "replay: %s: %" PRIu64 " of its %" PRIu64 " records make no "
			 "sample, or found no memory; record it again",
			 rp->file, delivered - (uint64_t)c->v[COUNTER_in_profiles], delivered);
}

static void replaying_done(struct replaying *rp)
{
	output_done(&rp->output);
	writing_done(&rp->writing);
	rp->stream.open = interval_free(rp->stream.open);
	vec_done(&rp->stream.seqs);
	rp->fd = fd_close(rp->fd);
}

int replaying_main(struct sampler *s, const char *file, const char *dir)
{
	_cleanup_(replaying_done) struct replaying rp = {
		.s = s,
		.stream = { .sampler = s },
		.writing = WRITING_INIT,
		.tables = { .objects = s->objects, .names = s->names, .cgroups = s->cgroups },
		.output = OUTPUT_INIT,
		.fd = -EBADF,
	};
	char shown[256];

	(void)str_clean(shown, sizeof(shown), file, strlen(file), NULL);
	rp.file = shown;
	if (open_file(&rp, file) < 0 || read_all(&rp) < 0 || open_output(&rp, dir) < 0 ||
	    write_profiles(&rp) < 0 || account(&rp) < 0)
		return 1;
	return 0;
}
