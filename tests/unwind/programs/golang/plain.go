// SPDX-License-Identifier: Apache-2.0

// Go for ever: goroutines, the collector, defer, closures, maps, a sort.
package main

import (
	"fmt"
	"sort"
	"strings"
)

type tree struct{ left, right *tree }

//go:noinline
func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

//go:noinline
func (t *tree) count() (n int) {
	defer func() { n++ }()
	if t.left == nil {
		return 0
	}
	return t.left.count() + t.right.count()
}

func work(in <-chan int, out chan<- int) {
	for n := range in {
		words := strings.Fields(strings.Repeat(fmt.Sprint(n, " word "), 50))
		sort.Strings(words)
		counts := map[string]int{}
		for _, w := range words {
			counts[w]++
		}
		out <- grow(10).count() + len(counts)
	}
}

func main() {
	in, out := make(chan int), make(chan int)
	for i := 0; i < 4; i++ {
		go work(in, out)
	}
	go func() {
		for i := 0; ; i++ {
			in <- i
		}
	}()
	for sum := 0; ; {
		sum += <-out
	}
}
