/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lines — what files tell of their source: by DWARF, their own or that of a separate debug file, or by the
 * table of Go's runtime.
 *
 * Which function was inlined where is far more than a table of names, so it is looked up in the file, for the
 * places that were sampled and no others. The file is open while its processes are at work (until the sampler
 * says RELEASE); how it is put together is remembered beyond that, for when it comes again (WIRE_FILE_LINES).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/vec.h"
#include "cprof/elf_file.h"

#define LINES_FILES_MAX 64
/* Of all that is remembered of files. */
#define LINES_BYTES_MAX (64u << 20)
/* About a byte that is looked at, each (dwarf.h): a file's share, little more than a second, and for how long. */
#define LINES_WORK (1280ull << 20)
#define LINES_WORK_NS 600000000000ull

/* Nothing was asked of a file for so long: what can be had again is let go of. */
#define LINES_REST_NS 3000000000ull

/* Further files that are open, of all together: RLIMIT_NOFILE is 1024. */
#define LINES_COMPANIONS_MAX 256
/* Of headers that are kept of each. */
#define LINES_COMPANION_HEADERS_MAX (128u << 10)

struct dwarf_want;
struct lines_file;

struct lines {
	VEC(struct lines_file *) v; /* in no order */
	uint64_t used;		    /* counts up with every use */
	uint64_t seed;		    /* random */
};

/* A function at a place, as in dwarf.h. Texts are a stranger's bytes; never NULL. */
struct lines_frame {
	const char *name;
	const char *linkage;
	const char *file;
	uint32_t line, column, start_line;
};

/*
 * Whether the file tells lines; it stays the caller's, and is opened once more if it does. @debug, which it
 * takes, is its separate debug file, or NULL. 1, 0 or -errno.
 */
int lines_add(struct lines *l, uint32_t object, const struct elf_file *f, struct elf_file *debug);
/* The file came again; takes the descriptor. One that was forgotten meanwhile is as a new one. 0 or -errno. */
int lines_attach(struct lines *l, uint32_t object, int fd, uint64_t file_sz);
void lines_release(struct lines *l, uint32_t object);
void lines_forget(struct lines *l, uint32_t object);
void lines_done(struct lines *l);
/* Files that nothing is asked of keep less. When to look again; UINT64_MAX: there is no need. */
uint64_t lines_rest(struct lines *l, uint64_t now_ns);

enum lines_state { LINES_NONE, LINES_CLOSED, LINES_OPEN };
enum lines_state lines_state(const struct lines *l, uint32_t object);

/* Are they by Go's table, and not by debugging information alone? */
bool lines_are_go(const struct lines *l, uint32_t object);

/* The innermost frame comes first. */
struct lines_place {
	const struct lines_frame *frames;
	size_t cnt;
	uint64_t start; /* the offset of the outermost one's code; 0: not known */
	bool part;	/* a further file would tell more */
};

typedef int (*lines_fn)(void *ctx, size_t i, const struct lines_place *place);

struct lines_question {
	const uint64_t *offsets; /* in the file, ascending */
	size_t cnt;
	uint64_t now_ns;
	lines_fn fn;
	void *ctx;
};

/*
 * Places of which nothing is told are left out. What is told is good until fn() returns, which ends it by
 * another value than 0. 0, what fn() said, or -errno.
 */
int lines_find(struct lines *l, uint32_t object, const struct lines_question *q);

/* Is one of the further files wanted that nobody looked for yet (dwarf.h)? */
bool lines_wants(const struct lines *l, uint32_t object);
/* The next one of them, and its number; now it was looked for. Valid until the next lines_find() or lines_give(). */
bool lines_next_want(struct lines *l, uint32_t object, struct dwarf_want *ret,
		     uint32_t *ret_number);
/* Takes the descriptor. 1: it was taken; 0: it is another one; -ENOENT: it is not wanted; -ENOMEM and others. */
int lines_give(struct lines *l, uint32_t object, uint32_t number, int fd, uint64_t file_sz);
