/* SPDX-License-Identifier: Apache-2.0 */

/* The options of every command. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "ctl.h"
#include "options.h"

static int set_socket(void *ctx, const char *arg)
{
	struct ctl_globals *g = ctx;

	if (!*arg)
		return -EINVAL;
	g->socket = arg;
	return 0;
}

static int set_json(void *ctx, const char *arg)
{
	struct ctl_globals *g = ctx;

	g->json = true;
	return 0;
}

static int set_no_pager(void *ctx, const char *arg)
{
	struct ctl_globals *g = ctx;

	g->no_pager = true;
	return 0;
}

static int set_quiet(void *ctx, const char *arg)
{
	struct ctl_globals *g = ctx;

	g->quiet = true;
	g->verbose = false;
	return 0;
}

static int set_verbose(void *ctx, const char *arg)
{
	struct ctl_globals *g = ctx;

	g->verbose = true;
	g->quiet = false;
	return 0;
}

static int set_help(void *ctx, const char *arg)
{
	struct ctl_globals *g = ctx;

	g->help = true;
	return 0;
}

static int set_version(void *ctx, const char *arg)
{
	struct ctl_globals *g = ctx;

	g->version = true;
	return 0;
}

static const struct option_desc global_options[] = {
	{ "socket", 0, "PATH", "the daemon's socket (default " CTL_SOCKET ")", set_socket,
	  "a path" },
	{ "json", 0, NULL, "answer with one JSON object", set_json, NULL },
	{ "no-pager", 0, NULL, "write straight to the terminal", set_no_pager, NULL },
	{ "quiet", 'q', NULL, "say nothing but errors", set_quiet, NULL },
	{ "verbose", 'v', NULL, "say more, cprofd's roles too", set_verbose, NULL },
	{ "help", 'h', NULL, "this text", set_help, NULL },
	{ "version", 0, NULL, "the version", set_version, NULL },
};

struct option_set ctl_global_options(struct ctl_globals *globals)
{
	return (struct option_set){ global_options, ELEMENTSOF(global_options), globals };
}

void ctl_log_open(const struct ctl_globals *globals)
{
	enum log_level level = LOG_LEVEL_INFO;

	if (globals->quiet)
		level = LOG_LEVEL_ERROR;
	else if (globals->verbose)
		level = LOG_LEVEL_DEBUG;
	log_open("cprofctl", level);
}

bool ctl_colour(FILE *f)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(f)) && !(no_color && *no_color) &&
	       !(term && strcmp(term, "dumb") == 0);
}
