/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `cprofctl check`: can this machine be profiled? First what its files say, then a real recording of
 * a second. Every line passes, or says what to do.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check-machine.h"
#include "check-sampling.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"

struct check {
	const struct ctl_globals *globals;
	struct sampler_choice choice;
	struct checklist list;
	struct session_client client;
	bool help;
};

static void check_done(struct check *c)
{
	session_client_done(&c->client);
	checklist_done(&c->list);
	sampler_choice_done(&c->choice);
}

static int set_help(void *ctx, const char *arg)
{
	struct check *c = ctx;

	c->help = true;
	return 0;
}

static const struct option_desc check_options[] = {
	{ "help", 'h', NULL, "this text", set_help, NULL },
};

static void check_help(void)
{
	const struct option_set set = { check_options, ELEMENTSOF(check_options), NULL };

	fputs("Usage: cprofctl check [OPTIONS]\n"
	      "\n"
	      "Can this machine be profiled? Looks at the kernel, the rights and the settings\n"
	      "that matter, then samples a process of its own for a second. One line for each:\n"
	      "ok, warn (it works, but less well), FAIL (it does not) or skip, and what to do.\n"
	      "\n"
	      "Options:\n",
	      stdout);
	options_print(stdout, &set);
	fputs("\n"
	      "Exit status: 0 nothing failed; 1 something did; 2 wrong usage.\n"
	      "\n"
	      "Examples:\n"
	      "  sudo cprofctl check\n"
	      "  sudo cprofctl --json check | jq '.checks[] | select(.result != \"ok\")'\n",
	      stdout);
}

static unsigned int online_cpus(const struct root *root)
{
	char text[512];

	return root_read(root, "sys/devices/system/cpu/online", text, sizeof(text)) > 0
		       ? check_count_cpus(text)
		       : 0;
}

/* The CPUs with an event, 0 when it did not come to that. */
static unsigned int check_run(struct check *c, const struct root *root)
{
	struct check_sampling sampling = {
		.globals = c->globals,
		.choice = &c->choice,
		.client = &c->client,
		.cpus_online = online_cpus(root),
	};
	struct check_machine machine = { .root = root, .euid = geteuid() };
	struct problem problem;
	struct utsname uts = { 0 };
	int r = sampler_find(&c->client, c->globals, true, &problem);

	(void)uname(&uts);
	machine.release = uts.release;
	machine.machine = uts.machine;
	machine.daemon = c->client.fd >= 0;
	check_machine(&c->list, &machine);
	if (r == -EPERM && !c->globals->socket)
		check_sampling_skip(&c->list, "not tried without rights");
	else if (r < 0)
		checklist_add(&c->list, CHECKED_FAIL, "sampler", "%s", problem.why);
	else
		check_sampling(&c->list, &sampling);
	return sampling.cpus;
}

static void check_print(const struct check *c, unsigned int cpus)
{
	size_t failed = checklist_count(&c->list, CHECKED_FAIL);
	size_t warned = checklist_count(&c->list, CHECKED_WARN);

	if (c->globals->json) {
		checklist_print_json(&c->list, cpus, stdout);
		return;
	}
	if (c->globals->quiet)
		return;
	checklist_print(&c->list, stdout, ctl_colour(stdout));
	if (failed > 0)
		printf("\n%zu of %zu failed; each says what to do\n", failed, c->list.lines.cnt);
	else if (warned > 0)
		printf("\nit works, with %zu warning%s; next: cprofctl record -a\n", warned,
		       warned == 1 ? "" : "s");
	else
		printf("\nall is well; next: cprofctl record -a\n");
}

int cmd_check(struct ctl_globals *globals, int argc, char **argv)
{
	_cleanup_(check_done) struct check c = {
		.globals = globals,
		.client = SESSION_CLIENT_INIT,
	};
	_cleanup_(root_done) struct root root = ROOT_INIT;
	const struct option_set sets[] = { { check_options, ELEMENTSOF(check_options), &c },
					   sampler_options(&c.choice),
					   ctl_global_options(globals) };
	struct option_problem problem = { "too many arguments" };
	int r = options_parse(sets, ELEMENTSOF(sets), argc, argv, &problem);

	ctl_log_open(globals);
	if (r >= 0 && c.help) {
		check_help();
		return CTL_DONE;
	}
	if (r < 0 || r < argc) {
		log_error(0, "check: %s; see cprofctl check --help", problem.why);
		return CTL_USAGE;
	}
	r = root_open(&root, "/");
	if (r < 0) {
		log_error(r, "check: /: %m; is this a chroot?");
		return CTL_FAILED;
	}
	check_print(&c, check_run(&c, &root));
	return checklist_count(&c.list, CHECKED_FAIL) > 0 ? CTL_FAILED : CTL_DONE;
}
