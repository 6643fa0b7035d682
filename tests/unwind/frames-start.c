/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A program without a C library, whose entry point is a function like others: what is said of its frame
 * is wrong, for nobody called it. Behind it is much code of which nothing is said, and in that, far
 * enough for no reader to have it in one piece, the way back from a signal handler.
 */

#include <sys/syscall.h>

static int sum(volatile int *v, int cnt)
{
	int n = 0;

	while (cnt > 0)
		n += v[--cnt];
	return n;
}

void _start(void);
void _start(void)
{
	volatile int v[4] = { 1, 2, 3, 4 };

	__asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(sum(v, 4)) : "memory");
	__builtin_unreachable();
}

__asm__(".text\n.zero 65536 - 4, 0x90\nmov $15, %rax\nsyscall\n.zero 100, 0x90\n");
