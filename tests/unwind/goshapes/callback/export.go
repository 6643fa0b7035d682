// SPDX-License-Identifier: Apache-2.0

//go:build cgo
// +build cgo

package callback

import "C"

//export goshapesBack
func goshapesBack(n C.int) C.int {
	if n > 0 {
		return C.int(Call(int(n)-1)) + 1
	}
	return 1
}
