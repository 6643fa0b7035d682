// SPDX-License-Identifier: Apache-2.0

// Go that calls C that calls Go, for ever, and works in each of the three.
package main

/*
extern int goBack(int depth, int x);

static __attribute__((noinline)) int cWork(int x)
{
	for (int i = 0; i < 20000; i++) {
		x = x * 1664525 + 1013904223;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

static __attribute__((noinline)) int cDown(int depth, int x)
{
	int sum = cWork(x);

	return goBack(depth, x) + sum;
}
*/
import "C"

//go:noinline
func goWork(x int) int {
	for i := 0; i < 20000; i++ {
		x = x*1664525 + 1013904223
	}
	return x
}

//export goBack
func goBack(depth, x C.int) C.int {
	sum := C.int(goWork(int(x)))
	if depth > 0 {
		sum += C.cDown(depth-1, x)
	}
	return sum
}

func main() {
	for x := C.int(1); ; {
		x += C.cDown(5, x)
	}
}
