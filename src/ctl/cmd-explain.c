/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `cprofctl explain`: what ELF files have of names, lines and rows, and what profiles have of them. Which of the two
 * a file is, its first bytes tell. ELF files come first, one after the other; profiles are one table.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "cprof/base/rng.h"
#include "cprof/base/str.h"
#include "ctl.h"
#include "explain-options.h"
#include "explain-text.h"
#include "sources.h"

struct explain {
	const struct ctl_globals *globals;
	struct explain_args args;
	struct explain_profile *profile;
	struct json json;
	size_t elves, profiles;
	bool failed;
};

static void explain_done(struct explain *e)
{
	explain_args_done(&e->args);
	e->profile = explain_profile_free(e->profile);
}

static void refuse(struct explain *e, const char *shown, int error)
{
	e->failed = true;
	if (error == -EBADMSG)
		log_error(0, "explain: %s: neither an ELF file nor a profile", shown);
	else if (error == -ENODATA)
		log_error(0, "explain: %s: no profiles in this directory", shown);
	else if (error == -E2BIG)
		log_error(0, "explain: %s: larger than cprofctl reads", shown);
	else
		log_error(error, "explain: %s: %m; check the name and its permissions", shown);
}

static void on_file(void *ctx, const char *shown, const void *bytes, size_t sz)
{
	struct explain *e = ctx;
	int r = explain_profile_add(e->profile, bytes, sz);

	if (r < 0)
		refuse(e, shown, r);
	else
		e->profiles++;
}

static void on_error(void *ctx, const char *shown, int error)
{
	refuse(ctx, shown, error);
}

/* What cannot be opened is none, and is told of as a profile that cannot. */
static bool is_elf(const struct explain *e, const char *path)
{
	char whole[PATH_MAX], magic[4];
	_cleanup_close_ int fd = -EBADF;

	if (snprintf(whole, sizeof(whole), "%s%s", e->args.root, path) >= (int)sizeof(whole))
		return false;
	fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 && pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

static void explain_file(struct explain *e, const char *path)
{
	_cleanup_free_ struct explain_found *found = malloc(sizeof(*found));
	struct problem problem;
	char shown[PATH_MAX];

	(void)str_clean(shown, sizeof(shown), path, strlen(path), NULL);
	if (!found || explain_helper_run(path, e->args.root, found, &problem) < 0) {
		e->failed = true;
		log_error(0, "explain: %s: %s", shown, found ? problem.why : "no memory");
		return;
	}
	if (e->globals->json)
		explain_json_elf(&e->json, shown, found);
	else
		explain_text_elf(stdout, shown, found);
	e->elves++;
}

static int explain_run(struct explain *e)
{
	const struct source_visitor visitor = { on_file, on_error, e };
	struct explain_totals all = { 0 };
	int r = 0;

	if (e->globals->json) {
		json_object(&e->json, NULL);
		json_array(&e->json, "files");
	}
	for (size_t i = 0; i < e->args.files_cnt; i++) {
		if (is_elf(e, e->args.files[i]))
			explain_file(e, e->args.files[i]);
		else
			source_visit(e->args.files[i], &visitor);
	}
	if (e->globals->json)
		json_array_end(&e->json);
	explain_profile_totals(e->profile, &all);
	if (e->profiles > 0 && e->globals->json)
		r = explain_json_profile(&e->json, e->profile);
	else if (all.places > 0)
		r = explain_text_profile(stdout, e->profile, ctl_colour(stdout));
	if (e->globals->json) {
		json_object_end(&e->json);
		fputc('\n', stdout);
	}
	if (r < 0)
		log_error(r, "explain: %m");
	if (r < 0 || e->failed)
		return CTL_FAILED;
	return e->elves > 0 || all.places > 0 ? CTL_DONE : CTL_NOTHING;
}

int cmd_explain(struct ctl_globals *globals, int argc, char **argv)
{
	_cleanup_(explain_done) struct explain e = { .globals = globals,
						     .json = JSON_INIT(stdout) };
	struct option_problem problem = { "" };
	int r;

	r = explain_args_parse(&e.args, globals, argc, argv, &problem);
	ctl_log_open(globals);
	if (r == -EINVAL) {
		log_error(0, "explain: %s; see cprofctl explain --help", problem.why);
		return CTL_USAGE;
	}
	if (r == 0 && e.args.help) {
		explain_args_help();
		return CTL_DONE;
	}
	if (r == 0)
		r = explain_profile_new(rng_seed(), &e.profile);
	if (r < 0) {
		log_error(r, "explain: %m");
		return CTL_FAILED;
	}
	return explain_run(&e);
}
