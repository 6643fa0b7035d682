/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * explain_elf — what an ELF file, and its separate debug file, have of names, lines and unwinding rows: each source
 * by itself, and all together, as the symbolizer would take them.
 *
 * A message of the process that reads the file (elf_sources.h) to the one that shows it (docs/adr/0039).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/object.h"
#include "cprof/symtab.h"

#define EXPLAIN_LINK_SZ 256
/* So many places, evenly spread over the code, are asked for in debugging information. */
#define EXPLAIN_PLACES 1024

enum explain_state {
	EXPLAIN_ABSENT,
	EXPLAIN_THERE,
	EXPLAIN_TOO_LARGE,   /* beyond the limits: not read */
	EXPLAIN_UNSUPPORTED, /* in a form that is not read */
	EXPLAIN_BAD,
};

struct explain_source {
	uint32_t state; /* enum explain_state */
	uint32_t pad;
	uint64_t functions;
	uint64_t bytes; /* of code that they cover */
};

struct explain_dwarf {
	uint32_t state;	  /* enum explain_state */
	uint32_t version; /* of the first unit; 0: not known */
	uint32_t packed;  /* 1: compressed by zlib; 2: in another way */
	uint32_t split;	  /* files of units that it goes on in, of those that were met */
	uint32_t dwz;	  /* 1: it goes on in a file that is shared with others */
	uint32_t
		places; /* of those asked for: how many have a function, a line, an inlined function */
	uint32_t named, lined, inlined;
	uint32_t pad;
	uint64_t info_sz; /* of .debug_info as it is in the file */
};

struct explain_elf {
	int32_t outcome; /* enum symtab_outcome of the file itself, or -errno */
	uint32_t elf;	 /* enum object_elf */
	uint32_t go;	 /* 1: a program of Go */
	uint32_t build_id_sz;
	uint8_t build_id[OBJECT_BUILD_ID_MAX];
	char link[EXPLAIN_LINK_SZ]; /* .gnu_debuglink; "": none */
	uint64_t code;		    /* executable bytes */
	struct explain_source names[SYMTAB_SOURCE_MAX];
	struct explain_source all; /* of all of them */
	struct explain_dwarf own, debug;
	struct explain_dwarf go_lines; /* Go's table, by the same places */
	uint32_t
		debug_of; /* 1 + which of the files that were given is its separate debug file; 0: none */
	uint32_t debug_is;		/* enum explain_state */
	uint64_t rows;			/* bytes of code that have rows, by the file itself */
	uint64_t rows_debug;		/* with the separate debug file */
	uint32_t eh_frame, debug_frame; /* 1: the section is there */
};

/* Files that may be a separate debug file, at most. */
#define EXPLAIN_DEBUGS_MAX 16

/*
 * What cprofctl asks of `cprofd-symbolizer --explain` on its descriptor 3, a socket of messages: FILE once and then
 * DEBUG for each debug file that may be, with a descriptor each, and HEAD or TELL, which is answered with a
 * struct explain_elf.
 */
enum explain_ask { EXPLAIN_ASK_FILE = 1, EXPLAIN_ASK_DEBUG, EXPLAIN_ASK_HEAD, EXPLAIN_ASK_TELL };

/* An answer, as whoever does not believe it looks at it: false: it is none. Texts are terminated then. */
bool explain_elf_check(struct explain_elf *answer, size_t sz);
