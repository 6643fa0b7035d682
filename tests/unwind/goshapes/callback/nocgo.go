// SPDX-License-Identifier: Apache-2.0

//go:build !cgo
// +build !cgo

package callback

// Call does without C.
func Call(n int) int { return n }
