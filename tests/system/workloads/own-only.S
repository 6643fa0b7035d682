/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own-only ROUNDS — the smallest executable that works in a function of its own. ownstorm makes copies
 * of it whose symbol only_000000 has another number, so that each file has a name that no other has.
 */
	.text
	.globl _start
	.type _start, @function
_start:
	xor %ebp, %ebp
	mov 16(%rsp), %rsi	/* argv[1] */
	xor %edi, %edi
	xor %ecx, %ecx
1:	movb (%rsi), %cl
	test %cl, %cl
	jz 2f
	imul $10, %rdi, %rdi
	sub $48, %ecx
	add %rcx, %rdi
	inc %rsi
	jmp 1b
2:	call only_000000
	xor %edi, %edi
	mov $60, %eax		/* exit */
	syscall
	.size _start, . - _start

	.globl only_000000
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
