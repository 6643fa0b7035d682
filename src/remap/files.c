/* SPDX-License-Identifier: Apache-2.0 */

/*
 * files — a mapped file, known by what stat tells, to an object of the table.
 *
 * The kernel's own key has two fields more (superblock, generation). Where BPF told a file that is
 * otherwise the same, an executable or a file seen while the walk was on, that is the object: numbers
 * of inodes are unique on a device, and times tell a number's second life from its first.
 */

#include <string.h>

#include "remap-internal.h"

static bool file_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct remap *r = ctx;

	return memcmp(&r->files.v[value].key, key, sizeof(struct cprof_key)) == 0;
}

/* What stat tells is the same. */
static bool is_alike(const struct cprof_key *kernel, const struct cprof_key *stat)
{
	struct cprof_key k = *kernel;

	k.sb = stat->sb;
	k.generation = stat->generation;
	return memcmp(&k, stat, sizeof(k)) == 0;
}

/* The whole table, but once for each file. */
static int find_object(struct remap *r, const struct cprof_key *key, uint32_t *ret_object)
{
	size_t pos = 0;
	int e;

	while (objects_next(r->opts.objects, &pos, ret_object)) {
		if (is_alike(&objects_get(r->opts.objects, *ret_object)->key, key))
			return 0;
	}
	e = objects_intern(r->opts.objects, key, ret_object);
	return e == -ENOSPC ? -ENOMEM : e;
}

static int intern_file(struct remap *r, const struct cprof_key *key, uint32_t *ret_object)
{
	const uint64_t hash = hash_bytes(key, sizeof(*key), r->seed);
	struct file f = { .key = *key };
	uint32_t i;
	int e;

	if (map_find(&r->file_map, hash, key, file_eq, r, &i)) {
		*ret_object = r->files.v[i].object;
		return 0;
	}
	e = vec_reserve(&r->files, 1);
	if (e == 0)
		e = map_reserve(&r->file_map, 1);
	if (e == 0)
		e = find_object(r, key, &f.object);
	if (e < 0)
		return e;
	(void)map_add(&r->file_map, hash, (uint32_t)r->files.cnt);
	r->files.v[r->files.cnt++] = f;
	*ret_object = f.object;
	return 0;
}

int files_object(struct remap *r, const struct window *w, uint32_t process,
		 const struct wire_range *m, uint32_t *ret_object)
{
	const struct window_process *p = &w->processes.v[process];
	struct cprof_announce a = {
		.head = { .size = sizeof(a),
			  .version = CPROF_ABI_VERSION,
			  .type = CPROF_RECORD_OBJECT },
		.start_ns = p->start_ns,
		.vm_start = m->start,
		.vm_end = m->end,
		.vm_pgoff = m->pgoff,
		.fs_magic = m->fs_magic,
		.pid = p->pid,
		.uid = p->uid,
		.owner = m->owner,
		.mode = m->mode,
		.foreign_userns = m->foreign_userns,
		.exec = p->exec,
	};
	int e = intern_file(r, &m->key, ret_object);

	if (e < 0)
		return e;
	/* The window has it from now on: it stays in the table as long as we remember it. */
	objects_use(r->opts.objects, *ret_object, w->from_boot_ns);
	a.key = objects_get(r->opts.objects, *ret_object)->key;
	r->opts.on_file(&a, r->opts.ctx);
	return 0;
}
