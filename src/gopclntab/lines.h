/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* lines — what is behind struct gopclntab_lines. */

#include "cprof/gopclntab_lines.h"
#include "details.h"
#include "tree.h"
#include "values.h"

#define LINES_TEXT_SZ (256u << 10) /* of the strings of one answer */

struct gopclntab_lines {
	struct gopclntab_sources sources;
	struct gopclntab_lines_limits limits;
	enum gopclntab_trees trees;
	struct tables tables;
	struct window units;
	struct window paths;
	struct tree tree;
	struct gopclntab_func func; /* the last one that was asked for; start == end: none */
	struct details details;
	struct values files;
	struct values lines;
	struct values calls;
	struct gopclntab_place places[GOPCLNTAB_PLACES_MAX];
	size_t places_cnt;
	bool cut;
	bool flat;
	bool lies; /* about what was inlined */
	size_t text_sz;
	char text[LINES_TEXT_SZ];
};

/*
 * Are there trees where l->tree.base says? 1; 0: there is none to be seen; -EBADMSG: there is something else;
 * -errno.
 */
int proof_try(struct gopclntab_lines *l);

/* Reads what the record of l->func says. 0; -EBADMSG: not all of it can be believed; or an error. */
int lines_load(struct gopclntab_lines *l);

/* Fills the places of an address of l->func. 0; -E2BIG: no more work may be done; -errno of a read. */
int places_make(struct gopclntab_lines *l, uint64_t addr);
