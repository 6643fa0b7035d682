/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cprofctl: a table of commands. The options before the command are also taken after it, as
 * systemctl and git do for those that matter, so that nobody needs to remember the place.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/json.h"
#include "cprof/base/log.h"
#include "cprof/base/str.h"
#include "ctl.h"
#include "options.h"

static int cmd_help(struct ctl_globals *globals, int argc, char **argv);
static int cmd_version(struct ctl_globals *globals, int argc, char **argv);

static const struct ctl_command commands[] = {
	{ "record", "take a profile of processes, a command or the machine now", cmd_record },
	{ "top", "the hottest functions of profiles, or of the machine now", cmd_top },
	{ "status", "how the daemon is: health, books, costs, spool", cmd_status },
	{ "ps", "processes by CPU over the daemon's last window", cmd_ps },
	{ "ls", "the profiles that the daemon has stored", cmd_ls },
	{ "explain", "where names and lines come from, of files and of profiles", cmd_explain },
	{ "check", "can this machine be profiled? looks, and tries", cmd_check },
	{ "help", "this text, or that of a command", cmd_help },
	{ "version", "the version of cprofctl", cmd_version },
};

static void usage(FILE *f)
{
	struct ctl_globals unused = { 0 };
	const struct option_set set = ctl_global_options(&unused);

	fputs("Usage: cprofctl [OPTIONS] COMMAND [...]\n"
	      "\n"
	      "Profiles of any process on this machine, in pprof's format.\n"
	      "\n"
	      "Commands:\n",
	      f);
	for (size_t i = 0; i < ELEMENTSOF(commands); i++)
		fprintf(f, "  %-26s %s\n", commands[i].name, commands[i].summary);
	fputs("\nOptions:\n", f);
	options_print(f, &set);
	fputs("\n"
	      "Examples:\n"
	      "  cprofctl record --pid 1234 --seconds 30\n"
	      "  cprofctl record -- ./prog args\n"
	      "  cprofctl help record\n",
	      f);
}

static const struct ctl_command *find_command(const char *name)
{
	for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int no_command(const char *name)
{
	size_t nearest = SIZE_MAX, n;
	const char *meant = NULL;
	char shown[128];

	(void)str_clean(shown, sizeof(shown), name, strlen(name), NULL);
	for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
		n = str_nearness(shown, commands[i].name);
		if (n < nearest) {
			nearest = n;
			meant = commands[i].name;
		}
	}
	log_error(0, "there is no command '%s'%s%s; see cprofctl --help", shown,
		  meant ? ", but there is " : "", meant ? meant : "");
	return CTL_USAGE;
}

/* The options of a command that has none of its own; at most one operand, else NULL. */
static int plain_options(struct ctl_globals *globals, int argc, char **argv,
			 const char **ret_operand)
{
	const struct option_set set = ctl_global_options(globals);
	struct option_problem problem;
	int r = options_parse(&set, 1, argc, argv, &problem);

	ctl_log_open(globals);
	if (r < 0 || argc - r > 1) {
		log_error(0, "%s: %s; see cprofctl --help", argv[0],
			  r < 0 ? problem.why : "too many arguments");
		return -EINVAL;
	}
	*ret_operand = r < argc ? argv[r] : NULL;
	return 0;
}

/* @name is NULL for the help of cprofctl itself. */
static int help_of(struct ctl_globals *globals, const char *name)
{
	const struct ctl_command *command = name ? find_command(name) : NULL;
	char program[] = "cprofctl", help[] = "--help";
	char *argv[] = { program, help, NULL };

	if (name && !command)
		return no_command(name);
	if (command && command->run != cmd_help && command->run != cmd_version)
		return command->run(globals, 2, argv);
	usage(stdout);
	return CTL_DONE;
}

static int cmd_help(struct ctl_globals *globals, int argc, char **argv)
{
	const char *name;

	if (plain_options(globals, argc, argv, &name) < 0)
		return CTL_USAGE;
	return help_of(globals, name);
}

static int cmd_version(struct ctl_globals *globals, int argc, char **argv)
{
	struct json j = JSON_INIT(stdout);
	const char *operand;

	if (plain_options(globals, argc, argv, &operand) < 0)
		return CTL_USAGE;
	if (operand) {
		log_error(0, "version: it takes no arguments; see cprofctl --help");
		return CTL_USAGE;
	}
	if (globals->help) {
		usage(stdout);
	} else if (globals->json) {
		json_object(&j, NULL);
		json_string(&j, "version", CPROF_VERSION);
		json_object_end(&j);
		fputc('\n', stdout);
	} else {
		puts("cprofctl " CPROF_VERSION);
	}
	return CTL_DONE;
}

static int dispatch(struct ctl_globals *globals, int argc, char **argv)
{
	const struct option_set set = ctl_global_options(globals);
	const struct ctl_command *command;
	struct option_problem problem;
	int r = options_parse(&set, 1, argc, argv, &problem);

	ctl_log_open(globals);
	if (r < 0) {
		log_error(0, "%s; see cprofctl --help", problem.why);
		return CTL_USAGE;
	}
	if (globals->version)
		return cmd_version(globals, 1, argv);
	if (globals->help)
		return help_of(globals, r < argc ? argv[r] : NULL);
	if (r == argc) {
		usage(stderr);
		return CTL_USAGE;
	}
	command = find_command(argv[r]);
	return command ? command->run(globals, argc - r, argv + r) : no_command(argv[r]);
}

int main(int argc, char **argv)
{
	struct ctl_globals globals = { 0 };
	int status;

	/* execve(2) allows an empty argv on old kernels. */
	if (argc < 1)
		return CTL_USAGE;
	status = dispatch(&globals, argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_DONE) {
		log_error(-errno, "cannot write to standard output: %m");
		status = CTL_FAILED;
	}
	return status;
}
