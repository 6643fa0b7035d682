/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files that the information goes on in. The supplement is known from the beginning (.gnu_debugaltlink: a
 * path, NUL, and a build id); split units when they are asked for. What is given is held against the id that
 * was wanted; a package answers for all units that are wanted, now or later. Of files of single units some are
 * kept open, for descriptors are few; what is closed is wanted again.
 */

#include <string.h>

#include "internal.h"

#define WANTS_MAX 65536
#define LINK_MAX 4096

static struct companion *companion_free(struct dwarf *d, struct companion *c)
{
	if (!c)
		return NULL;
	part_done(&c->part, &d->ledger);
	ledger_drop(&d->ledger, sizeof(*c));
	free(c);
	return NULL;
}

void wants_done(struct dwarf *d)
{
	for (size_t i = 0; i < d->wants.cnt; i++) {
		free(d->wants.v[i].name);
		free(d->wants.v[i].dir);
	}
	for (size_t i = 0; i < d->companions.cnt; i++)
		(void)companion_free(d, d->companions.v[i]);
	vec_done(&d->wants);
	vec_done(&d->companions);
}

/* 0, -EFBIG or -ENOMEM. */
static int add_want(struct dwarf *d, const struct want *like, const char *name, const char *dir)
{
	_cleanup_free_ char *own_name = strdup(name), *own_dir = strdup(dir);
	struct want w = *like;
	int r;

	if (!own_name || !own_dir)
		return -ENOMEM;
	if (d->wants.cnt == WANTS_MAX)
		return -EFBIG;
	r = ledger_keep(&d->ledger, sizeof(w) + strlen(name) + strlen(dir) + 2);
	if (r < 0)
		return r;
	w.name = own_name;
	w.dir = own_dir;
	r = vec_push(&d->wants, w);
	if (r < 0)
		return r;
	(void)TAKE_PTR(own_name);
	(void)TAKE_PTR(own_dir);
	return 0;
}

int wants_find_supplement(struct dwarf *d)
{
	_cleanup_free_ char *bytes = calloc(1, LINK_MAX + 1);
	/* Most names are there, whatever is asked for. */
	struct want w = { .kind = DWARF_WANT_SUPPLEMENT, .due = true };
	struct elf_section s;
	size_t sz, len;

	if (!bytes)
		return -ENOMEM;
	if (!elf_file_section(d->file, ".gnu_debugaltlink", &s) || s.packing != ELF_PLAIN)
		return 0;
	sz = (size_t)MIN(s.sz, (uint64_t)LINK_MAX);
	if (elf_file_read(d->file, s.offset, bytes, sz) < 0)
		return 0;
	len = strnlen(bytes, sz);
	if (len == 0 || len + 1 >= sz || sz - len - 1 > sizeof(w.build_id))
		return 0;
	w.build_id_sz = (uint32_t)(sz - len - 1);
	memcpy(w.build_id, bytes + len + 1, w.build_id_sz);
	return add_want(d, &w, bytes, "");
}

static struct companion *find_package(const struct dwarf *d)
{
	for (size_t i = 0; i < d->companions.cnt; i++) {
		if (d->companions.v[i]->package)
			return d->companions.v[i];
	}
	return NULL;
}

int wants_unit(struct dwarf *d, const struct unit *skeleton, struct companion **ret)
{
	struct want w = { .kind = DWARF_WANT_UNIT, .id = skeleton->id };
	_cleanup_free_ char *dir = NULL;
	int r;

	*ret = NULL;
	for (size_t i = 0; i < d->wants.cnt; i++) {
		struct want *known = &d->wants.v[i];

		if (known->kind != DWARF_WANT_UNIT || known->id != skeleton->id)
			continue;
		*ret = known->given ? known->given : find_package(d);
		if (*ret)
			(*ret)->used = ++d->clock;
		known->due = !*ret;
		return 0;
	}
	r = unit_text(&d->readers, skeleton, skeleton->dir, d->funcs.scratch, DWARF_TEXT_MAX);
	dir = r < 0 ? NULL : strdup(d->funcs.scratch);
	if (r >= 0)
		r = unit_text(&d->readers, skeleton, skeleton->dwo_name, d->funcs.scratch,
			      DWARF_TEXT_MAX);
	if (r < 0)
		return r;
	if (!dir)
		return -ENOMEM;
	*ret = find_package(d);
	w.due = !*ret;
	return add_want(d, &w, d->funcs.scratch, dir);
}

size_t dwarf_given_cnt(const struct dwarf *d)
{
	return d->companions.cnt;
}

bool dwarf_wants(const struct dwarf *d, size_t i, struct dwarf_want *ret)
{
	const struct want *w;

	if (i >= d->wants.cnt)
		return false;
	w = &d->wants.v[i];
	*ret = (struct dwarf_want){
		.kind = w->kind,
		.name = w->name,
		.dir = w->dir,
		.unit = w->id,
		.build_id = w->build_id,
		.build_id_sz = w->build_id_sz,
		.given = w->given || (w->kind == DWARF_WANT_UNIT && find_package(d)),
	};
	ret->due = w->due && !w->looked_for && !ret->given;
	return true;
}

void dwarf_looked_for(struct dwarf *d, size_t i)
{
	if (i < d->wants.cnt)
		d->wants.v[i].looked_for = true;
}

/* 0; -ENOENT: it is another one. */
static int check_supplement(const struct want *w, const struct elf_file *f)
{
	const uint8_t *id;
	uint32_t sz = elf_file_build_id(f, &id);

	return sz == w->build_id_sz && memcmp(id, w->build_id, sz) == 0 ? 0 : -ENOENT;
}

static int check_unit(struct dwarf *d, const struct want *w, struct companion *c)
{
	/* Of the skeleton its tables are not needed here. */
	struct unit skeleton = { .part = &d->main }, u;
	int r = split_unit(&d->readers, c, &skeleton, w->id, &u);

	unit_done(&u);
	return r;
}

/* Room for one more: the one of a single unit that was not used for longest goes. */
static void make_room(struct dwarf *d)
{
	struct companion *oldest = NULL;
	size_t at = 0;

	if (d->companions.cnt < DWARF_GIVEN_MAX)
		return;
	for (size_t i = 0; i < d->companions.cnt; i++) {
		struct companion *c = d->companions.v[i];

		if (c->package || &c->part == d->supplement || (oldest && oldest->used <= c->used))
			continue;
		oldest = c;
		at = i;
	}
	if (!oldest)
		return;
	for (size_t i = 0; i < d->wants.cnt; i++) {
		if (d->wants.v[i].given == oldest)
			d->wants.v[i].given = NULL;
	}
	d->companions.v[at] = d->companions.v[--d->companions.cnt];
	/* What was remembered of its functions is found by where its part lay. */
	(void)funcs_forget(&d->funcs);
	(void)companion_free(d, oldest);
}

static int check(struct dwarf *d, const struct want *w, struct companion *c)
{
	int r;

	if (w->kind == DWARF_WANT_UNIT) {
		r = part_open(&c->part, c->part.owned, &d->ledger, true);
		c->package = c->part.sections[SECTION_CU_INDEX].size > 0;
		return r < 0 ? r : check_unit(d, w, c);
	}
	r = check_supplement(w, c->part.owned);
	return r < 0 ? r : part_open(&c->part, c->part.owned, &d->ledger, false);
}

static int accept(struct dwarf *d, struct want *w, struct companion *c)
{
	int r = vec_reserve(&d->companions, 1);

	if (r == 0 && w->kind == DWARF_WANT_SUPPLEMENT)
		r = funcs_set_supplement(&d->funcs, &c->part);
	if (r < 0)
		return r;
	if (w->kind == DWARF_WANT_SUPPLEMENT)
		d->supplement = &c->part;
	d->companions.v[d->companions.cnt++] = c;
	c->used = ++d->clock;
	w->given = c;
	w->due = false;
	w->looked_for = false;
	return 0;
}

int dwarf_give(struct dwarf *d, size_t i, struct elf_file *f)
{
	_cleanup_(elf_file_closep) struct elf_file *owned = f;
	struct companion *c;
	int r;

	if (i >= d->wants.cnt || d->wants.v[i].given)
		return DWARF_NONE;
	make_room(d);
	r = ledger_keep(&d->ledger, sizeof(*c));
	if (r < 0)
		return dwarf_outcome_of(r);
	c = calloc(1, sizeof(*c));
	if (!c) {
		ledger_drop(&d->ledger, sizeof(*c));
		return -ENOMEM;
	}
	c->part.owned = TAKE_PTR(owned);
	r = check(d, &d->wants.v[i], c);
	if (r == 0)
		r = accept(d, &d->wants.v[i], c);
	if (r < 0)
		(void)companion_free(d, c);
	return r == -ENOENT ? DWARF_NONE : dwarf_outcome_of(r);
}
