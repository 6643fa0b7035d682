// SPDX-License-Identifier: Apache-2.0

//go:build go1.21
// +build go1.21

package main

import (
	"cmp"
	"slices"
)

type pair[K cmp.Ordered, V any] struct {
	key K
	val V
}

func (p pair[K, V]) less(q pair[K, V]) bool { return smaller(p.key, q.key) }

func smaller[T cmp.Ordered](a, b T) bool { return a < b }

func least[K cmp.Ordered, V any](all []pair[K, V]) pair[K, V] {
	best := all[0]
	for _, p := range all {
		if p.less(best) {
			best = p
		}
	}
	return best
}

//go:noinline
func each[T any](all []T, f func(T)) {
	for _, v := range all {
		f(v)
	}
}

//go:noinline
func generics(n int) int {
	numbers := []pair[int, string]{{n, "a"}, {n - 1, "b"}}
	names := []pair[string, []int]{{"x", nil}, {"y", []int{n}}}
	slices.SortFunc(numbers, func(a, b pair[int, string]) int { return cmp.Compare(a.key, b.key) })
	each(names, func(p pair[string, []int]) { n += len(p.val) })
	return least(numbers).key + len(least(names).key) + n
}
