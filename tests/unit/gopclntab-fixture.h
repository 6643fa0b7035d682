/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* gopclntab-fixture — tables of functions in each layout, made from a list of functions. */

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/gopclntab.h"

#define TEXT 0x401000ULL
#define DELTAS_MAX 8

/* From the @at-th byte of the function on the stack pointer is @delta lower, up to the next; at 0: the end. */
struct fake_delta {
	uint32_t at;
	int32_t delta;
};

struct fake_func {
	const char *name;
	uint32_t size;
	uint8_t flags;
	bool foreign;
	struct fake_delta deltas[DELTAS_MAX];
	const char *code; /* the first bytes */
	size_t code_sz;
};

struct fake_table {
	uint8_t v[16384];
	size_t cnt;
	uint8_t code[4096];
	size_t code_cnt;
	size_t names, pcs, list, records; /* where they are */
};

static inline void fake_put(struct fake_table *t, uint64_t v, size_t sz)
{
	memcpy(t->v + t->cnt, &v, sz);
	t->cnt += sz;
}

static inline void fake_set(struct fake_table *t, size_t at, uint64_t v, size_t sz)
{
	memcpy(t->v + at, &v, sz);
}

static inline void fake_varint(struct fake_table *t, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		fake_put(t, v | 0x80, 1);
	fake_put(t, v, 1);
}

/* The table of one function's deltas, or of other numbers. */
static inline void fake_deltas(struct fake_table *t, const struct fake_delta *v, uint32_t size)
{
	int32_t before = -1;

	for (size_t i = 0; i == 0 || (i < DELTAS_MAX && v[i].at != 0); i++) {
		int32_t diff = v[i].delta - before;
		uint32_t next = i + 1 < DELTAS_MAX ? v[i + 1].at : 0;

		fake_varint(t, ((uint32_t)diff << 1) ^ (uint32_t)(diff >> 31));
		fake_varint(t, (next != 0 ? next : size) - v[i].at);
		before = v[i].delta;
	}
	fake_put(t, 0, 1);
}

static inline size_t fake_word(enum gopclntab_version version)
{
	return version >= GOPCLNTAB_118 ? 4 : 8;
}

static inline uint64_t fake_addr(enum gopclntab_version version, uint64_t offset)
{
	return version >= GOPCLNTAB_118 ? offset : TEXT + offset;
}

/* What a function's record has behind its address; the offsets count from the tables. */
static inline void fake_record(struct fake_table *t, enum gopclntab_version version,
			       const struct fake_func *f, uint64_t name, uint64_t pcsp)
{
	fake_put(t, name, 4);
	fake_put(t, 0, 8); /* arguments, deferreturn */
	fake_put(t, f->foreign ? 0 : pcsp, 4);
	t->cnt += 12; /* files, lines, other tables */
	if (version >= GOPCLNTAB_116)
		fake_put(t, 0, 4);
	if (version >= GOPCLNTAB_120)
		fake_put(t, 0, 4);
	fake_put(t, 0, 1);
	fake_put(t, version >= GOPCLNTAB_116 ? f->flags : 0, 1);
	fake_put(t, 0, 2);
}

static inline void fake_head(struct fake_table *t, enum gopclntab_version version, size_t cnt)
{
	uint32_t magic = version == GOPCLNTAB_12    ? 0xfffffffb
			 : version == GOPCLNTAB_116 ? 0xfffffffa
			 : version == GOPCLNTAB_118 ? 0xfffffff0
						    : 0xfffffff1;

	fake_put(t, magic, 4);
	fake_put(t, 0x08010000, 4);
	fake_put(t, cnt, 8);
	if (version == GOPCLNTAB_12)
		return;
	fake_put(t, 0, 8); /* files */
	if (version != GOPCLNTAB_116)
		fake_put(t, TEXT, 8);
	t->cnt += 40; /* the parts, set later */
}

static inline void fake_code(struct fake_table *t, const struct fake_func *f)
{
	memset(t->code + t->code_cnt, 0xcc, f->size);
	if (f->code)
		memcpy(t->code + t->code_cnt, f->code, f->code_sz);
	t->code_cnt += f->size;
}

/* Names and tables of deltas of at most 16 functions. */
static inline void fake_parts(struct fake_table *t, const struct fake_func *f, size_t cnt,
			      size_t names[static 16], size_t pcs[static 16])
{
	t->names = t->cnt;
	for (size_t i = 0; i < cnt; i++) {
		names[i] = t->cnt;
		memcpy(t->v + t->cnt, f[i].name, strlen(f[i].name) + 1);
		t->cnt += strlen(f[i].name) + 1;
	}
	t->pcs = t->cnt;
	fake_put(t, 0, 1); /* no table is at 0 */
	for (size_t i = 0; i < cnt; i++) {
		pcs[i] = t->cnt;
		fake_deltas(t, f[i].deltas, f[i].size);
	}
}

static inline void fake_list(struct fake_table *t, enum gopclntab_version version,
			     const struct fake_func *f, size_t cnt, size_t records_base)
{
	size_t word = fake_word(version), record = t->list + (2 * cnt + 1) * word;
	uint64_t at = 0;

	for (size_t i = 0; i < cnt; i++) {
		fake_set(t, t->list + 2 * i * word, fake_addr(version, at), word);
		fake_set(t, t->list + (2 * i + 1) * word, record - records_base, word);
		record += word + 40;
		at += f[i].size;
	}
	fake_set(t, t->list + 2 * cnt * word, fake_addr(version, at), word);
}

/* Up to 1.15 the list follows the head, and all offsets count from the table's beginning. */
static inline void fake_table(struct fake_table *t, enum gopclntab_version version,
			      const struct fake_func *f, size_t cnt)
{
	size_t word = fake_word(version), names[16], pcs[16], list_sz = (2 * cnt + 1) * word;
	size_t parts = version == GOPCLNTAB_116 ? 24 : 32;
	bool old = version == GOPCLNTAB_12;
	uint64_t at = 0;

	*t = (struct fake_table){ 0 };
	fake_head(t, version, cnt);
	t->list = t->cnt;
	if (old)
		t->cnt += list_sz + cnt * (word + 40);
	fake_parts(t, f, cnt, names, pcs);
	if (!old) {
		t->list = t->cnt;
		fake_set(t, parts, t->names, 8);
		fake_set(t, parts + 8, t->pcs, 8);
		fake_set(t, parts + 16, t->pcs, 8);
		fake_set(t, parts + 24, t->pcs, 8);
		fake_set(t, parts + 32, t->list, 8);
	}
	fake_list(t, version, f, cnt, old ? 0 : t->list);
	t->records = t->list + list_sz;
	for (size_t i = 0, end = t->cnt; i < cnt; i++) {
		t->cnt = t->records + i * (word + 40);
		fake_put(t, fake_addr(version, at), word);
		fake_record(t, version, &f[i], names[i] - (old ? 0 : t->names),
			    pcs[i] - (old ? 0 : t->pcs));
		t->cnt = i + 1 < cnt || !old ? t->records + (i + 1) * (word + 40) : end;
		at += f[i].size;
		fake_code(t, &f[i]);
	}
}

static inline int fake_read_table(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	const struct fake_table *t = ctx;

	if (offset > t->cnt || sz > t->cnt - offset)
		return -EIO;
	memcpy(dst, t->v + offset, sz);
	return 0;
}

static inline int fake_read_code(void *ctx, uint64_t offset, void *dst, size_t sz)
{
	const struct fake_table *t = ctx;

	if (offset > t->code_cnt || sz > t->code_cnt - offset)
		return -EIO;
	memcpy(dst, t->code + offset, sz);
	return 0;
}

static inline struct gopclntab_file fake_file(struct fake_table *t, bool code)
{
	return (struct gopclntab_file){
		.table = { fake_read_table, t, t->cnt },
		.code = { fake_read_code, t, code ? t->code_cnt : 0 },
		.code_addr = TEXT,
	};
}
