// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

TEXT ·Leaf(SB), NOSPLIT, $0-16
	MOVQ	n+0(FP), AX
	INCQ	AX
	MOVQ	AX, ret+8(FP)
	RET

TEXT ·Framed(SB), 0, $256-16
	MOVQ	n+0(FP), AX
	MOVQ	AX, 0(SP)
	CALL	·Leaf(SB)
	MOVQ	8(SP), AX
	PUSHQ	AX
	POPQ	AX
	MOVQ	AX, ret+8(FP)
	RET

TEXT ·Clobbers(SB), NOSPLIT, $16-16
	MOVQ	n+0(FP), BP
	ADDQ	$5, BP
	MOVQ	BP, ret+8(FP)
	RET

TEXT ·Aligned(SB), NOSPLIT, $64-16
	MOVQ	n+0(FP), AX
	MOVQ	SP, CX
	ANDQ	$~31, SP
	MOVQ	AX, 0(SP)
	MOVQ	CX, SP
	MOVQ	AX, ret+8(FP)
	RET
