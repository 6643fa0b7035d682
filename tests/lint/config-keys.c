/* SPDX-License-Identifier: Apache-2.0 */
/* config-keys — the table of keys as text, for manual.py: section, name, what is allowed, default, prose. */

#include <stdio.h>

#include "cprof/config.h"

int main(void)
{
	const struct config_key *key;

	for (size_t i = 0; (key = config_key(i)); i++)
		printf("%s\t%s\t%s\t%s\t%s\n", key->section, key->name, key->value, key->initial,
		       key->prose);
	return ferror(stdout) ? 1 : 0;
}
