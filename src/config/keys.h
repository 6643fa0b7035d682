/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * keys — every key: where its value lies in struct config, what it may be, and its default. This one
 * table makes the parser, the defaults, config_is_valid(), the manual page and the example file.
 */

#include "cprof/config.h"

struct key {
	struct config_key row;
	size_t at; /* in struct config */
	size_t width;
	/* Of a number: how its text is read, and its bounds. */
	const char *(*read)(const char *text, uint64_t *ret);
	uint64_t min, max;
	/* Of a text: why it is not allowed, or NULL. */
	const char *(*check)(const char *text);
	const char *none; /* stands for the empty text */
	bool list;	  /* a second assignment adds to the first */
};

/* NULL: there is none. */
const struct key *key_find(const char *section, const char *name);
/* NULL, or why @value is not allowed; then nothing has changed. An empty one is the default. */
const char *key_set(const struct key *key, const char *value, struct config *config);

bool section_is_known(const char *section);
/* A key of later versions; with @name NULL a section whose keys all are. */
bool key_is_later(const char *section, const char *name);

/* What was meant: " did you mean ...?", or which keys there are. */
void key_suggest(const char *section, const char *name, char *dst, size_t dst_sz);
/* "[Sampling] [Profiles] ..." */
void sections_list(char *dst, size_t dst_sz);
