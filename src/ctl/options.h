/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * options — command lines by table.
 *
 * getopt_long(3) keeps its state in globals and prints by itself in a form that is not ours. Here an
 * option is a row with a setter that judges its argument; `--name=ARG`, `--name ARG`, `-xARG`,
 * `-x ARG` and clusters of letters work as people expect. The first word that is no option, or
 * what follows `--`, begins the operands: those of a command to run are never looked at.
 */

#include <stddef.h>
#include <stdio.h>

#define OPTIONS_WHY_MAX 640

struct option_desc {
	const char *name;  /* without dashes; NULL: a letter only */
	char letter;	   /* 0: none */
	const char *arg;   /* what it takes, as in the help; NULL: nothing */
	const char *prose; /* NULL: not in the help */
	/* 0, -EINVAL: not allowed (@arg is NULL without an argument), or another -errno. */
	int (*set)(void *ctx, const char *arg);
	const char *allowed; /* said when the setter refuses: "a number from 1 to 9" */
};

struct option_set {
	const struct option_desc *descs;
	size_t cnt;
	void *ctx;
};

struct option_problem {
	char why[OPTIONS_WHY_MAX]; /* clean text without a newline */
};

/*
 * Applies argv[1..] to the sets, the first one wins. Returns the index of the first operand (argc:
 * none), -EINVAL and *ret_problem for a wrong command line, or what a setter returned.
 */
int options_parse(const struct option_set *sets, size_t sets_cnt, int argc, char **argv,
		  struct option_problem *ret_problem);

void options_print(FILE *f, const struct option_set *set);
