/* SPDX-License-Identifier: Apache-2.0 */

/*
 * writer — a finished window to the bytes of a replay file.
 *
 * Entries are gathered in one chunk, which goes out when it is full or the type changes: beside the
 * tables of what is met no more is held. Stacks are translated once, when their first sample comes.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/arena.h"
#include "cprof/base/vec.h"
#include "cprof/replay.h"
#include "lines.h"
#include "places.h"

#define RECORD_MAX                                                               \
	(sizeof(struct cprof_sample) + CPROF_KERNEL_FRAMES_MAX * sizeof(__u64) + \
	 CPROF_USER_FRAMES_MAX * sizeof(struct cprof_frame))

/* A stack as the file has it, ready to be copied behind a sample's head. */
struct shown_stack {
	const uint8_t *bytes; /* NULL: not translated yet */
	uint16_t kernel_cnt;
	uint16_t user_cnt;
};

struct replay_writer {
	struct replay_writer_opts opts;
	struct places places;
	struct arena arena;
	struct shown_stack *stacks; /* by index in the window */
	uint64_t records;
	uint64_t written;
	struct replay_chunk chunk; /* size: of what is gathered */
	_Alignas(8) uint8_t bytes[REPLAY_CHUNK_MAX];
};

static int flush(struct replay_writer *w)
{
	int r;

	if (w->chunk.size == 0)
		return 0;
	w->chunk.check = replay_check(&w->chunk, w->bytes);
	r = w->opts.write(&w->chunk, sizeof(w->chunk), w->opts.ctx);
	if (r == 0)
		r = w->opts.write(w->bytes, w->chunk.size, w->opts.ctx);
	w->written += sizeof(w->chunk) + w->chunk.size;
	w->chunk.size = 0;
	return r;
}

/* Room for an entry of @sz bytes, zeroed and with its size set; 0 and *ret, or -errno. */
static int add(struct replay_writer *w, enum replay_type type, size_t sz, void **ret)
{
	struct replay_entry *e;
	int r;

	sz = (sz + 7) & ~(size_t)7;
	assert(sz <= REPLAY_CHUNK_MAX);
	if (w->chunk.type != type || w->chunk.size + sz > REPLAY_CHUNK_MAX) {
		r = flush(w);
		if (r < 0)
			return r;
	}
	w->chunk.type = type;
	e = (struct replay_entry *)(void *)(w->bytes + w->chunk.size);
	memset(e, 0, sz);
	e->size = (uint32_t)sz;
	w->chunk.size += sz;
	*ret = e;
	return 0;
}

static int put_head(struct replay_writer *w)
{
	const struct replay_head head = {
		.magic = REPLAY_MAGIC,
		.version = w->opts.memory ? REPLAY_VERSION_MEMORY : REPLAY_VERSION,
		.byte_order = REPLAY_BYTE_ORDER,
		.abi_version = CPROF_ABI_VERSION,
	};

	w->written = sizeof(head);
	return w->opts.write(&head, sizeof(head), w->opts.ctx);
}

static int put_session(struct replay_writer *w)
{
	struct replay_session *s;
	int r;

	r = add(w, REPLAY_SESSION, sizeof(*s), (void **)&s);
	if (r < 0)
		return r;
	*s = *w->opts.session;
	s->size = sizeof(*s);
	return 0;
}

static uint16_t text_len(const char *text)
{
	return text ? (uint16_t)strnlen(text, REPLAY_TEXT_MAX) : 0;
}

/* Behind them; NULL is no bytes. */
static void *put_bytes(void *dst, const void *src, size_t sz)
{
	return sz > 0 ? mempcpy(dst, src, sz) : dst;
}

static int put_object(struct replay_writer *w, uint32_t id, const struct object *o)
{
	static const struct object forgotten = { .state = OBJECT_GONE };
	struct replay_object *e;
	uint16_t path_len;
	size_t segments_sz;
	int r;

	if (!o)
		o = &forgotten;
	path_len = text_len(o->path);
	segments_sz = o->segments_cnt * sizeof(*o->segments);
	r = add(w, REPLAY_OBJECT, sizeof(*e) + segments_sz + path_len, (void **)&e);
	if (r < 0)
		return r;
	e->id = id;
	e->state = (uint8_t)o->state;
	e->lacks = (uint8_t)(o->limited | o->no_debug << 1);
	e->sources = o->sources;
	e->elf = (uint16_t)o->elf;
	e->kind = (uint16_t)o->kind;
	e->kernel_text = o->kernel_text != 0 ? PLACES_KERNEL_TEXT : 0;
	e->owner = o->owner;
	e->path_len = path_len;
	e->segments_cnt = o->segments_cnt;
	e->build_id_sz = o->build_id_sz;
	put_bytes(e->build_id, o->build_id, o->build_id_sz);
	put_bytes(put_bytes(e + 1, o->segments, segments_sz), o->path, path_len);
	return 0;
}

static int put_objects(struct replay_writer *w)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i <= CPROF_OBJECT_ANON; i++)
		r = put_object(w, i, objects_get(w->opts.objects, i));
	for (size_t i = 0; r == 0 && i < w->places.indexes.cnt; i++)
		r = put_object(w, CPROF_OBJECT_FIRST + (uint32_t)i,
			       objects_get(w->opts.objects, w->places.indexes.v[i]));
	return r;
}

/* Where a function begins, as the file calls places; 0 where that would be an address. */
static uint64_t show_start(const struct place *p, uint64_t start)
{
	if (p->shown == p->offset)
		return start;
	if (p->shown < PLACES_KERNEL_TEXT || start > p->offset)
		return 0;
	return MAX(p->shown - (p->offset - start), PLACES_KERNEL_TEXT);
}

static int put_name(struct replay_writer *w, const struct place *p)
{
	const char *text, *linkage;
	struct replay_name *e;
	struct name name;
	int r;

	if (!names_get(w->opts.names, p->object, p->offset, &name))
		return 0;
	text = names_text(w->opts.names, name.function);
	linkage = names_text(w->opts.names, name.linkage);
	r = add(w, REPLAY_NAME, sizeof(*e) + text_len(text) + text_len(linkage), (void **)&e);
	if (r < 0)
		return r;
	e->object = p->shown_object;
	e->place = p->shown;
	e->start = show_start(p, name.start);
	e->name_len = text_len(text);
	e->linkage_len = text_len(linkage);
	put_bytes(put_bytes(e + 1, text, e->name_len), linkage, e->linkage_len);
	return 0;
}

/* Behind all names: a chunk is of one type. */
static int put_lines(struct replay_writer *w, const struct place *p)
{
	struct replay_lines *e;
	struct name name;
	size_t sz;
	int r;

	if (!names_get(w->opts.names, p->object, p->offset, &name))
		return 0;
	sz = lines_size(w->opts.names, &name);
	if (sz == 0)
		return 0;
	r = add(w, REPLAY_LINES, sz, (void **)&e);
	if (r < 0)
		return r;
	e->object = p->shown_object;
	e->place = p->shown;
	lines_fill(w->opts.names, &name, e);
	return 0;
}

/* Neighbours are often of one group; the reader does not mind to hear of it again. */
static int put_groups(struct replay_writer *w)
{
	const struct window *from = w->opts.window;
	char path[CGROUPS_PATH_SZ];

	for (size_t i = 0; i < from->processes.cnt; i++) {
		const struct window_process *p = &from->processes.v[i];
		struct replay_group *e;
		size_t len;
		int r;

		if (p->cgroup == 0 || (i > 0 && p->cgroup == p[-1].cgroup) ||
		    cgroups_path(w->opts.cgroups, p->cgroup_hierarchy, p->cgroup, path) < 0)
			continue;
		len = strlen(path);
		r = add(w, REPLAY_GROUP, sizeof(*e) + len, (void **)&e);
		if (r < 0)
			return r;
		e->hierarchy = p->cgroup_hierarchy;
		e->id = p->cgroup;
		e->path_len = (uint16_t)len;
		memcpy(e + 1, path, len);
	}
	return 0;
}

static int meet_frames(struct replay_writer *w, const struct window_stack *stack)
{
	const struct place *p;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < stack->cnt; i++)
		r = places_place(&w->places, stack->frames[i].object,
				 names_offset(stack->frames[i].offset, stack->frames[i].flags), &p);
	return r;
}

/* In the order of the table: which file gets a name that two could have goes by it. */
static int meet_objects(struct replay_writer *w)
{
	const struct window *from = w->opts.window;
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->opts.more_cnt; i++)
		r = places_meet(&w->places, w->opts.more[i]);
	for (size_t i = 0; r == 0 && i < from->processes.cnt; i++)
		r = places_meet(&w->places, from->processes.v[i].exe);
	for (size_t i = 0; r == 0 && i < from->stacks.cnt; i++)
		for (uint32_t j = 0; r == 0 && j < from->stacks.v[i].cnt; j++)
			r = places_meet(&w->places, from->stacks.v[i].frames[j].object);
	return r < 0 ? r : places_number(&w->places);
}

/* All objects and places are met before the first sample is written: their tables come before. */
static int meet_all(struct replay_writer *w)
{
	const struct window *from = w->opts.window;
	int r = meet_objects(w);

	for (size_t i = 0; r == 0 && i < from->stacks.cnt; i++)
		r = meet_frames(w, &from->stacks.v[i]);
	return r;
}

struct replay_writer *replay_writer_free(struct replay_writer *w)
{
	if (!w)
		return NULL;
	places_done(&w->places);
	arena_done(&w->arena);
	free(w->stacks);
	free(w);
	return NULL;
}

int replay_writer_new(const struct replay_writer_opts *opts, struct replay_writer **ret)
{
	_cleanup_(replay_writer_freep) struct replay_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->opts = *opts;
	places_init(&w->places, opts->objects, opts->window->seed);
	w->stacks = calloc(MAX(opts->window->stacks.cnt, (size_t)1), sizeof(*w->stacks));
	if (!w->stacks)
		return -ENOMEM;
	r = meet_all(w);
	if (r == 0)
		r = put_head(w);
	if (r == 0)
		r = put_session(w);
	if (r == 0)
		r = put_objects(w);
	for (size_t i = 0; r == 0 && i < w->places.places.cnt; i++)
		r = put_name(w, &w->places.places.v[i]);
	for (size_t i = 0; r == 0 && i < w->places.places.cnt; i++)
		r = put_lines(w, &w->places.places.v[i]);
	if (r == 0)
		r = put_groups(w);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

/* The place as a frame has it: a return address lies behind its call. */
static int show_frame(struct replay_writer *w, const struct window_frame *f,
		      struct cprof_frame *ret)
{
	const struct place *p;
	int r;

	r = places_place(&w->places, f->object, names_offset(f->offset, f->flags), &p);
	if (r < 0)
		return r;
	*ret = (struct cprof_frame){
		.offset = p->shown + !(f->flags & CPROF_FRAME_EXACT),
		.object = p->shown_object,
		.flags = f->flags,
	};
	return 0;
}

/* How many frames of the stack a record can have as the kernel's; the others say what they lie in. */
static uint32_t count_kernel(const struct window_stack *s, uint32_t at_most)
{
	uint32_t i = 0;

	while (i < at_most && i < s->cnt && s->frames[i].object == CPROF_OBJECT_KERNEL &&
	       s->frames[i].flags == (i == 0 ? CPROF_FRAME_EXACT : 0))
		i++;
	return i;
}

static int show_stack(struct replay_writer *w, const struct window_stack *from, uint32_t kernel_cnt,
		      struct shown_stack *s)
{
	const uint32_t user_cnt = from->cnt - kernel_cnt;
	struct cprof_frame frame, *user;
	uint64_t *kernel;
	uint8_t *bytes;
	int r = 0;

	bytes = arena_alloc(&w->arena, kernel_cnt * sizeof(*kernel) + user_cnt * sizeof(*user) + 1);
	if (!bytes)
		return -ENOMEM;
	kernel = (void *)bytes;
	user = (void *)(kernel + kernel_cnt);
	for (uint32_t i = 0; r == 0 && i < kernel_cnt; i++) {
		r = show_frame(w, &from->frames[i], &frame);
		kernel[i] = frame.offset;
	}
	for (uint32_t i = 0; r == 0 && i < user_cnt; i++)
		r = show_frame(w, &from->frames[kernel_cnt + i], &user[i]);
	if (r < 0)
		return r;
	*s = (struct shown_stack){
		.bytes = bytes,
		.kernel_cnt = (uint16_t)kernel_cnt,
		.user_cnt = (uint16_t)user_cnt,
	};
	return 0;
}

/* The frames are located: no key is needed, and nobody has to ask /proc any more. */
static void fill_head(struct replay_writer *w, struct cprof_sample *s, uint32_t process,
		      uint32_t stack)
{
	const struct window *from = w->opts.window;
	const struct shown_stack *shown = &w->stacks[stack];

	s->exe = places_object(&w->places, from->processes.v[process].exe);
	/* The stack's own: where there was no room for another, the sample has less than came. */
	s->kernel_end = from->stacks.v[stack].kernel_end;
	s->user_end = from->stacks.v[stack].user_end;
	s->interp_end = CPROF_END_NONE;
	s->kernel_cnt = shown->kernel_cnt;
	s->user_cnt = shown->user_cnt;
	s->interp_cnt = 0;
	s->keys_cnt = 0;
	s->flags = s->flags & (CPROF_SAMPLE_OWN | CPROF_SAMPLE_LATE) ? CPROF_SAMPLE_OWN : 0;
	s->pad2 = 0;
}

int replay_write_sample(struct replay_writer *w, const struct cprof_sample *head, uint32_t process,
			uint32_t stack)
{
	const struct window *from = w->opts.window;
	struct shown_stack *shown = &w->stacks[stack];
	struct cprof_sample *s;
	size_t frames_sz;
	int r;

	assert(stack < from->stacks.cnt && process < from->processes.cnt);

	if (!shown->bytes) {
		r = show_stack(w, &from->stacks.v[stack],
			       count_kernel(&from->stacks.v[stack], head->kernel_cnt), shown);
		if (r < 0)
			return r;
	}
	frames_sz =
		shown->kernel_cnt * sizeof(uint64_t) + shown->user_cnt * sizeof(struct cprof_frame);
	assert(sizeof(*s) + frames_sz <= RECORD_MAX);
	r = add(w, REPLAY_RECORDS, sizeof(*s) + frames_sz, (void **)&s);
	if (r < 0)
		return r;
	*s = *head;
	fill_head(w, s, process, stack);
	s->head = (struct cprof_head){
		.size = (uint32_t)(sizeof(*s) + frames_sz),
		.version = CPROF_ABI_VERSION,
		.type = CPROF_RECORD_SAMPLE,
	};
	memcpy(s + 1, shown->bytes, frames_sz);
	w->records++;
	return 0;
}

/* As much as fits behind what the chunk has, rather than a chunk of its own. */
static size_t piece_sz(const struct replay_writer *w, size_t left)
{
	const size_t room = REPLAY_CHUNK_MAX - sizeof(struct replay_rows);

	if (w->chunk.type == REPLAY_ROWS && w->chunk.size + 2 * sizeof(struct replay_rows) < room)
		return MIN(left, room - w->chunk.size);
	return MIN(left, room);
}

int replay_write_rows(struct replay_writer *w, uint32_t object, const void *bytes, size_t sz)
{
	struct replay_rows *e;
	int r = 0;

	assert(w->opts.memory && sz <= REPLAY_ROWS_MAX);
	for (size_t at = 0, piece; r == 0 && at < sz; at += piece) {
		piece = piece_sz(w, sz - at);
		r = add(w, REPLAY_ROWS, sizeof(*e) + piece, (void **)&e);
		if (r < 0)
			break;
		e->object = places_object(&w->places, object);
		e->total_sz = (uint32_t)sz;
		e->at = (uint32_t)at;
		e->bytes_sz = (uint32_t)piece;
		memcpy(e + 1, (const uint8_t *)bytes + at, piece);
	}
	return r;
}

int replay_write_kept(struct replay_writer *w, const struct cprof_kept *head,
		      const struct cprof_kept_map *maps, const void *stack)
{
	const size_t maps_sz = head->maps_cnt * sizeof(*maps);
	const size_t sz = sizeof(*head) + maps_sz + head->stack_sz;
	struct cprof_kept_map *to;
	struct cprof_kept *e;
	int r;

	assert(w->opts.memory && head->stack_sz % 8 == 0);
	r = add(w, REPLAY_KEPT, sz, (void **)&e);
	if (r < 0)
		return r;
	*e = *head;
	e->head = (struct cprof_head){
		.size = (uint32_t)sz,
		.version = CPROF_ABI_VERSION,
		.type = CPROF_RECORD_KEPT,
	};
	e->keys_cnt = 0;
	to = (void *)(e + 1);
	put_bytes(put_bytes(to, maps, maps_sz), stack, head->stack_sz);
	for (uint32_t i = 0; i < head->maps_cnt; i++)
		to[i].object = places_object(&w->places, maps[i].object);
	return 0;
}

static int put_process(struct replay_writer *w, const struct window_process *p)
{
	struct replay_process *e;
	int r;

	r = add(w, REPLAY_PROCESS, sizeof(*e), (void **)&e);
	if (r < 0)
		return r;
	e->start_ns = p->start_ns;
	e->pid = p->pid;
	e->exec = p->exec;
	e->flags = p->ended ? REPLAY_ENDED : 0;
	if (p->cpu_true_ns == UINT64_MAX)
		return 0;
	e->flags |= REPLAY_CPU_KNOWN;
	e->cpu_true_ns = p->cpu_true_ns;
	return 0;
}

int replay_write_end(struct replay_writer *w, const struct counters *counters)
{
	const struct window *from = w->opts.window;
	struct replay_end *e;
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->processes.cnt; i++)
		r = put_process(w, &from->processes.v[i]);
	if (r == 0)
		r = add(w, REPLAY_END, sizeof(*e) + sizeof(*counters), (void **)&e);
	if (r < 0)
		return r;
	e->counters_cnt = COUNTER_MAX;
	e->records = w->records;
	memcpy(e + 1, counters, sizeof(*counters));
	return flush(w);
}

uint64_t replay_writer_bytes(const struct replay_writer *w)
{
	return w->written + (w->chunk.size > 0 ? sizeof(w->chunk) + w->chunk.size : 0);
}
