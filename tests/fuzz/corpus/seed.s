/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the files in symtab/ are made of, with binutils:
 *
 *	as -o seed.o seed.s; page="-z noseparate-code -z max-page-size=16 -z common-page-size=16"
 *	ld -n --build-id=sha1 -o exec seed.o; ld -n -s -o exec-stripped seed.o
 *	ld -n -shared $page --hash-style=sysv --build-id=md5 -o shared seed.o
 *	strip -o shared-stripped shared
 *	ld $page -pie --no-dynamic-linker -Ttext-segment=0x3a00000000 -o prelink seed.o
 */

	.text
	.globl _start,outer,natural,__under
	.weak weak_one
	.type _start,@function
_start:	nop
	nop
	.size _start,.-_start
	.type outer,@function
outer:	nop
	.type inner,@function
inner:	nop
	.size inner,.-inner
	nop
	.size outer,.-outer
	.type natural,@function
	.type __under,@function
	.type weak_one,@function
natural:
__under:
weak_one: nop
no_type: nop
	.section .init,"ax"
	.type no_size,@function
no_size: nop
	nop
