/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one gate for bytes of the rings, and of replay files that strangers send. All that later
 * stages index by is checked here once: counts, reasons of ends, references to keys. A sample has
 * exactly one size that fits its counts; the counts are 16 bits wide, so the sum cannot overflow.
 */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "cprof/decode.h"

static bool is_reference(const struct cprof_sample *s, __u32 object)
{
	return object < CPROF_OBJECT_KEY || object - CPROF_OBJECT_KEY < s->keys_cnt;
}

static bool are_references(const struct cprof_sample *s, const struct cprof_frame *frames, int cnt)
{
	for (int i = 0; i < cnt; i++)
		if (!is_reference(s, frames[i].object))
			return false;
	return true;
}

static bool is_within_limits(const struct cprof_sample *s)
{
	return s->kernel_cnt <= CPROF_KERNEL_FRAMES_MAX && s->user_cnt <= CPROF_USER_FRAMES_MAX &&
	       s->interp_cnt <= CPROF_USER_FRAMES_MAX && s->keys_cnt <= CPROF_KEYS_MAX &&
	       s->kernel_end < CPROF_END_MAX && s->user_end < CPROF_END_MAX &&
	       s->interp_end < CPROF_END_MAX && s->cgroup_hierarchy < CPROF_HIERARCHY_MAX &&
	       (s->flags & ~CPROF_SAMPLE_FLAGS) == 0;
}

static int decode_sample(const void *bytes, size_t sz, struct record *ret)
{
	const struct cprof_sample *s = bytes;
	const struct cprof_frame *user, *interp;
	const struct cprof_key *keys;
	const __u64 *kernel;

	if (sz < sizeof(*s) || !is_within_limits(s))
		return -EBADMSG;
	if (sz != sizeof(*s) + s->kernel_cnt * sizeof(*kernel) + s->user_cnt * sizeof(*user) +
			  s->interp_cnt * sizeof(*interp) + s->keys_cnt * sizeof(*keys))
		return -EBADMSG;
	kernel = (const void *)(s + 1);
	user = (const void *)(kernel + s->kernel_cnt);
	interp = user + s->user_cnt;
	keys = (const void *)(interp + s->interp_cnt);
	if (!is_reference(s, s->exe) || !are_references(s, user, s->user_cnt) ||
	    !are_references(s, interp, s->interp_cnt))
		return -EBADMSG;

	*ret = (struct record){ .type = CPROF_RECORD_SAMPLE };
	ret->sample.head = s;
	ret->sample.kernel = kernel;
	ret->sample.user = user;
	ret->sample.interp = interp;
	ret->sample.keys = keys;
	return 0;
}

static int decode_cgroup(const void *bytes, size_t sz, struct record *ret)
{
	const struct cprof_cgroup *c = bytes;

	if (sz != sizeof(*c) || c->name_len > CPROF_CGROUP_NAME_SZ ||
	    c->hierarchy >= CPROF_HIERARCHY_MAX)
		return -EBADMSG;
	*ret = (struct record){ .type = CPROF_RECORD_CGROUP, .cgroup = c };
	return 0;
}

int decode_record(const void *bytes, size_t sz, struct record *ret)
{
	const struct cprof_head *head = bytes;

	assert((uintptr_t)bytes % _Alignof(__u64) == 0);

	if (sz < sizeof(*head) || head->size != sz || head->version != CPROF_ABI_VERSION)
		return -EBADMSG;
	switch (head->type) {
	case CPROF_RECORD_SAMPLE:
		return decode_sample(bytes, sz, ret);
	case CPROF_RECORD_OBJECT:
	case CPROF_RECORD_EXEC:
		if (sz != sizeof(struct cprof_announce))
			return -EBADMSG;
		*ret = (struct record){ .type = head->type, .announce = bytes };
		return 0;
	case CPROF_RECORD_EXIT:
		if (sz != sizeof(struct cprof_exit))
			return -EBADMSG;
		*ret = (struct record){ .type = head->type, .exit = bytes };
		return 0;
	case CPROF_RECORD_CGROUP:
		return decode_cgroup(bytes, sz, ret);
	default:
		return -EBADMSG;
	}
}
