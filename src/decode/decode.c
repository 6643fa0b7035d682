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

static bool is_reference(__u16 keys_cnt, __u32 object)
{
	return object < CPROF_OBJECT_KEY || object - CPROF_OBJECT_KEY < keys_cnt;
}

static bool are_references(__u16 keys_cnt, const struct cprof_frame *frames, int cnt)
{
	for (int i = 0; i < cnt; i++)
		if (!is_reference(keys_cnt, frames[i].object))
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
	if (!is_reference(s->keys_cnt, s->exe) || !are_references(s->keys_cnt, user, s->user_cnt) ||
	    !are_references(s->keys_cnt, interp, s->interp_cnt))
		return -EBADMSG;

	*ret = (struct record){ .type = CPROF_RECORD_SAMPLE };
	ret->sample.head = s;
	ret->sample.kernel = kernel;
	ret->sample.user = user;
	ret->sample.interp = interp;
	ret->sample.keys = keys;
	return 0;
}

static bool is_mapping(const struct cprof_kept *k, const struct cprof_kept_map *m)
{
	return m->start < m->end && m->exec <= 1 && is_reference(k->keys_cnt, m->object);
}

static int decode_kept(const void *bytes, size_t sz, struct record *ret)
{
	const struct cprof_kept *k = bytes;
	const struct cprof_kept_map *maps;
	const struct cprof_key *keys;

	if (sz < sizeof(*k) || k->maps_cnt > CPROF_KEPT_MAPS_MAX || k->keys_cnt > CPROF_KEYS_MAX ||
	    k->stack_sz > CPROF_KEPT_STACK_MAX || k->stack_sz % sizeof(__u64) != 0 ||
	    k->stack_addr % sizeof(__u64) != 0 || k->stack_addr > UINT64_MAX - k->stack_sz ||
	    (k->flags & ~CPROF_KEPT_FLAGS) != 0)
		return -EBADMSG;
	if (sz !=
	    sizeof(*k) + k->maps_cnt * sizeof(*maps) + k->keys_cnt * sizeof(*keys) + k->stack_sz)
		return -EBADMSG;
	maps = (const void *)(k + 1);
	keys = (const void *)(maps + k->maps_cnt);
	for (int i = 0; i < k->maps_cnt; i++)
		if (!is_mapping(k, &maps[i]))
			return -EBADMSG;

	*ret = (struct record){ .type = CPROF_RECORD_KEPT };
	ret->kept.head = k;
	ret->kept.maps = maps;
	ret->kept.keys = keys;
	ret->kept.stack = keys + k->keys_cnt;
	return 0;
}

static int decode_rest(const void *bytes, size_t sz, struct record *ret)
{
	const struct cprof_rest *r = bytes;
	const struct cprof_frame *user;
	const struct cprof_key *keys;

	if (sz < sizeof(*r) || r->user_cnt > CPROF_USER_FRAMES_MAX ||
	    r->keys_cnt > CPROF_KEYS_MAX || r->user_end >= CPROF_END_MAX || r->pad != 0)
		return -EBADMSG;
	if (sz != sizeof(*r) + r->user_cnt * sizeof(*user) + r->keys_cnt * sizeof(*keys))
		return -EBADMSG;
	user = (const void *)(r + 1);
	keys = (const void *)(user + r->user_cnt);
	if (!are_references(r->keys_cnt, user, r->user_cnt))
		return -EBADMSG;

	*ret = (struct record){ .type = CPROF_RECORD_REST };
	ret->rest.head = r;
	ret->rest.user = user;
	ret->rest.keys = keys;
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
	case CPROF_RECORD_KEPT:
		return decode_kept(bytes, sz, ret);
	case CPROF_RECORD_REST:
		return decode_rest(bytes, sz, ret);
	default:
		return -EBADMSG;
	}
}
