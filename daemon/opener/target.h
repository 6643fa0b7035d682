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

/*
 * What a process wrote about its own code: @find gives it with O_PATH, and its size. The process is compared
 * before and after, for between its root and its pid are its own. *ret's path is not set.
 */
typedef enum wire_opened_status (*target_find_fn)(const struct root *root,
						  const struct wire_open *req, int *ret_handle,
						  uint64_t *ret_size);
enum wire_opened_status target_open_own(const struct root *root, const struct wire_open *req,
					target_find_fn find, struct target *ret);
/* Is it a regular file of the process's own user, or root's? OK and *ret_size, REFUSED or FAILED. */
enum wire_opened_status target_is_own(int handle, const struct wire_open *req, uint64_t *ret_size);
