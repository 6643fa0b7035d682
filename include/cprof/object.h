/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * object — the table of everything that frames can lie in: mapped files by the kernel's key, and
 * the kernel, the vDSO, anonymous memory.
 *
 * An index is dense, never reused, and equals the id that BPF is told. The table holds facts that
 * the symbolizer reported (kind of ELF file, segments, build id); it opens nothing.
 */

#include <stdbool.h>
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

enum object_elf { OBJECT_ELF_NONE, OBJECT_ELF_EXEC, OBJECT_ELF_DYN };

#define OBJECT_SEGMENTS_MAX 32
#define OBJECT_BUILD_ID_MAX 32

/* A PT_LOAD segment; only executable ones are kept. */
struct object_segment {
	uint64_t offset; /* p_offset */
	uint64_t vaddr;
	uint64_t filesz;
};

struct object {
	struct cprof_key key;
	enum object_state state;
	enum object_elf elf;
	bool foreign; /* a superblock of another user namespace */
	uint32_t owner;
	uint8_t build_id[OBJECT_BUILD_ID_MAX];
	uint8_t build_id_sz;
	uint8_t segments_cnt;
	struct object_segment segments[OBJECT_SEGMENTS_MAX];
	char *path;	      /* clean UTF-8, as the process saw it; NULL: not known */
	uint64_t kernel_text; /* OBJECT_KERNEL: address of _stext; 0: not known */
};

struct objects;

/* Indexes below CPROF_OBJECT_FIRST are the fixed ones of abi.h, present from the start. */
int objects_new(uint64_t seed, struct objects **ret);
struct objects *objects_free(struct objects *t);

/* Finds or adds by key; 0 and *ret_idx, or -ENOMEM. */
int objects_intern(struct objects *t, const struct cprof_key *key, uint32_t *ret_idx);
/* NULL when there is no such index. Valid until the next objects_intern(). */
struct object *objects_get(struct objects *t, uint32_t idx);
uint32_t objects_cnt(const struct objects *t);

DEFINE_CLEANUP(struct objects *, objects_free);
