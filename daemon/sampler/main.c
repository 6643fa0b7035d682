/* SPDX-License-Identifier: Apache-2.0 */

/*
 * main — cprofd-sampler: started by the launcher with one descriptor, it learns everything else from
 * there and runs its loop until the session is over or the launcher is gone.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/rng.h"
#include "sampler.h"

static int sampler_init(struct sampler *s)
{
	struct symbolize_opts opts = {
		.counters = &s->counters,
		.on_object = forget_learn,
		.on_forget = forget_unlearn,
		.names_max = FORGET_NAMES_BYTES,
		.ctx = s,
	};
	int r;

	r = root_open(&s->root, "/");
	if (r < 0)
		return r;
	r = objects_new(rng_seed(), &s->objects);
	if (r < 0)
		return r;
	r = names_new(rng_seed(), &s->names);
	if (r < 0)
		return r;
	r = cgroups_new(rng_seed(), &s->cgroups);
	if (r < 0)
		return r;
	opts.objects = s->objects;
	opts.names = s->names;
	r = symbolize_new(&opts, &s->symbolize);
	if (r < 0)
		return r;
	return loop_new(&s->loop);
}

static void sampler_done(struct sampler *s)
{
	recording_drop(s);
	s->client_fd = fd_close(s->client_fd);
	s->symbolize = symbolize_free(s->symbolize);
	s->loop = loop_free(s->loop);
	s->cgroups = cgroups_free(s->cgroups);
	s->names = names_free(s->names);
	s->objects = objects_free(s->objects);
	root_done(&s->root);
}

int main(int argc, char **argv)
{
	_cleanup_(sampler_done) struct sampler s = {
		.root = ROOT_INIT,
		.client_fd = -EBADF,
		.profile_fd = -EBADF,
	};
	int r;

	log_open("cprofd-sampler", log_role_level(argc, argv));
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C is the client's to understand */
	(void)prctl(PR_SET_DUMPABLE, 0);
	r = sampler_init(&s);
	if (r == 0)
		r = roles_begin(&s);
	if (r == 0)
		r = loop_run(s.loop);
	if (r < 0)
		(void)log_error(r, "cannot go on: %m");
	return r < 0 ? 1 : 0;
}
