// SPDX-License-Identifier: Apache-2.0

// Go whose goroutines' stacks grow, for ever: each begins small and goes deep.
package main

//go:noinline
func deep(depth int) int {
	var frame [512]byte
	if depth > 0 {
		frame[depth%512] = byte(deep(depth - 1))
	}
	return int(frame[depth%200]) + depth
}

//go:noinline
func start(out chan<- int) {
	out <- deep(400)
}

func main() {
	out := make(chan int)
	for sum := 0; ; {
		go start(out)
		sum += <-out
	}
}
