// SPDX-License-Identifier: Apache-2.0

package main

/*
static int foreign(int n)
{
	return n + 1;
}
*/
import "C"

func foreign(n int) int { return int(C.foreign(C.int(n))) }
