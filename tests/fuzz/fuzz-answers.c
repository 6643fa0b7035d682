/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a symbolizer and an opener that were taken over make of the sampler's side of naming: the input is a
 * sequence of what they say, and of what happens to the sampler meanwhile. Messages that have to fit a
 * question take its numbers from the questions that were asked, where the input wants them to. Whoever is found
 * lying is replaced, as the sampler does. No descriptor may be left, and what nobody asked for is not kept.
 */

#include "fuzz.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/seqpacket.h"
#include "cprof/symbolize.h"

#define SECOND 1000000000ull
#define STEPS_MAX 64
#define FILES 8
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

struct scene {
	const uint8_t *data;
	size_t left;
	struct objects *objects;
	struct names *names;
	struct counters counters;
	struct symbolize *s;
	struct window *window;
	struct symbolize_view *view;
	int opener, symbolizer; /* our ends */
	uint64_t now_ns;
	uint64_t asked;	 /* places, in all */
	uint64_t ask_id; /* of the last question for names */
	uint32_t ask_object, making;
	uint8_t buf[WIRE_MESSAGE_MAX] __attribute__((aligned(8)));
};

static uint8_t take_byte(struct scene *sc)
{
	if (sc->left == 0)
		return 0;
	sc->left--;
	return *sc->data++;
}

static void on_object(uint32_t object, void *ctx)
{
	struct scene *sc = ctx;

	FUZZ_CHECK(objects_get(sc->objects, object));
}

static void on_rows(uint32_t object, const struct rows_view *rows, void *ctx)
{
	on_object(object, ctx);
	fuzz_touch(rows->rows, rows->head->rows_cnt * sizeof(*rows->rows));
}

static void on_code(const uint64_t *places, size_t cnt, void *ctx)
{
	fuzz_touch(places, cnt * sizeof(*places));
}

static int new_end(int *end)
{
	int fds[2];

	*end = fd_close(*end);
	FUZZ_CHECK(seqpacket_pair(fds) == 0);
	*end = fds[0];
	return fds[1];
}

static void replace_symbolizer(struct scene *sc)
{
	symbolize_set_symbolizer(sc->s, -EBADF, sc->now_ns);
	symbolize_set_symbolizer(sc->s, new_end(&sc->symbolizer), sc->now_ns);
	sc->making = 0;
}

static void replace_opener(struct scene *sc)
{
	symbolize_set_opener(sc->s, new_end(&sc->opener), UINT64_MAX, sc->now_ns);
}

/* What was asked of the two, of which the last is remembered. */
static void hear(struct scene *sc)
{
	ssize_t sz;

	while (seqpacket_recv(sc->opener, sc->buf, sizeof(sc->buf), NULL) > 0)
		;
	while ((sz = seqpacket_recv(sc->symbolizer, sc->buf, sizeof(sc->buf), NULL)) > 0) {
		const struct wire_names *m = (const void *)sc->buf;
		int type = wire_check(sc->buf, (size_t)sz);

		FUZZ_CHECK(type > 0);
		if (type == WIRE_NAMES) {
			sc->ask_id = m->head.id;
			sc->ask_object = m->object;
			sc->asked += m->cnt;
		}
		if (type == WIRE_MAKE_ROWS || type == WIRE_MAKE_PAGES)
			sc->making = (uint32_t)m->head.id;
	}
}

static void dispatch(struct scene *sc)
{
	int r = symbolize_dispatch_symbolizer(sc->s, sc->now_ns);

	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -EPIPE);
	if (r == -EBADMSG) {
		symbolize_disbelieve(sc->s, sc->now_ns);
		FUZZ_CHECK(names_cnt(sc->names) == 0);
	}
	if (r < 0)
		replace_symbolizer(sc);
	r = symbolize_dispatch_opener(sc->s, sc->now_ns);
	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -EPIPE);
	if (r < 0)
		replace_opener(sc);
	hear(sc);
}

/* Takes the descriptor. The body is the input's; what is missing of the size that the type has is 0. */
static void say(struct scene *sc, int to, struct wire_head what, int fd)
{
	struct wire_head *head = (void *)sc->buf;
	size_t body = MIN((size_t)take_byte(sc) * 8, sc->left), all;

	all = MAX((size_t)what.size, sizeof(*head) + body);
	memset(sc->buf, 0, all);
	if (body > 0)
		memcpy(sc->buf + sizeof(*head), sc->data, body);
	sc->data += body;
	sc->left -= body;
	what.size = (uint32_t)all;
	*head = what;
	if (what.type == WIRE_NAMED && (take_byte(sc) & 1))
		((struct wire_named *)(void *)sc->buf)->object = sc->ask_object;
	(void)seqpacket_send(to, sc->buf, all, fd);
	(void)fd_close(fd);
	dispatch(sc);
}

/* A block of the input's bytes, sealed or not. */
static void say_rows(struct scene *sc)
{
	size_t sz = MIN((size_t)take_byte(sc) * 4, sc->left);
	struct wire_rows m = {
		.head = { .size = sizeof(m), .type = WIRE_ROWS, .id = sc->making },
		.status = take_byte(sc) % WIRE_ROWS_MAX,
		.part = take_byte(sc) & WIRE_PART_ALL,
		.bytes = sz,
	};
	int fd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	sz = MIN(sz, sc->left);
	m.bytes = sz;
	FUZZ_CHECK(fd >= 0 && write(fd, sc->data, sz) == (ssize_t)sz);
	sc->data += sz;
	sc->left -= sz;
	if (take_byte(sc) != 1)
		(void)fcntl(fd, F_ADD_SEALS, SEALS);
	(void)seqpacket_send(sc->symbolizer, &m, sizeof(m), fd);
	(void)fd_close(fd);
	dispatch(sc);
}

static void announce(struct scene *sc)
{
	struct cprof_announce a = {
		.head = { .size = sizeof(a) },
		.key = { .ino = 1 + take_byte(sc) % FILES },
		.fs_magic = EXT4_SUPER_MAGIC,
		.mode = S_IFREG | 0755,
		.pid = 1,
		.uid = take_byte(sc) % 2,
	};

	symbolize_announce(sc->s, &a, sc->now_ns);
	dispatch(sc);
}

static void sample(struct scene *sc)
{
	uint32_t cnt = take_byte(sc) % 4 + 1;
	struct window_frame *frames = arena_alloc(&sc->window->arena, cnt * sizeof(*frames));
	struct window_stack stack = { .frames = frames, .cnt = cnt };

	FUZZ_CHECK(frames);
	for (uint32_t i = 0; i < cnt; i++) {
		uint8_t b = take_byte(sc);

		frames[i] = (struct window_frame){
			.object = b & 1 ? CPROF_OBJECT_FIRST + (b >> 1) % FILES : (b >> 1) % 4,
			.offset = 0x1000 + (uint64_t)b * 16,
		};
	}
	FUZZ_CHECK(vec_push(&sc->window->stacks, stack) == 0);
	FUZZ_CHECK(symbolize_window(sc->view, sc->now_ns) == 0);
	dispatch(sc);
}

static void step(struct scene *sc)
{
	uint8_t op = take_byte(sc), which = take_byte(sc);
	uint64_t id = which & 1 ? CPROF_OBJECT_FIRST + (which >> 1) % FILES : which >> 1;

	switch (op % 10) {
	case 0:
		announce(sc);
		break;
	case 1:
		sample(sc);
		break;
	case 2:
		say(sc, sc->opener,
		    (struct wire_head){
			    .size = sizeof(struct wire_opened), .type = WIRE_OPENED, .id = id },
		    -EBADF);
		break;
	case 3:
		say(sc, sc->symbolizer,
		    (struct wire_head){
			    .size = sizeof(struct wire_object), .type = WIRE_OBJECT, .id = id },
		    -EBADF);
		break;
	case 4:
		say(sc, sc->symbolizer,
		    (struct wire_head){ .size = sizeof(struct wire_named),
					.type = WIRE_NAMED,
					.id = sc->ask_id },
		    -EBADF);
		break;
	case 5:
		say_rows(sc);
		break;
	case 6:
		say(sc, sc->symbolizer,
		    (struct wire_head){ .size = 0, .type = which, .id = take_byte(sc) },
		    op & 16 ? dup(0) : -EBADF);
		break;
	case 7:
		say(sc, sc->opener,
		    (struct wire_head){ .size = 0, .type = which, .id = take_byte(sc) },
		    op & 16 ? dup(0) : -EBADF);
		break;
	case 8:
		sc->now_ns += which * SECOND / 8;
		FUZZ_CHECK(symbolize_window(sc->view, sc->now_ns) == 0);
		symbolize_tick(sc->s, sc->now_ns);
		dispatch(sc);
		break;
	default:
		replace_symbolizer(sc);
		break;
	}
}

static void scene_begin(struct scene *sc)
{
	struct symbolize_opts opts = {
		.on_object = on_object,
		.on_forget = on_object,
		.on_rows = on_rows,
		.on_code = on_code,
		.ctx = sc,
	};

	FUZZ_CHECK(objects_new(1, &sc->objects) == 0 && names_new(1, &sc->names) == 0);
	opts.objects = sc->objects;
	opts.names = sc->names;
	opts.counters = &sc->counters;
	FUZZ_CHECK(symbolize_new(&opts, &sc->s) == 0);
	sc->window = window_new(1, 1, 1);
	FUZZ_CHECK(sc->window && symbolize_view_new(sc->s, sc->window, &sc->view) == 0);
	replace_opener(sc);
	replace_symbolizer(sc);
	dispatch(sc);
}

static void scene_end(struct scene *sc)
{
	/* What is kept was asked for. */
	FUZZ_CHECK(names_cnt(sc->names) <= sc->asked);
	sc->view = symbolize_view_free(sc->view);
	sc->s = symbolize_free(sc->s);
	sc->window = window_free(sc->window);
	sc->names = names_free(sc->names);
	sc->objects = objects_free(sc->objects);
	sc->opener = fd_close(sc->opener);
	sc->symbolizer = fd_close(sc->symbolizer);
}

/* The next descriptor that would be given out. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	FUZZ_CHECK(fd >= 0);
	(void)close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	_cleanup_free_ struct scene *sc = calloc(1, sizeof(*sc));
	int before = next_fd();

	FUZZ_CHECK(sc);
	sc->data = data;
	sc->left = sz;
	sc->opener = sc->symbolizer = -EBADF;
	sc->now_ns = SECOND;
	scene_begin(sc);
	for (int i = 0; i < STEPS_MAX && sc->left > 0; i++)
		step(sc);
	scene_end(sc);
	FUZZ_CHECK(next_fd() == before);
	return 0;
}
