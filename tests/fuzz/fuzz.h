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

/* Reads every byte, in a way that the compiler must not leave out. */
static inline void fuzz_touch(const void *p, size_t sz)
{
	const unsigned char *b = p;
	unsigned char sum = 0;

	for (size_t i = 0; i < sz; i++)
		sum ^= b[i];
	__asm__ volatile("" : : "r"(sum));
}
