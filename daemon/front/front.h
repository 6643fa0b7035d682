/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* front: all parts of the role, and what the launcher told it. */

#include <stdint.h>

#include "cprof/base/loop.h"
#include "cprof/base/root.h"
#include "cprof/config.h"
#include "door.h"
#include "http.h"
#include "link.h"
#include "rights.h"

struct front {
	struct root root;
	struct loop *loop;
	struct loop_source *tick;
	struct link *link;
	struct http *http;
	struct door *door;
	struct counts counts;
	struct places recordings;
	uint32_t recordings_cnt;
	uint32_t listings_cnt;
	/* From the configuration. */
	char group[RIGHTS_GROUP_SZ]; /* of those who may see all; "": there is none */
	uint32_t control_gid;
	uint32_t hz;
	char directory[CONFIG_PATH_SZ]; /* of stored profiles, by its name */
	bool is_confined;
	int spool; /* the directory of stored profiles, to read; -EBADF: none */
};

/* Of struct http_opts; ctx is the front. */
void serve(struct request *req, void *ctx);
void serve_forget(struct request *req, void *ctx);
