/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A block of rows may be megabytes, so it goes as a file in memory, which the sampler maps: it is there
 * once. The sampler believes in nothing of it, but that it will not change: it is sealed.
 */

#include "rows-answer.h"

#include "cprof/base/sealed.h"
#include "cprof/unwind_info.h"

static int make(uint32_t object, enum wire_rows_status status, const void *bytes, size_t sz,
		struct rows_answer *ret)
{
	int fd = sealed_new("cprof-rows", bytes, sz);

	if (fd < 0)
		return fd;
	*ret = (struct rows_answer){
		.m = { .head = { .size = sizeof(ret->m), .type = WIRE_ROWS, .id = object },
		       .status = status,
		       .bytes = sz },
		.fd = fd,
	};
	return 0;
}

int rows_answer_none(uint32_t object, enum wire_rows_status status, struct rows_answer *ret)
{
	_cleanup_free_ void *bytes = NULL;
	size_t sz;
	int r;

	r = unwind_info_none(&bytes, &sz);
	return r < 0 ? r : make(object, status, bytes, sz, ret);
}

int rows_answer_make(uint32_t object, int fd, uint64_t file_sz, struct rows_answer *ret)
{
	static const enum wire_rows_status statuses[] = {
		[UNWIND_INFO_OK] = WIRE_ROWS_OK,
		[UNWIND_INFO_NONE] = WIRE_ROWS_NONE,
		[UNWIND_INFO_LIMIT] = WIRE_ROWS_LIMIT,
	};
	_cleanup_free_ void *bytes = NULL;
	size_t sz;
	int r;

	r = unwind_info_load(fd, file_sz, &bytes, &sz);
	if (r == -ENOMEM)
		return rows_answer_none(object, WIRE_ROWS_LIMIT, ret);
	if (r < 0 || r == UNWIND_INFO_BAD)
		return rows_answer_none(object, WIRE_ROWS_BAD, ret);
	return make(object, statuses[r], bytes, sz, ret);
}

void rows_answer_done(struct rows_answer *a)
{
	a->fd = fd_close(a->fd);
}
