/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * locate — frames of a record to frames of the object table.
 *
 * BPF already told object and offset; this resolves references (an id, or a key carried in the
 * record) into the table's indexes. Files that BPF reported by key are entered into the table.
 */

#include "cprof/object.h"
#include "cprof/record.h"
#include "cprof/window.h"

/*
 * Fills @frames (room for kernel_cnt + user_cnt) in the order of struct window_stack; the number of
 * frames or -ENOMEM. A reference that means nothing becomes CPROF_OBJECT_NONE.
 */
int locate_stack(struct objects *objects, const struct record *rec, struct window_frame *frames);

/* The executable's object index of a sample. */
int locate_exe(struct objects *objects, const struct record *rec, uint32_t *ret_idx);
