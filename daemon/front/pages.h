/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* pages: what the sampler told, written as JSON, as metrics or as HTML. */

#include <stdio.h>

#include "counts.h"
#include "cprof/control.h"
#include "places.h"
#include "route.h"

/* What the front adds of its own. */
struct pages_front {
	const struct counts *counts;
	uint32_t connections;
	uint32_t recordings;
	bool privileged; /* whoever asks: may see the roles */
};

void pages_status(FILE *f, const struct control_status *s, const struct pages_front *front,
		  uint64_t now_mono_ns);
void pages_metrics(FILE *f, const struct control_status *s, const struct pages_front *front);

/* The processes of the last whole window. */
struct pages_processes {
	const struct control_processes *head;
	struct control_process *rows;
	size_t cnt;
};

/* Reads the sealed file that came with the message: all that @peer may see, those that used most first. */
int pages_read_processes(const struct control_processes *head, int fd, const struct peer *peer,
			 struct pages_processes *ret);
void pages_processes_done(struct pages_processes *p);
void pages_ps(FILE *f, const struct pages_processes *p);

/* @p: NULL where it is not known, or not to be shown. */
void pages_index(FILE *f, const struct route *route, const struct pages_processes *p);

/* Of a role, by its enum wire_role; the launcher is 0. */
const char *pages_role_name(size_t role);
/* What it costs; NULL: not told. */
const struct wire_cost *pages_role_cost(const struct control_status *s, size_t role);
