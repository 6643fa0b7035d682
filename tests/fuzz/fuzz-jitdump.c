/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a jitdump (or a perf map, if they do not begin as one): sound names within the limits, and
 * lines of files that have names. Each number of 8 bytes may be the border of something.
 */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/symtab.h"
#include "fuzz.h"

static void ask(const struct symtab *t, uint64_t place)
{
	struct symtab_symbol s;

	if (!symtab_find(t, place, &s))
		return;
	FUZZ_CHECK(s.start <= place && s.module_len == 0);
	FUZZ_CHECK(strlen(s.name) > 0 && strlen(s.name) <= SYMTAB_NAME_MAX);
	FUZZ_CHECK(s.file || s.line == 0);
	FUZZ_CHECK(!s.file || strlen(s.file) <= SYMTAB_NAME_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	struct symtab_limits limits = { .symbols = 100, .bytes = 1 << 12 };
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;
	struct symtab *t = NULL;

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, bytes, sz) == (ssize_t)sz);
	r = symtab_load_jit(fd, sz + sz % 2, &limits, &t);
	close(fd);
	FUZZ_CHECK(r == SYMTAB_OK || r == SYMTAB_UNNAMED || r == SYMTAB_BAD);
	FUZZ_CHECK((t != NULL) == (r != SYMTAB_BAD));
	if (!t)
		return 0;
	FUZZ_CHECK(symtab_bytes(t) <= limits.bytes + 1024);
	for (size_t i = 0; i + 8 <= sz; i++) {
		uint64_t v;

		memcpy(&v, bytes + i, sizeof(v));
		ask(t, v);
		ask(t, v - 1);
		ask(t, v + 9);
	}
	symtab_free(t);
	return 0;
}
