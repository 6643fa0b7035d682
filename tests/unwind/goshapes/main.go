// SPDX-License-Identifier: Apache-2.0

// goshapes has code of many shapes for the comparison of unwinding tables. It computes something and
// ends; what counts is what the compiler makes of it. With an argument it does the same for 5 s, or only a
// part of it: "callback", "clock", "yield", "grow".
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"goshapes/asm"
	"goshapes/callback"
)

type shape interface {
	area(scale int) int
}

type square struct{ side int }

func (s square) area(scale int) int { return s.side * s.side * scale }

type deep struct {
	square // its wrapper has a prologue of its own
	name   string
}

//go:noinline
func recurse(n int) int {
	if n == 0 {
		return asm.Leaf(1)
	}
	return recurse(n-1) + 1
}

//go:noinline
func smallFrame(a, b int) int { return recurse(a) + b }

//go:noinline
func bigFrame(n int) int {
	var room [64 << 10]byte
	for i := range room {
		room[i] = byte(i * n)
	}
	return int(room[n&0xffff%len(room)]) + recurse(3)
}

//go:noinline
func hugeFrame(n int) int {
	var room [512 << 10]int
	room[n] = bigFrame(n)
	return room[n] + len(strings.Repeat("x", n))
}

//go:noinline
func deferred(n int) (ret int) {
	for i := 0; i < n; i++ {
		defer func() { ret += i }()
	}
	defer func() {
		if r := recover(); r != nil {
			ret += 7
		}
	}()
	var none []int
	return none[n]
}

//go:noinline
func closure(n int) func(int) int {
	m := map[string]int{"a": n}
	return func(k int) int {
		m["a"] += k
		return m["a"] + recurse(k)
	}
}

func shapes() int {
	var s shape = deep{square{3}, "deep"}
	total := s.area(2) + smallFrame(5, 6) + bigFrame(9) + hugeFrame(77) + deferred(4)
	total += closure(3)(4) + asm.Framed(5) + asm.Clobbers(6) + asm.Aligned(7) + callback.Call(9)
	words := strings.Fields("some words to be sorted by a closure")
	sort.Slice(words, func(i, j int) bool { return words[i] > words[j] })
	return total + len(words)
}

func work(what string) {
	for i := 0; i < 1000; i++ {
		switch what {
		case "callback":
			callback.Call(20)
		case "clock":
			time.Now()
		case "yield":
			runtime.Gosched()
		case "grow":
			grown := make(chan int)
			go func() { grown <- bigFrame(i) }()
			<-grown
		default:
			shapes()
			return
		}
	}
}

func main() {
	var all sync.WaitGroup
	results := make(chan int, 4)
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			results <- shapes()
		}()
	}
	all.Wait()
	if len(os.Args) > 1 {
		for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
			work(os.Args[1])
		}
	}
	fmt.Println(<-results, time.Now().Year() > 2000)
}
