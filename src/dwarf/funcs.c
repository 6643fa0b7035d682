/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An entry with code says little of itself: DW_AT_abstract_origin leads to what all instances of an inlined
 * function share, DW_AT_specification to its declaration in a class, each maybe in another unit (link time
 * optimization) or file (dwz). What comes first on that way counts. Ways are short; what goes in circles is
 * left after some steps. Entries are read one by one; answers are remembered, since few functions are inlined
 * in many places.
 */

#include "funcs.h"

#include "cprof/dwarf.h"
#include "index.h"

#define STEPS_MAX 16
#define STEP_WORK 64

int funcs_init(struct funcs *f, struct readers *rd, size_t bytes_max, uint64_t seed)
{
	*f = (struct funcs){ .rd = rd, .bytes_max = bytes_max, .seed = seed };
	f->scratch = malloc(DWARF_TEXT_MAX);
	return f->scratch ? strtab_init(&f->texts, seed) : -ENOMEM;
}

static void forget_answers(struct funcs *f)
{
	strtab_done(&f->texts);
	map_done(&f->by_die);
	vec_done(&f->list);
}

void funcs_done(struct funcs *f)
{
	for (size_t i = 0; i < UNITS_KEPT; i++)
		unit_done(&f->units[i]);
	forget_answers(f);
	free(f->scratch);
	f->scratch = NULL;
}

size_t funcs_bytes(const struct funcs *f)
{
	return f->texts.arena.bytes +
	       f->texts.cap * (sizeof(*f->texts.strings) + sizeof(*f->texts.lens)) +
	       (f->texts.map.cap + f->by_die.cap) * sizeof(struct map_slot) +
	       f->list.cap * sizeof(*f->list.v);
}

int funcs_forget(struct funcs *f)
{
	forget_answers(f);
	return strtab_init(&f->texts, f->seed);
}

int funcs_make_room(struct funcs *f)
{
	/* It is empty where it was forgotten when memory was short. */
	return f->texts.cnt > 0 && funcs_bytes(f) <= f->bytes_max / 2 ? 0 : funcs_forget(f);
}

int funcs_set_supplement(struct funcs *f, struct part *supplement)
{
	f->supplement = supplement;
	for (size_t i = 0; i < UNITS_KEPT; i++) {
		unit_done(&f->units[i]);
		f->units[i] = (struct unit){ 0 };
	}
	return funcs_forget(f);
}

int funcs_text(struct funcs *f, const char *s, size_t len, uint32_t *ret)
{
	if (funcs_bytes(f) + len > f->bytes_max)
		return -EFBIG;
	return strtab_add(&f->texts, s, len, ret);
}

/* The unit that has this entry, read once for many; NULL and *ret_r: there is none. */
static const struct unit *unit_of(struct funcs *f, struct part *part, uint64_t die, int *ret_r)
{
	size_t oldest = 0;
	struct unit *u;
	uint64_t start;

	*ret_r = part->listed && !part->units.complete ? -ESTALE
						       : unit_list_find(&part->units, die, &start);
	if (*ret_r < 0)
		return NULL;
	f->clock++;
	for (size_t i = 0; i < UNITS_KEPT; i++) {
		if (f->units[i].part == part && f->units[i].start == start) {
			f->used[i] = f->clock;
			return &f->units[i];
		}
		if (f->used[i] < f->used[oldest])
			oldest = i;
	}
	u = &f->units[oldest];
	unit_done(u);
	*u = (struct unit){ 0 };
	*ret_r = unit_head(f->rd, part, start, u);
	if (*ret_r == 0)
		*ret_r = unit_root(f->rd, u, false);
	u->supplement = part == f->supplement ? NULL : f->supplement;
	f->used[oldest] = f->clock;
	if (*ret_r == 0)
		return u;
	unit_done(u);
	*u = (struct unit){ 0 };
	return NULL;
}

struct entry {
	struct value name;
	struct value linkage;
	struct value origin;
	struct value specification;
	uint64_t line;
};

static int read_entry(struct funcs *f, const struct unit *u, uint64_t die, struct entry *ret)
{
	struct cursor *c = &f->rd->die;
	const struct abbrev *ab;
	uint64_t code;
	int r;

	*ret = (struct entry){ 0 };
	cursor_seek(c, &u->part->sections[SECTION_INFO], die, u->end);
	code = cursor_uleb(c);
	ab = code != 0 ? abbrevs_find(&u->abbrevs, code) : NULL;
	if (c->error < 0 || !ab)
		return c->error < 0 ? c->error : -EBADMSG;
	r = ledger_spend(c->section->ledger, STEP_WORK + ab->attrs_cnt);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < ab->attrs_cnt; i++) {
		const struct attr *attr = &u->abbrevs.attrs.v[ab->attrs + i];
		struct value v = form_read_attr(c, &u->abbrevs, attr, &u->layout);

		if (attr->name == DW_AT_name)
			ret->name = v;
		else if (attr->name == DW_AT_linkage_name || attr->name == DW_AT_MIPS_linkage_name)
			ret->linkage = v;
		else if (attr->name == DW_AT_abstract_origin)
			ret->origin = v;
		else if (attr->name == DW_AT_specification)
			ret->specification = v;
		else if (attr->name == DW_AT_decl_line)
			ret->line = v.u;
	}
	return c->error;
}

static int take_text(struct funcs *f, const struct unit *u, struct value v, uint32_t *text)
{
	int r;

	if (*text != 0 || v.kind == VALUE_NONE)
		return 0;
	r = unit_text(f->rd, u, v, f->scratch, DWARF_TEXT_MAX);
	return r < 0 ? r : funcs_text(f, f->scratch, (size_t)r, text);
}

/* Where @v leads to; NULL and *ret_r: to nothing that is here. */
static const struct unit *follow(struct funcs *f, const struct unit *u, struct value v,
				 uint64_t *ret_die, int *ret_r)
{
	struct part *part = v.kind == VALUE_REF_ALT ? u->supplement : u->part;
	bool far = v.kind == VALUE_REF_FAR || v.kind == VALUE_REF_ALT;

	*ret_r = -EBADMSG;
	if (!part || (!far && v.kind != VALUE_REF))
		return NULL;
	*ret_die = far ? v.u : u->start + v.u;
	if (part == u->part && *ret_die >= u->die && *ret_die < u->end) {
		*ret_r = 0;
		return u;
	}
	return far ? unit_of(f, part, *ret_die, ret_r) : NULL;
}

static int read_func(struct funcs *f, const struct unit *u, uint64_t die, struct func *func)
{
	for (unsigned int i = 0; u && i < STEPS_MAX; i++) {
		struct entry e;
		int r = read_entry(f, u, die, &e);

		if (r == 0)
			r = take_text(f, u, e.name, &func->name);
		if (r == 0)
			r = take_text(f, u, e.linkage, &func->linkage);
		if (r < 0)
			return r;
		if (func->start_line == 0)
			func->start_line = (uint32_t)MIN(e.line, (uint64_t)UINT32_MAX);
		if (e.origin.kind == VALUE_NONE)
			e.origin = e.specification;
		if (e.origin.kind == VALUE_NONE)
			return 0;
		u = follow(f, u, e.origin, &die, &r);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_same(uint32_t value, const void *key, const void *ctx)
{
	const struct funcs *f = ctx;
	const struct func *wanted = key;

	return f->list.v[value].die == wanted->die && f->list.v[value].part == wanted->part;
}

int funcs_get(struct funcs *f, const struct unit *u, uint64_t die, struct func *ret)
{
	struct func func = { .part = u->part, .die = die };
	uint64_t key[2] = { die, (uint64_t)(uintptr_t)u->part };
	uint64_t hash = hash_bytes(key, sizeof(key), f->seed);
	uint32_t i;
	int r;

	if (map_find(&f->by_die, hash, &func, is_same, f, &i)) {
		*ret = f->list.v[i];
		return 0;
	}
	r = read_func(f, u, die, &func);
	if (r < 0 && r != -EBADMSG && r != -EOPNOTSUPP && r != -ENOENT)
		return r;
	if (funcs_bytes(f) > f->bytes_max)
		return -EFBIG;
	r = vec_push(&f->list, func);
	if (r == 0)
		r = map_add(&f->by_die, hash, (uint32_t)f->list.cnt - 1);
	if (r == 0)
		*ret = func;
	return r;
}
