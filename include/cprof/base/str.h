/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * str — text from strangers made harmless, and a table of interned strings.
 *
 * Everything that enters from the kernel or a file (comm, path, symbol) passes str_clean() once, at
 * the border: after it, text is valid UTF-8 without control characters.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/arena.h"
#include "cprof/base/map.h"

/*
 * Copies at most @src_len bytes (up to a NUL) of @src to @dst as valid UTF-8: invalid sequences,
 * control characters (C0, DEL, C1) and bidirectional overrides become U+FFFD. Always terminates;
 * cuts at a character's border. Returns the length written; *ret_changed (may be NULL) tells
 * whether anything was replaced or cut.
 */
size_t str_clean(char *dst, size_t dst_sz, const char *src, size_t src_len, bool *ret_changed);

/*
 * The file name form: every byte outside [A-Za-z0-9._-] becomes '_'; never empty, never with a leading
 * dot or dash. Returns the length written.
 */
size_t str_file_name(char *dst, size_t dst_sz, const char *src);

/* A decimal number in the one form that printf() gives it: no sign, no leading zero, nothing else. */
bool str_parse_number(const char *s, size_t len, uint64_t *ret);

/*
 * How near @word is to @name, which may have been meant: 0 but for the case, or so many letters wrong, at
 * most 2; a beginning counts as 2. SIZE_MAX: it was not meant.
 */
size_t str_nearness(const char *word, const char *name);

/* Interned strings: id 0 is always "". Ids are dense. */
struct strtab {
	struct arena arena;
	struct map map;
	const char **strings;
	uint32_t *lens;
	size_t cnt;
	size_t cap;
	uint64_t seed;
};

int strtab_init(struct strtab *t, uint64_t seed);
/* 0 and *ret_id, or -ENOMEM. @s needs no NUL. */
int strtab_add(struct strtab *t, const char *s, size_t len, uint32_t *ret_id);
const char *strtab_get(const struct strtab *t, uint32_t id);
void strtab_done(struct strtab *t);
