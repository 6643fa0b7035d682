/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The head: a magic number that says the layout, then sizes and, since 1.16, where the parts are. Before that
 * all offsets count from the table's beginning, and the functions follow the head.
 */

#include <errno.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/gopclntab_lines.h"
#include "tables.h"

#define MAGIC_12 0xfffffffbU
#define MAGIC_116 0xfffffffaU
#define MAGIC_118 0xfffffff0U
#define MAGIC_120 0xfffffff1U

#define WORD 8

static uint64_t word_at(const uint8_t *bytes, size_t i)
{
	uint64_t v;

	memcpy(&v, bytes + i * WORD, sizeof(v));
	return v;
}

static int read_version(const uint8_t *bytes, enum gopclntab_version *ret)
{
	/* Nothing, the size of an instruction's unit and of a pointer: those of x86-64. */
	static const uint8_t machine[] = { 0, 0, 1, WORD };
	uint32_t magic;

	memcpy(&magic, bytes, sizeof(magic));
	if (memcmp(bytes + sizeof(magic), machine, sizeof(machine)) != 0)
		return -EBADMSG;
	switch (magic) {
	case MAGIC_12:
		*ret = GOPCLNTAB_12;
		return 0;
	case MAGIC_116:
		*ret = GOPCLNTAB_116;
		return 0;
	case MAGIC_118:
		*ret = GOPCLNTAB_118;
		return 0;
	case MAGIC_120:
		*ret = GOPCLNTAB_120;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* The linker writes the parts in this order. */
static bool parts_ascend(const struct gopclntab_head *h)
{
	return h->names <= h->units && h->units <= h->files && h->files <= h->pc_tables &&
	       h->pc_tables <= h->funcs;
}

static bool functions_fit(const struct gopclntab_head *h, uint64_t size)
{
	uint64_t entry = 2ULL * tables_word(h->version);

	return h->funcs <= size && h->funcs_cnt <= UINT32_MAX &&
	       h->funcs_cnt * entry + tables_word(h->version) <= size - h->funcs;
}

int gopclntab_head(const void *bytes, size_t sz, uint64_t size, struct gopclntab_head *ret)
{
	struct gopclntab_head h = { 0 };
	uint8_t b[GOPCLNTAB_HEAD_SZ] = { 0 };
	size_t i;

	if (sz < 2 * WORD || size < 2 * WORD)
		return -EBADMSG;
	memcpy(b, bytes, MIN(sz, sizeof(b)));
	if (read_version(b, &h.version) < 0)
		return -EBADMSG;
	h.funcs_cnt = word_at(b, 1);
	h.funcs = 2ULL * WORD;
	if (h.version != GOPCLNTAB_12) {
		i = 3;
		if (h.version != GOPCLNTAB_116)
			h.text = word_at(b, i++);
		h.names = word_at(b, i++);
		h.units = word_at(b, i++);
		h.files = word_at(b, i++);
		h.pc_tables = word_at(b, i++);
		h.funcs = word_at(b, i++);
		if (sz < i * WORD || h.names < i * WORD)
			return -EBADMSG;
	}
	if (h.funcs_cnt == 0 || !parts_ascend(&h) || !functions_fit(&h, size))
		return -EBADMSG;
	*ret = h;
	return 0;
}

/*
 * The runtime's struct moduledata, in words: the same from 1.16 to 1.27 up to where the text is. Where the
 * functions' data is (since 1.18) moved as words were put in before it.
 */
enum module_word {
	MODULE_HEAD = 0,
	MODULE_NAMES = 1, /* slices from here on, of three words each */
	MODULE_PC_TABLES = 10,
	MODULE_FUNCS = 13,
	MODULE_MIN_PC = 20,
	MODULE_MAX_PC = 21,
	MODULE_TEXT = 22,
	MODULE_WORDS = 23,
	MODULE_DATA_118 = 38, /* to 1.19 */
	MODULE_DATA_120 = 40, /* to 1.26 */
	MODULE_DATA_127 = 43,
	MODULE_WORDS_MAX = 44,
};

static bool is_module(const struct gopclntab_head *head, uint64_t addr, const uint8_t *m)
{
	return word_at(m, MODULE_HEAD) == addr && word_at(m, MODULE_NAMES) == addr + head->names &&
	       word_at(m, MODULE_PC_TABLES) == addr + head->pc_tables &&
	       word_at(m, MODULE_FUNCS) == addr + head->funcs &&
	       word_at(m, MODULE_TEXT) <= word_at(m, MODULE_MIN_PC) &&
	       word_at(m, MODULE_MIN_PC) < word_at(m, MODULE_MAX_PC);
}

static void add_base(struct gopclntab_module *m, const uint8_t *p, size_t sz, size_t word)
{
	if (sz >= (word + 1) * WORD && word_at(p, word) != 0)
		m->bases[m->bases_cnt++] = word_at(p, word);
}

static struct gopclntab_module read_module(const struct gopclntab_head *head, const uint8_t *p,
					   size_t sz)
{
	struct gopclntab_module m = { .text = word_at(p, MODULE_TEXT) };

	if (head->version == GOPCLNTAB_118)
		add_base(&m, p, sz, MODULE_DATA_118);
	if (head->version == GOPCLNTAB_120) {
		add_base(&m, p, sz, MODULE_DATA_120);
		add_base(&m, p, sz, MODULE_DATA_127);
	}
	return m;
}

int gopclntab_module(const struct gopclntab_head *head, uint64_t addr,
		     const struct gopclntab_bytes *data, struct gopclntab_module *ret)
{
	struct window w;
	const uint8_t *p;
	size_t sz;

	if (head->version == GOPCLNTAB_12)
		return -ENOENT;
	window_init(&w, data);
	for (uint64_t at = 0; at < data->size; at += WORD) {
		int r = window_peek(&w, at, (size_t)MODULE_WORDS * WORD, &p, &sz);

		if (r < 0)
			return r;
		if (sz < (size_t)MODULE_WORDS * WORD)
			break;
		if (!is_module(head, addr, p))
			continue;
		r = window_peek(&w, at, (size_t)MODULE_WORDS_MAX * WORD, &p, &sz);
		if (r < 0)
			return r;
		*ret = read_module(head, p, sz);
		return 0;
	}
	return -ENOENT;
}

int gopclntab_text(const struct gopclntab_head *head, uint64_t addr,
		   const struct gopclntab_bytes *data, uint64_t *ret)
{
	struct gopclntab_module m;
	int r = gopclntab_module(head, addr, data, &m);

	if (r == 0)
		*ret = m.text;
	return r;
}
