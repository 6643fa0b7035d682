/* SPDX-License-Identifier: Apache-2.0 */

/*
 * codelines — the lines of BPF programs, for the stage that names places.
 *
 * What asks the kernel for them is loaded when the first place in such a program was met: on most machines none ever is.
 */

#include "cprof/base/log.h"
#include "cprof/collect_code.h"
#include "cprof/symbolize_kernel.h"
#include "sampler.h"

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

static struct collect_code *opened(struct sampler *s)
{
	struct collect_failure failure = { 0 };

	if (!s->codelines.tried && collect_code_new(&s->codelines.code, &failure) < 0)
		log_info("%s; they have names all the same", failure.text);
	s->codelines.tried = true;
	return s->codelines.code;
}

void codelines_ask(const uint64_t *places, size_t cnt, void *ctx)
{
	struct sampler *s = ctx;
	struct collect_code *code = opened(s);

	if (code)
		(void)collect_code_find(code, places, cnt, on_line, s); /* or they have none */
}

void codelines_done(struct sampler *s)
{
	s->codelines.code = collect_code_free(s->codelines.code);
}
