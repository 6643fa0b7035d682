/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* object_source — where names and lines of an object come from, as the symbolizer tells it and files say it. */

#include "cprof/object.h"

/*
 * What names and lines of an object come from, a bit each: of an ELF file as enum symtab_source has them, and what
 * else there is.
 */
enum object_source {
	OBJECT_SOURCE_SYMTAB = 1u << 0,
	OBJECT_SOURCE_DEBUG = 1u << 1,
	OBJECT_SOURCE_DEBUGDATA = 1u << 2,
	OBJECT_SOURCE_GO = 1u << 3,
	OBJECT_SOURCE_DYNSYM = 1u << 4,
	OBJECT_SOURCE_PLT = 1u << 5,
	OBJECT_SOURCE_KALLSYMS = 1u << 8,
	OBJECT_SOURCE_PERF_MAP = 1u << 9,
	OBJECT_SOURCE_JITDUMP = 1u << 10,
	OBJECT_SOURCE_NAMES = 0x7ff,
	OBJECT_SOURCE_LINES_DWARF = 1u << 11, /* its own */
	OBJECT_SOURCE_LINES_DEBUG = 1u << 12, /* its separate debug file's */
	OBJECT_SOURCE_LINES_GO = 1u << 13,
	OBJECT_SOURCE_ALL = 0x3f3f,
};

/*
 * Words for what a file says of it, separated by ",": where its names come from, and its lines; "" where nothing
 * does. At most OBJECT_WORDS_SZ with the NUL.
 */
#define OBJECT_WORDS_SZ 128
void object_names_words(const struct object *o, char ret[static OBJECT_WORDS_SZ]);
void object_lines_words(const struct object *o, char ret[static OBJECT_WORDS_SZ]);
/* Why some of its places have no name: a word of docs/formats/profile.md; NULL: nothing is known to be missing. */
const char *object_why(const struct object *o);
