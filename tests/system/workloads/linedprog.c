/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linedprog OBJECT [SECONDS] — loads the BPF program lined_main of lined.bpf.o, which has lines, and keeps the
 * CPU in it by BPF_PROG_TEST_RUN; at its end the program is gone.
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "load.h"

int main(int argc, char *argv[])
{
	static char packet[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = 2000);
	uint64_t end = load_now(CLOCK_MONOTONIC) +
		       (uint64_t)(load_arg(argc, argv, 2, 3600) * (double)NSEC_PER_SEC);
	struct bpf_object *object = argc > 1 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_program *program;

	if (!object || bpf_object__load(object) < 0) {
		perror("bpf");
		return 1;
	}
	program = bpf_object__find_program_by_name(object, "lined_main");
	while (program && load_now(CLOCK_MONOTONIC) < end) {
		if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts) < 0) {
			perror("BPF_PROG_TEST_RUN");
			return 1;
		}
	}
	bpf_object__close(object);
	return program ? 0 : 1;
}
