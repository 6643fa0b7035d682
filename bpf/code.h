/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * code — at which lines of their sources places in BPF programs lie.
 *
 * Run once for each program there is when its iterator is read. Clang's -g leaves file and line of each instruction in
 * a program's BTF, and the kernel keeps beside them the address that the instruction came to lie at when it was
 * compiled. bpf(2) tells that only to who may administrate the machine; a program that may read kernel memory finds
 * it itself (docs/adr/0035-lines-of-bpf-programs.md).
 *
 * The list has main programs only; one of several functions has each of them as a program of its own beside it.
 */

#include "ktypes.h"
#include "cprof/code_lines.h"

#define FUNCS_MAX 1024 /* of a program; the kernel has 256 */
#define LINES_STEPS 21 /* a program has a million instructions at most */

/* Nobody but who wrote the question reads the iterators of this object. */
struct cprof_code_question code_question;

/* One program, while its functions are looked at. */
struct program {
	struct seq_file *seq;
	struct bpf_prog **funcs;
	__u32 funcs_cnt; /* 0: it is its only function */
};

/* A function of it, while places are looked for. */
struct function {
	struct seq_file *seq;
	__u64 start, end;
	void **addrs; /* of its lines, in the kernel's memory */
	struct bpf_line_info *lines;
	struct btf *btf;
	__u32 first, cnt;
};

/* The last line that does not begin behind the place; there is one. */
static __always_inline __u32 line_at(const struct function *f, __u64 place)
{
	__u32 at = f->first, cnt = f->cnt;

	for (int i = 0; i < LINES_STEPS && cnt > 1; i++) {
		__u32 half = cnt >> 1;
		__u64 addr = ~0ull;

		(void)kenv_read_kernel(&addr, sizeof(addr), f->addrs + at + half);
		if (addr <= place) {
			at += half;
			cnt -= half;
		} else {
			cnt = half;
		}
	}
	return at;
}

static __always_inline void take_file(struct btf *btf, __u32 offset)
{
	const char *strings = BPF_CORE_READ(btf, strings);

	code_question.out.file[0] = '\0';
	if (offset < BPF_CORE_READ(btf, hdr.str_len))
		(void)bpf_probe_read_kernel_str(code_question.out.file,
						sizeof(code_question.out.file), strings + offset);
}

static int one_place(__u32 i, struct function *f)
{
	__u64 place = i < CPROF_CODE_PLACES_MAX ? code_question.places[i] : 0;
	struct bpf_line_info line = { 0 }, first = { 0 };

	if (place < f->start || place >= f->end)
		return 0;
	if (kenv_read_kernel(&line, sizeof(line), f->lines + line_at(f, place)) ||
	    kenv_read_kernel(&first, sizeof(first), f->lines + f->first))
		return 0;
	code_question.out.place = place;
	code_question.out.line = BPF_LINE_INFO_LINE_NUM(line.line_col);
	code_question.out.column = BPF_LINE_INFO_LINE_COL(line.line_col);
	code_question.out.start_line = BPF_LINE_INFO_LINE_NUM(first.line_col);
	take_file(f->btf, line.file_name_off);
	(void)bpf_seq_write(f->seq, &code_question.out, sizeof(code_question.out));
	return 0;
}

/* Of the program's lines those from its own first one up to the next function's. */
static __always_inline void look_at(const struct program *p, struct bpf_prog *prog, __u32 next)
{
	struct bpf_prog_aux *aux = BPF_CORE_READ(prog, aux), *next_aux;
	struct function f = {
		.seq = p->seq,
		.start = (__u64)BPF_CORE_READ(prog, bpf_func),
		.addrs = BPF_CORE_READ(aux, jited_linfo),
		.lines = BPF_CORE_READ(aux, linfo),
		.btf = BPF_CORE_READ(aux, btf),
		.first = BPF_CORE_READ(aux, linfo_idx),
	};
	__u32 end = BPF_CORE_READ(aux, nr_linfo);
	struct bpf_prog *following = NULL;

	f.end = f.start + BPF_CORE_READ(prog, jited_len);
	if (f.end <= code_question.lowest || f.start > code_question.highest || !f.addrs ||
	    !f.lines || !f.btf)
		return;
	if (next < p->funcs_cnt &&
	    !kenv_read_kernel(&following, sizeof(following), p->funcs + next)) {
		next_aux = BPF_CORE_READ(following, aux);
		end = BPF_CORE_READ(next_aux, linfo_idx);
	}
	if (end <= f.first)
		return;
	f.cnt = end - f.first;
	(void)kenv_loop(code_question.cnt, one_place, &f);
}

static int one_function(__u32 i, struct program *p)
{
	struct bpf_prog *prog = NULL;

	if (!kenv_read_kernel(&prog, sizeof(prog), p->funcs + i) && prog)
		look_at(p, prog, i + 1);
	return 0;
}

SEC("iter/bpf_prog")
int cprof_code(struct bpf_iter__bpf_prog *ctx)
{
	struct bpf_prog *prog = ctx->prog;
	struct program p = { .seq = ctx->meta->seq };

	if (!prog)
		return 0;
	p.funcs = BPF_CORE_READ(prog, aux, func);
	p.funcs_cnt = BPF_CORE_READ(prog, aux, func_cnt);
	if (!p.funcs || p.funcs_cnt == 0) {
		p.funcs_cnt = 0;
		look_at(&p, prog, 0);
		return 0;
	}
	if (p.funcs_cnt > FUNCS_MAX)
		p.funcs_cnt = FUNCS_MAX;
	(void)kenv_loop(p.funcs_cnt, one_function, &p);
	return 0;
}
