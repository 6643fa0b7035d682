/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-report — any bytes as a profile: read without a fault, and when refused, without a trace.
 * They are read twice, so that rows exist already and sums grow.
 */

#include "cprof/report.h"
#include "fuzz.h"

static void check_rows(struct report *r)
{
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };
	struct report_header h;

	if (report_top(r, &(struct report_query){ .max = 10, .fraction = 0.01 }, &rows) < 0)
		return;
	FUZZ_CHECK(rows.cnt <= 10 && rows.cnt <= rows.kept);
	for (size_t i = 0; i < rows.cnt; i++) {
		FUZZ_CHECK(rows.v[i].name[0] != '\0');
		fuzz_touch(rows.v[i].name, strlen(rows.v[i].name));
		fuzz_touch(rows.v[i].object, strlen(rows.v[i].object));
	}
	report_header(r, &h);
	fuzz_touch(h.type, strlen(h.type));
	fuzz_touch(h.types, strlen(h.types));
	fuzz_touch(h.build_id, strlen(h.build_id));
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
