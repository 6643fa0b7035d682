// SPDX-License-Identifier: Apache-2.0

//go:build !go1.21
// +build !go1.21

package frames

import "runtime"

// The runtime does not tell, or not in this way.
func startLine(*runtime.Frame) int { return -1 }

func symbolName(f *runtime.Frame) string { return f.Function }
