/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny ERRNO SYSCALL_NR[:ARG=VALUE] -- CMD ARG... — runs a command for which one system call fails;
 * with ARG=VALUE only where this argument of the call, counted from 0, has this value (32 bits).
 *
 * Stands for kernels and containers that forbid it (perf_event_open under Docker's seccomp profile,
 * a paranoid kernel, a kernel without BPF).
 */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(rules) / sizeof(rules[0]), .filter = rules };
	char *end;

	if (argc < 5)
		return 2;
	rules[1].k = (__u32)strtoul(argv[2], &end, 10);
	rules[4].k |= (__u32)strtoul(argv[1], NULL, 10);
	if (*end == ':') {
		rules[2].k += (__u32)strtoul(end + 1, &end, 10) * (__u32)sizeof(__u64);
		rules[3].k = (__u32)strtoul(end + 1, NULL, 10);
	} else {
		rules[3].jf = 0; /* whatever it is */
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0) {
		perror("seccomp");
		return 1;
	}
	execvp(argv[4], argv + 4);
	perror(argv[4]);
	return 127;
}
