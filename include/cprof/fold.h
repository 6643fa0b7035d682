/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fold — adds samples to a window, counting equal ones.
 *
 * Equal stacks are found by their raw bytes before they are located: the caller asks
 * fold_find_stack() first, and only for a new one locates the frames and calls fold_add_stack().
 * A stack of CPROF_SAMPLE_OWN is equal to others of the same process (pid, start, exec) only.
 * A stack of CPROF_SAMPLE_RAW with user frames, to be located later, is equal to others of the same
 * second (CLOCK_BOOTTIME) only: other code may be mapped there by then. One of CPROF_SAMPLE_LATE is equal to
 * none, and its process's own.
 * Each function leaves the window as it was when it fails (-ENOMEM).
 */

#include <stdbool.h>

#include "cprof/record.h"
#include "cprof/window.h"

/* True and *ret_stack when a stack with these raw bytes was added before. */
bool fold_find_stack(const struct window *w, const struct record *rec, uint32_t *ret_stack);
/* Adds the located frames under the record's raw bytes. Equal located stacks share one id. */
int fold_add_stack(struct window *w, const struct record *rec, const struct window_frame *frames,
		   uint32_t cnt, uint32_t *ret_stack);
/* Finds or adds the process of the record; @exe is its object index. */
int fold_process(struct window *w, const struct record *rec, uint32_t exe, uint32_t *ret_process);
/* Counts the sample. */
int fold_add(struct window *w, const struct record *rec, uint32_t process, uint32_t stack);
/* A process that ended, all its generations in the window; the last one's CPU time. */
void fold_exit(struct window *w, const struct cprof_exit *e);
/* When all is in: marks what began and ended in the window, by fork and exit or by exec. */
void fold_settle(struct window *w);
