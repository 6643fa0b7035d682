/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tables outlive their files, so that a later process of a millisecond has names at new offsets. The
 * price is memory that only the sampler's FORGET gives back; when the budget is used up, further
 * files are reported as too large and keep no table.
 */

#include "tables.h"

#include <errno.h>
#include <string.h>

const struct table *tables_get(const struct tables *t, uint32_t object)
{
	if (object >= t->by_object.cnt || !t->by_object.v[object].known)
		return NULL;
	return &t->by_object.v[object];
}

static int make_room(struct tables *t, uint32_t object)
{
	size_t more;
	int r;

	if (object >= TABLES_OBJECTS_MAX)
		return -ERANGE;
	if (object < t->by_object.cnt)
		return 0;
	more = object + 1 - t->by_object.cnt;
	r = vec_reserve(&t->by_object, more);
	if (r < 0)
		return r;
	memset(t->by_object.v + t->by_object.cnt, 0, more * sizeof(*t->by_object.v));
	t->by_object.cnt += more;
	return 0;
}

int tables_put(struct tables *t, uint32_t object, enum wire_object_status status,
	       struct symtab *symtab)
{
	_cleanup_(symtab_freep) struct symtab *owned = symtab;
	int r;

	r = make_room(t, object);
	if (r < 0)
		return r;
	tables_forget(t, object);
	if (owned)
		t->bytes += symtab_bytes(owned);
	t->by_object.v[object] = (struct table){
		.symtab = TAKE_PTR(owned),
		.status = status,
		.known = true,
	};
	return 0;
}

void tables_forget(struct tables *t, uint32_t object)
{
	struct table *table;

	if (object >= t->by_object.cnt)
		return;
	table = &t->by_object.v[object];
	if (table->symtab)
		t->bytes -= symtab_bytes(table->symtab);
	symtab_free(table->symtab);
	*table = (struct table){ 0 };
}

size_t tables_room(const struct tables *t)
{
	return t->bytes < t->bytes_max ? t->bytes_max - t->bytes : 0;
}

void tables_done(struct tables *t)
{
	for (uint32_t i = 0; i < t->by_object.cnt; i++)
		tables_forget(t, i);
	vec_done(&t->by_object);
}
