/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as .eh_frame and as .debug_frame. Beyond "no crash": rows ascend, no two neighbours are
 * alike, every rule holds what a walk may rely on, and what is asked for is found.
 */

#include "../unit/bytes.h"
#include "cprof/cfi.h"
#include "fuzz.h"

static void check_rule(const struct cprof_rule *rule)
{
	FUZZ_CHECK(rule->cfa < CPROF_CFA_MAX && rule->cfa_reg < CPROF_REGS_CNT);
	FUZZ_CHECK(rule->ra < CPROF_WHERE_MAX && rule->ra_reg < CPROF_REGS_CNT);
	FUZZ_CHECK(rule->fp < CPROF_WHERE_MAX && rule->fp_reg < CPROF_REGS_CNT);
	FUZZ_CHECK(rule->sp < CPROF_WHERE_MAX && rule->sp_reg < CPROF_REGS_CNT);
	FUZZ_CHECK((rule->flags & ~CPROF_RULE_EXACT) == 0);
}

static void check_table(const struct cfi *t, const struct cfi_limits *limits)
{
	FUZZ_CHECK(cfi_rows_cnt(t) <= limits->rows);
	FUZZ_CHECK(cfi_rules_cnt(t) <= limits->rules);
	for (size_t i = 0; i < cfi_rules_cnt(t); i++)
		check_rule(cfi_rule(t, (uint16_t)i));
	for (size_t i = 0; i < cfi_rows_cnt(t); i++) {
		struct cfi_row row = cfi_row(t, i), next;

		FUZZ_CHECK(row.rule < cfi_rules_cnt(t));
		FUZZ_CHECK(cfi_find(t, row.addr) == row.rule);
		if (i + 1 == cfi_rows_cnt(t))
			break;
		next = cfi_row(t, i + 1);
		FUZZ_CHECK(row.addr < next.addr && row.rule != next.rule);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	struct cfi_limits limits = { .rows = 5000, .rules = 200 };
	size_t half = sz / 2;
	struct bytes b[3] = { { bytes, sz }, { bytes, half }, { bytes + half, sz - half } };
	struct cfi_section s[3];

	for (size_t i = 0; i < ELEMENTSOF(s); i++)
		s[i] = (struct cfi_section){ .read = bytes_read,
					     .ctx = &b[i],
					     .size = b[i].sz,
					     .addr = 0x1000,
					     .debug = i == 2 };
	/* As one section of the first kind, and as one of each. */
	for (size_t first = 0; first < 2; first++) {
		struct cfi *t = NULL;
		int r = cfi_load(&s[first], first + 1, &limits, &t);

		FUZZ_CHECK(r >= 0 && r <= CFI_LIMIT && (t == NULL) == (r == CFI_NONE));
		if (t)
			check_table(t, &limits);
		cfi_free(t);
	}
	return 0;
}
