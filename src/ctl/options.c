/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Options by table. One word of the command line is one step: a long option, a cluster of letters,
 * or the end. Texts from the command line are cleaned before they go into a message, because a
 * terminal may read them.
 */

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "options.h"

#define OPTIONS_COLUMN 26

struct option_match {
	const struct option_desc *desc;
	void *ctx;
};

struct option_parser {
	const struct option_set *sets;
	size_t sets_cnt;
	int argc;
	char **argv;
	int at; /* the word that is looked at */
	struct option_problem *problem;
};

__attribute__((format(printf, 2, 3))) static int options_wrong(struct option_problem *p,
							       const char *fmt, ...)
{
	char raw[OPTIONS_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	(void)str_clean(p->why, sizeof(p->why), raw, strlen(raw), NULL);
	return -EINVAL;
}

/* As in pprof's names, '_' does for '-'. */
static bool options_is(const struct option_desc *d, const char *name, size_t name_len)
{
	if (!d->name || strlen(d->name) != name_len)
		return false;
	for (size_t i = 0; i < name_len; i++) {
		if (d->name[i] != (name[i] == '_' ? '-' : name[i]))
			return false;
	}
	return true;
}

static struct option_match options_find(const struct option_parser *p, const char *name,
					size_t name_len, char letter)
{
	for (size_t s = 0; s < p->sets_cnt; s++) {
		for (size_t i = 0; i < p->sets[s].cnt; i++) {
			const struct option_desc *d = &p->sets[s].descs[i];

			if (letter ? d->letter == letter : options_is(d, name, name_len))
				return (struct option_match){ d, p->sets[s].ctx };
		}
	}
	return (struct option_match){ 0 };
}

/* @shown is the option as the user wrote it: "--hz" or "-o". */
static int options_apply(struct option_parser *p, struct option_match m, const char *shown,
			 const char *arg)
{
	int r = m.desc->set(m.ctx, arg);

	if (r != -EINVAL)
		return r;
	if (!arg)
		return options_wrong(p->problem, "%s is not allowed here", shown);
	return options_wrong(p->problem, "%s takes %s, not '%.100s'", shown,
			     m.desc->allowed ? m.desc->allowed : m.desc->arg, arg);
}

static int options_unknown(struct option_parser *p, const char *shown)
{
	size_t nearest = SIZE_MAX;
	const char *meant = NULL;

	for (size_t s = 0; s < p->sets_cnt; s++) {
		for (size_t i = 0; i < p->sets[s].cnt; i++) {
			const struct option_desc *d = &p->sets[s].descs[i];
			size_t n =
				d->name && d->prose ? str_nearness(shown + 2, d->name) : SIZE_MAX;

			if (n < nearest) {
				nearest = n;
				meant = d->name;
			}
		}
	}
	return options_wrong(p->problem, "there is no option %s%s%s", shown,
			     meant ? ", but there is --" : "", meant ? meant : "");
}

/* The argument that is a word of its own. */
static const char *options_next_word(struct option_parser *p)
{
	return p->at + 1 < p->argc ? p->argv[++p->at] : NULL;
}

static int options_long(struct option_parser *p, const char *word)
{
	const char *name = word + 2, *arg = NULL;
	size_t name_len = strcspn(name, "=");
	struct option_match m = options_find(p, name, name_len, 0);
	char shown[64];

	(void)snprintf(shown, sizeof(shown), "--%.*s", (int)MIN(name_len, (size_t)60), name);
	if (!m.desc)
		return options_unknown(p, shown);
	if (name[name_len] == '=')
		arg = name + name_len + 1;
	if (!m.desc->arg && arg)
		return options_wrong(p->problem, "%s takes no argument", shown);
	if (m.desc->arg && !arg)
		arg = options_next_word(p);
	if (m.desc->arg && !arg)
		return options_wrong(p->problem, "%s needs %s", shown, m.desc->arg);
	return options_apply(p, m, shown, arg);
}

static int options_letters(struct option_parser *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		struct option_match m = options_find(p, NULL, 0, *c);
		const char shown[3] = { '-', *c, 0 };
		const char *arg = NULL;
		int r;

		if (!m.desc)
			return options_wrong(p->problem, "there is no option %s", shown);
		if (m.desc->arg) {
			arg = c[1] ? c + 1 : options_next_word(p);
			if (!arg)
				return options_wrong(p->problem, "%s needs %s", shown, m.desc->arg);
		}
		r = options_apply(p, m, shown, arg);
		if (r < 0 || arg)
			return r;
	}
	return 0;
}

int options_parse(const struct option_set *sets, size_t sets_cnt, int argc, char **argv,
		  struct option_problem *ret_problem)
{
	struct option_parser p = {
		.sets = sets,
		.sets_cnt = sets_cnt,
		.argc = argc,
		.argv = argv,
		.problem = ret_problem,
	};

	assert(argc >= 1);
	for (p.at = 1; p.at < argc; p.at++) {
		const char *word = argv[p.at];
		int r;

		if (word[0] != '-' || !word[1])
			return p.at;
		if (strcmp(word, "--") == 0)
			return p.at + 1;
		r = word[1] == '-' ? options_long(&p, word) : options_letters(&p, word);
		if (r < 0)
			return r;
	}
	return argc;
}

void options_print(FILE *f, const struct option_set *set)
{
	for (size_t i = 0; i < set->cnt; i++) {
		const struct option_desc *d = &set->descs[i];
		char left[64], letter[8] = "    ";

		if (!d->prose)
			continue;
		if (d->letter)
			(void)snprintf(letter, sizeof(letter), "-%c%s", d->letter,
				       d->name ? ", " : "");
		(void)snprintf(left, sizeof(left), "%s%s%s%s%s", letter, d->name ? "--" : "",
			       d->name ? d->name : "", d->arg ? " " : "", d->arg ? d->arg : "");
		fprintf(f, "  %-*s %s\n", OPTIONS_COLUMN, left, d->prose);
	}
}
