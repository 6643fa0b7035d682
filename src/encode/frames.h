/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * frames — located frames to the Locations and Functions of a file, each once, numbered from 1.
 *
 * A Location is a place in an object: the exact pc, or a return address minus one, which lies in
 * the call instruction (pprof does not subtract). A frame that nobody could name gets a Function
 * all the same, called after its object ("[libfoo.so.1]"): without one pprof would try to symbolize
 * the mapping again, and warn. What was inlined at a place are more lines of its Location.
 */

#include <stdint.h>

#include "cprof/base/str.h"
#include "cprof/names.h"
#include "layout.h"

struct frames_location {
	uint64_t place;
	uint64_t distance; /* from the region's start */
	uint32_t object;
	uint32_t region; /* FRAMES_NO_REGION: none */
	uint32_t line;	 /* the first of its lines, innermost function first */
	uint32_t line_cnt;
};

#define FRAMES_NO_REGION UINT32_MAX

struct frames_function {
	uint32_t name;	      /* string ids of the file */
	uint32_t system_name; /* 0: as the name */
	uint32_t source;
	uint32_t start_line;
};

struct frames {
	struct layout *layout;
	const struct names *names;
	struct strtab *strings;
	VEC(struct frames_location) locations;
	VEC(struct frames_function) functions;
	VEC(struct pprof_line) lines;
	struct map location_map, function_map;
	uint64_t seed;
	uint64_t named;	   /* locations with a function's real name */
	uint32_t no_stack; /* index + 1 of the location of samples without a stack */
};

void frames_init(struct frames *f, struct layout *layout, const struct names *names,
		 struct strtab *strings);
void frames_done(struct frames *f);

/* The index of the frame's location (its id is one more). 0 or -ENOMEM. */
int frames_intern(struct frames *f, const struct window_frame *frame, uint32_t *ret_location);
/* The same for a stack that has no frame: pprof shows a sample without a location nowhere. */
int frames_intern_no_stack(struct frames *f, uint32_t *ret_location);
