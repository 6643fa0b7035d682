/* SPDX-License-Identifier: Apache-2.0 */

/* Inlined from another file, in two units. */

unsigned int shape_other(unsigned int x);

static inline unsigned int shape_header(unsigned int x)
{
	unsigned int bits = 0;

	while (x != 0) {
		x &= x - 1;
		bits++;
	}
	return bits;
}
