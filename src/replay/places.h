/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * places — what the file calls the objects and places of a recording.
 *
 * Only objects that were met are numbered, so that nobody's files but the recording's are told. A place
 * in a file stays what it is, one in the kernel's text becomes its distance from _stext behind
 * PLACES_KERNEL_TEXT. All others are runtime addresses: they are numbered as they are met, and places
 * that are equal stay equal.
 */

#include "cprof/base/map.h"
#include "cprof/base/vec.h"
#include "cprof/object.h"

/* Where the file says that the kernel lies; what has no distance is numbered below it. */
#define PLACES_KERNEL_TEXT 0x100000000ULL

struct place {
	uint64_t offset; /* of the recording, as names_offset() gives it */
	uint64_t shown;	 /* in the file */
	uint32_t object;
	uint32_t shown_object;
};

struct places {
	struct objects *objects;
	uint64_t seed;
	VEC(uint32_t) indexes; /* of the objects met, in the end in the order of their ids */
	VEC(struct place) places;
	struct map index_map, place_map;
	uint64_t numbered;
};

void places_init(struct places *p, struct objects *objects, uint64_t seed);
void places_done(struct places *p);

/* First all objects are met, then numbered in the order of the table; 0 or -ENOMEM. */
int places_meet(struct places *p, uint32_t object);
int places_number(struct places *p);
/* The file's id of an object that was met. */
uint32_t places_object(const struct places *p, uint32_t object);
/* The place; 0 and *ret (until the next one), or -ENOMEM. */
int places_place(struct places *p, uint32_t object, uint64_t offset, const struct place **ret);
