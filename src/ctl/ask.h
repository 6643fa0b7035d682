/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ask — a question to the daemon, answered with JSON, or with one line of why there is no answer.
 */

#include "ctl.h"
#include "http-client.h"
#include "json-text.h"
#include "problem.h"

struct ask_answer {
	struct http_answer http; /* owns the text */
	struct json_value root;	 /* an object */
};

#define ASK_ANSWER_INIT ((struct ask_answer){ .root = { NULL } })

/* 0, or -errno with *ret_problem. @target: a path of the daemon's, with its parameters. */
int ask_daemon(const struct ctl_globals *globals, const char *target, struct ask_answer *ret,
	       struct problem *ret_problem);
void ask_answer_done(struct ask_answer *a);
