// SPDX-License-Identifier: Apache-2.0

// Works for ever, in many functions of the standard library that are inlined into one another.
package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

type item struct {
	Name   string
	Counts []int
	Under  map[string]float64
}

var words = regexp.MustCompile(`([a-f]+)-([0-9]+)`)

func work(n int) int {
	it := item{Name: fmt.Sprintf("abc-%d %.1f", n, float64(n)/2), Under: map[string]float64{}}
	for i := 0; i < 50; i++ {
		it.Counts = append(it.Counts, (n*7919+i*104729)%1000)
		it.Under[strings.Repeat("x", i%7)+fmt.Sprint(i)] = float64(i)
	}
	sort.Ints(it.Counts)
	text, _ := json.Marshal(it)
	var back item
	_ = json.Unmarshal(text, &back)
	return len(words.FindAllStringSubmatch(string(text), -1)) + len(strings.Fields(back.Name))
}

func main() {
	sum := 0
	for n := 0; ; n++ {
		sum += work(n)
		if sum == -1 {
			fmt.Println(sum)
		}
	}
}
