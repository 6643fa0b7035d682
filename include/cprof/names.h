/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * names — what is known about (object, offset): the function, where it starts, file and line, and what was
 * inlined there.
 *
 * Filled by symbolize, read by encode, kept over windows, and dropped by names_sweep() when nobody
 * asked for long. Strings are interned, clean UTF-8; their ids are good until the next sweep.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/abi.h"
#include "cprof/base/cleanup.h"

#define NAME_INLINED_MAX 128 /* more at one place: the outer ones are left out */

/* A function at a place: the one whose code it is, or one that was inlined there. */
struct name_line {
	uint32_t function;   /* string id; 0: there is no name */
	uint32_t linkage;    /* string id of the mangled name; 0: the same, or none */
	uint32_t file;	     /* string id of the whole path; 0: not known */
	uint32_t line;	     /* where it is, or calls what was inlined; 0: not known */
	uint32_t column;     /* 0: not known */
	uint32_t start_line; /* where the function begins; 0: not known */
};

struct name {
	union {
		struct name_line own; /* the function whose code it is */
		struct {
			uint32_t function, linkage, file, line, column, start_line;
		};
	};
	uint64_t start;	  /* offset in the object where the function begins */
	uint32_t inlined; /* for names_inlined() */
	uint32_t inlined_cnt;
	bool part; /* there is more to know, in a file that was not read */
};

struct names;

/* The place whose name a frame has: a return address belongs to the call before it. */
static inline uint64_t names_offset(uint64_t offset, uint32_t frame_flags)
{
	return frame_flags & CPROF_FRAME_EXACT || offset == 0 ? offset : offset - 1;
}

int names_new(uint64_t seed, struct names **ret);
struct names *names_free(struct names *n);

/* What was inlined at a place, the innermost first; for the next names_put(). 0 and *ret, or -ENOMEM. */
int names_put_inlined(struct names *n, const struct name_line *lines, uint32_t cnt, uint32_t *ret);
/* name->inlined_cnt of them, until the next put or sweep. */
const struct name_line *names_inlined(const struct names *n, const struct name *name);

/* Remembers the answer for a place, also "no name" (function 0); 0 or -ENOMEM. */
int names_put(struct names *n, uint32_t object, uint64_t offset, const struct name *name);
/* True when the place was answered before. */
bool names_get(const struct names *n, uint32_t object, uint64_t offset, struct name *ret);

/* What was answered for the object may be answered better now: it stays until it is put again. */
void names_doubt(struct names *n, uint32_t object);
/* The same of what was answered in part, each of which @fn is told; not 0 ends it, and is returned. */
typedef int (*names_place_fn)(uint64_t offset, void *ctx);
int names_doubt_part(struct names *n, uint32_t object, names_place_fn fn, void *ctx);
void names_doubt_all(struct names *n);
/* True when the place was answered, and nothing better is to be had. */
bool names_settled(const struct names *n, uint32_t object, uint64_t offset);

/* As names_settled(), and the answer counts as used at that time (any clock, never going back). */
bool names_use(struct names *n, uint32_t object, uint64_t offset, uint64_t now_ns);
/* What all of it takes, to within the room that vectors keep ready. */
size_t names_bytes(const struct names *n);
uint64_t names_cnt(const struct names *n);

/* Whether an answer of this object, which takes that much with its text, stays. */
typedef bool (*names_keep_fn)(uint32_t object, size_t bytes, void *ctx);
/*
 * Drops all answers that were last put or used before @before_ns, or that @keep does not want, and
 * the text that only they had. 0, or -ENOMEM: all is as it was.
 */
int names_sweep(struct names *n, uint64_t before_ns, names_keep_fn keep, void *ctx);

/* Interns text that was cleaned (str_clean); 0 and *ret_id, or -ENOMEM. */
int names_string(struct names *n, const char *s, size_t len, uint32_t *ret_id);
const char *names_text(const struct names *n, uint32_t id);

DEFINE_CLEANUP(struct names *, names_free);
