/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where a distribution or a developer puts the debug information that was taken out of a file, as debuggers
 * look for it (GDB manual, "Debugging Information in Separate Files"): by the build id below
 * /usr/lib/debug/.build-id, and by the name that the file says beside it, in .debug beside it, and below
 * /usr/lib/debug where its own directory is. First as the process sees it, for in a container they belong
 * to what it runs; then as we do. The ones by build id that some distributions have are links, and lead to where
 * the name leads, too.
 */

#include "debug-file.h"

#include <stdio.h>

#include "cprof/base/cleanup.h"
#include "places.h"

/* In the order in which they are looked at; once for each root. */
enum debug_place {
	DEBUG_BY_BUILD_ID,
	DEBUG_BESIDE,
	DEBUG_BELOW,
	DEBUG_BY_DIRECTORY,
	DEBUG_PLACES,
};

bool debug_file_by_build_id(const uint8_t *build_id, uint32_t sz, struct places_name *ret)
{
	char hex[2 * OBJECT_BUILD_ID_MAX + 1];

	if (sz < 2)
		return false;
	for (uint32_t i = 0; i < sz; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", (unsigned int)build_id[i]);
	(void)snprintf(ret->dir, sizeof(ret->dir), DEBUG_DIR "/.build-id/%.2s", hex);
	(void)snprintf(ret->file, sizeof(ret->file), "%s.debug", hex + 2);
	return true;
}

static bool name_at(const struct places_root *r, const void *ctx, unsigned int place,
		    struct places_name *ret)
{
	static const char *const forms[] = {
		[DEBUG_BESIDE] = "%s",
		[DEBUG_BELOW] = "%s/.debug",
		[DEBUG_BY_DIRECTORY] = DEBUG_DIR "%s",
	};
	const struct debug_request *req = ctx;
	const char *path = req->texts + req->m.link_len;
	char dir[WIRE_PATH_MAX + 1];

	if (place == DEBUG_BY_BUILD_ID)
		return debug_file_by_build_id(req->m.build_id, req->m.build_id_sz, ret);
	if (req->m.link_len == 0 || !places_dir(r, path, req->m.path_len, dir, sizeof(dir)))
		return false;
	(void)snprintf(ret->file, sizeof(ret->file), "%.*s", (int)req->m.link_len, req->texts);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(ret->dir, sizeof(ret->dir), forms[place], dir);
#pragma GCC diagnostic pop
	return true;
}

enum wire_opened_status debug_file_open(const struct root *root, const struct debug_request *req,
					struct target *ret, uint32_t *ret_place)
{
	const struct places places = {
		.pid = req->m.pid,
		.start_ns = req->m.start_ns,
		.owner = req->m.owner,
		.from = req->m.from,
		.cnt = DEBUG_PLACES,
		.name = name_at,
		.ctx = req,
	};

	return places_open(root, &places, ret, ret_place);
}
