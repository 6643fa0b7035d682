/* SPDX-License-Identifier: Apache-2.0 */

/* Sources in the order in which they win, what each has, and what would have more. */

#include <inttypes.h>
#include <string.h>

#include "explain-text.h"
#include "table.h"

/* The best first: enum symtab_source. */
static const char *const source_names[SYMTAB_SOURCE_MAX] = {
	[SYMTAB_SOURCE_SYMTAB] = ".symtab",	      [SYMTAB_SOURCE_DEBUG] = "debug file",
	[SYMTAB_SOURCE_DEBUGDATA] = ".gnu_debugdata", [SYMTAB_SOURCE_GO] = ".gopclntab",
	[SYMTAB_SOURCE_DYNSYM] = ".dynsym",	      [SYMTAB_SOURCE_PLT] = "PLT",
};

static double percent(uint64_t part, uint64_t whole)
{
	return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static const char *state_text(uint32_t state)
{
	switch (state) {
	case EXPLAIN_ABSENT:
		return "none";
	case EXPLAIN_THERE:
		return "there";
	case EXPLAIN_TOO_LARGE:
		return "too large to be read";
	case EXPLAIN_UNSUPPORTED:
		return "in a form that is not read";
	default:
		return "damaged";
	}
}

static bool is_there(const struct explain_elf *e, enum symtab_source s)
{
	return e->names[s].state == EXPLAIN_THERE;
}

static bool has_all(const struct explain_elf *e)
{
	return is_there(e, SYMTAB_SOURCE_SYMTAB) || is_there(e, SYMTAB_SOURCE_DEBUG);
}

/* Why it is used, or not. */
static const char *why_name(const struct explain_elf *e, enum symtab_source s)
{
	bool there = is_there(e, s);

	if (e->names[s].state == EXPLAIN_TOO_LARGE || e->names[s].state == EXPLAIN_BAD)
		return "not used";
	switch (s) {
	case SYMTAB_SOURCE_SYMTAB:
		return there ? "used: all functions" : "taken out (stripped, or linked with -s)";
	case SYMTAB_SOURCE_DEBUG:
		return there ? "used: what was stripped" : "";
	case SYMTAB_SOURCE_DEBUGDATA:
		return !there	    ? ""
		       : has_all(e) ? "not used: symbols have more"
				    : "used: what .dynsym lacks";
	case SYMTAB_SOURCE_GO:
		return !there	    ? (e->go ? "" : "no program of Go")
		       : has_all(e) ? "not used for names: symbols have them"
				    : "used: Go's own functions";
	case SYMTAB_SOURCE_DYNSYM:
		return !there	    ? "no function that others may call"
		       : has_all(e) ? "used where nothing better is"
				    : "used: what others may call";
	default:
		return there ? "used: calls into other files" : "";
	}
}

static void add_dwarf(struct table *t, const char *name, const struct explain_dwarf *d,
		      const char *why)
{
	char detail[128] = "";

	if (d->version)
		(void)snprintf(detail, sizeof(detail), "DWARF %u", (unsigned int)d->version);
	if (d->packed)
		(void)snprintf(detail + strlen(detail), sizeof(detail) - strlen(detail),
			       "%scompressed", *detail ? ", " : "");
	if (d->dwz)
		(void)snprintf(detail + strlen(detail), sizeof(detail) - strlen(detail), "%sdwz",
			       *detail ? ", " : "");
	if (d->split)
		(void)snprintf(detail + strlen(detail), sizeof(detail) - strlen(detail),
			       "%ssplit (%u .dwo files)", *detail ? ", " : "",
			       (unsigned int)d->split);
	table_add(t, "%s", name);
	table_add(t, "%s", state_text(d->state));
	if (d->places > 0) {
		table_add(t, "%.1f%%", percent(d->lined, d->places));
		table_add(t, "%.1f%%", percent(d->inlined, d->places));
	} else {
		table_add(t, "%s", "");
		table_add(t, "%s", "");
	}
	table_add(t, "%s%s%s", detail, *detail && *why ? "; " : "", why);
}

static void print_names(FILE *f, const struct explain_elf *e)
{
	static const struct table_column columns[] = {
		{ "names", false },  { "", false }, { "functions", true },
		{ "of code", true }, { "", false },
	};
	_cleanup_(table_done) struct table t = TABLE_INIT(columns);

	for (uint32_t i = 0; i < SYMTAB_SOURCE_MAX; i++) {
		const struct explain_source *s = &e->names[i];

		table_add(&t, "%s", source_names[i]);
		table_add(&t, "%s", state_text(s->state));
		if (s->state == EXPLAIN_THERE) {
			table_add(&t, "%" PRIu64, s->functions);
			table_add(&t, "%.1f%%", percent(s->bytes, e->code));
		} else {
			table_add(&t, "%s", "");
			table_add(&t, "%s", "");
		}
		table_add(&t, "%s", why_name(e, i));
	}
	table_add(&t, "%s", "together");
	table_add(&t, "%s", state_text(e->all.state));
	table_add(&t, "%" PRIu64, e->all.functions);
	table_add(&t, "%.1f%%", percent(e->all.bytes, e->code));
	table_add(&t, "%s", "");
	(void)table_print(&t, f, "  ", false);
}

static void print_lines(FILE *f, const struct explain_elf *e)
{
	static const struct table_column columns[] = {
		{ "lines", false },  { "", false }, { "of code", true },
		{ "inlined", true }, { "", false },
	};
	_cleanup_(table_done) struct table t = TABLE_INIT(columns);
	bool own = e->own.state == EXPLAIN_THERE, debug = e->debug.state == EXPLAIN_THERE;

	add_dwarf(&t, "own DWARF", &e->own, own ? "used" : "");
	add_dwarf(&t, "debug file's", &e->debug,
		  debug ? own ? "not used: it has its own" : "used" : "");
	add_dwarf(&t, "Go's table", &e->go_lines,
		  e->go_lines.state == EXPLAIN_THERE ? "used for Go's functions" : "");
	(void)table_print(&t, f, "  ", false);
}

static void print_rows(FILE *f, const struct explain_elf *e)
{
	fprintf(f, "  unwinding rows: %.1f%% of code, by %s%s%s%s\n", percent(e->rows, e->code),
		e->eh_frame ? ".eh_frame" : "", e->eh_frame && e->debug_frame ? " and " : "",
		e->debug_frame ? ".debug_frame" : "",
		e->eh_frame || e->debug_frame ? ""
		: e->go			      ? "Go's table"
					      : "nothing");
	if (e->rows_debug > e->rows)
		fprintf(f, "    and %.1f%% with the debug file\n", percent(e->rows_debug, e->code));
}

/* What would make it better; NULL: nothing. */
static const char *next_step(const struct explain_found *found)
{
	const struct explain_elf *e = &found->elf;
	bool lines = e->own.state == EXPLAIN_THERE || e->debug.state == EXPLAIN_THERE ||
		     e->go_lines.state == EXPLAIN_THERE;

	if (e->own.split > 0 || e->debug.split > 0)
		return "keep the .dwo files, or the .dwp, where they were at the build: lines are "
		       "in them";
	if (!has_all(e) && e->build_id_sz == 0 && e->link[0] == '\0')
		return "it was linked with -s, or stripped, and has no build id: build it without "
		       "-s, and "
		       "with -Wl,--build-id";
	if ((!has_all(e) && !is_there(e, SYMTAB_SOURCE_GO)) || !lines) {
		if (found->debug[0] == '\0' && e->build_id_sz > 0)
			return "install its package of debug symbols (Debian: NAME-dbgsym, or "
			       "libc6-dbg for the C "
			       "library), or build it with -g";
		return lines ? NULL : "build it with -g: lines and inlined functions are not known";
	}
	return NULL;
}

static void print_debug(FILE *f, const struct explain_found *found)
{
	const struct explain_elf *e = &found->elf;

	if (found->debug[0]) {
		fprintf(f, "  debug file: %s\n", found->debug);
		return;
	}
	fprintf(f, "  debug file: none%s\n",
		e->debug_is == EXPLAIN_ABSENT ? "" : " that is this file's");
	for (size_t i = 0; i < found->tried_cnt; i++)
		fprintf(f, "    not at %s\n", found->tried[i]);
}

void explain_text_elf(FILE *f, const char *shown, const struct explain_found *found)
{
	const struct explain_elf *e = &found->elf;
	const char *next = next_step(found);

	fprintf(f, "%s: ", shown);
	if (e->outcome == SYMTAB_BAD || e->outcome < 0) {
		fprintf(f, "no ELF file of x86-64, or damaged: nothing of it has a name\n");
		return;
	}
	fprintf(f, "%s%s, %" PRIu64 " bytes of code, build id ", e->go ? "Go, " : "",
		e->elf == OBJECT_ELF_EXEC ? "fixed address" : "position-independent", e->code);
	for (uint32_t i = 0; i < e->build_id_sz; i++)
		fprintf(f, "%02x", e->build_id[i]);
	fprintf(f, "%s\n", e->build_id_sz == 0 ? "none" : "");
	print_names(f, e);
	print_lines(f, e);
	print_rows(f, e);
	print_debug(f, found);
	if (next)
		fprintf(f, "  next: %s\n", next);
}

/* Into an object that was begun. */
static void json_dwarf(struct json *j, const struct explain_dwarf *d)
{
	json_string(j, "state", state_text(d->state));
	json_u64(j, "version", d->version);
	json_bool(j, "compressed", d->packed != 0);
	json_bool(j, "dwz", d->dwz != 0);
	json_u64(j, "split", d->split);
	json_u64(j, "bytes", d->info_sz);
	json_u64(j, "places", d->places);
	json_u64(j, "named", d->named);
	json_u64(j, "lined", d->lined);
	json_u64(j, "inlined", d->inlined);
	json_object_end(j);
}

static void json_source(struct json *j, const char *name, const struct explain_source *s,
			const char *why)
{
	json_object(j, NULL);
	json_string(j, "source", name);
	json_string(j, "state", state_text(s->state));
	json_u64(j, "functions", s->functions);
	json_u64(j, "bytes", s->bytes);
	json_string(j, "why", why);
	json_object_end(j);
}

void explain_json_elf(struct json *j, const char *shown, const struct explain_found *found)
{
	const struct explain_elf *e = &found->elf;
	char hex[2 * OBJECT_BUILD_ID_MAX + 1] = "";
	const char *next = next_step(found);

	for (uint32_t i = 0; i < e->build_id_sz; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", e->build_id[i]);
	json_object(j, NULL);
	json_string(j, "file", shown);
	json_bool(j, "elf", e->outcome >= 0 && e->outcome != SYMTAB_BAD);
	json_bool(j, "go", e->go != 0);
	json_string(j, "build_id", hex);
	json_u64(j, "code", e->code);
	json_array(j, "names");
	for (uint32_t i = 0; i < SYMTAB_SOURCE_MAX; i++)
		json_source(j, source_names[i], &e->names[i], why_name(e, i));
	json_source(j, "together", &e->all, "");
	json_array_end(j);
	json_object(j, "dwarf");
	json_dwarf(j, &e->own);
	json_object(j, "debug_dwarf");
	json_dwarf(j, &e->debug);
	json_object(j, "go_lines");
	json_dwarf(j, &e->go_lines);
	json_u64(j, "rows", e->rows);
	json_u64(j, "rows_debug", e->rows_debug);
	json_string(j, "debug_file", found->debug);
	json_array(j, "tried");
	for (size_t i = 0; i < found->tried_cnt; i++)
		json_string(j, NULL, found->tried[i]);
	json_array_end(j);
	json_string(j, "next", next ? next : "");
	json_object_end(j);
}
