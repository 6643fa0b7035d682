/* SPDX-License-Identifier: Apache-2.0 */

/* A row for each object, most frames first, and what to do about those that lack names. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "explain-text.h"
#include "table.h"

#define PERCENT_SZ 16

struct reason {
	const char *word; /* of docs/formats/profile.md */
	const char *text;
};

/* The first one that an object has is told. */
static const struct reason reasons[] = {
	{ "too_large", "more symbols than are read" },
	{ "not_elf", "no proper ELF file" },
	{ "refused", "not on a local file system, or no regular file" },
	{ "no_debug_file", "stripped, and no debug file: install its debug symbols" },
	{ "stripped", "stripped: install its debug symbols" },
	{ "no_symbols", "no symbols at all: built with -s" },
	{ "no_map", "run-time code without perf map or jitdump: node --perf-basic-prof, java's "
		    "perf-map agent" },
	{ "gone", "no process had the file any more" },
	{ "late", "not read before the window ended" },
};

static const struct reason areas[] = {
	{ "[unknown]", "not mapped: a stack that led astray, or a process that was gone" },
	{ "[anon]", "run-time code of a process without a number here" },
	{ "[unknown file]", "a file that could not be opened" },
	{ "[kernel.kallsyms]", "kernel code without a symbol, or kernel.kptr_restrict" },
	{ "", "no object" },
};

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *w = words; *w; w += strcspn(w, ",") + (w[strcspn(w, ",")] == ','))
		if (strcspn(w, ",") == n && memcmp(w, word, n) == 0)
			return true;
	return false;
}

/* Why places of it are without a name; "": they have one. */
static const char *reason_of(const struct explain_object *o)
{
	if (o->frames_named == o->frames)
		return "";
	for (size_t i = 0; i < ELEMENTSOF(areas); i++)
		if (strcmp(o->file, areas[i].word) == 0)
			return areas[i].text;
	for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
		if (has_word(o->why, reasons[i].word))
			return reasons[i].text;
	return o->names[0] ? "code that no symbol covers" : "the profile does not tell";
}

/* Never rounded up to all. */
static const char *percent(char text[static PERCENT_SZ], uint64_t part, uint64_t whole)
{
	double v = whole > 0 ? 100.0 * (double)part / (double)whole : 0;

	if (part < whole && v > 99.9)
		v = 99.9;
	(void)snprintf(text, PERCENT_SZ, "%.1f%%", v);
	return text;
}

static void add_row(struct table *t, const struct explain_object *o, const char *reason)
{
	char text[PERCENT_SZ];

	table_add(t, "%" PRIu64, o->samples);
	table_add(t, "%" PRIu64, o->frames);
	table_add(t, "%s", percent(text, o->frames_named, o->frames));
	table_add(t, "%s", percent(text, o->frames_lined, o->frames));
	table_add(t, "%s", o->names[0] ? o->names : "-");
	table_add(t, "%s", o->lines[0] ? o->lines : "-");
	table_add(t, "%s%s%s", o->file[0] ? o->file : "(no object)", *reason ? ": " : "", reason);
}

int explain_text_profile(FILE *f, struct explain_profile *p, bool colour)
{
	static const struct table_column columns[] = {
		{ "samples", true }, { "frames", true },    { "named", true },
		{ "lines", true },   { "names by", false }, { "lines by", false },
		{ "object", false },
	};
	_cleanup_(table_done) struct table t = TABLE_INIT(columns);
	const struct explain_object *v;
	struct explain_totals all;
	struct explain_object total = { .file = "total" };
	size_t cnt;
	int r = explain_profile_objects(p, &v, &cnt);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cnt; i++)
		add_row(&t, &v[i], reason_of(&v[i]));
	explain_profile_totals(p, &all);
	total.samples = all.samples;
	total.frames = all.frames;
	total.frames_named = all.frames_named;
	total.frames_lined = all.frames_lined;
	add_row(&t, &total, "");
	return table_print(&t, f, "", colour);
}

static void json_counts(struct json *j, const struct explain_totals *c)
{
	json_u64(j, "samples", c->samples);
	json_u64(j, "frames", c->frames);
	json_u64(j, "frames_named", c->frames_named);
	json_u64(j, "frames_lined", c->frames_lined);
	json_u64(j, "places", c->places);
	json_u64(j, "places_named", c->places_named);
	json_u64(j, "places_lined", c->places_lined);
}

int explain_json_profile(struct json *j, struct explain_profile *p)
{
	const struct explain_object *v;
	struct explain_totals all;
	size_t cnt;
	int r = explain_profile_objects(p, &v, &cnt);

	if (r < 0)
		return r;
	json_array(j, "objects");
	for (size_t i = 0; i < cnt; i++) {
		const struct explain_object *o = &v[i];

		json_object(j, NULL);
		json_string(j, "file", o->file);
		json_string(j, "build_id", o->build_id);
		json_counts(j, &(struct explain_totals){
				       .samples = o->samples,
				       .frames = o->frames,
				       .frames_named = o->frames_named,
				       .frames_lined = o->frames_lined,
				       .places = o->places,
				       .places_named = o->places_named,
				       .places_lined = o->places_lined,
			       });
		json_string(j, "names", o->names);
		json_string(j, "lines", o->lines);
		json_string(j, "why", o->why);
		json_string(j, "reason", reason_of(o));
		json_object_end(j);
	}
	json_array_end(j);
	explain_profile_totals(p, &all);
	json_object(j, "total");
	json_counts(j, &all);
	json_object_end(j);
	return 0;
}
