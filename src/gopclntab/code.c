/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Not a disassembler. Go's assembler has one encoding for each of the instructions that are looked for, and
 * they are looked for only in functions that are known to have them; bytes that look alike by chance make a
 * rule begin too early, and nothing else.
 */

#include "code.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"

#define REX_W 0x48
#define REX_R 0x04
#define REX_B 0x01
#define PUSH_BP 0x55
#define POP_HIGH 0x41
#define POP_REG 0x58
#define MOV_TO_REG 0x8b
#define MOV_TO_RM 0x89
#define LEA 0x8d
#define MODRM_SP \
	4 /* as the register; as the operand without a register: another byte (SIB) follows */
#define MODRM_MOD(m) ((m) >> 6)
#define MODRM_REG(m) (((m) >> 3) & 7)
#define MODRM_RM(m) ((m)&7)

/* The runtime's functions are short; those of strangers are not searched for ever. */
#define SEARCH_MAX 4096
/* Prefix, instruction, operand; and what may follow. */
#define SWITCH_MIN 3
#define BYTES_PER_WORK 16

static int code_peek(struct tables *t, uint64_t pc, size_t sz, const uint8_t **ret, size_t *ret_sz)
{
	uint64_t start = t->file->code_addr;

	if (pc < start || pc - start >= t->file->code.size)
		return -ENODATA;
	return window_peek(&t->code, pc - start, sz, ret, ret_sz);
}

unsigned int code_save_len(int64_t delta)
{
	return delta == 8 ? 4 : delta - 8 < 128 ? 5 : 8;
}

/* MOVQ BP, delta - 8(SP) */
static bool saves(const uint8_t *p, size_t sz, int64_t delta)
{
	int32_t off = (int32_t)(delta - 8);
	unsigned int len = code_save_len(delta);
	uint8_t expected[8] = { REX_W, MOV_TO_RM, 0x2c, 0x24 };

	if (len > 4) {
		expected[2] = len == 5 ? 0x6c : 0xac;
		memcpy(expected + 4, &off, len - 4);
	}
	return sz >= len && memcmp(p, expected, len) == 0;
}

int code_prologue(struct tables *t, uint64_t pc, int64_t delta, struct prologue *ret)
{
	static const uint8_t point[] = { REX_W, MOV_TO_RM, 0xe5 }; /* MOVQ SP, BP */
	const uint8_t *p;
	size_t sz;
	int r = code_peek(t, pc - 1, 1 + 8, &p, &sz);

	if (r < 0)
		return r;
	if (delta == 8 && sz > sizeof(point) && p[0] == PUSH_BP &&
	    memcmp(p + 1, point, sizeof(point)) == 0) {
		*ret = (struct prologue){ .saved = pc, .chained = pc + sizeof(point), true };
		return 1;
	}
	if (sz > 0 && delta >= 8 && saves(p + 1, sz - 1, delta)) {
		ret->saved = pc + code_save_len(delta);
		ret->chained = ret->saved + code_save_len(delta);
		ret->pushed = false;
		return 1;
	}
	return 0;
}

int code_popped(struct tables *t, uint64_t pc)
{
	const uint8_t *p;
	size_t sz;
	int r = code_peek(t, pc - 2, 2, &p, &sz);

	if (r < 0)
		return r;
	if (sz < 2 || p[0] != POP_HIGH || (p[1] & 0xf8) != POP_REG)
		return -ENODATA;
	return 8 + (p[1] & 7);
}

/* The length of an instruction that loads the stack pointer; 0: it is another. */
static size_t switch_len(const uint8_t *p)
{
	uint8_t rex = p[0], modrm = p[2];
	size_t len = SWITCH_MIN;

	if ((rex & 0xf8) != REX_W)
		return 0;
	if (p[1] == MOV_TO_RM && MODRM_MOD(modrm) == 3 && MODRM_RM(modrm) == MODRM_SP)
		return rex & REX_B ? 0 : len;
	if ((p[1] != MOV_TO_REG && p[1] != LEA) || MODRM_REG(modrm) != MODRM_SP || (rex & REX_R))
		return 0;
	if (MODRM_MOD(modrm) == 3)
		return len;
	if (p[1] == LEA && MODRM_RM(modrm) == MODRM_SP) /* from itself: the table tells */
		return 0;
	len += MODRM_RM(modrm) == MODRM_SP ? 1 : 0;
	len += MODRM_MOD(modrm) == 1 ? 1 : MODRM_MOD(modrm) == 2 ? 4 : 0;
	return len;
}

/* All that is looked at of a function. 0, -ENODATA, -E2BIG, or -errno of a read. */
static int code_all(struct tables *t, const struct gopclntab_func *f, const uint8_t **ret,
		    size_t *ret_sz)
{
	uint64_t cnt = MIN(f->end - f->start, (uint64_t)SEARCH_MAX);

	if (!tables_may(t, cnt / BYTES_PER_WORK))
		return -E2BIG;
	return code_peek(t, f->start, (size_t)cnt, ret, ret_sz);
}

int code_switches(struct tables *t, const struct gopclntab_func *f, uint64_t *ret_first,
		  uint64_t *ret_last)
{
	const uint8_t *p;
	int found = 0, r;
	size_t sz;

	r = code_all(t, f, &p, &sz);
	if (r < 0)
		return r;
	for (size_t i = 0; i + SWITCH_MIN <= sz; i++) {
		size_t len = switch_len(p + i);

		if (len == 0)
			continue;
		if (!found)
			*ret_first = f->start + i + len;
		*ret_last = f->start + i + len;
		found = 1;
	}
	return found;
}

int code_curg(struct tables *t, const struct gopclntab_func *f, int32_t *ret)
{
	static const uint8_t compares[] = { REX_W, 0x3b, 0x83 }; /* CMPQ AX, curg(BX) */
	const uint8_t *p;
	size_t sz;
	int r = code_all(t, f, &p, &sz);

	*ret = 0;
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	for (size_t i = 0; i + sizeof(compares) + sizeof(*ret) <= sz; i++) {
		if (memcmp(p + i, compares, sizeof(compares)) == 0) {
			memcpy(ret, p + i + sizeof(compares), sizeof(*ret));
			return 0;
		}
	}
	return 0;
}

/* MOVQ BP, off(REG), where the offset is one byte. */
static bool keeps_fp(const uint8_t *p)
{
	return p[0] == REX_W && p[1] == MOV_TO_RM && MODRM_MOD(p[2]) == 1 && MODRM_REG(p[2]) == 5 &&
	       MODRM_RM(p[2]) != MODRM_SP;
}

int code_growth(struct tables *t, const struct gopclntab_func *f, struct growth *ret)
{
	/* MOVQ (TLS), REG: %fs:, and an address of four bytes. */
	static const uint8_t thread[] = { 0x64, REX_W, MOV_TO_REG };
	const uint8_t *p;
	size_t sz;
	int r = code_all(t, f, &p, &sz);

	*ret = (struct growth){ 0 };
	if (r < 0)
		return r == -ENODATA ? 0 : r;
	if (sz >= 9 && memcmp(p, thread, sizeof(thread)) == 0 && (p[3] & 0xc7) == 4 && p[4] == 0x25)
		memcpy(&ret->tls, p + 5, sizeof(ret->tls));
	for (size_t i = 0; i + 4 <= sz && ret->fp == 0; i++) {
		if (keeps_fp(p + i))
			ret->fp = (int8_t)p[i + 3];
	}
	return 0;
}
