// SPDX-License-Identifier: Apache-2.0

// Package callback goes from Go to C and back to Go where there is a C compiler.
package callback

/*
extern int goshapesBack(int);
static int goshapes_call(int n) { return goshapesBack(n) + 1; }
*/
import "C"

// Call goes down and comes back.
func Call(n int) int { return int(C.goshapes_call(C.int(n))) }
