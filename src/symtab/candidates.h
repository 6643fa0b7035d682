/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* candidates — the functions that compete for the places of a table, and what their names are held against. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/symtab.h"

/* Lower is better: bits of struct candidate's rank, the strongest last. */
enum candidate_rank {
	CANDIDATE_SOURCE = 7,  /* enum symtab_source */
	CANDIDATE_UNSIZED = 8, /* reaches to the next one or the limit */
	CANDIDATE_LOCAL = 16,
	CANDIDATE_NOTYPE = 32, /* a label; names only what no sized function covers */
	CANDIDATE_RANKS = 64,
};

_Static_assert(SYMTAB_SOURCE_MAX <= CANDIDATE_SOURCE + 1, "a source fits into a rank");

#define CANDIDATES_MAX (1u << 21)

struct candidate {
	uint32_t from;
	uint32_t to;	 /* the end, or with CANDIDATE_UNSIZED the most it can be */
	uint32_t string; /* in the strings */
	uint8_t rank;	 /* enum candidate_rank */
};

/* Of one, what it is not sorted by. */
struct candidate_rest {
	uint32_t to;
	uint32_t string;
};

struct candidates {
	uint64_t *keys; /* from, rank, and where the rest of it is */
	struct candidate_rest *rest;
	uint32_t cnt, cap;
};

/* 0, SYMTAB_LIMIT (there are CANDIDATES_MAX) or -ENOMEM. */
int candidates_add(struct candidates *c, const struct candidate *one);
/* By address, then rank, then as they came. */
void candidates_sort(struct candidates *c);
/* @one takes the place @to of what was @from, with what that was. */
void candidates_put(struct candidates *c, uint32_t to, uint32_t from, const struct candidate *one);
void candidates_done(struct candidates *c);

#define CANDIDATE_FROM_SHIFT 32
#define CANDIDATE_RANK_SHIFT 21
_Static_assert(CANDIDATES_MAX == 1u << CANDIDATE_RANK_SHIFT, "a place fits behind a rank");
_Static_assert((uint64_t)CANDIDATE_RANKS << CANDIDATE_RANK_SHIFT <= 1ULL << CANDIDATE_FROM_SHIFT,
	       "a rank fits behind an address");

static inline uint32_t candidates_from(const struct candidates *c, uint32_t i)
{
	return (uint32_t)(c->keys[i] >> CANDIDATE_FROM_SHIFT);
}

static inline struct candidate_rest *candidates_rest(const struct candidates *c, uint32_t i)
{
	return &c->rest[c->keys[i] & (CANDIDATES_MAX - 1)];
}

static inline struct candidate candidates_get(const struct candidates *c, uint32_t i)
{
	const struct candidate_rest *rest = candidates_rest(c, i);

	return (struct candidate){
		.from = candidates_from(c, i),
		.to = rest->to,
		.string = rest->string,
		.rank = (uint8_t)(c->keys[i] >> CANDIDATE_RANK_SHIFT & (CANDIDATE_RANKS - 1)),
	};
}

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

/* How much of the @most bytes from @name on is a name of this source: without versions and tails. */
size_t candidate_name_len(const struct candidate_strings *s, unsigned int source, const char *name,
			  size_t most);
/* True when @a is the more natural of two names for one place: the vDSO's, fewer underscores, shorter. */
bool name_is_better(const char *a, size_t a_len, const char *b, size_t b_len);

/* What a name in the file is: its source's strings, and where in these; or where in the ties. */
#define NAME_TIED (1u << 31)
#define NAME_SOURCE_SHIFT 28
#define NAME_PLACE_MASK ((1u << NAME_SOURCE_SHIFT) - 1)
_Static_assert(SYMTAB_STRINGS_MAX <= NAME_PLACE_MASK, "a place in strings fits beside a source");

struct file_texts;

/*
 * Of those at one address the best, with the longest size that any of them gives; needs them sorted. Of what has its
 * names in the file (@texts, else NULL) the string may be from then on that of ties (NAME_TIED).
 * 0, -ENOMEM, or as file_texts_choose().
 */
int candidates_choose(struct candidates *c, const struct candidate_strings *strings,
		      struct file_texts *texts);
/* The name of the @i-th one, in strings that are here. */
const char *candidates_name(const struct candidates *c, const struct candidate_strings *strings,
			    uint32_t i, size_t *ret_len);
