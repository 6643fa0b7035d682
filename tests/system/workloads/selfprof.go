// SPDX-License-Identifier: Apache-2.0

// selfprof FILE: records itself for half a second as Go does. Built as PIE: what a go tool pprof
// cannot show of this profile it cannot show of ours (that of Go 1.19 disassembles no PIE at all).
package main

import (
	"os"
	"runtime/pprof"
	"time"
)

//go:noinline
func tally(x uint64) uint64 {
	for i := uint64(0); i < 100000; i++ {
		x = x*6364136223846793005 + i
	}
	return x
}

func main() {
	f, err := os.Create(os.Args[1])
	if err != nil || pprof.StartCPUProfile(f) != nil {
		os.Exit(1)
	}
	x := uint64(1)
	for start := time.Now(); time.Since(start) < 500*time.Millisecond; {
		x = tally(x)
	}
	pprof.StopCPUProfile()
	os.Exit(int(x & 0))
}
