/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * accounting — what a recording came to: the files, the books that the sampler closed, what it cost,
 * and the hottest functions of all files together. For people or, with the same figures, as JSON.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cprof/base/vec.h"
#include "cprof/event.h"
#include "cprof/report.h"
#include "cprof/session.h"

#define ACCOUNTING_TOP 10

struct recorded_file {
	char *path;
	char comm[64];
	uint32_t pid; /* 0: of several processes */
	uint32_t exec;
	uint32_t kind; /* enum session_profile_kind */
	uint32_t processes;
	uint64_t start_ticks;
	uint64_t samples;
	uint64_t weight_ns;
};

struct accounting {
	VEC(struct recorded_file) files;
	const char *dir; /* borrowed: where they are, as output shows it; "" here */
	struct report *report;
	bool ended; /* the books below are there */
	struct session_end end;
	VEC(char *) degraded; /* what the sampler said works less well than it should */
	uint64_t received;    /* samples in all profiles that came, written or not */
	bool cpu_known;
	uint64_t cpu_ns; /* of all roles */
	uint32_t hz;	 /* 0: one sample for every event_count of the event */
	const struct event *event;
	uint64_t event_count;
};

int accounting_init(struct accounting *a);
void accounting_done(struct accounting *a);

/* Takes over @path. */
int accounting_add_file(struct accounting *a, const struct session_profile *p, char *path);

/* @text is clean and @len long; 0 or -ENOMEM. */
int accounting_add_note(struct accounting *a, const char *text, size_t len);

/* Samples that are in no profile, but for those that we may not see. */
uint64_t accounting_lost(const struct accounting *a);
/* Are values nanoseconds? Else they count the event. */
bool accounting_is_time(const struct accounting *a);

/* One line: samples, losses, how good they are, what they cost. Only where it ended. */
void accounting_print_books(const struct accounting *a, FILE *f);
/* For people; colours only where @colour. */
void accounting_print(const struct accounting *a, FILE *f, bool colour);
/* One JSON object, with the names of interface.md. */
void accounting_print_json(const struct accounting *a, FILE *f);
