/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* options: the command line of cprofd. */

#include <stdbool.h>
#include <stddef.h>

#include "roles.h"

#define OPTIONS_SETTINGS_MAX 64

struct options {
	bool session;
	bool check;
	bool prepare;
	bool verbose;
	int session_fd;
	const char *replay; /* the file; NULL: no replay */
	const char *output;
	const char *config; /* the file instead of the usual ones; NULL: these */
	const char *settings[OPTIONS_SETTINGS_MAX]; /* "Section.Key=VALUE" */
	size_t settings_cnt;
	const char *programs[ROLES_CNT];
	bool done; /* --help or --version was answered */
};

/* 0, or -EINVAL after a line that says what is wrong. */
int options_parse(struct options *o, int argc, char **argv);
