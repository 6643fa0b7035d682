/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest — what somebody meant who wrote a key that is none: the one in another case or another
 * section, with one or two letters wrong, or of which it is the beginning.
 */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cprof/base/cleanup.h"
#include "keys.h"

#define NAME_MAX_LEN 32 /* longer ones are no near miss of any */
#define NEAR 2
#define BEGINNING 4

static unsigned int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned int)(c - 'A' + 'a') : (unsigned char)c;
}

/* Levenshtein's: letters to add, drop or change, in any case. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1], a_len = strlen(a), b_len = strlen(b);

	if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t change = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));

			diagonal = row[j];
			row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_len];
}

/* The smaller the nearer; SIZE_MAX: it was not meant. */
static size_t nearness(const struct config_key *key, const char *section, const char *name)
{
	size_t len = strlen(name), d = distance(name, key->name);
	bool elsewhere = strcmp(key->section, section) != 0;

	if (d > NEAR && (len < BEGINNING || strncasecmp(name, key->name, len) != 0))
		return SIZE_MAX;
	if (d > NEAR)
		d = NEAR;
	/* In short names nearly everything is near. */
	if (d >= len || (elsewhere && d > 0))
		return SIZE_MAX;
	return 2 * d + elsewhere;
}

static void list_keys(const char *section, char *dst, size_t dst_sz)
{
	size_t len = (size_t)snprintf(dst, dst_sz, " keys of [%s]:", section);
	const struct config_key *key;

	for (size_t i = 0; (key = config_key(i)) && len < dst_sz; i++) {
		if (strcmp(key->section, section) == 0)
			len += (size_t)snprintf(dst + len, dst_sz - len, " %s", key->name);
	}
}

void key_suggest(const char *section, const char *name, char *dst, size_t dst_sz)
{
	const struct config_key *key, *best = NULL;
	size_t best_nearness = SIZE_MAX;

	for (size_t i = 0; (key = config_key(i)); i++) {
		size_t n = nearness(key, section, name);

		if (n < best_nearness) {
			best_nearness = n;
			best = key;
		}
	}
	if (!best)
		list_keys(section, dst, dst_sz);
	else if (strcmp(best->section, section) == 0)
		(void)snprintf(dst, dst_sz, " did you mean %s?", best->name);
	else
		(void)snprintf(dst, dst_sz, " did you mean %s in [%s]?", best->name, best->section);
}

void sections_list(char *dst, size_t dst_sz)
{
	const struct config_key *key;
	const char *before = "";
	size_t len = 0;

	*dst = '\0';
	for (size_t i = 0; (key = config_key(i)) && len < dst_sz; i++) {
		if (strcmp(key->section, before) != 0)
			len += (size_t)snprintf(dst + len, dst_sz - len, "%s[%s]", i > 0 ? " " : "",
						key->section);
		before = key->section;
	}
}
