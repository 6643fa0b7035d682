/* SPDX-License-Identifier: Apache-2.0 */

/*
 * writing — encodes an interval's parcels of processes, each into a sealed memfd.
 *
 * One at a time: whoever takes them decides when there is room for the next. A sample is in the books
 * of its interval until it is told what became of its file.
 */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/base/clock.h"
#include "cprof/base/fd.h"
#include "cprof/base/sealed.h"
#include "cprof/encode.h"
#include "cprof/fold.h"
#include "writing.h"

void writing_describe(struct writing *w, const struct stream *st, struct interval *iv)
{
	const struct window *window = iv->window;
	struct replay_session *about = &w->about;

	w->interval = iv;
	w->event = st->opts.event;
	*about = (struct replay_session){
		.flags = remapping_is_on(iv) ? REPLAY_WALK_PROC : 0,
		.from_boot_ns = window->from_boot_ns,
		.to_boot_ns = window->to_boot_ns,
		.from_real_ns = window->from_real_ns,
		.missed = window->missed,
		.lost = window->lost,
		.hz = window->hz,
		.cpus = st->cpus,
		.event_count = st->opts.event_count,
		.version = CPROF_VERSION,
	};
	(void)snprintf(about->event, sizeof(about->event), "%s", w->event->name);
	(void)snprintf(about->boot_id, sizeof(about->boot_id), "%s", iv->sampler->boot_id);
	if (gethostname(about->host, sizeof(about->host) - 1) < 0)
		about->host[0] = '\0';
}

/* They are in no file, or in one by now. */
static void settle(struct interval *iv, enum counter counter, uint64_t samples)
{
	iv->counters->v[counter] += samples;
	iv->samples -= MIN(samples, iv->samples);
}

/* Of a parcel, or of the whole window. */
static uint64_t samples_of(const struct writing *w, const struct parcel *parcel)
{
	const struct window *window = w->interval->window;
	size_t cnt = parcel ? parcel->cnt : window->processes.cnt;
	uint64_t sum = 0;

	for (size_t i = 0; i < cnt; i++) {
		size_t process = parcel ? w->processes.v[parcel->at + i] : i;

		sum += window->processes.v[process].samples;
	}
	return sum;
}

static void leave_out(struct writing *w)
{
	struct window *window = w->interval->window;

	for (size_t i = 0; w->wants && i < window->processes.cnt; i++) {
		struct window_process *p = &window->processes.v[i];

		if (p->samples == 0 || w->wants(p, w->wants_ctx))
			continue;
		settle(w->interval, COUNTER_discard_excluded, p->samples);
		p->samples = 0;
	}
}

void writing_begin(struct writing *w)
{
	fold_settle(w->interval->window);
	leave_out(w);
	w->next = 0;
	if (parcels_make(w) == 0)
		return;
	vec_done(&w->parcels);
	vec_done(&w->processes);
	settle(w->interval, COUNTER_discard_encode, samples_of(w, NULL));
}

void writing_name(const struct session_profile *m, char name[static PROFILE_NAME_MAX])
{
	const struct profile_label label = {
		.comm = m->comm,
		.pid = m->pid,
		.exec = m->exec,
		.start_ticks = m->start_ticks,
		.exe_id = m->exe_id,
		.from_real_ns = m->from_real_ns,
		.to_real_ns = m->to_real_ns,
	};

	if (m->kind == SESSION_PROFILE_ENDED)
		profile_name_ended(name, PROFILE_NAME_MAX, &label);
	else if (m->kind == SESSION_PROFILE_PROCESS)
		profile_name(name, PROFILE_NAME_MAX, &label);
	else
		profile_name_outside(name, PROFILE_NAME_MAX, &label);
}

int writing_write(const void *bytes, size_t sz, void *ctx)
{
	return fd_write_all(*(const int *)ctx, bytes, sz);
}

/* Encodes the parcel into w->fd and completes w->profile. */
static int encode_one(struct writing *w, const struct parcel *parcel)
{
	_cleanup_close_ int fd = memfd_create("cprof-profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct sampler *s = w->interval->sampler;
	struct counters *counters = w->interval->counters;
	struct encode_result res;
	struct encode_opts opts = {
		.window = w->interval->window,
		.objects = s->objects,
		.names = s->names,
		.cgroups = s->cgroups,
		.processes = w->processes.v + parcel->at,
		.processes_cnt = parcel->cnt,
		.labels = parcel->kind != SESSION_PROFILE_PROCESS,
		.walk_proc = w->about.flags & REPLAY_WALK_PROC,
		.event = w->event,
		.event_count = w->about.event_count,
		.version = w->about.version,
		.boot_id = w->about.boot_id,
		.host_name = w->about.host,
		.host_cpus = w->about.cpus,
		.write = writing_write,
		.ctx = &fd,
	};
	int r;

	if (fd < 0)
		return -errno;
	r = encode_profile(&opts, &res);
	if (r < 0)
		return r;
	if (res.bytes > SESSION_PROFILE_BYTES_MAX)
		return -EFBIG;
	r = sealed_finish(fd);
	if (r < 0)
		return r;
	counters->v[COUNTER_frames] += res.frames;
	counters->v[COUNTER_frames_named] += res.frames_named;
	w->profile.samples = res.samples;
	w->profile.weight_ns = res.weight_ns;
	w->profile.bytes = res.bytes;
	w->fd = TAKE_FD(fd);
	return 0;
}

/* The heaviest gives the name. */
static const struct window_process *main_process(const struct writing *w,
						 const struct parcel *parcel)
{
	const struct window_process *heaviest = NULL;

	for (uint32_t i = 0; i < parcel->cnt; i++) {
		const struct window_process *p =
			&w->interval->window->processes.v[w->processes.v[parcel->at + i]];

		if (!heaviest || p->weight_ns > heaviest->weight_ns)
			heaviest = p;
	}
	return heaviest;
}

static void describe(struct writing *w, const struct parcel *parcel)
{
	const struct window *window = w->interval->window;
	const struct window_process *p = main_process(w, parcel);

	w->profile = (struct session_profile){
		.head = { .size = sizeof(w->profile), .type = SESSION_PROFILE },
		.from_real_ns = window->from_real_ns,
		.to_real_ns = window->from_real_ns + (window->to_boot_ns - window->from_boot_ns),
		.kind = parcel->kind,
		.processes = parcel->cnt,
		.exe_id = parcel->exe_id,
	};
	if (parcel->kind == SESSION_PROFILE_MERGED)
		return;
	w->profile.uid = p->uid;
	(void)snprintf(w->profile.comm, sizeof(w->profile.comm), "%s", p->comm);
	if (parcel->kind != SESSION_PROFILE_PROCESS)
		return;
	w->profile.pid = p->pid;
	w->profile.exec = p->exec;
	w->profile.start_ticks = p->start_ns / NSEC_PER_TICK;
}

void writing_next(struct writing *w)
{
	w->fd = fd_close(w->fd);
	while (w->fd < 0 && w->next < w->parcels.cnt) {
		const struct parcel *parcel = &w->parcels.v[w->next++];

		describe(w, parcel);
		if (encode_one(w, parcel) < 0)
			settle(w->interval, COUNTER_discard_encode, samples_of(w, parcel));
	}
}

void writing_settle(struct writing *w, enum counter counter)
{
	settle(w->interval, counter, w->profile.samples);
	w->profile.samples = 0; /* once */
}

void writing_done(struct writing *w)
{
	vec_done(&w->parcels);
	vec_done(&w->processes);
	w->fd = fd_close(w->fd);
	w->interval = NULL;
}
