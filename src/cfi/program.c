/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A row is given when the location moves on and at the end, if the state may have changed since; equal
 * neighbours are joined later, in the sorted table. What no rule needs (rbx, vector registers) is read
 * and dropped.
 */

#include "program.h"

#include <errno.h>

#include "dwarf.h"

/* One row, from the current place on. */
static int give_row(struct program *p)
{
	struct program_seen *seen;
	struct cprof_rule rule;
	uint64_t key;
	int r;

	if (!p->rows || p->pc >= p->end)
		return 0;
	key = p->cie->signal_frame ? 0 : state_key(&p->state);
	/* An odd constant of no meaning. */
	seen = &p->seen[key * 0x9e3779b97f4a7c15 >> (64 - PROGRAM_SEEN_SHIFT)];
	if (key != 0 && seen->key == key)
		return cfi_rows_add_number(p->rows, p->pc, seen->rule);
	rule = state_rule(&p->state, p->cie->signal_frame, p->r);
	if (key == 0)
		return cfi_rows_add(p->rows, p->pc, &rule);
	r = cfi_rows_number(p->rows, &rule, &seen->rule);
	if (r < 0)
		return r;
	seen->key = key;
	return cfi_rows_add_number(p->rows, p->pc, seen->rule);
}

static int advance(struct program *p, uint64_t delta)
{
	int r;

	if (delta == 0)
		return 0;
	r = give_row(p);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(delta, p->cie->code_align, &delta) ||
	    __builtin_add_overflow(p->pc, delta, &p->pc))
		return -EBADMSG;
	return 0;
}

static void set_reg(struct program *p, uint64_t reg, enum state_kind kind, int64_t value)
{
	enum state_column column = state_column(reg, p->cie->ra_reg);

	if (column != STATE_COLUMNS)
		p->state.regs[column] = (struct state_reg){ .kind = (uint8_t)kind, .value = value };
}

static int64_t factored(const struct program *p, int64_t n)
{
	return (int64_t)((uint64_t)n * (uint64_t)p->cie->data_align);
}

static void set_expression(struct program *p, uint64_t reg, enum state_kind kind)
{
	enum state_column column = state_column(reg, p->cie->ra_reg);
	uint64_t len = reader_uleb(p->r), at = p->r->pos;

	reader_skip(p->r, len);
	if (column != STATE_COLUMNS && !p->r->failed)
		p->state.regs[column] = (struct state_reg){
			.kind = (uint8_t)kind,
			.len = (uint32_t)MIN(len, (uint64_t)UINT32_MAX),
			.value = (int64_t)at,
		};
}

static void restore_reg(struct program *p, uint64_t reg)
{
	enum state_column column = state_column(reg, p->cie->ra_reg);

	if (column != STATE_COLUMNS)
		p->state.regs[column] = p->cie->initial.regs[column];
}

static void set_cfa(struct program *p, uint64_t reg, int64_t off)
{
	p->state.cfa_expression = false;
	p->state.cfa_reg = (uint32_t)MIN(reg, (uint64_t)UINT32_MAX);
	p->state.cfa_off = off;
}

static void set_cfa_expression(struct program *p)
{
	uint64_t len = reader_uleb(p->r);

	p->state.cfa_expression = true;
	p->state.cfa_at = p->r->pos;
	p->state.cfa_len = (uint32_t)MIN(len, (uint64_t)UINT32_MAX);
	reader_skip(p->r, len);
}

static int remember(struct program *p)
{
	if (p->depth == PROGRAM_DEPTH_MAX)
		return -EBADMSG;
	p->stack[p->depth++] = p->state;
	return 0;
}

static int restore(struct program *p)
{
	if (p->depth == 0)
		return -EBADMSG;
	p->state = p->stack[--p->depth];
	return 0;
}

/* Those that tell where a register is. */
static int run_register(struct program *p, uint8_t op)
{
	struct reader *r = p->r;
	uint64_t reg = reader_uleb(r);

	switch (op) {
	case DW_CFA_offset_extended:
		set_reg(p, reg, STATE_OFFSET, factored(p, (int64_t)reader_uleb(r)));
		return 0;
	case DW_CFA_offset_extended_sf:
		set_reg(p, reg, STATE_OFFSET, factored(p, reader_sleb(r)));
		return 0;
	case DW_CFA_GNU_negative_offset_extended:
		set_reg(p, reg, STATE_OFFSET, factored(p, -(int64_t)reader_uleb(r)));
		return 0;
	case DW_CFA_val_offset:
		set_reg(p, reg, STATE_VAL_OFFSET, factored(p, (int64_t)reader_uleb(r)));
		return 0;
	case DW_CFA_val_offset_sf:
		set_reg(p, reg, STATE_VAL_OFFSET, factored(p, reader_sleb(r)));
		return 0;
	case DW_CFA_restore_extended:
		restore_reg(p, reg);
		return 0;
	case DW_CFA_undefined:
		set_reg(p, reg, STATE_UNDEFINED, 0);
		return 0;
	case DW_CFA_same_value:
		set_reg(p, reg, STATE_SAME, 0);
		return 0;
	case DW_CFA_register:
		set_reg(p, reg, STATE_REGISTER, (int64_t)reader_uleb(r));
		return 0;
	case DW_CFA_expression:
		set_expression(p, reg, STATE_EXPRESSION);
		return 0;
	case DW_CFA_val_expression:
		set_expression(p, reg, STATE_VAL_EXPRESSION);
		return 0;
	default:
		return -EBADMSG;
	}
}

/* What changes half of it ends an expression, too, as unwinders at run time have it (libgcc). */
static void run_cfa(struct program *p, uint8_t op)
{
	uint64_t reg = p->state.cfa_reg;
	int64_t off = p->state.cfa_off;
	struct reader *r = p->r;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = reader_uleb(r);
		off = (int64_t)reader_uleb(r);
		break;
	case DW_CFA_def_cfa_sf:
		reg = reader_uleb(r);
		off = factored(p, reader_sleb(r));
		break;
	case DW_CFA_def_cfa_register:
		reg = reader_uleb(r);
		break;
	case DW_CFA_def_cfa_offset:
		off = (int64_t)reader_uleb(r);
		break;
	case DW_CFA_def_cfa_offset_sf:
		off = factored(p, reader_sleb(r));
		break;
	}
	set_cfa(p, reg, off);
}

static int run_extended(struct program *p, uint8_t op)
{
	switch (op) {
	case DW_CFA_nop:
		return 0;
	case DW_CFA_advance_loc1:
		return advance(p, reader_uint(p->r, 1));
	case DW_CFA_advance_loc2:
		return advance(p, reader_uint(p->r, 2));
	case DW_CFA_advance_loc4:
		return advance(p, reader_uint(p->r, 4));
	case DW_CFA_MIPS_advance_loc8:
		return advance(p, reader_uint(p->r, 8));
	case DW_CFA_remember_state:
		return remember(p);
	case DW_CFA_restore_state:
		return restore(p);
	case DW_CFA_GNU_args_size:
		(void)reader_uleb(p->r);
		return 0;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
		run_cfa(p, op);
		return 0;
	case DW_CFA_def_cfa_expression:
		set_cfa_expression(p);
		return 0;
	default:
		return run_register(p, op);
	}
}

static int run_one(struct program *p)
{
	uint8_t op = reader_u8(p->r), low = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		return advance(p, low);
	case DW_CFA_offset:
		set_reg(p, low, STATE_OFFSET, factored(p, (int64_t)reader_uleb(p->r)));
		return 0;
	case DW_CFA_restore:
		restore_reg(p, low);
		return 0;
	default:
		return run_extended(p, op);
	}
}

int program_run(struct program *p)
{
	while (reader_more(p->r)) {
		int r;

		if (*p->work == 0)
			return -E2BIG;
		(*p->work)--;
		r = run_one(p);
		if (r < 0)
			return r;
	}
	if (p->r->failed)
		return -EBADMSG;
	return give_row(p);
}
