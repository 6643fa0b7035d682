/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* problem — one line of why something cannot be had, kept until it is told. */

#define PROBLEM_WHY_MAX 768

struct problem {
	char why[PROBLEM_WHY_MAX]; /* clean text: "what: why; next step" */
};

/* "%m" in @fmt is the text of -@r. Returns @r, so that `return problem_set(p, r, "...: %m")`. */
int problem_set(struct problem *p, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
