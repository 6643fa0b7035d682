/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * case-file — stacks of live processes out of a file that `cprofctl record --raw --with-memory` wrote: each
 * with its registers, memory and mappings, the sample that it belongs to, and the rows of the files that
 * it may lead through.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/object.h"
#include "cprof/rows.h"

struct case_object {
	char *path; /* "": not known */
	uint8_t build_id[OBJECT_BUILD_ID_MAX];
	uint8_t build_id_sz;
	bool has_rows;
	uint8_t *bytes; /* of the rows */
	struct rows_view rows;
};

/* Of a sample what matters here; its frames are what the kernel's walk found, leaf first. */
struct case_sample {
	uint64_t seq;
	uint64_t start_ns;
	uint32_t pid;
	uint32_t exec;
	uint16_t cpu;
	uint16_t user_cnt;
	uint8_t user_end;
	char comm[CPROF_COMM_SZ];
	const struct cprof_frame *user;
};

struct case_stack {
	const struct cprof_kept *kept;
	const struct cprof_kept_map *maps; /* kept->maps_cnt */
	const void *memory;		   /* kept->stack_sz bytes, from kept->stack_addr up */
	const struct case_sample *sample;  /* NULL: it is not in the file */
};

struct case_file;

typedef void (*case_fn)(const struct case_file *f, const struct case_stack *s, void *ctx);

/* One after the other, valid during the call. 0, or -errno, which was said on stderr. */
int case_file_read(const char *path, case_fn fn, void *ctx);
/* NULL: there is none of that number. */
const struct case_object *case_object(const struct case_file *f, uint32_t id);
uint32_t case_objects_cnt(const struct case_file *f);
/* Of enum cprof_stack_end. */
const char *case_end_name(unsigned int end);
/* The mapping that an address lies in; NULL: none that was kept. */
const struct cprof_kept_map *case_map(const struct case_stack *s, uint64_t addr);
