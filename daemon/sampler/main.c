/* SPDX-License-Identifier: Apache-2.0 */

/*
 * main — cprofd-sampler: started by the launcher with one descriptor, it learns everything else from
 * there and runs its loop until the session is over or the launcher is gone.
 */

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/rng.h"
#include "always.h"
#include "recording.h"

/*
 * What a window grows by comes and goes with it, and so do its files: from here on a piece is mapped by
 * itself and given back when it is freed. Else the allocator learns from the largest to keep all of them
 * in its heap, below tables that stay, and holds for good what the busiest moment ever took.
 */
#define MMAP_THRESHOLD (128 << 10)

/* Of a private session. */
#define UNWIND_BYTES (64u << 20)

static void read_boot_id(struct sampler *s)
{
	char *id = s->boot_id;

	if (root_read(&s->root, "proc/sys/kernel/random/boot_id", id, sizeof(s->boot_id)) < 0)
		id[0] = '\0';
	id[strcspn(id, "\n")] = '\0';
}

static int sampler_init(struct sampler *s)
{
	struct symbolize_opts opts = {
		.counters = &s->counters,
		.on_object = forget_learn,
		.on_forget = forget_unlearn,
		.on_mapped = remapping_on_mapped,
		.on_rows = unwinding_on_rows,
		.on_code = codelines_ask,
		.names_max = FORGET_NAMES_BYTES,
		.ctx = s,
	};
	int r;

	unwinding_limit(s, UNWIND_BYTES); /* of a daemon, its configuration says */
	r = root_open(&s->root, "/");
	if (r < 0)
		return r;
	read_boot_id(s);
	r = objects_new(rng_seed(), &s->objects);
	if (r < 0)
		return r;
	r = names_new(rng_seed(), &s->names);
	if (r < 0)
		return r;
	r = cgroups_new(rng_seed(), &s->cgroups);
	if (r < 0)
		return r;
	cgroups_keep_removed(s->cgroups, CGROUPS_REMOVED_KEPT >> CPROF_BOUNDS_SHIFT);
	opts.objects = s->objects;
	opts.names = s->names;
	r = symbolize_new(&opts, &s->symbolize);
	if (r < 0)
		return r;
	r = loop_new(&s->loop);
	return r < 0 ? r : session_init(s);
}

static void sampler_done(struct sampler *s)
{
	session_done(s);
	s->always = always_free(s->always);
	front_done(s);
	while (s->intervals.cnt > 0)
		(void)interval_free(s->intervals.v[0]);
	vec_done(&s->intervals);
	s->symbolize = symbolize_free(s->symbolize);
	unwinding_done(s);
	s->loop = loop_free(s->loop);
	s->cgroups = cgroups_free(s->cgroups);
	s->names = names_free(s->names);
	s->objects = objects_free(s->objects);
	root_done(&s->root);
}

struct sampler_options {
	const char *replay; /* NULL: be the role */
	const char *dir;
};

/* They come from the launcher, but a person may start us too. */
static int parse_options(struct sampler_options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--replay") == 0 && i + 1 < argc)
			o->replay = argv[++i];
		else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
			o->dir = argv[++i];
		else if (strcmp(argv[i], "--verbose") != 0)
			return -EINVAL;
	}
	return 0;
}

static int sampler_run(struct sampler *s)
{
	int r = roles_begin(s);

	return r < 0 ? r : loop_run(s->loop);
}

int main(int argc, char **argv)
{
	_cleanup_(sampler_done) struct sampler s = {
		.root = ROOT_INIT,
		.front_fd = -EBADF,
	};
	struct sampler_options o = { 0 };
	int r;

	log_open("cprofd-sampler", log_role_level(argc, argv));
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C is the client's to understand */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (parse_options(&o, argc, argv) < 0) {
		(void)log_error(0, "no such option; it is started by cprofd");
		return 2;
	}
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD); /* a fixed one */
	r = sampler_init(&s);
	if (r == 0 && o.replay)
		return replaying_main(&s, o.replay, o.dir);
	if (r == 0)
		r = sampler_run(&s);
	if (r < 0)
		(void)log_error(r, "cannot go on: %m");
	return r < 0 ? 1 : 0;
}
