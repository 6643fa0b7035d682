/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* texts — the names of a table: a number for each; few as they are, many in packed blocks. */

#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"

struct texts {
	char *plain; /* NULL: packed */
	size_t plain_sz;
	VEC(uint8_t) packed;
	VEC(uint32_t) blocks; /* where each begins in it */
	struct texts_block *unpacked;
};

struct texts_limits {
	size_t plain; /* more bytes of text than this are packed */
	size_t bytes; /* as they are kept */
	size_t total; /* as they are */
};

struct texts_writer;

/* @sz is the sum of all that come, with their ends: 0, SYMTAB_LIMIT or -ENOMEM. */
int texts_writer_new(size_t sz, const struct texts_limits *limits, struct texts_writer **ret);
struct texts_writer *texts_writer_free(struct texts_writer *w);
/* @len is at most SYMTAB_NAME_MAX; *ret_id is for texts_get(). As above. */
int texts_write(struct texts_writer *w, const char *text, size_t len, uint32_t *ret_id);
/* No more come; the writer is used up. As above. */
int texts_finish(struct texts_writer *w, struct texts *ret);

/* Valid until the next call for the same texts; NULL without memory. */
const char *texts_get(const struct texts *t, uint32_t id);
size_t texts_bytes(const struct texts *t);
void texts_done(struct texts *t);

DEFINE_CLEANUP(struct texts_writer *, texts_writer_free);
