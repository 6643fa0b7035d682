/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* parse — texts of configuration to assignments, and what is wrong with them to lines for a person. */

#include "cprof/config.h"

#define PARSE_TEXT_MAX ((size_t)1 << 20) /* bytes of one text */

struct parser {
	struct config *config;
	config_problem_fn on_problem; /* may be NULL */
	void *ctx;
	unsigned int errors;
};

/* One line of the form "WHERE...", of which bytes that are no clean text are replaced. */
void parser_tell(struct parser *p, bool error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* 0, or -ENOMEM (told). */
int parser_text(struct parser *p, const struct config_text *text);
/* "Section.Key=VALUE" of the command line. */
void parser_option(struct parser *p, const char *option);
