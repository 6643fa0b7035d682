/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gopclntab — the tables of functions that every Go program carries for its own runtime (.gopclntab): where
 * each begins and ends, what it is called, and how far the stack pointer has gone down at each of its
 * instructions, as rules that undo a frame. Go programs have no .eh_frame, and stripped ones nothing else.
 *
 * The bytes are a stranger's: only the symbolizer links this. They are read through a callback in small
 * pieces; functions are given in ascending order and never overlap, and the work is bounded by the number of
 * bytes. What is wrong costs the function that it is in. Layouts of Go 1.2 to 1.27, x86-64 only. Which rule
 * says what of the runtime's switches of stacks: docs/adr/0029.
 */

#include <stddef.h>
#include <stdint.h>

#include "cprof/unwind.h"

/*
 * Bytes as they are in memory where the file is loaded at 0: of programs that are relocated (PIE) the
 * relative relocations are applied. read(): all @sz bytes from @offset on: 0 or -errno.
 */
struct gopclntab_bytes {
	int (*read)(void *ctx, uint64_t offset, void *dst, size_t sz);
	void *ctx;
	uint64_t size;
};

/* By the first Go that wrote it. */
enum gopclntab_version {
	GOPCLNTAB_12 = 2,    /* to 1.15 */
	GOPCLNTAB_116 = 116, /* to 1.17 */
	GOPCLNTAB_118 = 118, /* to 1.19 */
	GOPCLNTAB_120 = 120, /* to 1.27 at least */
};

/* Places are offsets from the table's beginning. */
struct gopclntab_head {
	enum gopclntab_version version;
	uint64_t funcs_cnt;
	uint64_t text; /* the functions' addresses count from here; 0: 1.26 and later do not tell */
	uint64_t names; /* NUL-terminated, at a function's name offset */
	uint64_t units; /* of files, by compilation unit; 0 before 1.16 */
	uint64_t files; /* their names; 0 before 1.16 */
	uint64_t pc_tables;
	uint64_t funcs;
};

/* What gopclntab_head() wants to see of a table. */
#define GOPCLNTAB_HEAD_SZ 72

/*
 * Is this the beginning of a table of @size bytes (of all of its section or segment, when nobody says where it
 * ends)? For programs that have lost their sections' names: it lies at a multiple of 8 (32 before 1.26) in a segment that is
 * not executable. 0 or -EBADMSG.
 */
int gopclntab_head(const void *bytes, size_t sz, uint64_t size, struct gopclntab_head *ret);

/*
 * Where the functions' addresses count from, when the head does not tell or a C compiler's start files come
 * before them: the runtime's description of the program (moduledata) has it, which lies in @data (.go.module
 * since 1.26, .noptrdata or .data), aligned to 8, and begins with the table's @addr. 0, -ENOENT or -errno.
 */
int gopclntab_text(const struct gopclntab_head *head, uint64_t addr,
		   const struct gopclntab_bytes *data, uint64_t *ret);

struct gopclntab_file {
	struct gopclntab_bytes table;
	uint64_t text; /* 0: as the head says */
	/*
	 * The code from @code_addr on, of which a few bytes are looked at: what a prologue in assembly saves, and
	 * where the runtime's functions change stacks. Of size 0: what a compiler would do.
	 */
	struct gopclntab_bytes code;
	uint64_t code_addr;
};

/* @flags: the runtime's own; 0 before 1.17. */
#define GOPCLNTAB_TOP 1u      /* the outermost of a stack */
#define GOPCLNTAB_SP_WRITE 2u /* writes the stack pointer in a way that the table does not tell */
#define GOPCLNTAB_ASM 4u      /* since 1.18 */

struct gopclntab_func {
	uint64_t start;
	uint64_t end;
	uint32_t name; /* the offset in the head's names */
	uint32_t pcsp; /* of its table in the head's pc_tables; 0: none, it is not Go's code */
	uint32_t flags;
	uint64_t record; /* of what the table says more about it, from the table's beginning on */
};

/* What is found, by ascending address; another value than 0 ends it and is returned. Each may be NULL. */
struct gopclntab_sink {
	int (*func)(void *ctx, const struct gopclntab_func *func);
	/* From @start up to @end this rule; what no row covers has none. */
	int (*row)(void *ctx, uint64_t start, uint64_t end, const struct cprof_rule *rule);
	void *ctx;
};

struct gopclntab_facts {
	uint64_t funcs;
	uint64_t foreign;     /* of them without a table: C that was linked in */
	uint64_t bad;	      /* functions that were left out, or left early */
	uint64_t unsupported; /* rows that say what a rule cannot */
};

enum gopclntab_outcome {
	GOPCLNTAB_OK,
	GOPCLNTAB_NONE, /* no table, or not one of x86-64 */
	GOPCLNTAB_LIMIT, /* it asks for more work than its size allows: what came before it was given */
};

/* An outcome, -errno of a read(), or what a sink said. *ret_facts is always set. */
int gopclntab_walk(const struct gopclntab_file *file, const struct gopclntab_sink *sink,
		   struct gopclntab_facts *ret_facts);

/* The name, cut to @sz with its NUL. Its length, or -EBADMSG, or -errno of a read(). */
int gopclntab_name(const struct gopclntab_file *file, const struct gopclntab_head *head,
		   uint32_t name, char *dst, size_t sz);
