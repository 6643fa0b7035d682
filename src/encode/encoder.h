/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* encoder — what one encode_profile() works with, from collecting to writing. */

#include "cprof/encode.h"
#include "cprof/pprof_write.h"
#include "frames.h"
#include "layout.h"
#include "samples.h"

struct encoder {
	const struct encode_opts *opts;
	struct strtab strings; /* of the file; written last */
	struct layout layout;
	struct frames frames;
	struct samples samples;
	struct pprof_writer *writer;
	uint64_t complete;	     /* samples whose stack reached its root */
	uint64_t cut[CPROF_END_MAX]; /* the others, by why they ended */
	struct encode_result result;
};

/* How many processes the file is of, and the one at @i. */
static inline uint32_t encoder_processes_cnt(const struct encoder *e)
{
	return e->opts->processes ? e->opts->processes_cnt
				  : (uint32_t)e->opts->window->processes.cnt;
}

static inline const struct window_process *encoder_process(const struct encoder *e, uint32_t i)
{
	return &e->opts->window->processes.v[e->opts->processes ? e->opts->processes[i] : i];
}

/* Interns text that was cleaned; 0 or -ENOMEM. */
int encoder_string(struct encoder *e, const char *text, int64_t *ret_id);

/* Writes everything that was collected, in the order of the functions in write.c. */
int write_profile(struct encoder *e);
/* Comments are written when the samples are: they state what was written. */
int write_comments(struct encoder *e);
