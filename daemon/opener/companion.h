/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* companion: a file that the debugging information of a mapped file goes on in. */

#include "target.h"

/* The message with what is behind it. */
struct companion_request {
	struct wire_open_companion m;
	char texts[3 * WIRE_PATH_MAX];
};

/* As debug_file_open(). */
enum wire_opened_status companion_open(const struct root *root, const struct companion_request *req,
				       struct target *ret, uint32_t *ret_place);
