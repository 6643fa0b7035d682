/* SPDX-License-Identifier: Apache-2.0 */

/*
 * files — from an announcement to a table of names in the symbolizer.
 *
 * The sampler never holds a descriptor of a target's file: it tells the opener which mapping of which
 * process to open, the opener sends the file straight to the symbolizer, and facts come back. Files
 * that are not on a local file system are refused here, before anybody touches them: even fstat() of
 * a FUSE file can hang for ever.
 */

#include <string.h>
#include <sys/stat.h>

#include "cprof/base/magic.h"
#include "symbolize-internal.h"

/* File systems whose operations wait for nothing but a local disk. */
static const uint64_t local_file_systems[] = {
	EXT4_SUPER_MAGIC,      BTRFS_SUPER_MAGIC, MAGIC_XFS,	   F2FS_SUPER_MAGIC,
	TMPFS_MAGIC,	       RAMFS_MAGIC,	  SQUASHFS_MAGIC,  EROFS_SUPER_MAGIC_V1,
	OVERLAYFS_SUPER_MAGIC, ISOFS_SUPER_MAGIC, HUGETLBFS_MAGIC, MAGIC_ZFS,
	MAGIC_BCACHEFS,	       MAGIC_VFAT,
};

static bool is_openable(const struct cprof_announce *a)
{
	if (!S_ISREG(a->mode) || a->foreign_userns)
		return false;
	for (size_t i = 0; i < ELEMENTSOF(local_file_systems); i++) {
		if (a->fs_magic == local_file_systems[i])
			return true;
	}
	return false;
}

/* Asks the opener by the last announcement; without an opener the object stays as it is. */
bool symbolize_open(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	const struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);
	struct wire_open m = {
		.head = { .size = sizeof(m), .type = WIRE_OPEN, .id = object },
	};

	if (s->opener_fd < 0)
		return false;
	if (!o || (o->state != OBJECT_SEEN && o->state != OBJECT_GONE) || !w ||
	    w->last.head.size == 0 || w->tries >= OBJECT_TRIES_MAX)
		return true; /* nothing to ask for */
	m.key = w->last.key;
	m.start_ns = w->last.start_ns;
	m.vm_start = w->last.vm_start;
	m.vm_end = w->last.vm_end;
	m.pid = w->last.pid;
	m.owner = w->last.owner;
	m.uid = w->last.uid;
	m.kind = w->jit ? WIRE_FILE_PERF_MAP : WIRE_FILE_ELF;
	if (seqpacket_send(s->opener_fd, &m, sizeof(m), -EBADF) < 0)
		return false;
	s->opts.counters->v[COUNTER_objects_announced]++;
	w->word_due = true;
	symbolize_set_state(s, object, OBJECT_ASKED, now_ns);
	return true;
}

void symbolize_announce(struct symbolize *s, const struct cprof_announce *a, uint64_t now_ns)
{
	struct object *o;
	struct work *w;
	uint32_t object;

	if (objects_intern(s->opts.objects, &a->key, &object) < 0)
		return;
	o = objects_get(s->opts.objects, object);
	w = symbolize_work(s, object);
	if (!o || !w)
		return;
	if (o->state != OBJECT_SEEN && o->state != OBJECT_GONE) {
		/* Known by now; the announcement was on its way, or BPF had to forget the id. */
		if (o->state != OBJECT_ASKED && o->state != OBJECT_OPENED)
			s->opts.on_object(object, s->opts.ctx);
		return;
	}
	w->last = *a;
	o->foreign = a->foreign_userns != 0;
	o->owner = a->owner;
	if (!is_openable(a)) {
		s->opts.counters->v[COUNTER_objects_refused]++;
		symbolize_set_state(s, object, OBJECT_REFUSED, now_ns);
		s->opts.on_object(object, s->opts.ctx);
		return;
	}
	if (w->tries < OBJECT_TRIES_MAX) {
		opens_put(s, object, now_ns);
	} else if (o->state == OBJECT_SEEN) {
		symbolize_set_state(s, object, OBJECT_BAD, now_ns);
		s->opts.counters->v[COUNTER_objects_bad]++;
		s->opts.on_object(object, s->opts.ctx);
	}
}

static void take_path(struct symbolize *s, uint32_t object, const struct wire_opened *m)
{
	struct object *o = objects_get(s->opts.objects, object);
	char path[WIRE_PATH_MAX + 1];
	size_t len;

	if (!o || o->path || m->path_len == 0)
		return;
	len = str_clean(path, sizeof(path), (const char *)(m + 1), m->path_len, NULL);
	(void)objects_set_path(s->opts.objects, object, path, len); /* else it has no path */
}

static void on_opened(struct symbolize *s, const struct wire_opened *m, uint64_t now_ns)
{
	uint32_t object = (uint32_t)m->head.id;
	struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);
	struct counters *c = s->opts.counters;

	if (!o || !w || m->head.id < CPROF_OBJECT_FIRST)
		return;
	w->word_due = false;
	c->v[COUNTER_opens_hung] += m->status == WIRE_OPENED_HUNG;
	take_path(s, object, m);
	if (o->lined)
		lines_opened(s, object, m);
	if (o->state != OBJECT_ASKED)
		return; /* the symbolizer was faster than the opener's word, or it was asked again */
	if (o->kind == OBJECT_JIT) {
		jit_opened(s, object, m, now_ns);
		return;
	}
	switch (m->status) {
	case WIRE_OPENED_OK:
		symbolize_set_state(s, object, OBJECT_OPENED, now_ns);
		break;
	case WIRE_OPENED_HUNG: /* another process that has it may do */
		symbolize_set_state(s, object, OBJECT_GONE, now_ns);
		break;
	case WIRE_OPENED_GONE:
		c->v[COUNTER_objects_gone]++;
		symbolize_set_state(s, object, OBJECT_GONE, now_ns);
		break;
	case WIRE_OPENED_CHANGED:
		c->v[COUNTER_objects_changed]++;
		symbolize_set_state(s, object, OBJECT_GONE, now_ns);
		break;
	case WIRE_OPENED_REFUSED:
		c->v[COUNTER_objects_refused]++;
		symbolize_set_state(s, object, OBJECT_REFUSED, now_ns);
		s->opts.on_object(object, s->opts.ctx);
		break;
	default:
		symbolize_set_state(s, object, OBJECT_SEEN, now_ns);
		s->retry_ns = now_ns + WIRE_OPENED_AGAIN_NS;
		break;
	}
	if (m->status != WIRE_OPENED_OK && m->status != WIRE_OPENED_REFUSED)
		opens_failed(s, object, now_ns);
}

/* 0, or -EBADMSG. */
static int take_message(struct symbolize *s, size_t sz, uint64_t now_ns)
{
	switch (wire_check(s->buf, sz)) {
	case WIRE_OPENED:
		s->opener_heard_ns = now_ns;
		on_opened(s, (const void *)s->buf, now_ns);
		return 0;
	case WIRE_DEBUG_OPENED:
		s->opener_heard_ns = now_ns;
		debugs_on_opened(s, (const void *)s->buf, now_ns);
		return 0;
	case WIRE_COMPANION_OPENED:
		s->opener_heard_ns = now_ns;
		companions_on_opened(s, (const void *)s->buf, now_ns);
		return 0;
	case WIRE_MAPPED:
		if (!s->opts.on_mapped)
			return -EBADMSG;
		s->opener_heard_ns = now_ns;
		return s->opts.on_mapped((const void *)s->buf, s->opts.ctx);
	default:
		return -EBADMSG;
	}
}

int symbolize_dispatch_opener(struct symbolize *s, uint64_t now_ns)
{
	for (;;) {
		ssize_t sz = seqpacket_recv(s->opener_fd, s->buf, sizeof(s->buf), NULL);

		if (sz == -EAGAIN) {
			opens_pump(s, now_ns);
			rows_pump(s, now_ns);
			debugs_pump(s, now_ns);
			return 0;
		}
		if (sz > 0 && take_message(s, (size_t)sz, now_ns) == 0)
			continue;
		s->opts.counters->v[COUNTER_opener_lost]++;
		return sz <= 0 && sz != -EMSGSIZE ? -EPIPE : -EBADMSG;
	}
}

int symbolize_send_opener(struct symbolize *s, const struct wire_maps *m)
{
	if (s->opener_fd < 0)
		return -EBADF;
	return seqpacket_send(s->opener_fd, m, m->head.size, -EBADF);
}

/* Without memory they are as of a file that has none. */
static void take_facts(struct symbolize *s, uint32_t object, const struct wire_object *m)
{
	struct object *o = objects_get(s->opts.objects, object);

	o->elf = (enum object_elf)m->elf;
	o->sources = (uint16_t)m->sources;
	o->limited = m->status == WIRE_OBJECT_LIMIT;
	(void)objects_set_segments(s->opts.objects, object, m->segments, m->segments_cnt);
	(void)objects_set_build_id(s->opts.objects, object, m->build_id, m->build_id_sz);
}

static enum object_state state_of(const struct symbolize *s, const struct wire_object *m)
{
	struct counters *c = s->opts.counters;

	switch (m->status) {
	case WIRE_OBJECT_CUT:
		c->v[COUNTER_objects_cut]++;
		c->v[COUNTER_objects_named]++;
		return OBJECT_READY;
	case WIRE_OBJECT_READY:
		c->v[COUNTER_objects_named]++;
		return OBJECT_READY;
	case WIRE_OBJECT_UNNAMED:
		c->v[COUNTER_objects_unnamed]++;
		return OBJECT_UNNAMED;
	case WIRE_OBJECT_LIMIT:
		c->v[COUNTER_objects_limit]++;
		return OBJECT_UNNAMED;
	default:
		c->v[COUNTER_objects_bad]++;
		return OBJECT_BAD;
	}
}

/* The kernel or the vDSO. */
static int on_special(struct symbolize *s, const struct wire_object *m)
{
	uint32_t object = (uint32_t)m->head.id;
	struct object *o = objects_get(s->opts.objects, object);
	struct work *w = symbolize_work(s, object);

	if (w)
		w->rows_due = object == CPROF_OBJECT_VDSO;
	if (m->status == WIRE_OBJECT_READY) {
		if (object == CPROF_OBJECT_KERNEL) {
			o->kernel_text = m->text_start;
			s->kernel_text_end = m->text_end;
		}
		o->state = OBJECT_READY;
		o->sources = (uint16_t)m->sources;
		views_look_again(s);
	} else {
		*symbolize_tried(s, object) = true;
	}
	return 0;
}

/* The symbolizer's word on a file. One that it was not given, or told before, is a lie. */
int symbolize_on_object(struct symbolize *s, const struct wire_object *m, uint64_t now_ns)
{
	uint32_t object = (uint32_t)m->head.id;
	struct object *o = objects_get(s->opts.objects, object);

	if (m->head.id == CPROF_OBJECT_KERNEL || m->head.id == CPROF_OBJECT_VDSO)
		return on_special(s, m);
	if (m->head.id < CPROF_OBJECT_FIRST || m->head.id > UINT32_MAX ||
	    !objects_knew(s->opts.objects, object))
		return -EBADMSG;
	if (!o || debugs_on_object(s, m, now_ns))
		return 0; /* forgotten meanwhile, or told once more */
	if (o->state == OBJECT_READY && o->lined) {
		lines_told(s, object, m->lined, now_ns); /* it came again */
		return 0;
	}
	if (o->state != OBJECT_OPENED && o->state != OBJECT_ASKED)
		return 0;
	if (o->kind == OBJECT_JIT) {
		jit_loaded(s, object, m, now_ns);
		return 0;
	}
	take_facts(s, object, m);
	lines_told(s, object, m->lined, now_ns);
	symbolize_set_state(s, object, state_of(s, m), now_ns);
	s->opts.on_object(object, s->opts.ctx);
	if (s->opts.on_rows)
		rows_want(s, object, now_ns);
	return 0;
}

void symbolize_read_again(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	const struct object *o = objects_get(s->opts.objects, object);

	if (o && (o->state == OBJECT_READY || o->state == OBJECT_UNNAMED))
		symbolize_table_lost(s, object, now_ns);
}

/* The table is gone with its symbolizer: opened again by what is remembered, or announced again. */
void symbolize_table_lost(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);
	struct object *o = objects_get(s->opts.objects, object);

	if (!w || !o)
		return;
	rows_undue(s, object);
	symbolize_set_state(s, object, OBJECT_SEEN, now_ns);
	w->missed |= w->views; /* what was asked of it is asked again */
	w->has_map = false;
	s->opts.on_forget(object, s->opts.ctx);
}
