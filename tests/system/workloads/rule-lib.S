/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule-lib — own-lib with a thousand functions beside it that nobody calls, each with unwinding information
 * that needs a rule of its own once rulefiles has written other numbers over these. No frame pointers.
 */
	.text
	.globl own_entry
	.type own_entry, @function
own_entry:
	.cfi_startproc
	sub $8, %rsp
	.cfi_def_cfa_offset 16
	call only_000000
	add $8, %rsp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.size own_entry, . - own_entry

	.type only_000000, @function
only_000000:
	.cfi_startproc
	mov %rdi, %rax
1:	imul %rdi, %rax
	dec %rdi
	jnz 1b
	ret
	.cfi_endproc
	.size only_000000, . - only_000000

	.rept 1000
	.p2align 4
	.cfi_startproc
	nop
	/* DW_CFA_def_cfa_offset, and a number of four bytes: rulefiles looks for these five. */
	.cfi_escape 0x0e, 0xaa, 0xd5, 0xaa, 0x01
	nop
	ret
	.cfi_endproc
	.endr
	.section .note.GNU-stack, "", @progbits
