/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotprog [SECONDS] — loads a BPF program with a name of its own, "hot_filter", and keeps the CPU in
 * it by BPF_PROG_TEST_RUN; at its end the program is gone.
 */

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "load.h"

#define TURNS 2000

/* A chain of multiplications, without a loop that would have to be verified. */
static struct bpf_insn insns[2 * TURNS + 2];

static int load_program(void)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER };
	int n = 0;

	insns[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 };
	for (int i = 0; i < TURNS; i++) {
		insns[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MUL | BPF_K, .imm = 5 };
		insns[n++] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_ADD | BPF_K, .imm = 3 };
	}
	insns[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "GPL";
	memcpy(attr.prog_name, "hot_filter", sizeof("hot_filter"));
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int run(int fd, uint32_t times)
{
	static char packet[64];
	union bpf_attr attr = {
		.test = { .prog_fd = (uint32_t)fd,
			  .data_in = (uint64_t)(uintptr_t)packet,
			  .data_size_in = sizeof(packet),
			  .repeat = times },
	};

	return (int)syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr));
}

int main(int argc, char *argv[])
{
	uint64_t end = load_now(CLOCK_MONOTONIC) +
		       (uint64_t)(load_arg(argc, argv, 1, 3600) * (double)NSEC_PER_SEC);
	int fd = load_program();

	if (fd < 0) {
		perror("bpf");
		return 1;
	}
	while (load_now(CLOCK_MONOTONIC) < end) {
		if (run(fd, 20000) < 0) {
			perror("BPF_PROG_TEST_RUN");
			return 1;
		}
	}
	return 0;
}
