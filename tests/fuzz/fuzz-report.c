/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-report — any bytes as a profile: read without a fault, and when refused, without a trace.
 * They are read twice, so that rows exist already and sums grow.
 */

#include "cprof/report.h"
#include "fuzz.h"

static void check_rows(struct report *r)
{
	_cleanup_free_ struct report_row *rows = NULL;
	size_t cnt;

	if (report_top(r, 10, &rows, &cnt) < 0)
		return;
	FUZZ_CHECK(cnt <= 10);
	for (size_t i = 0; i < cnt; i++) {
		FUZZ_CHECK(rows[i].name[0] != '\0');
		fuzz_touch(rows[i].name, strlen(rows[i].name));
		fuzz_touch(rows[i].object, strlen(rows[i].object));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_(report_freep) struct report *r = NULL;
	_cleanup_free_ void *copy = fuzz_copy(data, sz);

	FUZZ_CHECK(report_new(&r) == 0);
	if (report_add(r, copy, sz) < 0)
		FUZZ_CHECK(report_total(r) == 0);
	check_rows(r);
	(void)report_add(r, copy, sz);
	check_rows(r);
	return 0;
}
