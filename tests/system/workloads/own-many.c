/* SPDX-License-Identifier: Apache-2.0 */
/* own-many INDEX ROUNDS — one executable, and for each process of it a function of its own. */

#include <stdint.h>
#include <stdlib.h>

extern uint64_t (*const own_table[])(uint64_t rounds);
extern const uint64_t own_count;

int main(int argc, char *argv[])
{
	uint64_t index = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	return (int)(own_table[index % own_count](rounds) & 0);
}
