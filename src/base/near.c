/* SPDX-License-Identifier: Apache-2.0 */

/* What somebody meant who wrote a word that is none. In short words nearly everything is near. */

#include <string.h>
#include <strings.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"

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

size_t str_nearness(const char *word, const char *name)
{
	size_t len = strlen(word), d = distance(word, name);

	if (d > NEAR && (len < BEGINNING || strncasecmp(word, name, len) != 0))
		return SIZE_MAX;
	d = MIN(d, (size_t)NEAR);
	return d >= len ? SIZE_MAX : d;
}
