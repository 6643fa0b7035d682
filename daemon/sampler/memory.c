/* SPDX-License-Identifier: Apache-2.0 */

/*
 * memory — what a recording keeps of stacks' memory for its file (SESSION_MEMORY): root asked for it.
 *
 * Each record goes to a memfd as it comes, its maps by the indexes of the object table. At the end the
 * rows of all objects that these maps name, as walks find them then, and the records go into the file
 * behind its samples. What would grow beyond a limit is counted as raw_memory_lost.
 */

#include <string.h>
#include <sys/mman.h>

#include "cprof/base/fd.h"
#include "cprof/replay.h"
#include "recording.h"

#define KEPT_MAX                                                                           \
	(sizeof(struct cprof_kept) + CPROF_KEPT_MAPS_MAX * sizeof(struct cprof_kept_map) + \
	 CPROF_KEPT_STACK_MAX)

struct memory {
	int fd;
	bool broken; /* a write failed: no more is kept */
	uint64_t written;
	uint64_t written_max;
	VEC(bool) seen; /* by index */
	VEC(uint32_t) objects;
	_Alignas(8) uint8_t bytes[KEPT_MAX];
};

struct memory *memory_free(struct memory *m)
{
	if (!m)
		return NULL;
	m->fd = fd_close(m->fd);
	vec_done(&m->seen);
	vec_done(&m->objects);
	free(m);
	return NULL;
}

int memory_new(uint64_t bytes_max, struct memory **ret)
{
	_cleanup_(memory_freep) struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->written_max = bytes_max;
	m->fd = memfd_create("cprof-raw-memory", MFD_CLOEXEC);
	if (m->fd < 0)
		return -errno;
	*ret = TAKE_PTR(m);
	return 0;
}

static int see(struct memory *m, uint32_t object)
{
	int r = 0;

	while (r == 0 && m->seen.cnt <= object)
		r = vec_push(&m->seen, false);
	if (r < 0 || m->seen.v[object])
		return r;
	m->seen.v[object] = true;
	return vec_push(&m->objects, object);
}

/* The index of what a map refers to; a reference that means nothing becomes CPROF_OBJECT_NONE. */
static int resolve(struct objects *objects, const struct record *rec, uint32_t ref, uint32_t *ret)
{
	int r;

	*ret = CPROF_OBJECT_NONE;
	if (ref < CPROF_OBJECT_KEY) {
		if (objects_get(objects, ref))
			*ret = ref;
		return 0;
	}
	r = objects_intern(objects, &rec->kept.keys[ref - CPROF_OBJECT_KEY], ret);
	return r == -ENOSPC ? 0 : r;
}

/* The record as it is kept; its size, or -errno. */
static ssize_t build(struct memory *m, struct objects *objects, const struct record *rec)
{
	struct cprof_kept *to = (void *)m->bytes;
	struct cprof_kept_map *maps = (void *)(to + 1);
	int r = 0;

	*to = *rec->kept.head;
	to->keys_cnt = 0;
	for (uint32_t i = 0; r == 0 && i < to->maps_cnt; i++) {
		maps[i] = rec->kept.maps[i];
		r = resolve(objects, rec, rec->kept.maps[i].object, &maps[i].object);
		if (r == 0)
			r = see(m, maps[i].object);
	}
	if (r < 0)
		return r;
	memcpy(maps + to->maps_cnt, rec->kept.stack, to->stack_sz);
	to->head.size = (uint32_t)(sizeof(*to) + to->maps_cnt * sizeof(*maps) + to->stack_sz);
	return to->head.size;
}

static int keep(struct memory *m, struct objects *objects, const struct record *rec)
{
	ssize_t sz;
	int r;

	if (m->broken || m->written + KEPT_MAX > m->written_max)
		return -ENOSPC;
	sz = build(m, objects, rec);
	if (sz < 0)
		return (int)sz;
	r = writing_write(m->bytes, (size_t)sz, &m->fd);
	m->broken = r < 0;
	m->written += r < 0 ? 0 : (uint64_t)sz;
	return r;
}

void memory_keep(const struct record *record, void *ctx)
{
	struct recording *rec = ctx;

	if (rec->memory && keep(rec->memory, rec->sampler->objects, record) < 0)
		rec->stream->counters.v[COUNTER_raw_memory_lost]++;
}

const uint32_t *memory_objects(const struct memory *m, size_t *ret_cnt)
{
	*ret_cnt = m ? m->objects.cnt : 0;
	return m ? m->objects.v : NULL;
}

static int write_rows(const struct recording *rec, struct replay_writer *w, uint64_t room)
{
	const struct sampler *s = rec->sampler;
	const struct memory *m = rec->memory;
	int r = 0;

	for (size_t i = 0; r >= 0 && s->unwinding.pool && i < m->objects.cnt; i++) {
		const uint32_t object = m->objects.v[i];
		struct cprof_known known = { .id = object };
		_cleanup_free_ void *bytes = NULL;
		size_t sz;

		known.slot = objects_slot(s->objects, object);
		r = pool_block(s->unwinding.pool, known, &bytes, &sz);
		if (r == -ENOENT)
			r = 0;
		else if (r == 0 && replay_writer_bytes(w) + sz + REPLAY_CHUNK_MAX <= room)
			r = replay_write_rows(w, object, bytes, sz);
	}
	return r;
}

/* The next record of the log, whole, in m->bytes; -errno. */
static int read_one(struct memory *m, uint64_t at)
{
	struct cprof_kept *k = (void *)m->bytes;
	ssize_t n = fd_pread_upto(m->fd, m->bytes, MIN(sizeof(m->bytes), m->written - at), at);

	if (n < 0)
		return (int)n;
	return n < (ssize_t)sizeof(*k) || n < (ssize_t)k->head.size ? -EIO : 0;
}

static int write_kept(struct recording *rec, struct replay_writer *w, uint64_t room)
{
	struct memory *m = rec->memory;
	const struct cprof_kept *k = (const void *)m->bytes;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < m->written; at += k->head.size) {
		const struct cprof_kept_map *maps = (const void *)(k + 1);

		r = read_one(m, at);
		if (r < 0)
			return r;
		if (replay_writer_bytes(w) + REPLAY_CHUNK_MAX > room)
			rec->stream->counters.v[COUNTER_raw_memory_lost]++;
		else
			r = replay_write_kept(w, k, maps, maps + k->maps_cnt);
	}
	return r;
}

int memory_write(struct recording *rec, struct replay_writer *w, uint64_t room)
{
	int r = rec->memory ? write_rows(rec, w, room) : 0;

	return r == 0 && rec->memory ? write_kept(rec, w, room) : r;
}
