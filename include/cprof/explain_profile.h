/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * explain_profile — what profiles tell of their frames, object by object: how many have a name and a line, where
 * these come from, and why others have none (the comments `object` of docs/formats/profile.md).
 *
 * Also of profiles that others made, which have no such comments: then a location without a line has no name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/cleanup.h"

#define EXPLAIN_WORDS_SZ 256

/* Texts are clean and borrowed; "" is not known. */
struct explain_object {
	const char *file; /* of its mapping */
	const char *build_id;
	uint64_t samples; /* whose leaf is in it */
	/* Once for each sample that it is in, however often it is in that. */
	uint64_t frames, frames_named, frames_lined;
	/* Each once. */
	uint64_t places, places_named, places_lined;
	char names[EXPLAIN_WORDS_SZ]; /* where they come from: words, separated by "," */
	char lines[EXPLAIN_WORDS_SZ];
	char why[EXPLAIN_WORDS_SZ]; /* places may be without a name */
};

struct explain_totals {
	uint64_t samples, frames, frames_named, frames_lined, places, places_named, places_lined;
	size_t files;
};

struct explain_profile;

/* @seed: random. 0 or -ENOMEM. */
int explain_profile_new(uint64_t seed, struct explain_profile **ret);
struct explain_profile *explain_profile_free(struct explain_profile *p);

/*
 * Adds a file (gzip or plain). 0, -EBADMSG: not a profile, -E2BIG: beyond the size limit, -ENOMEM. One that fails
 * leaves all as it was, but for objects without a frame.
 */
int explain_profile_add(struct explain_profile *p, const void *bytes, size_t sz);

/* By frames, most first; valid until the next call or add. 0 or -ENOMEM. */
int explain_profile_objects(struct explain_profile *p, const struct explain_object **ret,
			    size_t *ret_cnt);
void explain_profile_totals(const struct explain_profile *p, struct explain_totals *ret);

DEFINE_CLEANUP(struct explain_profile *, explain_profile_free);
