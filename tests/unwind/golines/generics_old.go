// SPDX-License-Identifier: Apache-2.0

//go:build !go1.21
// +build !go1.21

package main

func generics(n int) int { return n }
