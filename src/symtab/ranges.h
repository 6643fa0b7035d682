/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ranges — which function covers a place: sorted, not overlapping, 16 bytes each, names beside. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/symtab.h"
#include "texts.h"

struct range {
	uint32_t from;
	uint32_t to;
	uint32_t start; /* where the function begins: before @from where another one nests in it */
	uint32_t
		name; /* in the names; of a table whose names are in the file: NAME_TIED and so on */
};

/* What a name in the file is: its source's strings, and where in these; or where in the ties. */
#define NAME_TIED (1u << 31)
#define NAME_SOURCE_SHIFT 28
#define NAME_PLACE_MASK ((1u << NAME_SOURCE_SHIFT) - 1)
_Static_assert(SYMTAB_STRINGS_MAX <= NAME_PLACE_MASK, "a place in strings fits beside a source");

/* Names that compete for one address: how many there are, and that many places in strings. */
struct name_ties {
	VEC(uint32_t) v;
};

struct file_texts;

struct ranges {
	uint64_t base; /* what from, to and start are counted from */
	struct range *v;
	uint32_t cnt;
	struct texts names;
};

/* Lower is better: bits of struct candidate's rank, the strongest last. */
enum candidate_rank {
	CANDIDATE_SOURCE = 7,  /* enum symtab_source */
	CANDIDATE_UNSIZED = 8, /* reaches to the next one or the limit */
	CANDIDATE_LOCAL = 16,
	CANDIDATE_NOTYPE = 32, /* a label; names only what no sized function covers */
};

_Static_assert(SYMTAB_SOURCE_MAX <= CANDIDATE_SOURCE + 1, "a source fits into a rank");

struct candidate {
	uint32_t from;
	uint32_t to;	 /* the end, or with CANDIDATE_UNSIZED the most it can be */
	uint32_t string; /* in the strings */
	uint8_t rank;	 /* enum candidate_rank */
};

/* Where candidates' names are, by the source of each; on the heap. */
struct candidate_strings {
	char *v[SYMTAB_SOURCE_MAX]; /* NULL: there are none, or they are in the file */
	size_t sz[SYMTAB_SOURCE_MAX];
	uint64_t at[SYMTAB_SOURCE_MAX]; /* in the file */
	bool in_file;
	char version_mark; /* a symbol's name ends before it ("@": symbol versions); 0: none */
	const char *tail;  /* is left off a name that ends with it; NULL: none */
};

void candidate_strings_done(struct candidate_strings *s);

/*
 * Makes the table of the candidates (reordered and used up): SYMTAB_OK, SYMTAB_LIMIT or -errno.
 * Each candidate has from < to. The strings are let go of as soon as they are not needed any more.
 */
int ranges_build(struct candidate *candidates, uint32_t cnt, struct candidate_strings *strings,
		 const struct symtab_limits *limits, struct ranges *ret);
/* The same with names that stay in the file; as file_texts_choose(), too. */
int ranges_build_in_file(struct candidate *candidates, uint32_t cnt, struct file_texts *texts,
			 const struct symtab_limits *limits, struct ranges *ret);
/* The one that covers the place; NULL: none. */
const struct range *ranges_at(const struct ranges *r, uint64_t place);
bool ranges_find(const struct ranges *r, uint64_t place, struct symtab_symbol *ret);
size_t ranges_bytes(const struct ranges *r);
void ranges_done(struct ranges *r);

/* How much of the @most bytes from @name on is a name of this source: without versions and tails. */
size_t candidate_name_len(const struct candidate_strings *s, unsigned int source, const char *name,
			  size_t most);
/* True when @a is the more natural of two names for one place: the vDSO's, fewer underscores, shorter. */
bool name_is_better(const char *a, size_t a_len, const char *b, size_t b_len);
