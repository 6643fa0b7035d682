/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* checklist — what `cprofctl check` found: one line for each question that was asked. */

#include <stdbool.h>
#include <stdio.h>

#include "cprof/base/vec.h"

enum check_result {
	CHECKED_OK,
	CHECKED_WARN,
	CHECKED_FAIL,
	CHECKED_SKIP,
	CHECKED_RESULT_MAX,
};

struct check_line {
	enum check_result result;
	const char *name; /* one word, of static life */
	char text[512];	  /* clean; for what is not well "what; what to do" */
};

struct checklist {
	VEC(struct check_line) lines;
	bool out_of_memory;
};

void checklist_done(struct checklist *list);
__attribute__((format(printf, 4, 5))) void checklist_add(struct checklist *list,
							 enum check_result result, const char *name,
							 const char *fmt, ...);
size_t checklist_count(const struct checklist *list, enum check_result result);

/* For people; colours only where @colour. */
void checklist_print(const struct checklist *list, FILE *f, bool colour);
/* One JSON object; @cpus: with an event, 0 when it never came to that. */
void checklist_print_json(const struct checklist *list, unsigned int cpus, FILE *f);
