/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* tables — what was loaded, by object index (which is dense: an array), under one memory budget. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cprof/base/vec.h"
#include "cprof/symtab.h"
#include "cprof/wire.h"

#define TABLES_OBJECTS_MAX (1u << 20)

struct table {
	struct symtab *symtab; /* NULL: only the status is known */
	enum wire_object_status status;
	bool known;
};

struct tables {
	VEC(struct table) by_object;
	size_t bytes;
	size_t bytes_max;
};

/* NULL when nothing is known of this object. */
const struct table *tables_get(const struct tables *t, uint32_t object);
/* Replaces what was there; takes @symtab also when it fails: -ENOMEM, -ERANGE (no such index). */
int tables_put(struct tables *t, uint32_t object, enum wire_object_status status,
	       struct symtab *symtab);
void tables_forget(struct tables *t, uint32_t object);
/* What one more table may take. */
size_t tables_room(const struct tables *t);
void tables_done(struct tables *t);
