/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fuzz — what all fuzzers share: the entry that libFuzzer and replay.c call, and the two things a
 * fuzzer must do to see an overread: give the code memory of exactly the input's size, and touch
 * every byte that the code says is there.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);

/* In every build, also where assert() is off. */
#define FUZZ_CHECK(cond)                                                                          \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/* Aligned as malloc() aligns, to be freed. */
static inline void *fuzz_copy(const void *p, size_t sz)
{
	void *copy = calloc(1, sz > 0 ? sz : 1);

	FUZZ_CHECK(copy);
	if (sz > 0)
		memcpy(copy, p, sz);
	return copy;
}

/* As above, of a message of wire.h or session.h: its size is the one field that chance never gets right. */
static inline void *fuzz_message(const uint8_t *data, size_t sz)
{
	void *msg = fuzz_copy(data, sz);

	if (sz >= sizeof(struct wire_head) && (data[6] & 1))
		memcpy(msg, &(uint32_t){ (uint32_t)sz }, sizeof(uint32_t));
	return msg;
}

/* Calls @take with each record of the input (abi.h), in memory of exactly its size; the last one is what is left. */
static inline void fuzz_records(const uint8_t *data, size_t sz,
				void (*take)(const void *record, size_t sz, void *ctx), void *ctx)
{
	while (sz >= sizeof(struct cprof_head)) {
		void *exact;
		uint32_t len;

		memcpy(&len, data, sizeof(len));
		if (len < sizeof(struct cprof_head) || len > sz)
			len = (uint32_t)MIN(sz, UINT32_MAX);
		exact = fuzz_copy(data, len);
		take(exact, len, ctx);
		free(exact);
		data += len;
		sz -= len;
	}
}

/* Reads every byte, in a way that the compiler must not leave out. */
static inline void fuzz_touch(const void *p, size_t sz)
{
	const unsigned char *b = p;
	unsigned char sum = 0;

	for (size_t i = 0; i < sz; i++)
		sum ^= b[i];
	__asm__ volatile("" : : "r"(sum));
}
