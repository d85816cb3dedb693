#include "textflag.h"

// See still_linux_amd64.go.

// handler(signal DI, information SI, context DX): in struct ucontext, the address at which the thread
// was interrupted is at 168.
TEXT ·handler(SB),NOSPLIT|NOFRAME,$0
	MOVQ	168(DX), AX
	CMPQ	AX, ·sleepsAt(SB)
	JNE	done
	MOVL	$1, ·isStill(SB)
loop:
	MOVL	·keepStill(SB), AX
	CMPL	AX, $1
	JNE	left
	MOVL	$202, AX	// futex
	LEAQ	·keepStill(SB), DI
	MOVL	$128, SI	// FUTEX_WAIT_PRIVATE
	MOVL	$1, DX
	XORL	R10, R10	// for any time
	SYSCALL
	JMP	loop
left:
	MOVL	$0, ·isStill(SB)
done:
	RET

TEXT ·restorer(SB),NOSPLIT|NOFRAME,$0
	MOVL	$15, AX		// rt_sigreturn
	SYSCALL
	INT	$3

TEXT ·addresses(SB),NOSPLIT,$0-16
	LEAQ	·handler(SB), AX
	MOVQ	AX, handler+0(FP)
	LEAQ	·restorer(SB), AX
	MOVQ	AX, restorer+8(FP)
	RET
