/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where debuggers look for the rest of a file's debugging information (GDB manual, "Separate Debug Files", and
 * the search of LLVM's symbolizer). Split DWARF: all units in one package beside the program, or each in a file
 * that the program names, from the directory where it was compiled; programs are moved together with theirs, so
 * also from where the program is. What dwz took out of several files: by its build id, or by the name that the
 * file says, which counts from where the file is that says it: the program or its debug file.
 *
 * "..", which such names have, is undone in the text: no link is followed, so it leads nowhere else.
 */

#include "companion.h"

#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "debug-file.h"

enum unit_place {
	UNIT_PACKAGE,	/* PROGRAM.dwp */
	UNIT_COMPILED,	/* as it says */
	UNIT_FROM_HERE, /* the same, from the program's directory */
	UNIT_BESIDE,
	UNIT_PLACES,
};

enum supplement_place {
	SUPPLEMENT_BY_BUILD_ID,
	SUPPLEMENT_FROM_HERE,
	SUPPLEMENT_FROM_DEBUG, /* the directory of the program's debug file */
	SUPPLEMENT_BY_NAME,
	SUPPLEMENT_PLACES,
};

/* Texts of a request, terminated. */
struct texts {
	const struct companion_request *req;
	char name[WIRE_PATH_MAX + 1];
	char dir[WIRE_PATH_MAX + 1];
	const char *path;
};

/* Appends the names of a path, each behind a '/'; ".." takes one away. */
static bool append(char *dst, size_t dst_sz, const char *path)
{
	size_t at = strlen(dst);

	for (size_t len; *path; path += len) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.'))
			continue;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			char *slash = strrchr(dst, '/');

			at = slash ? (size_t)(slash - dst) : 0;
			dst[at] = '\0';
			continue;
		}
		if (at + len + 2 > dst_sz)
			return false;
		dst[at++] = '/';
		memcpy(dst + at, path, len);
		at += len;
		dst[at] = '\0';
	}
	return true;
}

/* @path from @dir on, where it is not absolute. */
static bool name_from(const char *dir, const char *path, struct places_name *ret)
{
	char *slash;

	ret->dir[0] = '\0';
	if ((path[0] != '/' && !append(ret->dir, sizeof(ret->dir), dir)) ||
	    !append(ret->dir, sizeof(ret->dir), path))
		return false;
	slash = strrchr(ret->dir, '/');
	if (!slash ||
	    (size_t)snprintf(ret->file, sizeof(ret->file), "%s", slash + 1) >= sizeof(ret->file))
		return false;
	*slash = '\0';
	return true;
}

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* PROGRAM.dwp: the path is not terminated. */
static bool name_package(const struct texts *t, const char *here, struct places_name *ret)
{
	const char *end = t->path + t->req->m.path_len;
	const char *slash = memrchr(t->path, '/', t->req->m.path_len);
	char file[WIRE_LINK_MAX + 1];

	return (size_t)snprintf(file, sizeof(file), "%.*s.dwp", (int)(end - slash - 1), slash + 1) <
		       sizeof(file) &&
	       name_from(here, file, ret);
}

/* @here: the program's directory; NULL: not known. */
static bool name_unit(const struct texts *t, const char *here, unsigned int place,
		      struct places_name *ret)
{
	switch (place) {
	case UNIT_PACKAGE:
		return here && name_package(t, here, ret);
	case UNIT_COMPILED:
		return (t->name[0] == '/' || t->dir[0] == '/') && name_from(t->dir, t->name, ret);
	case UNIT_FROM_HERE:
		return here && t->name[0] != '/' && name_from(here, t->name, ret);
	default:
		return here && strchr(t->name, '/') && name_from(here, last_name(t->name), ret);
	}
}

static bool name_supplement(const struct texts *t, const char *here, unsigned int place,
			    struct places_name *ret)
{
	const struct wire_companion_want *want = &t->req->m.want;
	char dir[WIRE_PATH_MAX + 64] = "/" DEBUG_DIR;

	switch (place) {
	case SUPPLEMENT_BY_BUILD_ID:
		return debug_file_by_build_id(want->build_id, want->build_id_sz, ret);
	case SUPPLEMENT_FROM_HERE:
		return (t->name[0] == '/' || here) && name_from(here, t->name, ret);
	case SUPPLEMENT_FROM_DEBUG:
		return here && t->name[0] != '/' && append(dir, sizeof(dir), here) &&
		       name_from(dir, t->name, ret);
	default:
		return append(dir, sizeof(dir), ".dwz") && name_from(dir, last_name(t->name), ret);
	}
}

static bool name_at(const struct places_root *r, const void *ctx, unsigned int place,
		    struct places_name *ret)
{
	const struct texts *t = ctx;
	char dir[WIRE_PATH_MAX + 1];
	const char *here =
		places_dir(r, t->path, t->req->m.path_len, dir, sizeof(dir)) ? dir : NULL;

	return t->req->m.want.kind == WIRE_COMPANION_UNIT ? name_unit(t, here, place, ret)
							  : name_supplement(t, here, place, ret);
}

enum wire_opened_status companion_open(const struct root *root, const struct companion_request *req,
				       struct target *ret, uint32_t *ret_place)
{
	const struct wire_companion_want *want = &req->m.want;
	struct texts texts = {
		.req = req,
		.path = req->texts + want->name_len + want->dir_len,
	};
	const struct places places = {
		.pid = req->m.pid,
		.start_ns = req->m.start_ns,
		.owner = req->m.owner,
		.from = req->m.from,
		.cnt = want->kind == WIRE_COMPANION_UNIT ? UNIT_PLACES : SUPPLEMENT_PLACES,
		.name = name_at,
		.ctx = &texts,
	};

	memcpy(texts.name, req->texts, want->name_len);
	memcpy(texts.dir, req->texts + want->name_len, want->dir_len);
	return places_open(root, &places, ret, ret_place);
}
