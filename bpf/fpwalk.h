/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * fpwalk — one checked step along a chain of frame pointers (x86-64 psABI 3.2.2: at the frame pointer
 * lie the caller's frame pointer and the return address).
 *
 * Code without frame pointers leaves anything in rbp, so every step is checked: aligned, upwards,
 * readable, a return address that is not null. Whether that address lies in executable memory is the
 * caller's to check.
 */

#include "kenv.h"

struct fpwalk {
	__u64 fp;  /* of the frame to be read next */
	__u64 low; /* no frame lies below this address */
};

/* The caller's pc; 0 at the end, with the reason in *ret_end. */
static __always_inline __u64 fpwalk_step(struct fpwalk *w, __u8 *ret_end)
{
	__u64 frame[2];

	if (w->fp == 0) {
		*ret_end = CPROF_END_FP_ZERO;
		return 0;
	}
	if ((w->fp & 7) || w->fp < w->low || w->fp >> 47) {
		*ret_end = CPROF_END_FP_BAD;
		return 0;
	}
	if (kenv_read_user(frame, sizeof(frame), w->fp)) {
		*ret_end = CPROF_END_FP_FAULT;
		return 0;
	}
	if (frame[1] == 0) {
		/* A null return address above a null frame pointer is a thread's start. */
		*ret_end = frame[0] == 0 ? CPROF_END_FP_ZERO : CPROF_END_FP_BAD;
		return 0;
	}
	w->low = w->fp + sizeof(frame);
	w->fp = frame[0];
	return frame[1];
}
