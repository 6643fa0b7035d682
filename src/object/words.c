/* SPDX-License-Identifier: Apache-2.0 */

/* What is known of an object's names, in words that files keep (docs/formats/profile.md). */

#include "cprof/object_source.h"

#include <string.h>

struct word {
	uint32_t bit;
	const char *text;
};

static const struct word words[] = {
	{ OBJECT_SOURCE_SYMTAB, "symtab" },	     { OBJECT_SOURCE_DEBUG, "debug_file" },
	{ OBJECT_SOURCE_DEBUGDATA, "debugdata" },    { OBJECT_SOURCE_GO, "gopclntab" },
	{ OBJECT_SOURCE_DYNSYM, "dynsym" },	     { OBJECT_SOURCE_PLT, "plt" },
	{ OBJECT_SOURCE_KALLSYMS, "kallsyms" },	     { OBJECT_SOURCE_PERF_MAP, "perf_map" },
	{ OBJECT_SOURCE_JITDUMP, "jitdump" },	     { OBJECT_SOURCE_LINES_DWARF, "dwarf" },
	{ OBJECT_SOURCE_LINES_DEBUG, "debug_file" }, { OBJECT_SOURCE_LINES_GO, "gopclntab" },
};

static void list(uint32_t sources, char ret[static OBJECT_WORDS_SZ])
{
	size_t len = 0;

	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		size_t n = strlen(words[i].text);

		if (!(sources & words[i].bit) || len + n + 2 > OBJECT_WORDS_SZ)
			continue;
		if (len > 0)
			ret[len++] = ',';
		memcpy(ret + len, words[i].text, n);
		len += n;
	}
	ret[len] = '\0';
}

void object_names_words(const struct object *o, char ret[static OBJECT_WORDS_SZ])
{
	list(o->sources & OBJECT_SOURCE_NAMES, ret);
}

void object_lines_words(const struct object *o, char ret[static OBJECT_WORDS_SZ])
{
	list(o->sources & ~(uint32_t)OBJECT_SOURCE_NAMES, ret);
}

/* One whose symbols were taken out, which nothing else replaces. */
static bool is_stripped(const struct object *o)
{
	return (o->sources & OBJECT_SOURCE_NAMES & ~(OBJECT_SOURCE_DYNSYM | OBJECT_SOURCE_PLT)) ==
	       0;
}

const char *object_why(const struct object *o)
{
	if (o->kind == OBJECT_JIT)
		return o->state == OBJECT_REFUSED ? "refused" : o->sources == 0 ? "no_map" : NULL;
	switch (o->state) {
	case OBJECT_SEEN:
	case OBJECT_ASKED:
	case OBJECT_OPENED:
		return "late";
	case OBJECT_GONE:
		return "gone";
	case OBJECT_REFUSED:
		return "refused";
	case OBJECT_BAD:
		return "not_elf";
	default:
		break;
	}
	if (o->limited)
		return "too_large";
	if (!is_stripped(o) || (o->state == OBJECT_READY && o->sources == 0))
		return NULL;
	if (o->no_debug)
		return "no_debug_file";
	return o->sources == 0 ? "no_symbols" : "stripped";
}
