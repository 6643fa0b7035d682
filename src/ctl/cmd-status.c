/* SPDX-License-Identifier: Apache-2.0 */

/* `cprofctl status`: how the daemon is, in words or, as it told us, in JSON. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"
#include "options.h"
#include "pager.h"
#include "status-text.h"

static int set_help(void *ctx, const char *arg)
{
	bool *help = ctx;

	*help = true;
	return 0;
}

static const struct option_desc status_options[] = {
	{ "help", 'h', NULL, "this text", set_help, NULL },
};

static void status_help(void)
{
	const struct option_set set = { status_options, ELEMENTSOF(status_options), NULL };

	fputs("Usage: cprofctl status [OPTIONS]\n"
	      "\n"
	      "How the daemon is: what works less well than it should and why, what it samples,\n"
	      "where every sample went, what it costs, what it keeps, and every counter that\n"
	      "tells of trouble.\n"
	      "\n"
	      "Options:\n",
	      stdout);
	options_print(stdout, &set);
	fputs("\n"
	      "Exit status: 0 it answered; 1 it did not, or its books do not balance; 2 wrong\n"
	      "usage.\n"
	      "\n"
	      "Examples:\n"
	      "  cprofctl status\n"
	      "  cprofctl --json status | jq .books.difference\n",
	      stdout);
}

static void status_print(const struct ctl_globals *globals, const struct ask_answer *answer)
{
	bool colour = ctl_colour(stdout);
	struct pager pager = pager_open(globals, PAGER_WRAP);
	int r = status_text(answer->root, stdout, colour);

	pager_close(&pager);
	if (r < 0)
		log_error(r, "status: %m; free memory");
}

static int status_run(const struct ctl_globals *globals)
{
	_cleanup_(ask_answer_done) struct ask_answer answer = ASK_ANSWER_INIT;
	struct problem problem;
	struct json_value books;

	if (ask_daemon(globals, "/status", &answer, &problem) < 0) {
		log_error(0, "status: %s", problem.why);
		return CTL_FAILED;
	}
	if (globals->json)
		printf("%.*s\n", (int)json_text_size(answer.root), answer.root.at);
	else if (!globals->quiet)
		status_print(globals, &answer);
	books = json_text_member(answer.root, "books");
	return json_text_u64(json_text_member(books, "difference")) > 0 ? CTL_FAILED : CTL_DONE;
}

int cmd_status(struct ctl_globals *globals, int argc, char **argv)
{
	bool help = false;
	const struct option_set sets[] = { { status_options, ELEMENTSOF(status_options), &help },
					   ctl_global_options(globals) };
	struct option_problem problem = { "too many arguments" };
	int r = options_parse(sets, ELEMENTSOF(sets), argc, argv, &problem);

	ctl_log_open(globals);
	if (r >= 0 && help) {
		status_help();
		return CTL_DONE;
	}
	if (r < 0 || r < argc) {
		log_error(0, "status: %s; see cprofctl status --help", problem.why);
		return CTL_USAGE;
	}
	return status_run(globals);
}
