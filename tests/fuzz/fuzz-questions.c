/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a symbolizer may be told: the program itself, but for its main(), between an opener and a sampler that
 * say what the input says. Files come with content, questions for names, rows and further files follow in
 * any order, about files that it has and about others. A message that breaks the protocol ends it. All that it
 * says is a message, and when it is done no descriptor and no memory is left.
 */

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int symbolizer_main(int argc, char **argv);
#define main symbolizer_main
#include "symbolizer/symbolizer.c"
#undef main

#define STEPS_MAX 24
#define FILES 4
#define PLACES 4

/* Its process is the fuzzer's. */
int confine(struct wire_sandbox *ret)
{
	*ret = (struct wire_sandbox){ 0 };
	return 0;
}

struct input {
	const uint8_t *data;
	size_t left;
	int opener, sampler; /* our ends */
};

static uint8_t take_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

/* The next bytes, at most so many. */
static const uint8_t *take_bytes(struct input *in, size_t max, size_t *ret_sz)
{
	const uint8_t *at = in->data;

	*ret_sz = MIN(max, in->left);
	in->data += *ret_sz;
	in->left -= *ret_sz;
	return at;
}

/* All that it said is a message for the sampler. */
static void hear(const struct input *in)
{
	uint64_t buf[WIRE_MESSAGE_MAX / sizeof(uint64_t)];
	ssize_t sz;

	for (;;) {
		_cleanup_close_ int fd = -EBADF;
		int type;

		sz = seqpacket_recv(in->sampler, buf, sizeof(buf), &fd);
		if (sz <= 0)
			return;
		type = wire_check(buf, (size_t)sz);
		FUZZ_CHECK(type == WIRE_OBJECT || type == WIRE_NAMED || type == WIRE_ROWS ||
			   type == WIRE_COMPANION);
		FUZZ_CHECK(fd < 0 || type == WIRE_ROWS);
	}
}

/* A message with a file: its content is the input's. */
static void give_file(struct input *in, void *msg, size_t sz, uint64_t *file_sz)
{
	size_t content_sz = (size_t)take_byte(in) << 4;
	const uint8_t *content = take_bytes(in, content_sz, &content_sz);
	_cleanup_close_ int fd = memfd_create("file", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, content, content_sz) == (ssize_t)content_sz);
	*file_sz = content_sz;
	(void)seqpacket_send(in->opener, msg, sz, fd);
}

static void give_elf(struct input *in, uint64_t id)
{
	struct wire_file m = { .head = { sizeof(m), WIRE_FILE, 0, id } };

	m.kind = take_byte(in);
	give_file(in, &m, sizeof(m), &m.file_sz);
}

static void give_debug(struct input *in, uint64_t id)
{
	struct wire_debug_file m = { .head = { sizeof(m), WIRE_DEBUG_FILE, 0, id } };

	give_file(in, &m, sizeof(m), &m.file_sz);
}

static void give_companion(struct input *in, uint64_t id)
{
	struct wire_companion_file m = { .head = { sizeof(m), WIRE_COMPANION_FILE, 0, id } };

	m.number = take_byte(in);
	give_file(in, &m, sizeof(m), &m.file_sz);
}

static void ask_names(const struct input *in, struct input *from, uint32_t object)
{
	struct {
		struct wire_names m;
		uint64_t offsets[PLACES];
	} ask = { .m = { .head = { .type = WIRE_NAMES, .id = 7 }, .object = object } };

	ask.m.cnt = take_byte(from) % PLACES + 1;
	for (uint32_t i = 0; i < ask.m.cnt; i++)
		ask.offsets[i] = (uint64_t)take_byte(from) << 4 | take_byte(from) >> 4;
	ask.m.head.size = (uint32_t)(sizeof(ask.m) + ask.m.cnt * sizeof(uint64_t));
	(void)seqpacket_send(in->sampler, &ask, ask.m.head.size, -EBADF);
}

static void ask_bare(const struct input *in, uint16_t type, uint64_t id)
{
	const struct wire_head m = { sizeof(m), type, 0, id };

	(void)seqpacket_send(in->sampler, &m, sizeof(m), -EBADF);
}

static void ask_pages(struct input *in, uint64_t id)
{
	struct {
		struct wire_make_pages m;
		uint32_t pages[3];
	} ask = { .m = { .head = { .size = sizeof(ask.m), .type = WIRE_MAKE_PAGES, .id = id } } };

	ask.m.cnt = take_byte(in) % 4;
	for (uint32_t i = 0; i < ask.m.cnt; i++)
		ask.pages[i] = 100 * i + take_byte(in) % 100;
	ask.m.head.size += ask.m.cnt * (uint32_t)sizeof(uint32_t);
	(void)seqpacket_send(in->sampler, &ask, ask.m.head.size, -EBADF);
}

static void say_anything(struct input *in, int to)
{
	uint8_t buf[512] __attribute__((aligned(8))) = { 0 };
	struct wire_head *head = (void *)buf;
	size_t sz;
	const uint8_t *bytes = take_bytes(in, take_byte(in), &sz);

	if (sz > 0)
		memcpy(buf, bytes, sz);
	head->size = (uint32_t)MAX(sz, sizeof(*head));
	(void)seqpacket_send(to, buf, head->size, -EBADF);
}

static void step(struct input *in)
{
	static const uint16_t bare[] = { WIRE_MAKE_ROWS, WIRE_CLOSE, WIRE_RELEASE, WIRE_FORGET,
					 WIRE_NEXT_COMPANION };
	uint8_t op = take_byte(in);
	uint64_t id = CPROF_OBJECT_FIRST + (op >> 4) % FILES;

	switch (op & 15) {
	case 0:
		give_elf(in, id);
		break;
	case 1:
		give_debug(in, id);
		break;
	case 2:
		give_companion(in, id);
		break;
	case 3:
		ask_names(in, in, (uint32_t)id);
		break;
	case 4:
		ask_names(in, in, take_byte(in) % CPROF_OBJECT_FIRST);
		break;
	case 5:
		say_anything(in, in->sampler);
		break;
	case 6:
		say_anything(in, in->opener);
		break;
	case 15:
		ask_pages(in, id);
		break;
	default:
		ask_bare(in, bare[op % ELEMENTSOF(bare)], id);
		break;
	}
}

/* The loop's turn. Negative: it gave up. */
static int turn(struct symbolizer *s)
{
	int r = s->opener.fd >= 0 ? symbolizer_on_opener(NULL, EPOLLIN, s) : 0;

	if (r == 0 && s->sampler.fd >= 0)
		r = symbolizer_on_sampler(NULL, EPOLLIN, s);
	return r;
}

static void meet(struct symbolizer *s, enum wire_role role, int *ret_end)
{
	int fds[2];

	FUZZ_CHECK(seqpacket_pair(fds) == 0);
	FUZZ_CHECK(symbolizer_peer(s, role, fds[1]) == 0);
	*ret_end = fds[0];
}

static void play(struct symbolizer *s, struct input *in)
{
	FUZZ_CHECK(loop_new(&s->loop) == 0);
	FUZZ_CHECK(loop_add_timer(s->loop, SYMBOLIZER_CONTROL, symbolizer_on_expiry, s,
				  &s->expiry) == 0);
	meet(s, WIRE_ROLE_SAMPLER, &in->sampler);
	meet(s, WIRE_ROLE_OPENER, &in->opener);
	for (int i = 0; i < STEPS_MAX && in->left > 0; i++) {
		step(in);
		if (turn(s) < 0)
			break;
		hear(in);
	}
	in->sampler = fd_close(in->sampler);
	in->opener = fd_close(in->opener);
	files_done(&s->files);
	lines_done(&s->lines);
	tables_done(&s->tables);
	symbolizer_done(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	struct input in = { .data = data, .left = sz };
	int before = dup(STDERR_FILENO), after;
	_cleanup_free_ struct symbolizer *s = calloc(1, sizeof(*s));

	FUZZ_CHECK(s && before >= 0);
	(void)close(before);
	log_open("fuzz-questions", LOG_LEVEL_ERROR - 1);
	s->sampler.fd = s->opener.fd = s->kallsyms = s->vdso = -EBADF;
	s->tables.bytes_max = TABLES_BYTES_MAX;
	play(s, &in);
	after = dup(STDERR_FILENO);
	FUZZ_CHECK(after == before);
	(void)close(after);
	return 0;
}
