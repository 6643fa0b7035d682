/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One table for parsing and help. -o has two meanings, by what is asked for: a setting of the
 * daemon, and with --replay the directory to write to; so it is kept as it came until all is read.
 */

#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"

struct option_spec {
	const char *name;     /* "-o", or without dashes */
	const char *argument; /* NULL: takes none */
	const char *help;
	int (*set)(struct options *o, const char *value);
};

static int option_set_session(struct options *o, const char *value)
{
	o->session = true;
	return 0;
}

static int option_set_session_fd(struct options *o, const char *value)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || fd <= STDERR_FILENO || fd > 1 << 20)
		return -EINVAL;
	o->session_fd = (int)fd;
	return 0;
}

static int option_set_role(struct options *o, const char *value)
{
	const char *eq = strchr(value, '=');
	int i;

	if (!eq || eq[1] == '\0')
		return -EINVAL;
	i = roles_by_name(value, (size_t)(eq - value));
	if (i < 0)
		return -EINVAL;
	o->programs[i] = eq + 1;
	return 0;
}

static int option_set_replay(struct options *o, const char *value)
{
	o->replay = value;
	return 0;
}

static int option_set_output(struct options *o, const char *value)
{
	o->output = value;
	return *value ? 0 : -EINVAL;
}

static int option_set_config(struct options *o, const char *value)
{
	o->config = value;
	return *value ? 0 : -EINVAL;
}

static int option_set_setting(struct options *o, const char *value)
{
	if (o->settings_cnt == OPTIONS_SETTINGS_MAX || *value == '\0')
		return -EINVAL;
	o->settings[o->settings_cnt++] = value;
	return 0;
}

static int option_set_check(struct options *o, const char *value)
{
	o->check = true;
	return 0;
}

static int option_set_prepare(struct options *o, const char *value)
{
	o->prepare = true;
	return 0;
}

static int option_set_verbose(struct options *o, const char *value)
{
	o->verbose = true;
	return 0;
}

static int option_help(struct options *o, const char *value);

static int option_version(struct options *o, const char *value)
{
	(void)puts("cprofd " CPROF_VERSION);
	o->done = true;
	return 0;
}

static const struct option_spec option_table[] = {
	{ "config", "FILE", "read this instead of /etc/cprofd/cprofd.conf and its drop-ins",
	  option_set_config },
	{ "-o", "SECTION.KEY=VALUE", "set this, whatever the files say; again for more",
	  option_set_setting },
	{ "check", NULL, "say whether the configuration is good, and end", option_set_check },
	{ "prepare", NULL,
	  "make the directory of profiles, and end (the service, before it starts)",
	  option_set_prepare },
	{ "role", "ROLE=PATH", "run this program as sampler, opener, symbolizer or front",
	  option_set_role },
	{ "session", NULL, "record for one client, then end (what cprofctl starts)",
	  option_set_session },
	{ "session-fd", "N", "the socket to that client, inherited (default: 3)",
	  option_set_session_fd },
	{ "replay", "FILE", "make the profiles of a file of cprofctl record --raw again",
	  option_set_replay },
	{ "output", "DIR", "with --replay, also -o DIR: where to (default: here)",
	  option_set_output },
	{ "verbose", NULL, "say more, the roles too", option_set_verbose },
	{ "help", NULL, "show this", option_help },
	{ "version", NULL, "show the version", option_version },
};

static int option_help(struct options *o, const char *value)
{
	(void)puts(
		"Usage: cprofd [OPTION...]\n\n"
		"Profiles every process of this machine, always. Runs in the foreground, as root;\n"
		"SIGHUP reads the configuration again, SIGTERM ends it.\n\n"
		"Options:");
	for (size_t i = 0; i < ELEMENTSOF(option_table); i++) {
		const struct option_spec *spec = &option_table[i];
		char form[64];

		(void)snprintf(form, sizeof(form), "%s%s%s%s", spec->name[0] == '-' ? "" : "    --",
			       spec->name, spec->argument ? " " : "", spec->argument ?: "");
		(void)printf("  %-24s %s\n", form, spec->help);
	}
	(void)puts("\nExamples:\n"
		   "  systemctl start cprofd                  for good, as a service\n"
		   "  cprofd --check                          after the configuration was changed\n"
		   "  systemctl reload cprofd                 and then this\n"
		   "  cprofd -o Sampling.FrequencyHz=19 -o Profiles.Directory=/tmp/profiles\n"
		   "\nTo record now, with or without the daemon: cprofctl record --help");
	o->done = true;
	return 0;
}

static const struct option_spec *option_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ELEMENTSOF(option_table); i++) {
		const struct option_spec *spec = &option_table[i];

		if (strlen(spec->name) == len && memcmp(spec->name, name, len) == 0)
			return spec;
	}
	return NULL;
}

static int option_usage(const char *what, const char *arg)
{
	return log_error(-EINVAL, "%s: %s; see cprofd --help", arg, what);
}

/* Takes argv[*pos] and, where the option wants one, the value behind it. */
static int option_parse(struct options *o, char **argv, int *pos)
{
	const struct option_spec *spec = NULL;
	const char *arg = argv[(*pos)++];
	const char *value = NULL;

	if (strcmp(arg, "-o") == 0) {
		spec = option_find(arg, strlen(arg));
	} else if (strncmp(arg, "--", 2) == 0 && arg[2] != '-') {
		spec = option_find(arg + 2, strcspn(arg + 2, "="));
		value = strchr(arg, '=');
		value = value ? value + 1 : NULL;
	}
	if (!spec)
		return option_usage("no such option", arg);
	if (!spec->argument && value)
		return option_usage("takes no value", arg);
	if (spec->argument && !value) {
		value = argv[*pos];
		if (!value)
			return option_usage("needs a value", arg);
		(*pos)++;
	}
	if (spec->set(o, value) < 0)
		return option_usage("wrong value", arg);
	return 0;
}

/* What one way of running wants says nothing in another: better to refuse than to ignore it. */
static int options_agree(struct options *o)
{
	const bool settings = o->config || o->settings_cnt > 0 || o->check || o->prepare;

	if (o->replay && o->settings_cnt > 0) {
		o->output = o->settings[o->settings_cnt - 1];
		o->settings_cnt = 0;
	}
	if (o->session && o->replay)
		return option_usage("not together with --session", "--replay");
	if (o->session && settings)
		return option_usage("a recording has no configuration", "--session");
	if (o->replay && (o->config || o->check || o->prepare))
		return option_usage("a replay has no configuration", "--replay");
	if (o->output && !o->replay)
		return option_usage("is for --replay", "--output");
	return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){ .session_fd = 3 };
	for (int pos = 1; pos < argc && !o->done;) {
		int r = option_parse(o, argv, &pos);

		if (r < 0)
			return r;
	}
	return o->done ? 0 : options_agree(o);
}
