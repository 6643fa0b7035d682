/* SPDX-License-Identifier: Apache-2.0 */

/*
 * codelines — the lines of BPF programs, for the stage that names places.
 */

#include "cprof/collect_code.h"
#include "cprof/symbolize_kernel.h"
#include "sampler.h"
#include "stream.h"

_Static_assert(SYMBOLIZE_CODE_MAX == CPROF_CODE_PLACES_MAX, "what is asked for goes in whole");
_Static_assert(SYMBOLIZE_CODE_FILE_MAX == CPROF_CODE_FILE_SZ - 1, "a path does");

static void on_line(const struct cprof_code_line *line, void *ctx)
{
	struct sampler *s = ctx;
	const struct symbolize_code_line found = {
		.place = line->place,
		.file = line->file,
		.line = line->line,
		.column = line->column,
		.start_line = line->start_line,
	};

	symbolize_code_line(s->symbolize, &found);
}

/* Any stream's programs can tell them. */
void codelines_ask(const uint64_t *places, size_t cnt, void *ctx)
{
	struct sampler *s = ctx;

	for (size_t i = 0; i < SAMPLER_STREAMS_MAX; i++) {
		if (s->streams[i] && s->streams[i]->collect) {
			(void)collect_code_find(s->streams[i]->collect, places, cnt, on_line, s);
			return; /* or they have none */
		}
	}
}
