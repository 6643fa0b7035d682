/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold-map ID... — keeps BPF maps alive until its standard input ends.
 *
 * The kernel's figures are to be compared with what a recording says at its end, when its maps
 * would be gone with the process. With a descriptor held here, `bpftool map dump id ID` still reads
 * them.
 * Prints "holding" when all are held.
 */

#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	char sink[64];

	for (int i = 1; i < argc; i++) {
		union bpf_attr attr = { .map_id = (__u32)strtoul(argv[i], NULL, 10) };

		/* Never closed: it ends with the process. */
		if (syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr)) < 0) {
			perror("BPF_MAP_GET_FD_BY_ID");
			return 1;
		}
	}
	puts("holding");
	fflush(stdout);
	while (read(STDIN_FILENO, sink, sizeof(sink)) > 0)
		;
	return 0;
}
