/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pprof_write — tables to the bytes of a profile file, gzip'd as they come; and the addresses that
 * the places of a file have, which are our own (docs/formats/profile.md).
 *
 * The tree of a whole profile never stands in memory: each put is written at once. Ids are index + 1,
 * in the order of the puts: dense from 1, which Parca insists on.
 */

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "cprof/pprof.h"

/* Takes the next bytes of the file; 0 or -errno, which ends the writing. */
typedef int (*pprof_write_fn)(const void *bytes, size_t sz, void *ctx);

struct pprof_writer;

struct pprof_head {
	const struct pprof_type *types;
	size_t types_cnt;
	struct pprof_type period_type;
	uint32_t default_type; /* string */
	int64_t period;
	int64_t time_ns;
	int64_t duration_ns;
};

int pprof_writer_new(pprof_write_fn write, void *ctx, struct pprof_writer **ret);
struct pprof_writer *pprof_writer_free(struct pprof_writer *w);

/* 0, -ENOMEM or the writer's error. The head once; strings last, for what comes before adds some. */
int pprof_put_head(struct pprof_writer *w, const struct pprof_head *head);
int pprof_put_sample(struct pprof_writer *w, const struct pprof_sample *s);
int pprof_put_mapping(struct pprof_writer *w, const struct pprof_mapping *m);
/* @lines: those of this location. */
int pprof_put_location(struct pprof_writer *w, const struct pprof_location *l,
		       const struct pprof_line *lines);
int pprof_put_function(struct pprof_writer *w, const struct pprof_function *f);
int pprof_put_comments(struct pprof_writer *w, const int64_t *strings, size_t cnt);
int pprof_put_strings(struct pprof_writer *w, const struct strtab *strings);
/* The end of the file; *ret_bytes is its size. */
int pprof_writer_finish(struct pprof_writer *w, uint64_t *ret_bytes);

#define PPROF_PAGE 4096ULL

/* Part of an object, and where it goes in the file's address space. */
struct pprof_region {
	uint64_t file_offset; /* of the first byte, page-aligned */
	uint64_t size;	      /* page-aligned */
	uint64_t link;	      /* where the linker put it; 0: it has no such place */
	uint64_t start;	      /* given by pprof_place() */
};

/* Addresses that are taken. */
struct pprof_space {
	VEC(struct pprof_region) linked;
	uint64_t slot;
};

/* At its link address where nobody before is, else in a slot of its own. 0 or -ENOMEM. */
int pprof_place(struct pprof_space *space, struct pprof_region *region);
void pprof_space_done(struct pprof_space *space);
/* Can a mapping that begins there be at its link address? */
bool pprof_is_linked(uint64_t start);

/* What is no file: distances below are as they are, those above are numbers, given as they come. */
struct pprof_area {
	const char *file;  /* Mapping.filename */
	const char *label; /* in brackets the name of frames that have none */
	uint64_t distances;
	uint64_t size;
};

enum pprof_area_id {
	PPROF_AREA_FILE, /* none of the others */
	PPROF_AREA_UNKNOWN,
	PPROF_AREA_KERNEL,
	PPROF_AREA_VDSO,
	PPROF_AREA_ANON,
	PPROF_AREA_JIT,
	PPROF_AREA_MAX,
};

extern const struct pprof_area pprof_areas[PPROF_AREA_MAX];

/* The next distance of a place that has none which may be told. */
uint64_t pprof_number(const struct pprof_area *area, uint64_t *numbered);

#define PPROF_NO_STACK "[no stack]"
#define PPROF_NO_FILE "unknown file"

DEFINE_CLEANUP(struct pprof_writer *, pprof_writer_free);
