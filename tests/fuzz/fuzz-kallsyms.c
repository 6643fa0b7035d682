/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as /proc/kallsyms, the same table on a second reading, and names that are sound. */

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
	FUZZ_CHECK(s.start <= place);
	FUZZ_CHECK(strlen(s.name) <= SYMTAB_NAME_MAX && s.module_len <= strlen(s.name));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	struct symtab_limits limits = { .symbols = 10000, .bytes = 1 << 20 };
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r[2];
	struct symtab *t[2] = { NULL, NULL };

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, bytes, sz) == (ssize_t)sz);
	for (int i = 0; i < 2; i++)
		r[i] = symtab_load_kernel(fd, &limits, &t[i]);
	close(fd);
	FUZZ_CHECK(r[0] >= 0 && r[0] <= SYMTAB_BAD && r[0] == r[1]);
	FUZZ_CHECK((t[0] == NULL) == (r[0] == SYMTAB_BAD));
	if (t[0]) {
		uint64_t base = symtab_info(t[0])->text_start;

		FUZZ_CHECK(symtab_bytes(t[0]) == symtab_bytes(t[1]));
		for (uint64_t place = base; place < base + 4096; place += 16)
			ask(t[0], place);
		for (uint64_t place = 0; place < 64; place++)
			ask(t[0], 1ULL << place | 1ULL << 63);
	}
	symtab_free(t[0]);
	symtab_free(t[1]);
	return 0;
}
