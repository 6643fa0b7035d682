/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* debug-file: the separate debug file of a file that a process has mapped. */

#include "places.h"

#define DEBUG_DIR "usr/lib/debug"

/* The message with what is behind it. */
struct debug_request {
	struct wire_open_debug m;
	char texts[WIRE_LINK_MAX + WIRE_PATH_MAX];
};

/*
 * The first one there is at or behind the request's place. *ret and *ret_place are set with WIRE_OPENED_OK
 * only; NONE: there is none (more). Whether it really is that file's is for the symbolizer to say.
 */
enum wire_opened_status debug_file_open(const struct root *root, const struct debug_request *req,
					struct target *ret, uint32_t *ret_place);

/* What it is called by this id; false: it is none. */
bool debug_file_by_build_id(const uint8_t *build_id, uint32_t sz, struct places_name *ret);
