// SPDX-License-Identifier: Apache-2.0

// Package asm has functions in assembly: without a frame, with one, with one that is aligned, and with
// the frame pointer used for something else.
package asm

func Leaf(n int) int
func Framed(n int) int
func Clobbers(n int) int
func Aligned(n int) int
