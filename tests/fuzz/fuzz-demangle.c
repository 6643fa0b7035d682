/* SPDX-License-Identifier: Apache-2.0 */

/* Any text as a mangled name: what comes out is terminated and fits. */

#include <string.h>

#include "cprof/symtab.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	char *name = malloc(sz + 1), *out = malloc(512);
	size_t len;

	FUZZ_CHECK(name && out);
	memcpy(name, bytes, sz);
	name[sz] = '\0';
	len = symtab_demangle(name, out, 512);
	FUZZ_CHECK(len < 512);
	if (len > 0)
		FUZZ_CHECK(out[len] == '\0');
	for (int naming = SYMTAB_NAMING_ANY; naming <= SYMTAB_NAMING_GO; naming++) {
		size_t readable = symtab_readable(name, (enum symtab_naming)naming, out, 512);

		FUZZ_CHECK(readable < 512);
		FUZZ_CHECK(readable == 0 || strlen(out) == readable);
		FUZZ_CHECK(naming != SYMTAB_NAMING_ANY || readable == len);
	}
	free(name);
	free(out);
	return 0;
}
