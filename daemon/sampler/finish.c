/* SPDX-License-Identifier: Apache-2.0 */

/*
 * finish — encodes each process into a sealed memfd, hands it to the client, closes the books.
 *
 * One profile at a time: encoded, sent, closed; a client that does not read is waited for by the
 * timer, up to a limit, and what it did not take is counted.
 */

#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "cprof/encode.h"
#include "cprof/fold.h"
#include "sampler.h"

#define CLIENT_WAIT_NS (30 * NSEC_PER_SEC)

static void count_processes(struct sampler *s)
{
	char path[CGROUPS_PATH_SZ];

	for (size_t i = 0; i < s->window->processes.cnt; i++) {
		const struct window_process *p = &s->window->processes.v[i];

		s->counters.v[COUNTER_stacks_complete] += p->complete;
		s->counters.v[COUNTER_stacks_truncated] += p->samples - p->complete;
		if (p->samples > 0 &&
		    cgroups_path(s->cgroups, p->cgroup_hierarchy, p->cgroup, path) < 0)
			s->counters.v[COUNTER_units_unknown]++;
	}
}

/* Of a parcel, or of the whole window. */
static uint64_t samples_of(const struct sampler *s, const struct parcel *parcel)
{
	size_t cnt = parcel ? parcel->cnt : s->window->processes.cnt;
	uint64_t sum = 0;

	for (size_t i = 0; i < cnt; i++) {
		size_t process = parcel ? s->parcel_processes.v[parcel->at + i] : i;

		sum += s->window->processes.v[process].samples;
	}
	return sum;
}

static void read_boot_id(const struct sampler *s, char *dst, size_t dst_sz)
{
	if (root_read(&s->root, "proc/sys/kernel/random/boot_id", dst, dst_sz) < 0)
		dst[0] = '\0';
	dst[strcspn(dst, "\n")] = '\0';
}

/* All that the files say and a replay cannot find out again. */
static void fill_about(struct sampler *s)
{
	const struct window *w = s->window;
	struct replay_session *about = &s->about;

	*about = (struct replay_session){
		.flags = (s->start.flags & SESSION_MERGED ? REPLAY_MERGED : 0) |
			 (remapping_is_on(s) ? REPLAY_WALK_PROC : 0),
		.from_boot_ns = w->from_boot_ns,
		.to_boot_ns = w->to_boot_ns,
		.from_real_ns = w->from_real_ns,
		.missed = w->missed,
		.lost = w->lost,
		.hz = w->hz,
		.cpus = s->cpus,
		.pids_cnt = s->start.pids_cnt,
		.event_count = s->start.event_count,
		.version = CPROF_VERSION,
	};
	memcpy(about->pids, s->start.pids, s->start.pids_cnt * sizeof(*about->pids));
	(void)snprintf(about->event, sizeof(about->event), "%s", s->event->name);
	read_boot_id(s, about->boot_id, sizeof(about->boot_id));
	if (gethostname(about->host, sizeof(about->host) - 1) < 0)
		about->host[0] = '\0';
}

void finish_parcels(struct sampler *s)
{
	fold_settle(s->window);
	s->writing_next = 0;
	if (parcels_make(s) < 0) {
		parcels_done(s);
		s->counters.v[COUNTER_discard_encode] += samples_of(s, NULL);
	}
}

void finish_begin(struct sampler *s)
{
	struct counters c;
	struct books books;

	cputime_settle(s);
	remapping_finish(s);
	s->counters.v[COUNTER_names_late] += symbolize_late(s->view);
	count_processes(s);
	(void)recording_books(s, &c, &books);
	s->window->missed = books.missed;
	s->window->lost = books.dropped + books.discarded;
	fill_about(s);
	finish_parcels(s);
	s->phase = PHASE_WRITING;
}

int finish_write(const void *bytes, size_t sz, void *ctx)
{
	const uint8_t *at = bytes;
	int fd = *(const int *)ctx;

	while (sz > 0) {
		ssize_t n = write(fd, at, sz);

		if (n < 0)
			return -errno;
		at += n;
		sz -= (size_t)n;
	}
	return 0;
}

/* Encodes the parcel into s->profile_fd and describes it in s->profile. */
static int encode_one(struct sampler *s, const struct parcel *parcel)
{
	_cleanup_close_ int fd = memfd_create("cprof-profile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct encode_result res;
	struct encode_opts opts = {
		.window = s->window,
		.objects = s->objects,
		.names = s->names,
		.cgroups = s->cgroups,
		.processes = s->parcel_processes.v + parcel->at,
		.processes_cnt = parcel->cnt,
		.labels = parcel->kind != SESSION_PROFILE_PROCESS,
		.walk_proc = s->about.flags & REPLAY_WALK_PROC,
		.event = s->event,
		.event_count = s->start.event_count,
		.version = s->about.version,
		.boot_id = s->about.boot_id,
		.host_name = s->about.host,
		.host_cpus = s->about.cpus,
		.write = finish_write,
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
	if (fcntl(fd, F_ADD_SEALS, FINISH_SEALS) < 0)
		return -errno;
	s->counters.v[COUNTER_frames] += res.frames;
	s->counters.v[COUNTER_frames_named] += res.frames_named;
	s->profile.samples = res.samples;
	s->profile.weight_ns = res.weight_ns;
	s->profile.bytes = res.bytes;
	s->profile_fd = TAKE_FD(fd);
	return 0;
}

/* The heaviest gives the name. */
static const struct window_process *main_process(const struct sampler *s,
						 const struct parcel *parcel)
{
	const struct window_process *heaviest = NULL;

	for (uint32_t i = 0; i < parcel->cnt; i++) {
		const struct window_process *p =
			&s->window->processes.v[s->parcel_processes.v[parcel->at + i]];

		if (!heaviest || p->weight_ns > heaviest->weight_ns)
			heaviest = p;
	}
	return heaviest;
}

static void describe(struct sampler *s, const struct parcel *parcel)
{
	const struct window *w = s->window;
	const struct window_process *p = main_process(s, parcel);

	s->profile = (struct session_profile){
		.head = { .size = sizeof(s->profile), .type = SESSION_PROFILE },
		.from_real_ns = w->from_real_ns,
		.to_real_ns = w->from_real_ns + (w->to_boot_ns - w->from_boot_ns),
		.kind = parcel->kind,
		.processes = parcel->cnt,
		.exe_id = parcel->exe_id,
	};
	if (parcel->kind == SESSION_PROFILE_MERGED)
		return;
	s->profile.uid = p->uid;
	(void)snprintf(s->profile.comm, sizeof(s->profile.comm), "%s", p->comm);
	if (parcel->kind != SESSION_PROFILE_PROCESS)
		return;
	s->profile.pid = p->pid;
	s->profile.exec = p->exec;
	s->profile.start_ticks = p->start_ns / NSEC_PER_TICK;
}

void finish_next_profile(struct sampler *s)
{
	while (s->profile_fd < 0 && s->writing_next < s->parcels.cnt) {
		const struct parcel *parcel = &s->parcels.v[s->writing_next++];

		describe(s, parcel);
		if (encode_one(s, parcel) < 0)
			s->counters.v[COUNTER_discard_encode] += samples_of(s, parcel);
	}
}

/* The profiles, and behind them the file for replay: they must not wait for it. */
static void next_file(struct sampler *s)
{
	finish_next_profile(s);
	if (s->profile_fd < 0 && s->raw) {
		raw_finish(s);
		s->raw = raw_free(s->raw);
	}
	s->profile_waits_ns = clock_mono_ns();
}

/* 1: sent or given up; 0: the client is slow; -errno: it is gone. */
static int send_profile(struct sampler *s)
{
	int r = seqpacket_send(s->client_fd, &s->profile, sizeof(s->profile), s->profile_fd);

	if (r == -EAGAIN || r == -ETOOMANYREFS) {
		if (clock_mono_ns() - s->profile_waits_ns < CLIENT_WAIT_NS)
			return 0;
		s->counters.v[COUNTER_discard_client] += s->profile.samples;
	} else if (r < 0) {
		return r;
	} else {
		s->counters.v[COUNTER_in_profiles] += s->profile.samples;
		s->profiles += s->profile.kind != SESSION_PROFILE_RAW;
	}
	s->profile_fd = fd_close(s->profile_fd);
	return 1;
}

static int send_end(struct sampler *s)
{
	struct session_end m = {
		.head = { .size = sizeof(m), .type = SESSION_END },
		.duration_ns = s->ended_ns - s->begun_ns,
		.ended_by = s->ended_by,
		.bpf_bytes = collect_map_bytes(s->collect),
		.profiles = s->profiles,
		.hz = s->hz,
		.cpus = s->cpus,
		.counters_cnt = COUNTER_MAX,
		.walk = collect_walk_is_off(s->collect) ? SESSION_WALK_PROC : SESSION_WALK_TREE,
	};

	(void)recording_books(s, &m.counters, &m.books);
	return seqpacket_send(s->client_fd, &m, sizeof(m), -EBADF);
}

int finish_step(struct sampler *s)
{
	int r;

	for (;;) {
		if (s->profile_fd < 0)
			next_file(s);
		if (s->profile_fd < 0)
			break;
		r = send_profile(s);
		if (r <= 0)
			return r;
	}
	r = session_send_notes(s);
	if (r <= 0)
		return r;
	r = send_end(s);
	if (r == -EAGAIN)
		return 0;
	/* The programs are unloaded now; the client may go on for long (a command that lives). */
	recording_drop(s);
	return r;
}
