/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the files in symtab/ are made of, with binutils:
 *
 *	as -o seed.o seed.s; page="-z noseparate-code -z max-page-size=16 -z common-page-size=16"
 *	ld -n --build-id=sha1 -o exec seed.o; ld -n -s -o exec-stripped seed.o
 *	ld -n -shared $page --hash-style=sysv --build-id=md5 -o shared seed.o
 *	strip -o shared-stripped shared
 *	ld $page -pie --no-dynamic-linker -Ttext-segment=0x3a00000000 -o prelink seed.o
 *
 * In debugdata/ an 'e' stands before an ELF file that is still to be compressed, an 'x' before one that is:
 *
 *	objcopy --only-keep-debug shared mini; (printf e; cat shared) > elf; (printf e; cat mini) > elf-mini
 *	(printf x; xz -c mini) > xz-mini; (printf x; xz -c --check=none --x86 --lzma2 shared) > xz-x86
 *	(printf x; head -c 40M /dev/zero | xz -c) > xz-bomb
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
