/* SPDX-License-Identifier: Apache-2.0 */

/*
 * restore — checked entries back to the tables that a recording filled.
 *
 * The object table is fresh, so ids become indexes of their own accord; keys are made up, for all that
 * they did was to tell files apart. Text is a stranger's: it is cleaned here as it was when it first
 * came.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cprof/object_source.h"
#include "cprof/base/str.h"
#include "cprof/replay.h"
#include "lines.h"

static int restore_path(struct objects *objects, uint32_t idx, const char *text, size_t len)
{
	char clean[3 * REPLAY_TEXT_MAX + 1];

	len = str_clean(clean, sizeof(clean), text, len, NULL);
	return objects_set_path(objects, idx, clean, len);
}

static int restore_object(struct replay_tables *t, const struct replay_object *e)
{
	const struct object_segment *segments = (const void *)(e + 1);
	const struct cprof_key key = { .ino = e->id };
	struct object *o;
	uint32_t idx = e->id;
	int r;

	if (e->id >= CPROF_OBJECT_FIRST) {
		r = objects_intern(t->objects, &key, &idx);
		if (r < 0)
			return r;
	}
	assert(idx == e->id);
	o = objects_get(t->objects, idx);
	o->state = e->state;
	o->limited = e->lacks & 1;
	o->no_debug = e->lacks & 2;
	o->sources = e->sources & OBJECT_SOURCE_ALL;
	o->elf = e->elf;
	o->kind = e->kind;
	o->kernel_text = e->kernel_text;
	o->owner = e->owner;
	r = objects_set_build_id(t->objects, idx, e->build_id, e->build_id_sz);
	if (r == 0)
		r = objects_set_segments(t->objects, idx, segments, e->segments_cnt);
	if (r == 0)
		r = restore_path(t->objects, idx, (const char *)(segments + e->segments_cnt),
				 e->path_len);
	return r;
}

static int restore_name(struct replay_tables *t, const struct replay_name *e)
{
	const char *text = (const char *)(e + 1);
	struct name name = { .start = e->start };
	int r;

	r = lines_take_text(t->names, &text, e->name_len, &name.function);
	if (r == 0)
		r = lines_take_text(t->names, &text, e->linkage_len, &name.linkage);
	return r < 0 ? r : names_put(t->names, e->object, e->place, &name);
}

/* The whole path is of the group itself: those above it are not in the file. */
static int restore_group(struct replay_tables *t, const struct replay_group *e)
{
	char path[CGROUPS_PATH_SZ];
	int r;

	memcpy(path, e + 1, e->path_len);
	path[e->path_len] = '\0';
	r = cgroups_put_root(t->cgroups, (uint8_t)e->hierarchy, e->id, path);
	/* No recording has as many; without their paths processes are units_unknown. */
	return r == -ENOSPC ? 0 : r;
}

/* Both are in the order of first samples; one whose samples found no memory is not in the window. */
static void restore_process(struct replay_tables *t, const struct replay_process *e)
{
	struct window_process *p;

	if (t->process >= t->window->processes.cnt)
		return;
	p = &t->window->processes.v[t->process];
	if (p->pid != e->pid || p->start_ns != e->start_ns || p->exec != e->exec)
		return;
	p->ended = (e->flags & REPLAY_ENDED) != 0;
	p->cpu_true_ns = e->flags & REPLAY_CPU_KNOWN ? e->cpu_true_ns : UINT64_MAX;
	t->process++;
}

int replay_restore(struct replay_tables *t, enum replay_type type, const void *entry)
{
	switch (type) {
	case REPLAY_OBJECT:
		return restore_object(t, entry);
	case REPLAY_NAME:
		return restore_name(t, entry);
	case REPLAY_LINES:
		return lines_restore(t->names, entry);
	case REPLAY_GROUP:
		return restore_group(t, entry);
	case REPLAY_PROCESS:
		restore_process(t, entry);
		return 0;
	default:
		return 0;
	}
}
