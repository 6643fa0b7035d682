/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* target: the file that a process has mapped, opened and verified against the kernel's key. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/root.h"
#include "cprof/wire.h"

struct target {
	int fd; /* to read from; the caller's to close */
	uint64_t size;
	char path[WIRE_PATH_MAX]; /* raw as the kernel gives it, not terminated */
	size_t path_len;	  /* 0: longer than we carry */
};

/* From O_PATH to reading; *ret_fd is set with WIRE_OPENED_OK only. The file must be a regular one. */
enum wire_opened_status target_reopen(const struct root *root, int handle, int *ret_fd);

/*
 * Is this file (by the kernel's key) the executable of the process? Its times do not count: a running
 * program may have been removed since. An empty key is everybody's.
 */
bool target_is_exe(const struct root *root, uint32_t pid, const struct cprof_key *exe);

/* *ret is set with WIRE_OPENED_OK only. */
enum wire_opened_status target_open(const struct root *root, const struct wire_open *req,
				    struct target *ret);
/* The same for WIRE_FILE_LINES: wherever the process has it mapped. */
enum wire_opened_status target_open_mapped(const struct root *root, const struct wire_open *req,
					   struct target *ret);
