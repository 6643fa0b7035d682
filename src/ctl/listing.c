/* SPDX-License-Identifier: Apache-2.0 */

/* Rows are places in the daemon's text, so that what is printed of them is what it wrote. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/json.h"
#include "listing.h"

static int compare_rows(const void *x, const void *y)
{
	const struct listing_row *a = x, *b = y;

	return CMP(a->order, b->order) ?: CMP(a->index, b->index);
}

int listing_choose(struct listing *l, listing_fn fn, void *ctx)
{
	struct json_value list = json_text_member(l->answer.root, l->key);

	for (struct json_value v = json_text_first(list); v.at; v = json_text_next(v)) {
		struct listing_row row = { .value = v, .index = l->rows.cnt };

		if (fn(v, &row.order, ctx) && vec_push(&l->rows, row) < 0)
			return -ENOMEM;
	}
	if (l->rows.cnt > 0)
		qsort(l->rows.v, l->rows.cnt, sizeof(*l->rows.v), compare_rows);
	return 0;
}

void listing_limit(struct listing *l, size_t max)
{
	l->rows.cnt = MIN(l->rows.cnt, max);
}

void listing_print_json(const struct listing *l, FILE *f)
{
	struct json j = JSON_INIT(f);
	struct json_entry e;

	json_object(&j, NULL);
	for (bool more = json_text_first_entry(l->answer.root, &e); more;
	     more = json_text_next_entry(&e)) {
		if (strcmp(e.key, l->key) != 0) {
			json_raw(&j, e.key, e.value.at, json_text_size(e.value));
			continue;
		}
		json_array(&j, l->key);
		for (size_t i = 0; i < l->rows.cnt; i++)
			json_raw(&j, NULL, l->rows.v[i].value.at,
				 json_text_size(l->rows.v[i].value));
		json_array_end(&j);
	}
	json_object_end(&j);
	fputc('\n', f);
}

void listing_done(struct listing *l)
{
	vec_done(&l->rows);
	ask_answer_done(&l->answer);
}
