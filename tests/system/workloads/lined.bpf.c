/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BPF program of two functions with lines (-g), of which the second one is hot: linedprog.c runs it.
 * tests/system/test-names.py looks for the words in comments to know the lines.
 */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

volatile __u64 seed = 1;

static __noinline __u64 lined_hot(__u64 x) /* hot: begins */
{
	for (int i = 0; i < 5000; i++) {				 /* hot: loop */
		x = x * 6364136223846793005ull + 1442695040888963407ull; /* hot: body */
		x ^= x >> 29;						 /* hot: body */
		barrier();
	}
	return x;
}

SEC("socket")
int lined_main(struct __sk_buff *skb) /* main: begins */
{
	seed = lined_hot(seed + skb->len); /* main: calls */
	return 0;
}
