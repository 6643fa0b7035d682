/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ctl — what all commands of cprofctl share: the options that stand before the command, the exit
 * statuses that scripts rely on, and the table of commands.
 */

#include <stdbool.h>
#include <stdio.h>

#define CTL_SOCKET "/run/cprofd/cprofd.sock"

enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NOTHING = 3, /* it worked and there is nothing to show */
	CTL_CANNOT_EXECUTE = 126,
	CTL_NOT_FOUND = 127,
};

struct ctl_globals {
	const char *socket; /* the daemon's; NULL: the usual one */
	bool json;
	bool no_pager;
	bool quiet;
	bool verbose;
	bool help;
	bool version;
};

struct ctl_command {
	const char *name;
	const char *summary;
	/* argv[0] is the command's name; returns the exit status. */
	int (*run)(struct ctl_globals *globals, int argc, char **argv);
};

struct option_set;

/* The options of every command; @globals must outlive the set. */
struct option_set ctl_global_options(struct ctl_globals *globals);

/* Whether @f is a terminal that shows colours, and they are wanted (NO_COLOR, TERM). */
bool ctl_colour(FILE *f);

/* Levels of log.h by -q and -v. */
void ctl_log_open(const struct ctl_globals *globals);

int cmd_check(struct ctl_globals *globals, int argc, char **argv);
int cmd_explain(struct ctl_globals *globals, int argc, char **argv);
int cmd_ls(struct ctl_globals *globals, int argc, char **argv);
int cmd_ps(struct ctl_globals *globals, int argc, char **argv);
int cmd_record(struct ctl_globals *globals, int argc, char **argv);
int cmd_status(struct ctl_globals *globals, int argc, char **argv);
int cmd_top(struct ctl_globals *globals, int argc, char **argv);
