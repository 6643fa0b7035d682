/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cprofd-symbolizer — the role that reads the bytes of strangers' files, and may do nothing else.
 *
 * Files come as descriptors from the opener, questions from the sampler, and all answers go to the
 * sampler. It may crash, spin or bloat on a file: it is restarted, and what it held comes again. No
 * request is read while an answer waits for room in the sampler's socket, or while there is no
 * sampler, so nothing is dropped and nothing piles up here; the kernel's socket buffers are the queue.
 *
 * A message that breaks the protocol ends the role: the neighbours are stronger than it, so either
 * they or it is broken, and a new one starts clean.
 */

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "answer.h"
#include "confine.h"
#include "explain.h"
#include "cprof/object_source.h"
#include "cprof/symtab_lean.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/log.h"
#include "cprof/base/loop.h"
#include "cprof/base/rng.h"
#include "cprof/base/seqpacket.h"
#include "outbox.h"
#include "vdso.h"

/* Beside the 112 MiB that a file may take while it is read, and what a process takes anyhow. */
#define TABLES_BYTES_MAX (64u << 20)
#define MMAP_THRESHOLD (64 << 10)

enum symbolizer_priority { SYMBOLIZER_CONTROL, SYMBOLIZER_SAMPLER, SYMBOLIZER_OPENER };

struct watch {
	int fd;
	struct loop_source *source;
	uint32_t events;
};

struct symbolizer {
	struct loop *loop;
	struct watch sampler;
	struct watch opener;
	int kallsyms;
	int vdso; /* a copy; -EBADF: there is none */
	struct tables tables;
	struct files files;
	struct lines lines;
	struct pages pages;
	struct loop_source
		*expiry; /* of files, and of what is remembered of those that tell lines */
	struct outbox outbox;
	union answer request; /* any message fits */
	union answer answer;
};

static int watch_set(struct symbolizer *s, struct watch *w, uint32_t events, int priority,
		     loop_io_fn fn)
{
	if (w->fd < 0)
		events = 0;
	if (w->events == events)
		return 0;
	w->source = loop_remove(w->source);
	w->events = events;
	if (events == 0)
		return 0;
	return loop_add_io(s->loop, w->fd, events, priority, fn, s, &w->source);
}

static void watch_close(struct watch *w)
{
	w->source = loop_remove(w->source);
	w->events = 0;
	w->fd = fd_close(w->fd);
}

static int symbolizer_on_sampler(struct loop_source *source, uint32_t events, void *ctx);
static int symbolizer_on_opener(struct loop_source *source, uint32_t events, void *ctx);

/* Requests are read only when their answers have somewhere to go. */
static int symbolizer_watch(struct symbolizer *s)
{
	bool may_answer = s->sampler.fd >= 0 && outbox_is_empty(&s->outbox);
	int r;

	r = watch_set(s, &s->sampler, may_answer ? EPOLLIN : EPOLLOUT, SYMBOLIZER_SAMPLER,
		      symbolizer_on_sampler);
	if (r < 0)
		return r;
	return watch_set(s, &s->opener, may_answer ? EPOLLIN : 0, SYMBOLIZER_OPENER,
			 symbolizer_on_opener);
}

/* Object indexes are the sampler's: without it the tables belong to nothing. */
static void symbolizer_drop_sampler(struct symbolizer *s)
{
	watch_close(&s->sampler);
	outbox_clear(&s->outbox);
	tables_done(&s->tables);
	files_done(&s->files);
	lines_done(&s->lines);
	pages_done(&s->pages);
}

static int symbolizer_post(struct symbolizer *s, const struct wire_head *m, int fd)
{
	int r;

	if (s->sampler.fd < 0)
		return 0;
	r = outbox_send(&s->outbox, s->sampler.fd, m, m->size, fd);
	if (r != -EPIPE)
		return r;
	symbolizer_drop_sampler(s);
	return 0;
}

static int symbolizer_send(struct symbolizer *s)
{
	return symbolizer_post(s, &s->answer.head, -EBADF);
}

/* Sends the answer and the rows that go with it, if any. */
static int symbolizer_send_both(struct symbolizer *s, const struct rows_answer *rows)
{
	int r = symbolizer_send(s);

	return r < 0 || rows->fd < 0 ? r : symbolizer_post(s, &rows->m.head, rows->fd);
}

static int symbolizer_send_rows(struct symbolizer *s, const struct rows_answer *rows)
{
	return symbolizer_post(s, &rows->m.head, rows->fd);
}

/*
 * What comes next may take long, or be the end of us: whose fault that is, is told before. 1: go on; 0: a
 * sampler that is gone took all its files with it.
 */
static int symbolizer_begin(struct symbolizer *s, uint32_t object)
{
	struct rows_answer begun;
	int r;

	rows_answer_bare(object, WIRE_ROWS_BEGUN, &begun);
	r = symbolizer_send_rows(s, &begun);
	return r < 0 ? r : s->sampler.fd >= 0;
}

/* Further pages of a file that is open for them. */
static int symbolizer_more_pages(struct symbolizer *s, const struct wire_make_pages *m,
				 struct unwind_pages *pages)
{
	_cleanup_(rows_answer_done) struct rows_answer rows = ROWS_ANSWER_INIT;
	int r = symbolizer_begin(s, (uint32_t)m->head.id);

	if (r <= 0)
		return r;
	r = rows_answer_pages(m, pages, &rows);
	return r < 0 ? r : symbolizer_send_rows(s, &rows);
}

/* @m: pages are enough; NULL: all. */
static int symbolizer_rows(struct symbolizer *s, uint32_t object, const struct wire_make_pages *m)
{
	_cleanup_(rows_answer_done) struct rows_answer rows = ROWS_ANSWER_INIT;
	struct file *file = files_get(&s->files, object);
	struct unwind_pages *pages = m ? pages_get(&s->pages, object) : NULL;
	int r;

	if (pages)
		return symbolizer_more_pages(s, m, pages);
	if (!file) {
		rows_answer_bare(object, WIRE_ROWS_GONE, &rows);
		return symbolizer_send_rows(s, &rows);
	}
	r = symbolizer_begin(s, object);
	if (r <= 0)
		return r;
	r = answer_rows_or_pages(&s->tables, &s->pages, file, m, &rows);
	if (r < 0)
		return r;
	if (file->elf && lines_state(&s->lines, object) == LINES_NONE) {
		rows_answer_part(file->elf, WIRE_PART_LINES, &rows);
		file->part = rows.m.part;
	}
	if (!rows.m.part)
		files_close(&s->files, object);
	return symbolizer_send_rows(s, &rows);
}

/* Takes the debug file. */
static int symbolizer_debug_lines(struct symbolizer *s, const struct file *file,
				  struct elf_file *debug, struct rows_answer *rows)
{
	_cleanup_(elf_file_closep) struct elf_file *owned = debug;
	int r;

	if (!(file->part & WIRE_PART_LINES))
		return 0;
	r = lines_add(&s->lines, file->object, file->elf, TAKE_PTR(owned));
	if (r <= 0)
		return r == -ENOMEM ? r : 0;
	if (rows->m.status == WIRE_ROWS_OTHER)
		rows_answer_bare(file->object, WIRE_ROWS_KEPT, rows);
	rows->m.lined = 1;
	return 0;
}

/* Takes the descriptor. */
static int symbolizer_debug(struct symbolizer *s, const struct wire_debug_file *m, int fd)
{
	_cleanup_(rows_answer_done) struct rows_answer rows = ROWS_ANSWER_INIT;
	_cleanup_close_ int owned = fd;
	uint32_t object = (uint32_t)m->head.id;
	_cleanup_(elf_file_closep) struct elf_file *debug = NULL;
	struct file *file = files_get(&s->files, object);
	int r;

	if (!file) {
		rows_answer_bare(object, WIRE_ROWS_GONE, &rows);
		return symbolizer_send_rows(s, &rows);
	}
	r = symbolizer_begin(s, object);
	if (r <= 0)
		return r;
	debug = answer_open_debug(file, TAKE_FD(owned));
	if (!debug) {
		rows_answer_bare(object, WIRE_ROWS_OTHER, &rows);
		return symbolizer_send_rows(s, &rows);
	}
	r = answer_debug(&s->tables, file, debug, &s->answer, &rows);
	if (r > 0)
		r = symbolizer_send(s);
	if (r == 0)
		r = symbolizer_debug_lines(s, file, TAKE_PTR(debug), &rows);
	if (r < 0)
		return r;
	if (rows.m.status != WIRE_ROWS_OTHER)
		files_close(&s->files, object);
	return symbolizer_send_rows(s, &rows);
}

/* Takes the descriptor. A file that tells lines came again: names wait for the word that it did. */
static int symbolizer_lines(struct symbolizer *s, const struct wire_file *m, int fd)
{
	int r = lines_attach(&s->lines, (uint32_t)m->head.id, fd, m->file_sz);

	s->answer.object = (struct wire_object){
		.head = { .size = sizeof(s->answer.object), .type = WIRE_OBJECT, .id = m->head.id },
		.status = WIRE_OBJECT_READY,
		.lined =
			lines_state(&s->lines, (uint32_t)m->head.id) == LINES_OPEN ? WIRE_LINED : 0,
	};
	return r == -ENOMEM ? r : symbolizer_send(s);
}

static uint32_t symbolizer_lean(struct symbolizer *s, uint32_t object)
{
	const struct table *table = tables_get(&s->tables, object);

	return table && table->symtab && symtab_is_lean(table->symtab) ? WIRE_LINED_NAMES : 0;
}

/* What is not used any more goes, now and later. */
static void symbolizer_expire(struct symbolizer *s, uint64_t now_ns)
{
	uint64_t files_ns = files_expire(&s->files, now_ns);

	loop_timer_set(s->expiry, MIN(files_ns, lines_rest(&s->lines, now_ns)));
}

/* Takes the descriptor. */
static int symbolizer_file(struct symbolizer *s, const struct wire_file *m, int fd)
{
	struct elf_file *elf = NULL;
	uint64_t now_ns = clock_mono_ns();
	int r = answer_file(&s->tables, m, fd, &s->answer, &elf);

	pages_close(&s->pages, (uint32_t)m->head.id);
	log_debug("object %u: status %u", (unsigned int)s->answer.object.head.id,
		  (unsigned int)s->answer.object.status);
	if (r == 0 && elf && elf_file_bytes(elf) <= FILES_HEADERS_MAX)
		r = lines_add(&s->lines, (uint32_t)m->head.id, elf, NULL);
	s->answer.object.lined =
		(r > 0 ? WIRE_LINED : 0) | symbolizer_lean(s, (uint32_t)m->head.id);
	if (r > 0)
		s->answer.object.sources |= lines_are_go(&s->lines, (uint32_t)m->head.id)
						    ? OBJECT_SOURCE_LINES_GO
						    : OBJECT_SOURCE_LINES_DWARF;
	if (r >= 0 && m->kind != WIRE_FILE_PERF_MAP) {
		r = files_put(&s->files, (uint32_t)m->head.id, elf, now_ns);
		symbolizer_expire(s, now_ns);
	} else {
		elf = elf_file_close(elf);
	}
	return r < 0 ? r : symbolizer_send(s);
}

/* Takes the descriptor. */
static int symbolizer_companion(struct symbolizer *s, const struct wire_companion_file *m, int fd)
{
	_cleanup_close_ int owned = fd;
	int r;

	answer_companion_begun(m, &s->answer);
	r = symbolizer_send(s);
	if (r == 0)
		r = answer_companion(&s->lines, m, TAKE_FD(owned), &s->answer);
	return r < 0 ? r : symbolizer_send(s);
}

/* Takes the descriptor. */
static int symbolizer_take(struct symbolizer *s, const struct wire_file *m, int fd)
{
	return m->kind == WIRE_FILE_LINES ? symbolizer_lines(s, m, fd) : symbolizer_file(s, m, fd);
}

static int symbolizer_on_expiry(struct loop_source *source, uint64_t now_ns, void *ctx)
{
	(void)source;
	symbolizer_expire(ctx, now_ns);
	return 0;
}

/* What nobody sends as a file is loaded when it is first asked for, and told before its names. */
static int symbolizer_load_special(struct symbolizer *s, uint32_t object)
{
	_cleanup_(rows_answer_done) struct rows_answer rows = ROWS_ANSWER_INIT;
	int r = 0;

	if (tables_get(&s->tables, object))
		return 0;
	if (object == CPROF_OBJECT_KERNEL)
		r = answer_kernel(&s->tables, s->kallsyms, &s->answer);
	else if (object == CPROF_OBJECT_VDSO)
		r = answer_vdso(&s->tables, s->vdso, &s->answer, &rows);
	else
		return 0;
	return r < 0 ? r : symbolizer_send_both(s, &rows);
}

static int symbolizer_names(struct symbolizer *s, const struct wire_names *m)
{
	uint64_t now_ns = clock_mono_ns();
	int r;

	r = symbolizer_load_special(s, m->object);
	if (r < 0)
		return r;
	r = answer_names(&s->tables, &s->lines, m, now_ns, &s->answer);
	symbolizer_expire(s, now_ns);
	return r < 0 ? r : symbolizer_send(s);
}

/*
 * Receives one message and checks it: its type, 0 when there is none (or the peer is gone, which
 * closes the watch), or -errno.
 */
static int symbolizer_receive(struct symbolizer *s, struct watch *w, int *ret_fd)
{
	ssize_t n = seqpacket_recv(w->fd, &s->request, sizeof(s->request), ret_fd);

	if (n == -EAGAIN)
		return 0;
	if (n == 0 || n == -EPIPE || n == -ECONNRESET) {
		watch_close(w);
		return 0;
	}
	return n < 0 ? (int)n : wire_check(&s->request, (size_t)n);
}

/* What is no question for names. */
static int symbolizer_told(struct symbolizer *s, int type, uint32_t object)
{
	switch (type) {
	case WIRE_MAKE_ROWS:
		return symbolizer_rows(s, object, NULL);
	case WIRE_MAKE_PAGES:
		return symbolizer_rows(s, object, (const struct wire_make_pages *)&s->request);
	case WIRE_NEXT_COMPANION:
		answer_next_companion(&s->lines, object, &s->answer);
		return symbolizer_send(s);
	case WIRE_CLOSE:
		files_close(&s->files, object);
		return 0;
	case WIRE_RELEASE:
		lines_release(&s->lines, object);
		pages_close(&s->pages, object);
		return answer_release(&s->tables, object);
	case WIRE_FORGET:
		files_close(&s->files, object);
		lines_forget(&s->lines, object);
		pages_close(&s->pages, object);
		tables_forget(&s->tables, object);
		return 0;
	default:
		return -EBADMSG;
	}
}

static int symbolizer_on_sampler(struct loop_source *source, uint32_t events, void *ctx)
{
	struct symbolizer *s = ctx;
	int r;

	r = outbox_flush(&s->outbox, s->sampler.fd);
	if (r == -EPIPE)
		symbolizer_drop_sampler(s);
	else if (r < 0)
		return log_error(r, "cannot answer the sampler: %m");
	if (s->sampler.fd < 0 || !outbox_is_empty(&s->outbox))
		return symbolizer_watch(s);

	r = symbolizer_receive(s, &s->sampler, NULL);
	if (r == 0 && s->sampler.fd < 0)
		symbolizer_drop_sampler(s);
	else if (r == WIRE_NAMES)
		r = symbolizer_names(s, (const struct wire_names *)&s->request);
	else if (r > 0 && s->request.head.id <= UINT32_MAX)
		r = symbolizer_told(s, r, (uint32_t)s->request.head.id);
	else if (r > 0)
		r = -EBADMSG;
	if (r < 0)
		return log_error(r, "from the sampler: %m");
	return symbolizer_watch(s);
}

static int symbolizer_on_opener(struct loop_source *source, uint32_t events, void *ctx)
{
	_cleanup_close_ int fd = -EBADF;
	struct symbolizer *s = ctx;
	int r;

	r = symbolizer_receive(s, &s->opener, &fd);
	if (r == WIRE_FILE && fd >= 0 && s->request.head.id <= UINT32_MAX)
		r = symbolizer_take(s, (const struct wire_file *)&s->request, TAKE_FD(fd));
	else if (r == WIRE_DEBUG_FILE && fd >= 0 && s->request.head.id <= UINT32_MAX)
		r = symbolizer_debug(s, (const struct wire_debug_file *)&s->request, TAKE_FD(fd));
	else if (r == WIRE_COMPANION_FILE && fd >= 0 && s->request.head.id <= UINT32_MAX)
		r = symbolizer_companion(s, (const struct wire_companion_file *)&s->request,
					 TAKE_FD(fd));
	else if (r > 0)
		r = -EBADMSG;
	if (r < 0)
		return log_error(r, "from the opener: %m");
	return symbolizer_watch(s);
}

/* Takes the descriptor. */
static int symbolizer_peer(struct symbolizer *s, uint32_t role, int fd)
{
	_cleanup_close_ int owned = fd;

	if (owned < 0)
		return -EBADMSG;
	switch (role) {
	case WIRE_ROLE_SAMPLER:
		symbolizer_drop_sampler(s);
		s->sampler.fd = TAKE_FD(owned);
		return seqpacket_set_buffer(s->sampler.fd, 2 * WIRE_MESSAGE_MAX);
	case WIRE_ROLE_OPENER:
		watch_close(&s->opener);
		s->opener.fd = TAKE_FD(owned);
		return 0;
	default:
		return -EBADMSG;
	}
}

/* Takes the descriptor. The next question about the kernel loads its table anew. */
static int symbolizer_kallsyms(struct symbolizer *s, int fd)
{
	if (fd < 0)
		return -EBADMSG;
	(void)fd_close(s->kallsyms);
	s->kallsyms = fd;
	tables_forget(&s->tables, CPROF_OBJECT_KERNEL);
	return 0;
}

/* Of the daemon's memory a quarter for tables, and with the file that is being read five eighths. */
static void symbolizer_limit(struct symbolizer *s, uint64_t memory)
{
	struct rlimit limit;

	s->tables.bytes_max = (size_t)MIN(memory / 4, (uint64_t)TABLES_BYTES_MAX);
	if (getrlimit(RLIMIT_DATA, &limit) < 0)
		return;
	limit.rlim_cur = MIN((rlim_t)memory / 8 * 5, limit.rlim_max);
	(void)setrlimit(RLIMIT_DATA, &limit);
}

static int symbolizer_on_control(struct loop_source *source, uint32_t events, void *ctx)
{
	_cleanup_close_ int fd = -EBADF;
	struct symbolizer *s = ctx;
	ssize_t n;
	int r;

	n = seqpacket_recv(WIRE_CONTROL_FD, &s->request, sizeof(s->request), &fd);
	if (n == -EAGAIN)
		return 0;
	r = n > 0 ? wire_check(&s->request, (size_t)n) : (int)n;
	if (r == 0 || r == -ECONNRESET || r == WIRE_STOP) {
		loop_exit(s->loop, 0);
		return 0;
	}
	if (r == WIRE_PEER)
		r = symbolizer_peer(s, ((const struct wire_peer *)&s->request)->role, TAKE_FD(fd));
	else if (r == WIRE_KALLSYMS)
		r = symbolizer_kallsyms(s, TAKE_FD(fd));
	else if (r == WIRE_CONFIG)
		symbolizer_limit(s, ((const struct wire_config *)&s->request)->config.memory);
	else if (r > 0)
		r = -EBADMSG;
	if (r < 0)
		return log_error(r, "from the launcher: %m");
	return symbolizer_watch(s);
}

static void symbolizer_done(struct symbolizer *s)
{
	symbolizer_drop_sampler(s);
	watch_close(&s->opener);
	s->kallsyms = fd_close(s->kallsyms);
	s->vdso = fd_close(s->vdso);
	s->loop = loop_free(s->loop);
}

static int symbolizer_start(struct symbolizer *s)
{
	struct wire_head ready = { .size = sizeof(ready), .type = WIRE_READY };
	struct wire_sandbox sandbox;
	int r;

	s->vdso = vdso_copy();
	/* A fixed one: else large images come to lie in the heap, between tables that stay. */
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	r = loop_new(&s->loop);
	if (r < 0)
		return log_error(r, "no event loop: %m");
	r = loop_add_timer(s->loop, SYMBOLIZER_CONTROL, symbolizer_on_expiry, s, &s->expiry);
	if (r < 0)
		return log_error(r, "no timer: %m");
	r = loop_add_io(s->loop, WIRE_CONTROL_FD, EPOLLIN, SYMBOLIZER_CONTROL,
			symbolizer_on_control, s, NULL);
	if (r < 0)
		return log_error(r,
				 "no socket on descriptor %d: %m; only cprofd starts this program",
				 WIRE_CONTROL_FD);
	r = seqpacket_send(WIRE_CONTROL_FD, &ready, sizeof(ready), -EBADF);
	if (r < 0)
		return log_error(r, "cannot tell cprofd that it is ready: %m");
	r = confine(&sandbox);
	if (r < 0)
		return log_error(r, "cannot confine itself: %m");
	/* A launcher that does not hear it is gone, as the loop will see. */
	(void)seqpacket_send(WIRE_CONTROL_FD, &sandbox, sizeof(sandbox), -EBADF);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(symbolizer_done) struct symbolizer s = {
		.sampler.fd = -EBADF,
		.opener.fd = -EBADF,
		.kallsyms = -EBADF,
		.vdso = -EBADF,
		.tables.bytes_max = TABLES_BYTES_MAX,
		.lines.seed = rng_seed(),
	};

	log_open("cprofd-symbolizer", log_role_level(argc, argv));
	if (argc == 2 && strcmp(argv[1], "--explain") == 0)
		return explain_run();
	if (symbolizer_start(&s) < 0)
		return EXIT_FAILURE;
	return loop_run(s.loop) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
