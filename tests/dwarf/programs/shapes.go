// SPDX-License-Identifier: Apache-2.0

// Interfaces, closures and generics: what oracle.py asks names of.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

type shape interface {
	area() float64
	name() string
}

type square struct{ side float64 }
type circle struct{ radius float64 }

func (s square) area() float64  { return s.side * s.side }
func (s square) name() string   { return fmt.Sprintf("square %.1f", s.side) }
func (c *circle) area() float64 { return c.radius * c.radius * 3.14159265 }
func (c *circle) name() string  { return "circle" }

func sum[T any](v []T, of func(T) float64) float64 {
	total := 0.0
	for _, x := range v {
		total += of(x)
	}
	return total
}

func mix(x uint32) uint32 {
	x ^= x >> 16
	return x * 0x7feb352d
}

func count(shapes []shape) map[string]float64 {
	sums := make(map[string]float64)
	for _, s := range shapes {
		sums[s.name()] += s.area()
	}
	return sums
}

func main() {
	var shapes []shape
	for i := range uint32(20) {
		if mix(mix(i)+uint32(len(os.Args)))&1 == 0 {
			shapes = append(shapes, square{float64(i)})
		} else {
			shapes = append(shapes, &circle{float64(i)})
		}
	}
	sort.Slice(shapes, func(i, j int) bool { return shapes[i].area() < shapes[j].area() })
	fmt.Println(count(shapes), sum(shapes, func(s shape) float64 { return s.area() }),
		strings.Repeat("-", len(shapes)))
}
