// SPDX-License-Identifier: Apache-2.0

// Package frames prints what the runtime says of addresses, as the test program go-lines does.
package frames

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	_ "unsafe"
)

// The runtime's own way from one address to all that was inlined there, which its profiles are made by.
//
//go:linkname expand runtime/pprof.runtime_expandFinalInlineFrame
func expand(stk []uintptr) []uintptr

func print(addr, bias uintptr, out io.Writer) {
	var all []runtime.Frame
	// What is looked up is the byte before a return address.
	found := runtime.CallersFrames(expand([]uintptr{addr + bias + 1}))
	for more := true; more; {
		var f runtime.Frame
		if f, more = found.Next(); f.PC != 0 {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(out, "A %x %d\n", addr, len(all))
	for i := range all {
		f := &all[i]
		fmt.Fprintf(out, "P %d %d %s\t%s\t%s\n", f.Line, startLine(f), f.Function, symbolName(f), f.File)
	}
}

// Print reads addresses from a file. The loader may have put the program elsewhere: of one address, here, it is
// known where the file has it (in hex).
func Print(path string, here uintptr, there string, out io.Writer) {
	linked, err := strconv.ParseUint(there, 16, 64)
	if err != nil {
		panic(err)
	}
	in, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer in.Close()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		addr, err := strconv.ParseUint(lines.Text(), 16, 64)
		if err != nil {
			panic(err)
		}
		print(uintptr(addr), here-uintptr(linked), out)
	}
}
