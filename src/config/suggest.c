/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest — what somebody meant who wrote a key that is none: the one in another case or another
 * section, with one or two letters wrong, or of which it is the beginning.
 */

#include <stdio.h>
#include <string.h>

#include "cprof/base/str.h"
#include "keys.h"

/* The smaller the nearer; SIZE_MAX: it was not meant. */
static size_t nearness(const struct config_key *key, const char *section, const char *name)
{
	size_t d = str_nearness(name, key->name);
	bool elsewhere = strcmp(key->section, section) != 0;

	return d == SIZE_MAX || (elsewhere && d > 0) ? SIZE_MAX : 2 * d + elsewhere;
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
