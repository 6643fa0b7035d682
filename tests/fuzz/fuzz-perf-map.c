/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a perf map: sound names, within the limits, and the last usable line always counts. */

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
}

/* Every number that stands in the text may be the border of something. */
static void ask_all(const struct symtab *t, const uint8_t *bytes, size_t sz)
{
	uint64_t v = 0;

	for (size_t i = 0; i < sz; i++) {
		uint8_t c = bytes[i] | 0x20;

		if (c >= '0' && c <= '9') {
			v = v << 4 | (uint64_t)(c - '0');
		} else if (c >= 'a' && c <= 'f') {
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		} else {
			ask(t, v - 1);
			ask(t, v);
			v = 0;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	struct symtab_limits limits = { .symbols = 1000, .bytes = 1 << 16 };
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;
	struct symtab *t = NULL;

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, bytes, sz) == (ssize_t)sz);
	r = symtab_load_perf_map(fd, sz + sz % 2, &limits, &t);
	close(fd);
	FUZZ_CHECK(r == SYMTAB_OK || r == SYMTAB_UNNAMED);
	FUZZ_CHECK(t && symtab_bytes(t) <= limits.bytes + 1024);
	ask_all(t, bytes, sz);
	for (uint64_t place = 0; place < 64; place++)
		ask(t, 1ULL << place);
	symtab_free(t);
	return 0;
}
