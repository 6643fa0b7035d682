/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Expressions are not carried about: the few shapes that compilers and assembly for x86-64 use are
 * known here, and what has another shape is said to be unsupported.
 *
 *	breg R off				R + off
 *	breg R off; deref [; plus c]		*(R + off) [+ c]	realigned stacks, libcrypto
 *	breg rsp off; breg R 0; lit8; mul; plus;
 *		deref [; plus c]		*(rsp + 8 * R + off) [+ c]	libcrypto
 *	breg rsp 8; breg rip 0; lit15; and;
 *		litN; ge; lit3; shl; plus	a lazy PLT: N bytes into an entry one more word is pushed
 */

#include "state.h"

#include <limits.h>

#include "dwarf.h"

#define PLT_WORD 8

/* Where the kernel puts rsp in the ucontext of a signal frame (asm/ucontext.h, asm/sigcontext.h). */
#define UCONTEXT_RSP 160

enum state_column state_column(uint64_t reg, uint64_t ra_reg)
{
	if (reg == ra_reg)
		return STATE_RA;
	if (reg == CPROF_REG_RBP)
		return STATE_FP;
	if (reg == CPROF_REG_RSP)
		return STATE_SP;
	return STATE_COLUMNS;
}

static bool fits(int64_t v)
{
	return v >= INT32_MIN && v <= INT32_MAX;
}

/* What an expression of a known shape comes to. */
struct shape {
	enum { SHAPE_OTHER, SHAPE_REG, SHAPE_DEREF, SHAPE_INDEX, SHAPE_PLT } kind;
	uint8_t reg;
	int32_t off;
	int32_t add;
};

/* "breg R off", as its first operation. False: it is not. */
static bool read_breg(struct reader *r, uint8_t *ret_reg, int64_t *ret_off)
{
	uint8_t op = reader_u8(r);
	uint64_t reg = op - (uint64_t)DW_OP_breg0;

	if (op == DW_OP_bregx)
		reg = reader_uleb(r);
	else if (op < DW_OP_breg0 || op > DW_OP_breg31)
		return false;
	*ret_off = reader_sleb(r);
	*ret_reg = (uint8_t)reg;
	return reg < CPROF_REGS_CNT && fits(*ret_off);
}

/* "plus_uconst c", "litN; plus", "const1u c; plus" and the like. False: something else. */
static bool read_plus(struct reader *r, int64_t *ret)
{
	uint8_t op = reader_u8(r);

	if (op == DW_OP_plus_uconst) {
		*ret = (int64_t)reader_uleb(r);
		return *ret >= 0 && fits(*ret);
	}
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
		*ret = op - DW_OP_lit0;
	else if (op == DW_OP_const1u)
		*ret = reader_u8(r);
	else if (op == DW_OP_const1s)
		*ret = reader_sint(r, 1);
	else if (op == DW_OP_const2u)
		*ret = (int64_t)reader_uint(r, 2);
	else if (op == DW_OP_const2s)
		*ret = reader_sint(r, 2);
	else if (op == DW_OP_consts)
		*ret = reader_sleb(r);
	else
		return false;
	return fits(*ret) && reader_u8(r) == DW_OP_plus;
}

/* "and; litN; ge; lit3; shl; plus", behind "breg rsp 8; breg rip 0; lit15". */
static bool read_plt(struct reader *r, int32_t *ret_from)
{
	uint8_t lit;

	if (reader_u8(r) != DW_OP_and)
		return false;
	lit = reader_u8(r);
	if (lit < DW_OP_lit0 || lit > DW_OP_lit15)
		return false;
	*ret_from = lit - DW_OP_lit0;
	return reader_u8(r) == DW_OP_ge && reader_u8(r) == DW_OP_lit3 &&
	       reader_u8(r) == DW_OP_shl && reader_u8(r) == DW_OP_plus;
}

/* The end of one that follows a pointer: "deref [; plus c]", of which deref was read. */
static bool read_add(struct reader *r, int32_t *ret_add)
{
	int64_t add = 0;

	if (reader_more(r) && !read_plus(r, &add))
		return false;
	*ret_add = (int32_t)add;
	return true;
}

/* Two registers, of which rsp with its offset was read. */
static bool read_pair(struct reader *r, struct shape *s)
{
	uint8_t reg, op;
	int64_t off;

	if (s->reg != CPROF_REG_RSP || !read_breg(r, &reg, &off) || off != 0)
		return false;
	op = reader_u8(r);
	if (op == DW_OP_lit15 && reg == CPROF_REG_RIP && s->off == PLT_WORD) {
		s->kind = SHAPE_PLT;
		return read_plt(r, &s->off);
	}
	s->kind = SHAPE_INDEX;
	s->reg = reg;
	return op == DW_OP_lit8 && reader_u8(r) == DW_OP_mul && reader_u8(r) == DW_OP_plus &&
	       reader_u8(r) == DW_OP_deref && read_add(r, &s->add);
}

static struct shape read_shape(struct reader *r)
{
	struct shape s = { 0 };
	uint64_t second;
	int64_t off;
	bool known;

	if (!read_breg(r, &s.reg, &off))
		return (struct shape){ 0 };
	s.off = (int32_t)off;
	s.kind = SHAPE_REG;
	if (!reader_more(r))
		return s;
	second = r->pos;
	if (reader_u8(r) == DW_OP_deref) {
		s.kind = SHAPE_DEREF;
		known = read_add(r, &s.add);
	} else {
		r->pos = second;
		known = read_pair(r, &s);
	}
	return known ? s : (struct shape){ 0 };
}

/* The shape of the expression of @len bytes at @at, whole. */
static struct shape shape_of(struct reader *r, uint64_t at, uint32_t len)
{
	uint64_t pos = r->pos, end = r->end;
	bool failed = r->failed;
	struct shape s;

	reader_seek(r, at, at + len);
	s = read_shape(r);
	if (r->failed || r->pos != r->end)
		s = (struct shape){ 0 };
	reader_seek(r, pos, end);
	r->failed |= failed;
	return s;
}

static void set_cfa(const struct state *s, struct reader *r, struct cprof_rule *rule)
{
	static const uint8_t kinds[] = {
		[SHAPE_OTHER] = CPROF_CFA_UNSUPPORTED, [SHAPE_REG] = CPROF_CFA_REG,
		[SHAPE_DEREF] = CPROF_CFA_DEREF,       [SHAPE_INDEX] = CPROF_CFA_INDEX,
		[SHAPE_PLT] = CPROF_CFA_PLT,
	};
	struct shape shape;

	rule->cfa = CPROF_CFA_UNSUPPORTED;
	if (!s->cfa_expression) {
		if (s->cfa_reg >= CPROF_REGS_CNT || !fits(s->cfa_off))
			return;
		rule->cfa = CPROF_CFA_REG;
		rule->cfa_reg = (uint8_t)s->cfa_reg;
		rule->cfa_off = (int32_t)s->cfa_off;
		return;
	}
	shape = shape_of(r, s->cfa_at, s->cfa_len);
	rule->cfa = kinds[shape.kind];
	rule->cfa_reg = shape.reg;
	rule->cfa_off = shape.off;
	rule->cfa_add = shape.add;
}

static enum cprof_where where(const struct state_reg *reg, struct reader *r, uint8_t *ret_reg,
			      int32_t *ret_off)
{
	struct shape shape;

	*ret_reg = 0;
	*ret_off = 0;
	switch ((enum state_kind)reg->kind) {
	case STATE_SAME:
		return CPROF_WHERE_SAME;
	case STATE_UNDEFINED:
		return CPROF_WHERE_UNDEFINED;
	case STATE_OFFSET:
	case STATE_VAL_OFFSET:
		if (!fits(reg->value))
			return CPROF_WHERE_UNSUPPORTED;
		*ret_off = (int32_t)reg->value;
		return reg->kind == STATE_OFFSET ? CPROF_WHERE_CFA : CPROF_WHERE_CFA_VALUE;
	case STATE_REGISTER:
		if (reg->value < 0 || reg->value >= CPROF_REGS_CNT)
			return CPROF_WHERE_UNSUPPORTED;
		*ret_reg = (uint8_t)reg->value;
		return CPROF_WHERE_REG;
	case STATE_EXPRESSION:
		shape = shape_of(r, (uint64_t)reg->value, reg->len);
		if (shape.kind != SHAPE_REG)
			return CPROF_WHERE_UNSUPPORTED;
		*ret_reg = shape.reg;
		*ret_off = shape.off;
		return CPROF_WHERE_DEREF;
	case STATE_VAL_EXPRESSION:
		break;
	}
	return CPROF_WHERE_UNSUPPORTED;
}

struct cprof_rule state_rule(const struct state *s, bool signal_frame, struct reader *r)
{
	struct cprof_rule rule = { 0 };

	set_cfa(s, r, &rule);
	if (signal_frame && rule.cfa == CPROF_CFA_DEREF && rule.cfa_reg == CPROF_REG_RSP &&
	    rule.cfa_off == UCONTEXT_RSP && rule.cfa_add == 0)
		return (struct cprof_rule){ .cfa = CPROF_CFA_SIGNAL, .flags = CPROF_RULE_EXACT };
	rule.ra = where(&s->regs[STATE_RA], r, &rule.ra_reg, &rule.ra_off);
	rule.fp = where(&s->regs[STATE_FP], r, &rule.fp_reg, &rule.fp_off);
	rule.sp = where(&s->regs[STATE_SP], r, &rule.sp_reg, &rule.sp_off);
	if (rule.sp == CPROF_WHERE_CFA_VALUE && rule.sp_off == 0)
		rule.sp = CPROF_WHERE_SAME;
	rule.flags = signal_frame ? CPROF_RULE_EXACT : 0;
	if (rule.cfa == CPROF_CFA_UNSUPPORTED || rule.sp == CPROF_WHERE_UNSUPPORTED)
		rule = (struct cprof_rule){ .cfa = CPROF_CFA_UNSUPPORTED };
	return rule;
}

uint64_t state_key(const struct state *s)
{
	const struct state_reg *fp = &s->regs[STATE_FP], *ra = &s->regs[STATE_RA];
	uint64_t key = 1;

	if (s->cfa_expression || s->cfa_reg >= CPROF_REGS_CNT ||
	    s->cfa_off != (int32_t)s->cfa_off || s->regs[STATE_SP].kind != STATE_SAME ||
	    ra->kind != STATE_OFFSET || ra->value != -8)
		return 0;
	key = key << 8 | s->cfa_reg;
	key = key << 32 | (uint32_t)s->cfa_off;
	if (fp->kind == STATE_SAME)
		return key << 16;
	/* At the CFA itself is the caller's frame: 0 says that rbp is untouched. */
	if (fp->kind != STATE_OFFSET || fp->value != (int16_t)fp->value || fp->value == 0)
		return 0;
	return key << 16 | (uint16_t)fp->value;
}
