/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * files — those that are open because their rows were not asked for yet, or because their separate debug file
 * may come (WIRE_FILE_OPEN_NS).
 *
 * An open file keeps its file system from being unmounted, and a deleted one's space from being free, so none
 * stays for long, and there are not many.
 */

#include <stddef.h>
#include <stdint.h>

#include "cprof/base/vec.h"
#include "cprof/elf_file.h"
#include "cprof/wire.h"

#define FILES_MAX 256
/* Of headers that are kept: more than any real file has. */
#define FILES_HEADERS_MAX (256u << 10)

struct file {
	struct elf_file *elf;	      /* NULL: there is nothing to be made of it */
	enum wire_rows_status status; /* then */
	uint32_t object;
	uint64_t until_ns;
	size_t rows_sz; /* of the block that was made of it; 0: none yet */
	uint32_t part;	/* what its debug file may say more of: bits of enum wire_part */
};

struct files {
	VEC(struct file) v; /* the one that was opened first comes first */
};

/* NULL: it is not open (any more). Valid until the next call. */
struct file *files_get(struct files *f, uint32_t object);
/* Takes @elf, which may be NULL; the oldest makes room. 0 or -ENOMEM. */
int files_put(struct files *f, uint32_t object, struct elf_file *elf, uint64_t now_ns);
void files_close(struct files *f, uint32_t object);
/* Closes what is too old, and says when to look again; UINT64_MAX: none is open. */
uint64_t files_expire(struct files *f, uint64_t now_ns);
void files_done(struct files *f);
