/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table says how far the stack pointer is below its place at the entry, so the CFA is always known, and
 * the return address lies below it. Where the caller's rbp is follows from the prologue, which the assembler
 * writes for every function with a frame:
 *
 *	to 1.20:     SUBQ $F, SP; MOVQ BP, F-8(SP); LEAQ F-8(SP), BP
 *	since 1.21:  PUSHQ BP; MOVQ SP, BP; SUBQ $F-8, SP
 *
 * Both leave it at CFA - 16, and it is there until the stack pointer is back: the epilogue reads it, and does
 * not overwrite it. Which one it is shows in the table (the stack pointer goes down by 8 first or not) except
 * for frames of 8 bytes; functions in assembly may have none of the two. In these cases, and in files that
 * do not tell assembly, the instructions are looked at.
 */

#include "frame.h"

#include <errno.h>

#include "cprof/base/cleanup.h"

#define WORD 8
#define FP_OFF (-2 * WORD)
#define REG_G 14

static struct cprof_rule rule_rsp(int64_t delta, bool saved)
{
	return (struct cprof_rule){
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RSP,
		.cfa_off = (int32_t)delta + WORD,
		.ra = CPROF_WHERE_CFA,
		.ra_off = -WORD,
		.fp = saved ? CPROF_WHERE_CFA : CPROF_WHERE_SAME,
		.fp_off = saved ? FP_OFF : 0,
	};
}

/* rbp points to the caller's on the stack that was left. */
static struct cprof_rule rule_chain(void)
{
	return (struct cprof_rule){
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RBP,
		.cfa_off = 2 * WORD,
		.ra = CPROF_WHERE_CFA,
		.ra_off = -WORD,
		.fp = CPROF_WHERE_CFA,
		.fp_off = FP_OFF,
		.flags = CPROF_RULE_SWITCH,
	};
}

static struct cprof_rule rule_root(void)
{
	return (struct cprof_rule){
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RSP,
		.cfa_off = WORD,
		.ra = CPROF_WHERE_UNDEFINED,
	};
}

static struct cprof_rule rule_unsupported(void)
{
	return (struct cprof_rule){ .cfa = CPROF_CFA_UNSUPPORTED };
}

/* What is above the return address's place is the caller's; vfork() keeps it in a register for its child. */
static struct cprof_rule rule_above(const struct frame *fr, const struct step *step)
{
	if (step->delta != -WORD || fr->popped < 0)
		return rule_unsupported();
	return (struct cprof_rule){
		.cfa = CPROF_CFA_REG,
		.cfa_reg = CPROF_REG_RSP,
		.ra = CPROF_WHERE_REG,
		.ra_reg = (uint8_t)fr->popped,
	};
}

/* In 1.16 no register has g, in 1.17 to 1.27 r14 has it. */
static struct cprof_rule rule_goroutine(const struct frame *fr)
{
	bool by_thread = fr->tables->head.version < GOPCLNTAB_118 && fr->growth.tls != 0;

	if (fr->growth.fp <= 0 || fr->tables->curg <= 0)
		return rule_unsupported();
	return (struct cprof_rule){
		.cfa = CPROF_CFA_GOROUTINE,
		.cfa_reg = by_thread ? CPROF_REG_RIP : REG_G,
		.cfa_off = fr->tables->curg,
		.cfa_add = by_thread ? fr->growth.tls : 0,
		.fp_off = fr->growth.fp,
		.flags = CPROF_RULE_SWITCH,
	};
}

static struct cprof_rule rule_signal(void)
{
	return (struct cprof_rule){ .cfa = CPROF_CFA_SIGNAL, .flags = CPROF_RULE_EXACT };
}

static bool is_switch(enum seam seam)
{
	return seam == SEAM_FRAME || seam == SEAM_BOTTOM || seam == SEAM_LOST ||
	       seam == SEAM_GROWTH || seam == SEAM_SYSTEM;
}

/* What the two functions' code tells that know where the runtime keeps goroutines. */
static int learn(struct frame *fr)
{
	if (fr->seam == SEAM_GROWTH)
		return code_growth(fr->tables, fr->func, &fr->growth);
	if (fr->seam == SEAM_SYSTEM)
		return code_curg(fr->tables, fr->func, &fr->tables->curg);
	return 0;
}

int frame_init(struct frame *fr, struct tables *t, const struct gopclntab_func *f)
{
	int r;

	*fr = (struct frame){
		.tables = t,
		.func = f,
		.prologue = { .saved = UINT64_MAX, .chained = UINT64_MAX },
		.popped = -ENODATA,
		.switched = UINT64_MAX,
		.back = UINT64_MAX,
	};
	r = seam_of(t, f, &fr->seam);
	if (r < 0)
		return r;
	if (!is_switch(fr->seam))
		return 0;
	r = code_switches(t, f, &fr->switched, &fr->back);
	if (r == -ENODATA) { /* all of it, then */
		fr->switched = f->start;
		fr->back = f->end;
		return 0;
	}
	if (r == 0) /* a wrapper of the same name */
		fr->seam = SEAM_NONE;
	return r < 0 ? r : learn(fr);
}

/* As the compiler's prologues are. */
static struct prologue usual(enum gopclntab_version version, const struct step *step)
{
	unsigned int len = code_save_len(step->delta);
	bool pushed = version >= GOPCLNTAB_120 && step->delta == WORD;
	struct prologue p = { .saved = step->start, .chained = step->start + 3, .pushed = pushed };

	if (!pushed) {
		p.saved = step->start + len;
		p.chained = p.saved + len;
	}
	return p;
}

static bool is_told(const struct frame *fr, const struct step *step, const struct step *next)
{
	enum gopclntab_version version = fr->tables->head.version;

	if (version < GOPCLNTAB_118 || (fr->func->flags & GOPCLNTAB_ASM))
		return false;
	return version == GOPCLNTAB_118 || step->delta != WORD || next->delta > WORD;
}

int frame_enter(struct frame *fr, const struct step *step, const struct step *next)
{
	int r;

	if (step->delta == -WORD) {
		fr->popped = code_popped(fr->tables, step->start);
		return fr->popped == -ENODATA ? 0 : MIN(fr->popped, 0);
	}
	if (fr->entered || step->delta <= 0)
		return 0;
	fr->entered = true;
	if (!is_told(fr, step, next)) {
		r = code_prologue(fr->tables, step->start, step->delta, &fr->prologue);
		if (r != -ENODATA)
			return MIN(r, 0);
	}
	fr->prologue = usual(fr->tables->head.version, step);
	return 0;
}

/*
 * The instruction that gives back the frame, ADDQ $F, SP, stands last before the stack pointer is where it was
 * at the entry; then rbp is the caller's already. (POPQ BP does both at once.)
 */
static uint64_t frame_end(const struct frame *fr, const struct step *step, const struct step *next)
{
	uint64_t len = step->delta <= 128 ? 4 : 7;

	if (fr->prologue.pushed || next->delta != 0 || step->end - step->start <= len)
		return step->end;
	return step->end - len;
}

static bool is_chained(const struct frame *fr, const struct step *step, const struct step *next,
		       uint64_t pc)
{
	if (fr->prologue.chained != UINT64_MAX)
		return step->delta > 0 && pc >= fr->prologue.chained &&
		       pc < frame_end(fr, step, next);
	return pc >= fr->switched && pc < fr->back;
}

static struct cprof_rule rule_at(const struct frame *fr, const struct step *step,
				 const struct step *next, uint64_t pc)
{
	struct cprof_rule rule = rule_rsp(step->delta, step->delta > 0 && pc >= fr->prologue.saved);

	switch (fr->seam) {
	case SEAM_ROOT:
	case SEAM_SCHEDULER:
		return rule_root();
	case SEAM_SIGRETURN:
		return rule_signal();
	case SEAM_EXACT:
		rule.flags = CPROF_RULE_EXACT;
		return rule;
	case SEAM_FRAME:
	case SEAM_SYSTEM:
		return is_chained(fr, step, next, pc) ? rule_chain() : rule;
	case SEAM_BOTTOM:
		return pc >= fr->switched ? rule_root() : rule;
	case SEAM_LOST:
		return pc >= fr->switched ? rule_unsupported() : rule;
	case SEAM_GROWTH:
		return pc >= fr->switched ? rule_goroutine(fr) : rule;
	case SEAM_UNKNOWN:
		return fr->entered && step->delta == 0 ? rule : rule_unsupported();
	case SEAM_NONE:
		break;
	}
	return step->delta < 0 ? rule_above(fr, step) : rule;
}

struct cprof_rule frame_rule(const struct frame *fr, const struct step *step,
			     const struct step *next, uint64_t pc, uint64_t *ret_end)
{
	const uint64_t cuts[] = { fr->prologue.saved, fr->prologue.chained, fr->switched, fr->back,
				  frame_end(fr, step, next) };
	uint64_t end = step->end;

	for (size_t i = 0; i < ELEMENTSOF(cuts); i++) {
		if (cuts[i] > pc && cuts[i] < end)
			end = cuts[i];
	}
	*ret_end = end;
	return rule_at(fr, step, next, pc);
}
