/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * places — where a file that goes with a mapped one may be: in the root of a process that has that mapped, and
 * then in our own.
 */

#include "target.h"

struct places_root {
	const struct root *root; /* ours, for /proc */
	uint32_t pid;		 /* 0: it is our own */
	int fd;
	bool foreign; /* in mounts of somebody's who is not the machine's administrator */
	char prefix[WIRE_PATH_MAX]; /* where it is for us; "": at the top */
};

/* A path of the file, split: both are below the root whether or not they begin with '/', terminated. */
struct places_name {
	char dir[2 * WIRE_PATH_MAX + 64];
	char file[WIRE_LINK_MAX + 1];
};

/* What it is called at a place; false: there is no such place. */
typedef bool (*places_name_fn)(const struct places_root *r, const void *ctx, unsigned int place,
			       struct places_name *ret);

struct places {
	uint32_t pid; /* the process */
	uint64_t start_ns;
	uint32_t owner;	   /* of the mapped file: it made this one too, or root did */
	unsigned int from; /* the first that is looked at; those of our own root are counted on */
	unsigned int cnt;  /* in each root */
	places_name_fn name;
	const void *ctx;
};

/* The first that there is. *ret and *ret_place are set with WIRE_OPENED_OK only; NONE: there is none (more). */
enum wire_opened_status places_open(const struct root *root, const struct places *p,
				    struct target *ret, uint32_t *ret_place);

/* The directory of a path as the kernel tells it, as seen from this root; false: it is not below it, or not known. */
bool places_dir(const struct places_root *r, const char *path, size_t len, char *dst,
		size_t dst_sz);
