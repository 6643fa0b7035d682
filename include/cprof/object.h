/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * object — the table of everything that frames can lie in: mapped files by the kernel's key, and
 * the kernel, the vDSO, anonymous memory, the code that a process made at run time (JIT).
 *
 * An index is the id that BPF is told. It is never used again for anything else, also after its object
 * was forgotten, so indexes have gaps: walk them with objects_next(). The table holds facts that the
 * symbolizer reported (kind of ELF file, segments, build id); it opens nothing, and forgets only what
 * its owner tells it to.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/abi.h"
#include "cprof/base/cleanup.h"

enum object_state {
	OBJECT_SEEN,	/* a sample named its key; nobody announced it yet */
	OBJECT_ASKED,	/* the opener was asked */
	OBJECT_OPENED,	/* the symbolizer has it and works */
	OBJECT_READY,	/* names can be asked for */
	OBJECT_UNNAMED, /* opened, but no symbol in it, or too many */
	OBJECT_GONE,	/* could not be opened any more; asked again when announced again */
	OBJECT_REFUSED, /* never to be opened: not a local file system, not a regular file */
	OBJECT_BAD,	/* not a proper ELF file */
};

enum object_kind {
	OBJECT_FILE, /* and the fixed ones */
	OBJECT_JIT,  /* anonymous executable memory of one process: offsets are addresses */
};

enum object_elf { OBJECT_ELF_NONE, OBJECT_ELF_EXEC, OBJECT_ELF_DYN };

#define OBJECT_SEGMENTS_MAX 32
#define OBJECT_BUILD_ID_MAX 32

/* A PT_LOAD segment; only executable ones are kept. */
struct object_segment {
	uint64_t offset; /* p_offset */
	uint64_t vaddr;
	uint64_t filesz;
};

/* Whose memory an OBJECT_JIT is: one generation of a process. */
struct object_jit {
	uint64_t start_ns; /* CLOCK_BOOTTIME */
	uint32_t pid;
	uint32_t exec;
	uint32_t uid; /* effective */
};

/* Strings and arrays are the table's: set by the functions below. */
struct object {
	struct cprof_key key;
	enum object_kind kind;
	enum object_state state;
	enum object_elf elf;
	bool lined;    /* its file tells lines */
	bool foreign;  /* a superblock of another user namespace */
	bool limited;  /* its names are too much */
	bool no_debug; /* there is no separate debug file of it */
	uint8_t build_id_sz;
	uint8_t segments_cnt;
	uint32_t owner;
	uint16_t sources; /* enum object_source of object_source.h */
	uint32_t told;	  /* those whose BPF has its id, a bit each */
	const uint8_t *build_id;
	const struct object_segment *segments;
	const char *path;      /* clean UTF-8, as the process saw it; NULL: not known */
	uint64_t kernel_text;  /* OBJECT_KERNEL: address of _stext; 0: not known */
	struct object_jit jit; /* OBJECT_JIT */
	uint64_t used_ns;      /* the latest objects_use(); 0: no record ever named it */
};

struct objects;

/* Indexes below CPROF_OBJECT_FIRST are the fixed ones of abi.h, present from the start. */
int objects_new(uint64_t seed, struct objects **ret);
struct objects *objects_free(struct objects *t);

/* Finds or adds by key; 0 and *ret_idx, -ENOMEM, or -ENOSPC: all indexes were given away. */
int objects_intern(struct objects *t, const struct cprof_key *key, uint32_t *ret_idx);
/* The same for the run-time code of a process; its key is made up, and no file has it. */
int objects_intern_jit(struct objects *t, const struct object_jit *jit, uint32_t *ret_idx);
/* How often an index was wanted and there was none. */
uint64_t objects_overflow(const struct objects *t);
/* NULL when there is no such index, or it was forgotten. Valid until objects_forget() of it. */
struct object *objects_get(struct objects *t, uint32_t idx);
/* Was it ever given away? */
bool objects_knew(const struct objects *t, uint32_t idx);
/*
 * A small number that is this object's alone while it is there, for arrays beside the table; the fixed
 * ones have their index. UINT32_MAX: no such object.
 */
uint32_t objects_slot(const struct objects *t, uint32_t idx);
/* How many there are, the fixed ones included, and what they take. */
uint32_t objects_cnt(const struct objects *t);
/* How many of run-time code there ever were. */
uint64_t objects_jits(const struct objects *t);
size_t objects_bytes(const struct objects *t);
/* Walks all but the fixed ones, in no order: begin with *pos 0; false at the end. What is met may be
 * forgotten meanwhile. */
bool objects_next(const struct objects *t, size_t *pos, uint32_t *ret_idx);

/* Copies; a count of 0 lets go. 0 or -ENOMEM; -ENOENT: no such index; -E2BIG: more than the limit. */
int objects_set_segments(struct objects *t, uint32_t idx, const struct object_segment *v,
			 uint32_t cnt);
int objects_set_build_id(struct objects *t, uint32_t idx, const uint8_t *v, uint32_t sz);
int objects_set_path(struct objects *t, uint32_t idx, const char *text, size_t len);

/* A record of this time (CLOCK_BOOTTIME) names it: it is now the last one to be forgotten. False: there is
 * no such index, or it was forgotten. */
bool objects_use(struct objects *t, uint32_t idx, uint64_t time_ns);
/* Likewise without a record. */
void objects_touch(struct objects *t, uint32_t idx);
/* The one that was used and touched least lately; false when there are only fixed ones. */
bool objects_oldest(const struct objects *t, uint32_t *ret_idx);
/* Forgets it and frees what is its; fixed and unknown ones stay as they are. */
void objects_forget(struct objects *t, uint32_t idx);

/*
 * The distance of a kernel address from _stext, or UINT64_MAX where none may be told: it is not
 * known, or the address is not of the kernel's own text and would give away where that is.
 */
uint64_t object_kernel_distance(const struct object *kernel, uint64_t address);
/* Places in it are runtime addresses: they mean nothing elsewhere, and no file may tell them. */
bool object_has_addresses(uint32_t idx);

DEFINE_CLEANUP(struct objects *, objects_free);
