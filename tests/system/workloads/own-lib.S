/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own-lib — the smallest shared library that works in a function of its own: own_entry(rounds) calls
 * only_000000, which copies of the file call by another number (template.h). It is no dynamic symbol,
 * so that no hash table has to be made anew.
 */
	.text
	.globl own_entry
	.type own_entry, @function
own_entry:
	push %rbp
	mov %rsp, %rbp
	call only_000000
	pop %rbp
	ret
	.size own_entry, . - own_entry

	.type only_000000, @function
only_000000:
	push %rbp
	mov %rsp, %rbp
	mov %rdi, %rax
1:	imul %rdi, %rax
	dec %rdi
	jnz 1b
	pop %rbp
	ret
	.size only_000000, . - only_000000
	.section .note.GNU-stack, "", @progbits
