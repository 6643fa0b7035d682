/* SPDX-License-Identifier: Apache-2.0 */
/*
 * algload ALGORITHM [SECONDS] — lets the kernel hash, by its socket interface (AF_ALG).
 *
 * Nearly all of its time passes in the module that has the algorithm: the load for the names of
 * functions in modules.
 */

#include <linux/if_alg.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

#define BLOCK_SZ 65536

int main(int argc, char *argv[])
{
	static unsigned char block[BLOCK_SZ], digest[64];
	struct sockaddr_alg addr = { .salg_family = AF_ALG, .salg_type = "hash" };
	double seconds = load_arg(argc, argv, 2, 5);
	uint64_t end = load_now(CLOCK_MONOTONIC) + (uint64_t)(seconds * (double)NSEC_PER_SEC);
	int listening, fd;

	if (argc < 2)
		return 2;
	(void)strncpy((char *)addr.salg_name, argv[1], sizeof(addr.salg_name) - 1);
	listening = socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (listening < 0 || bind(listening, (void *)&addr, sizeof(addr)) < 0) {
		perror(argv[1]);
		return 1;
	}
	fd = accept(listening, NULL, 0);
	while (fd >= 0 && load_now(CLOCK_MONOTONIC) < end) {
		if (send(fd, block, sizeof(block), 0) < 0 || read(fd, digest, sizeof(digest)) < 0)
			break;
	}
	printf("{\"pid\": %d}\n", getpid());
	return 0;
}
