/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * merge-internal — what all files have in common. Every table is one of interned bytes: a function is
 * equal to another when its bytes are, and its number is the id that it gets in the file (0 is none).
 */

#include "cprof/base/str.h"
#include "cprof/merge.h"
#include "cprof/pprof_write.h"

/* Keys of the tables; padding is explicit, for they are compared as bytes. */
struct merge_function {
	uint32_t name; /* strings of the merged file */
	uint32_t system_name;
	uint32_t file;
	uint32_t pad;
	int64_t start_line;
};

/* Not its size: that of a file without facts grows with what was seen of it. */
struct merge_mapping {
	uint32_t file;
	uint32_t build_id;
	uint64_t offset;
};

/* The rest of a mapping. */
struct merge_region {
	struct pprof_region at;
	uint32_t has;
	const struct pprof_area *area; /* PPROF_AREA_FILE: it is a file */
	uint64_t numbered;
};

/* Followed by its lines. */
struct merge_location {
	uint64_t distance; /* from the start of its mapping; MERGE_NUMBERED: it has none to tell */
	uint32_t mapping;  /* 0: none */
	uint32_t folded;
};

#define MERGE_NUMBERED UINT64_MAX

struct merge_line {
	uint32_t function;
	uint32_t pad;
	int64_t line, column;
};

/* Followed by its labels, then by its locations. */
struct merge_sample {
	uint32_t locations;
	uint32_t labels;
};

struct merge_label {
	uint32_t key, str, unit, pad;
	int64_t num;
};

/* What becomes of a comment; comments.c has the list. */
enum merge_rule {
	MERGE_KEEP,	/* where all files have it, and agree */
	MERGE_SUM,	/* where all files have it */
	MERGE_RANGE,	/* likewise, from the least to the most: a number, or "49-99" */
	MERGE_SUM_ANY,	/* of those that have it */
	MERGE_KEEP_ANY, /* where those that have it agree */
	MERGE_REASONS,	/* "reason:count,...": each is a sum */
	MERGE_COUNTED,	/* of the merged file, made anew */
};

struct merge_comment {
	uint32_t text;	/* the key, or of a comment that is not ours all of it */
	uint32_t value; /* string, for those that are kept */
	uint64_t sum;	/* of a range: the most */
	uint64_t least; /* of a range */
	size_t files;	/* how many have it */
	size_t last;	/* index + 1 of the last one that did */
	enum merge_rule rule;
	bool ours;
	bool differs;
};

struct merge_reason {
	uint32_t name;
	uint64_t sum;
};

struct merge {
	const struct merge_opts *opts;
	struct strtab strings, functions, mappings, locations, samples;
	VEC(struct merge_region) regions; /* by mapping - 1 */
	VEC(int64_t) values;		  /* by sample - 1, types.cnt each */
	VEC(int64_t) totals;		  /* by type */
	VEC(struct pprof_type) types;
	VEC(struct merge_comment) comments;
	VEC(struct merge_reason) reasons;
	VEC(int64_t) objects; /* strings: what is said of them */
	struct pprof_type period_type;
	uint32_t default_type;
	int64_t period;
	bool period_differs; /* then it is the mean over samples */
	int64_t period_sum;  /* of the periods of all samples */
	int64_t from_ns, to_ns;
	size_t files;	  /* read so far */
	uint64_t windows; /* that they are of */
	size_t held;	  /* bytes that the file being added takes */
	char *text;	  /* being cleaned */
	size_t text_sz;
};

/* A file that is being added: its indexes to ids of the merged one. */
struct merge_file {
	struct merge *merge;
	struct pprof profile;
	uint32_t *strings; /* PPROF_NONE: not looked at yet */
	uint32_t *functions;
	uint32_t *mappings;
	uint32_t *locations;
	VEC(uint8_t) key;
	int64_t samples; /* of the first type */
};

/* 0, -EFBIG, -ENOMEM. */
int merge_check_memory(const struct merge *m, size_t more);

/* The merged file's id of a string; 0 or -ENOMEM. */
int merge_string(struct merge_file *f, uint32_t string, uint32_t *ret);
/* What was parsed joins the merged tables. As merge_profiles(). */
int merge_add(struct merge_file *f);

/* Of a file whose samples were added. */
int merge_add_comments(struct merge_file *f);
/* Were all files sampled by rate? Then what a sample stands for is its own, and the period a mean. */
bool merge_is_by_rate(const struct merge *m);

/* What the merged file holds. */
struct merge_counts {
	uint64_t samples, frames, symbolized;
	uint64_t processes; /* by its labels */
};

/* *ret: the strings to put as comments, the caller's to free. */
int merge_list_comments(struct merge *m, const struct merge_counts *counts, int64_t **ret,
			size_t *ret_cnt);

/* Everything, when all files were added. */
int merge_write(struct merge *m, uint64_t *ret_bytes);

/* The key at this id, and its size. */
static inline const void *merge_key(const struct strtab *t, uint32_t id)
{
	return strtab_get(t, id);
}
