/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A profile that came: checked, named, written, summed up. The file is written before it is read:
 * whatever our reader thinks of it, the user's samples are safe.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/str.h"
#include "cprof/profile_name.h"
#include "recording-profile.h"

static void recording_profile_name(const struct recording *rec, const struct session_profile *m,
				   char name[static PROFILE_NAME_MAX])
{
	char comm[sizeof(m->comm)];
	struct profile_label label = {
		.comm = comm,
		.pid = m->pid,
		.exec = m->exec,
		.start_ticks = m->start_ticks,
		.exe_id = m->exe_id,
		.from_real_ns = m->from_real_ns,
		.to_real_ns = m->to_real_ns,
	};

	(void)str_clean(comm, sizeof(comm), m->comm, sizeof(m->comm), NULL);
	if (m->kind == SESSION_PROFILE_ENDED) {
		profile_name_ended(name, PROFILE_NAME_MAX, &label);
		return;
	}
	if (m->kind != SESSION_PROFILE_MERGED) {
		profile_name(name, PROFILE_NAME_MAX, &label);
		return;
	}
	/* Of a tree: by where it begins. */
	if (rec->args->command) {
		label.comm = strrchr(rec->args->command[0], '/');
		label.comm = label.comm ? label.comm + 1 : rec->args->command[0];
		label.pid = rec->command_pid;
	} else if (rec->args->children) {
		label.comm = rec->targets->v[0].comm;
		label.pid = (uint32_t)rec->targets->v[0].pid;
	} else {
		profile_name_outside(name, PROFILE_NAME_MAX, &label);
		return;
	}
	profile_name_merged(name, PROFILE_NAME_MAX, &label);
}

static void recording_not_written(struct recording *rec, const struct output *o, const char *name,
				  int error)
{
	char shown[512], raw[512];

	(void)snprintf(raw, sizeof(raw), "%s%s", o->dir, o->file ? o->file : name);
	(void)str_clean(shown, sizeof(shown), raw, strlen(raw), NULL);
	progress_clear(&rec->progress);
	rec->failed = true;
	log_error(error, "record: cannot write %s: %m; make room or choose another place with %s",
		  shown, o == rec->raw ? "--raw" : "-o");
}

/* Where it went, or NULL when it could not be written. */
static char *recording_write(struct recording *rec, const char *name, const void *bytes, size_t sz)
{
	char *path = NULL;
	int r = output_write(rec->output, name, bytes, sz, &path);

	if (r < 0)
		recording_not_written(rec, rec->output, name, r);
	return path;
}

/* It may be large: it is copied, not held. */
static int recording_raw(struct recording *rec, const struct session_profile *m, int fd)
{
	_cleanup_free_ char *path = NULL;
	int r = session_profile_check(m, fd);

	if (r < 0)
		return r;
	if (!rec->raw || rec->raw->written)
		return -EBADMSG;
	r = output_copy(rec->raw, rec->raw->file, fd, m->bytes, &path);
	if (r < 0)
		recording_not_written(rec, rec->raw, rec->raw->file, r);
	return 0;
}

int recording_profile(struct recording *rec, const struct session_profile *m, int fd)
{
	_cleanup_free_ void *bytes = NULL;
	char name[PROFILE_NAME_MAX], *path;
	int r;

	if (m->kind == SESSION_PROFILE_RAW)
		return recording_raw(rec, m, fd);
	r = session_profile_read(m, fd, &bytes);
	if (r < 0)
		return r;
	rec->acc->received += m->samples;
	recording_profile_name(rec, m, name);
	path = recording_write(rec, name, bytes, m->bytes);
	if (!path)
		return 0;
	r = accounting_add_file(rec->acc, m, path);
	if (r < 0)
		return r;
	r = report_add(rec->acc->report, bytes, m->bytes);
	if (r < 0) {
		/* Too large to be summed up is no fault; not a profile is. */
		progress_clear(&rec->progress);
		rec->failed = rec->failed || r == -EBADMSG;
		log_warning(r, "record: %s cannot be summed up: %m; it is not in the table below",
			    name);
	}
	return 0;
}
