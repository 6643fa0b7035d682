/* SPDX-License-Identifier: Apache-2.0 */

/* The lines of a check. Memory that runs out loses a line but never the fact that one was lost. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "checklist.h"
#include "cprof/base/json.h"
#include "cprof/base/str.h"

static const struct {
	const char *word;
	const char *colour;
} results[CHECKED_RESULT_MAX] = {
	[CHECKED_OK] = { "ok", "\033[32m" },
	[CHECKED_WARN] = { "warn", "\033[33m" },
	[CHECKED_FAIL] = { "FAIL", "\033[1;31m" },
	[CHECKED_SKIP] = { "skip", "\033[2m" },
};

void checklist_done(struct checklist *list)
{
	vec_done(&list->lines);
}

void checklist_add(struct checklist *list, enum check_result result, const char *name,
		   const char *fmt, ...)
{
	struct check_line line = { .result = result, .name = name };
	char raw[sizeof(line.text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	(void)str_clean(line.text, sizeof(line.text), raw, strlen(raw), NULL);
	if (vec_push(&list->lines, line) < 0)
		list->out_of_memory = true;
}

size_t checklist_count(const struct checklist *list, enum check_result result)
{
	size_t cnt = result == CHECKED_FAIL && list->out_of_memory;

	for (size_t i = 0; i < list->lines.cnt; i++)
		cnt += list->lines.v[i].result == result;
	return cnt;
}

void checklist_print(const struct checklist *list, FILE *f, bool colour)
{
	for (size_t i = 0; i < list->lines.cnt; i++) {
		const struct check_line *line = &list->lines.v[i];

		fprintf(f, "%s%-4s%s  %-10s  %s\n", colour ? results[line->result].colour : "",
			results[line->result].word, colour ? "\033[0m" : "", line->name,
			line->text);
	}
}

void checklist_print_json(const struct checklist *list, unsigned int cpus, FILE *f)
{
	struct json j = JSON_INIT(f);

	json_object(&j, NULL);
	json_u64(&j, "failed", checklist_count(list, CHECKED_FAIL));
	json_u64(&j, "warnings", checklist_count(list, CHECKED_WARN));
	json_u64(&j, "cpus", cpus);
	json_array(&j, "checks");
	for (size_t i = 0; i < list->lines.cnt; i++) {
		json_object(&j, NULL);
		json_string(&j, "name", list->lines.v[i].name);
		json_string(&j, "result", results[list->lines.v[i].result].word);
		json_string(&j, "text", list->lines.v[i].text);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_object_end(&j);
	fputc('\n', f);
}
