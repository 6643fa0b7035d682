/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * symtab — the functions of an ELF file, of the kernel, of a perf map or of a jitdump, as a compact sorted table.
 *
 * Reads files of strangers: only the symbolizer links this. Files are read with pread, never mapped
 * (a truncation would be SIGBUS), and every size in them is held against the file's real size before
 * memory is asked for. After loading nothing of the file is needed any more.
 *
 * Places are file offsets for ELF files, addresses for the kernel and perf maps; both for what is looked up and
 * for where a function begins. A symbol without a size reaches to the next symbol or the end of its
 * section; one with a size ends there exactly. Where symbols nest, the innermost names the place.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/object.h"
#include "cprof/symtab_readable.h"

#define SYMTAB_NAME_MAX 4096 /* longer names are cut */

enum symtab_outcome {
	SYMTAB_OK,
	SYMTAB_UNNAMED,	   /* a proper file without a symbol in executable memory */
	SYMTAB_RESTRICTED, /* the kernel's addresses are hidden from us: all are 0 */
	SYMTAB_LIMIT,	   /* beyond the limits given: no symbols, the rest of it is valid */
	SYMTAB_BAD,	   /* not an ELF file of x86-64, or it lies */
};

/*
 * Where names come from. Of two for one place the better source's counts, which comes first here; what one
 * lacks another may have.
 */
enum symtab_source {
	SYMTAB_SOURCE_SYMTAB,	 /* the file's own .symtab */
	SYMTAB_SOURCE_DEBUG,	 /* its separate debug file's */
	SYMTAB_SOURCE_DEBUGDATA, /* .gnu_debugdata: what .dynsym lacks, compressed */
	SYMTAB_SOURCE_GO,	 /* the table of Go's runtime */
	SYMTAB_SOURCE_DYNSYM,
	SYMTAB_SOURCE_PLT, /* "f@plt": the stubs that calls of other files' functions go through */
	SYMTAB_SOURCE_MAX,
	/* Of what is no ELF file. */
	SYMTAB_SOURCE_KALLSYMS = 8,
	SYMTAB_SOURCE_PERF_MAP,
	SYMTAB_SOURCE_JITDUMP,
};

/* Of all functions the names, but for what was inlined: nothing else will know more. */
#define SYMTAB_SOURCES_WHOLE                                                                      \
	(1u << SYMTAB_SOURCE_SYMTAB | 1u << SYMTAB_SOURCE_DEBUG | 1u << SYMTAB_SOURCE_DEBUGDATA | \
	 1u << SYMTAB_SOURCE_GO)

struct symtab_limits {
	uint32_t symbols; /* in the file, of all tables */
	size_t bytes;	  /* of the finished table */
	size_t plain;	  /* names that are more bytes than this are packed */
	uint32_t only;	  /* of an ELF file's sources, bits (1 << enum symtab_source); 0: all */
	uint32_t lean;	  /* tables of fewer bytes of symbols are never lean */
};

#define SYMTAB_LIMITS_DEFAULT \
	((struct symtab_limits){ 2000000, 32 << 20, .plain = 256 << 10, .lean = 128 << 10 })

/* Of an ELF file, from all sources. With these and the limits a load takes at most 112 MiB until it is done. */
#define SYMTAB_STRINGS_MAX (64ULL << 20)
#define SYMTAB_FUNCTIONS_MAX 1000000
/* Of .gnu_debugdata: as it is in the file, as it is decompressed, and for the decompressing. */
#define SYMTAB_DEBUGDATA_PACKED_MAX (16ULL << 20)
#define SYMTAB_DEBUGDATA_MAX (32ULL << 20)
#define SYMTAB_DEBUGDATA_MEMORY_MAX (66ULL << 20)

/* What else is known; all 0 where it does not apply. */
struct symtab_info {
	enum object_elf elf;
	uint32_t segments_cnt;
	struct object_segment segments[OBJECT_SEGMENTS_MAX]; /* executable PT_LOADs */
	uint32_t build_id_sz;
	uint8_t build_id[OBJECT_BUILD_ID_MAX];
	uint64_t text_start; /* kernel: _stext */
	uint64_t text_end;   /* kernel: _etext */
	bool go;	     /* a program of Go, or with Go in it */
	bool cut; /* something is beyond the limits: a jitdump's beginning, a file's .gnu_debugdata */
	uint32_t sources; /* of its names: a bit (1 << enum symtab_source) for each that has some */
};

struct symtab_symbol {
	/* As the file has it (modules' with " [module]" behind); until the next symtab_find(). */
	const char *name;
	uint64_t start;	     /* of the function's first byte */
	uint32_t module_len; /* how much of the name is " [module]" */
	enum symtab_naming naming;
	uint32_t line;	  /* of the place, where a jitdump tells; 0: not known */
	const char *file; /* NULL: not known */
};

struct symtab;

struct elf_file;

/*
 * Reads an ELF file, and the symbols of its separate debug file (NULL: there is none). Returns an outcome, or
 * -errno when reading or memory failed. *ret is set for OK, UNNAMED, LIMIT and RESTRICTED.
 */
int symtab_read(const struct elf_file *f, const struct elf_file *debug,
		const struct symtab_limits *limits, struct symtab **ret);
/* The same of an open file of @file_sz bytes (the descriptor stays the caller's). */
int symtab_load(int fd, uint64_t file_sz, const struct symtab_limits *limits, struct symtab **ret);

/* The same for /proc/kallsyms; the descriptor is rewound first, so that it serves again. */
int symtab_load_kernel(int fd, const struct symtab_limits *limits, struct symtab **ret);

/*
 * The same for a perf map, "START SIZE NAME" in hex by lines; of what overlaps the later line counts.
 * Of a file that is larger than PERF_MAP_BYTES_MAX or the limits its end is read, and that is said
 * (cut). OK, UNNAMED when there is no usable line, or -errno.
 */
#define PERF_MAP_BYTES_MAX (64ULL << 20)
#define PERF_MAP_LINES_MAX 1000000
int symtab_load_perf_map(int fd, uint64_t file_sz, const struct symtab_limits *limits,
			 struct symtab **ret);

/*
 * The same for a jitdump, perf's other file for code that a process makes itself, which tells lines, too. Of code that
 * overlaps the later one counts, moved code is where it was moved to last, and a record without its end
 * ends the file. Beyond the limits lines are left out first, and then what came first (cut). OK, UNNAMED
 * when there is no code in it, BAD: it is no such file of this machine; LIMIT: larger than
 * JITDUMP_BYTES_MAX; or -errno.
 */
#define JITDUMP_BYTES_MAX (512ULL << 20)
int symtab_load_jitdump(int fd, uint64_t file_sz, const struct symtab_limits *limits,
			struct symtab **ret);
/* A jitdump, if it begins as one, or else a perf map. */
int symtab_load_jit(int fd, uint64_t file_sz, const struct symtab_limits *limits,
		    struct symtab **ret);

struct symtab *symtab_free(struct symtab *t);

/* True and *ret when a function covers this place. */
bool symtab_find(const struct symtab *t, uint64_t place, struct symtab_symbol *ret);

const struct symtab_info *symtab_info(const struct symtab *t);
size_t symtab_bytes(const struct symtab *t);
/* How many functions an ELF file's table has, and how many bytes of the file are theirs. */
void symtab_coverage(const struct symtab *t, uint64_t *ret_functions, uint64_t *ret_bytes);

DEFINE_CLEANUP(struct symtab *, symtab_free);
