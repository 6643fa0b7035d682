// SPDX-License-Identifier: Apache-2.0

// golines FILE MAIN says of addresses in its own code, lines of hex numbers in FILE, what its runtime says of
// them: the other opinion for tests of lines and inlined functions. They are as the ELF file has them, which
// has main() at MAIN. Its own code has what is inlined in many ways.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"golines/frames"
)

type point struct{ x, y int }

func (p point) plus(q point) point { return point{add(p.x, q.x), add(p.y, q.y)} }

func (p *point) move(by int) { *p = p.plus(point{by, twice(by)}) }

func add(a, b int) int { return a + b }

func twice(a int) int { return add(a, a) }

func fourTimes(a int) int { return twice(twice(a)) }

func sixteenTimes(a int) int { return fourTimes(fourTimes(a)) }

type mover interface{ move(by int) }

type carried struct {
	*point // its move() is a wrapper that the compiler writes
	name   string
}

//go:noinline
func deep(a int) int {
	return sixteenTimes(a) + sixteenTimes(a+1)*
		fourTimes(sixteenTimes(a))
}

//go:noinline
func methods(n int) int {
	p := point{n, n}
	var m mover = carried{&p, "carried"}
	for i := 0; i < n; i++ {
		m.move(i)
		p.move(i)
	}
	return p.plus(point{1, 2}).x
}

//go:noinline
func closures(n int) (sum int) {
	each := func(f func(int) int) {
		for i := 0; i < n; i++ {
			sum += f(twice(i))
		}
	}
	each(func(i int) int { return fourTimes(i) })
	defer func() { sum += twice(sum) }()
	each(twice)
	return sum
}

//go:noinline
func directed(n int) int {
//line other/named.go:7000
	n = twice(n)
	return n +
//line other/second.go:1
		fourTimes(n)
}

func main() {
	words := strings.Fields("words to be sorted")
	sort.Strings(words)
	fmt.Fprintln(os.Stderr, deep(2), methods(3), closures(4), directed(5), generics(6), foreign(7), words)
	if len(os.Args) < 3 {
		return
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	frames.Print(os.Args[1], reflect.ValueOf(main).Pointer(), os.Args[2], out)
}
