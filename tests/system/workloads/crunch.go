// SPDX-License-Identifier: Apache-2.0

// crunch-go [CPU [SECONDS]]: Go; the hot function is main.(*till).tally (CPU is accepted for the
// same command line everywhere and not used).
package main

import (
	"os"
	"strconv"
	"time"
)

type till struct{ items [64]uint64 }

//go:noinline
func (t *till) tally(x uint64, rounds int) uint64 {
	for i := 0; i < rounds; i++ {
		x = x*6364136223846793005 + t.items[i%len(t.items)]
	}
	return x
}

func main() {
	seconds := 3600.0
	if len(os.Args) > 2 {
		if s, err := strconv.ParseFloat(os.Args[2], 64); err == nil {
			seconds = s
		}
	}
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	t := &till{}
	x := uint64(1)
	for time.Now().Before(end) {
		x = t.tally(x, 100000)
	}
	os.Exit(int(x & 0))
}
