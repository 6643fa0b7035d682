/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dwarf — which function's code lies at an address of an ELF file, what was inlined there, and at which lines,
 * by the file's debugging information (DWARF 2 to 5).
 *
 * Reads files of strangers: only the symbolizer links this. They are read in small pieces with pread, never
 * whole and never mapped; memory and work are bounded by limits and not by what the file says. Addresses are
 * the file's own, before relocation (elf_file_address()); a separate debug file has those of its program.
 * Why this is no library's work: docs/adr/0031.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"

struct elf_file;
struct dwarf;

/* Functions at one place; of more the outer ones are left out, but not the outermost. */
#define DWARF_LINES_MAX 128
#define DWARF_TEXT_MAX 4096 /* longer names and paths are cut */

struct dwarf_limits {
	size_t bytes; /* of memory, for all that is kept of the file and its companions */
	uint64_t
		work; /* that may be done before dwarf_allow() is called: about a byte that is looked at */
};

/* Two seconds of a CPU, or three where it is packed. */
#define DWARF_LIMITS_DEFAULT ((struct dwarf_limits){ .bytes = 64 << 20, .work = 2ULL << 30 })

enum dwarf_outcome {
	DWARF_OK,
	DWARF_NONE,	   /* nothing is told: of the file, or of the place */
	DWARF_LIMIT,	   /* what may be done is used up, for now: dwarf_allow() and ask again */
	DWARF_TOO_LARGE,   /* beyond the limits whenever one asks */
	DWARF_UNSUPPORTED, /* packed in a way that is not known, a later version, or not of 64 bits */
	DWARF_BAD,	   /* it lies, or is damaged */
};

/* A function at a place: the one whose code it is, or one that was inlined there. Texts are never NULL. */
struct dwarf_line {
	const char *name;    /* as in the source; "": not known */
	const char *linkage; /* the mangled name; "": none */
	const char *file;    /* the whole path; "": not known */
	uint32_t line;	     /* where it is, or calls what was inlined; 0: not known */
	uint32_t column;     /* 0: not known */
	uint32_t start_line; /* where the function is declared; 0: not known */
};

struct dwarf_place {
	uint64_t addr;
	enum dwarf_outcome outcome; /* OK; else there are no lines: never DWARF_LIMIT */
	/* The innermost first. One with neither name nor linkage: its line is all that is known. */
	const struct dwarf_line *lines;
	uint32_t lines_cnt;
	uint64_t start; /* of the outermost one's code; 0: not known */
	bool part;	/* one of dwarf_wants() would tell more */
};

/* Takes a place, valid during the call; @i is its number among what was asked for. Not 0 ends it. */
typedef int (*dwarf_place_fn)(void *ctx, size_t i, const struct dwarf_place *place);

/*
 * @f, which stays the caller's and lives longer: the program, or its separate debug file. *ret is set for OK
 * alone. An outcome, never LIMIT; or -errno. @seed is random, against names that are made to collide.
 */
int dwarf_open(const struct elf_file *f, const struct dwarf_limits *limits, uint64_t seed,
	       struct dwarf **ret);
struct dwarf *dwarf_close(struct dwarf *d);

/* What it takes in memory. */
size_t dwarf_bytes(const struct dwarf *d);

/*
 * Nothing is asked for some time: what was unpacked of packed sections goes, and what is needed again will be
 * unpacked again, a piece at a time. How the file is put together stays.
 */
void dwarf_rest(struct dwarf *d);

/* From now on so much may be done, whatever was left. */
void dwarf_allow(struct dwarf *d, uint64_t work);
uint64_t dwarf_work_left(const struct dwarf *d);

/*
 * Asks for @cnt addresses, which ascend; each one is answered once, in any order, but that OK means all of
 * them, and after LIMIT some are left. The first calls also find out which unit has which code. OK, LIMIT,
 * TOO_LARGE (the index alone is beyond the limits), -errno, or what @fn said.
 */
int dwarf_find(struct dwarf *d, const uint64_t *addrs, size_t cnt, dwarf_place_fn fn, void *ctx);

/*
 * Files that the information goes on in. This never opens one: the caller looks for it, and gives it. Those
 * of single units become known as addresses in them are asked for.
 */
enum dwarf_want_kind {
	DWARF_WANT_SUPPLEMENT, /* what dwz took out of several files: by its build id */
	DWARF_WANT_UNIT, /* split DWARF: a .dwo by its name; or the program's .dwp, which has all of them */
};

struct dwarf_want {
	enum dwarf_want_kind kind;
	const char *name; /* a path */
	const char *
		dir; /* that it counts from, where it is not absolute: the compilation's; "": the file's own */
	uint64_t unit;		 /* the unit's id */
	const uint8_t *build_id; /* of the supplement */
	uint32_t build_id_sz;
	bool given;
	bool due; /* a place that was asked for would have told more with it, and it was not looked for yet */
};

/* So many files of units are kept; with one more the one that was not used for longest is wanted again. */
#define DWARF_GIVEN_MAX 32

/* How many are kept now. */
size_t dwarf_given_cnt(const struct dwarf *d);
/* False: there are no more than @i. Valid until the next dwarf_find() or dwarf_give(). */
bool dwarf_wants(const struct dwarf *d, size_t i, struct dwarf_want *ret);
/* It was looked for: it is not due before it was given, and closed again. */
void dwarf_looked_for(struct dwarf *d, size_t i);
/*
 * Takes the file, also when it fails (elf_file_open_part()). OK; NONE: it is another one, or was given;
 * BAD and UNSUPPORTED, as dwarf_open(); or -errno.
 */
int dwarf_give(struct dwarf *d, size_t i, struct elf_file *f);

DEFINE_CLEANUP(struct dwarf *, dwarf_close);
