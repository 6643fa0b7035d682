/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A reference is resolved in two ways: an id is the index already, if there is such an object; a
 * key is looked up in the table. The frames of a stack lie in few files, so each key of a record is
 * looked up once and its index kept for the other frames.
 */

#include <assert.h>

#include "cprof/locate.h"

struct resolver {
	struct objects *objects;
	const struct record *rec;
	uint32_t idx[CPROF_KEYS_MAX]; /* of each key; CPROF_OBJECT_NONE: not looked up yet */
	uint32_t jit;		      /* the process's run-time code, likewise */
};

/* Above the fixed ones that there are, up to the first of the files, ids mean nothing. */
static bool is_object(struct resolver *rs, uint32_t id)
{
	if (id < CPROF_OBJECT_FIRST)
		return id <= CPROF_OBJECT_ANON;
	return objects_use(rs->objects, id, rs->rec->sample.head->time_ns);
}

static int resolve(struct resolver *rs, uint32_t ref, uint32_t *ret_idx)
{
	uint32_t i;
	int r;

	if (ref < CPROF_OBJECT_KEY) {
		/* An id on its way while its object was forgotten leads nowhere, never elsewhere. */
		*ret_idx = is_object(rs, ref) ? ref : CPROF_OBJECT_NONE;
		return 0;
	}
	i = ref - CPROF_OBJECT_KEY;
	assert(i < rs->rec->sample.head->keys_cnt && i < CPROF_KEYS_MAX);
	if (rs->idx[i] == CPROF_OBJECT_NONE) {
		r = objects_intern(rs->objects, &rs->rec->sample.keys[i], &rs->idx[i]);
		if (r < 0 && r != -ENOSPC) /* no ids any more: the frame stays without object */
			return r;
		(void)objects_use(rs->objects, rs->idx[i], rs->rec->sample.head->time_ns);
	}
	*ret_idx = rs->idx[i];
	return 0;
}

/* Code that a process made itself is that process's alone. Without a pid it is nobody's. */
static int resolve_jit(struct resolver *rs, uint32_t *ret_idx)
{
	const struct cprof_sample *s = rs->rec->sample.head;
	const struct object_jit jit = {
		.start_ns = s->start_ns,
		.pid = s->pid,
		.exec = s->exec,
		.uid = s->euid,
	};
	int r;

	if (s->pid == 0 || rs->jit != CPROF_OBJECT_NONE) {
		*ret_idx = s->pid == 0 ? CPROF_OBJECT_ANON : rs->jit;
		return 0;
	}
	r = objects_intern_jit(rs->objects, &jit, &rs->jit);
	if (r == -ENOSPC)
		rs->jit = CPROF_OBJECT_ANON;
	else if (r < 0)
		return r;
	objects_use(rs->objects, rs->jit, s->time_ns);
	*ret_idx = rs->jit;
	return 0;
}

static int resolve_user(struct resolver *rs, uint32_t ref, uint32_t *ret_idx)
{
	return ref == CPROF_OBJECT_ANON ? resolve_jit(rs, ret_idx) : resolve(rs, ref, ret_idx);
}

int locate_stack(struct objects *objects, const struct record *rec, struct window_frame *frames)
{
	struct resolver rs = { .objects = objects, .rec = rec };
	const struct cprof_sample *s = rec->sample.head;
	struct window_frame *f = frames;

	assert(rec->type == CPROF_RECORD_SAMPLE);

	for (int i = 0; i < s->kernel_cnt; i++)
		*f++ = (struct window_frame){
			.offset = rec->sample.kernel[i],
			.object = CPROF_OBJECT_KERNEL,
			/* Where the interrupt hit; all others are return addresses. */
			.flags = i == 0 ? CPROF_FRAME_EXACT : 0,
		};
	for (int i = 0; i < s->user_cnt; i++) {
		const struct cprof_frame *u = &rec->sample.user[i];
		uint32_t idx;
		int r;

		r = resolve_user(&rs, u->object, &idx);
		if (r < 0)
			return r;
		*f++ = (struct window_frame){
			.offset = u->offset,
			.object = idx,
			.flags = u->flags,
		};
	}
	return (int)(f - frames);
}

int locate_exe(struct objects *objects, const struct record *rec, uint32_t *ret_idx)
{
	struct resolver rs = { .objects = objects, .rec = rec };

	assert(rec->type == CPROF_RECORD_SAMPLE);

	return resolve(&rs, rec->sample.head->exe, ret_idx);
}
