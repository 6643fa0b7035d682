/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an ELF file whose code's rows are wanted. Whatever is in them, the block passes the check
 * that the sampler makes.
 */

#include <sys/mman.h>
#include <unistd.h>

#include "cprof/rows.h"
#include "cprof/unwind_info.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;
	void *bytes = NULL;
	size_t bytes_sz;
	struct rows_view v;

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, data, sz) == (ssize_t)sz);
	r = unwind_info_load(fd, sz, &bytes, &bytes_sz);
	close(fd);
	FUZZ_CHECK(r >= 0 && r <= UNWIND_INFO_BAD && (bytes == NULL) == (r == UNWIND_INFO_BAD));
	if (!bytes)
		return 0;
	FUZZ_CHECK(rows_check(bytes, bytes_sz, &v) == 0);
	FUZZ_CHECK(r != UNWIND_INFO_NONE || v.head->pages_cnt == 0);
	free(bytes);
	return 0;
}
