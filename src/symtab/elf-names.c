/* SPDX-License-Identifier: Apache-2.0 */

/*
 * .symtab has the names of all functions, if it was not stripped, and then so has the one of the separate
 * debug file. Where there is neither, .gnu_debugdata has those that .dynsym lacks, and a Go program its
 * runtime's table. .dynsym is there in any case, and is all that is left of most stripped files. All of
 * it goes into one table, and of two names for one place the better source's counts (enum symtab_source).
 * What calls go through has its name by another way (plt-names.c).
 *
 * What was compressed may be too much to be unpacked; then the other sources count alone, and that is said (cut).
 *
 * A table of the file's own that lies makes the file a liar; what is beside it (a debug file, what was
 * compressed) is then as none.
 */

#include "elf-names.h"

#include <errno.h>

#include "debugdata.h"
#include "elf-symbols.h"
#include "go-names.h"
#include "plt-names.h"

struct sources {
	struct symbol_table own, debug, mini, dynamic;
	struct debugdata debugdata;
	struct go_names go;
	struct plt_names plt;
	bool cut;
};

static void sources_done(struct sources *s)
{
	debugdata_done(&s->debugdata);
	go_names_done(&s->go);
	plt_names_done(&s->plt);
}

static int open_table(const struct elf_image *img, enum symtab_source source, struct gather *g,
		      struct symbol_table *ret)
{
	int r = symbol_table_open(img, source, g, ret);

	return r == SYMTAB_OK ? symbol_table_add(ret, g) : r;
}

/* One that lies is as none. */
static int open_beside(const struct elf_image *img, enum symtab_source source, struct gather *g,
		       struct symbol_table *ret)
{
	const uint32_t cnt = g->candidates.cnt;
	int r = open_table(img, source, g, ret);

	if (r != SYMTAB_BAD)
		return r;
	ret->cnt = 0;
	g->candidates.cnt = cnt;
	g->counts[source] = 0;
	return SYMTAB_OK;
}

/* What else a stripped file may have. */
static int open_stripped(const struct elf_image *img, struct gather *g, struct sources *s)
{
	int r = debugdata_open(img, &s->debugdata);

	if (r == SYMTAB_LIMIT) {
		s->cut = true;
		r = SYMTAB_OK;
	}
	if (r == SYMTAB_OK && s->debugdata.bytes)
		r = open_beside(&s->debugdata.img, SYMTAB_SOURCE_DEBUGDATA, g, &s->mini);
	if (r == SYMTAB_OK)
		r = go_names_open(img, g, &s->go);
	return r == SYMTAB_OK ? go_names_add(&s->go, g) : r;
}

/* Stubs are in no table of symbols, whatever else the file has. */
static int open_plt(const struct elf_image *img, struct gather *g, struct sources *s)
{
	const struct symbol_table *const tables[] = { &s->dynamic, &s->own, &s->debug };
	int r = plt_names_open(img, tables, ELEMENTSOF(tables), g, &s->plt);

	return r == SYMTAB_OK ? plt_names_add(&s->plt, g) : r;
}

static int open_all(const struct elf_image *img, const struct elf_image *debug, struct gather *g,
		    struct sources *s)
{
	int r = open_table(img, SYMTAB_SOURCE_SYMTAB, g, &s->own);

	if (r == SYMTAB_OK && g->strings.in_file &&
	    (g->candidates.cnt == 0 || g->outcome != SYMTAB_OK))
		return -E2BIG;
	if (r == SYMTAB_OK && debug)
		r = open_beside(debug, SYMTAB_SOURCE_DEBUG, g, &s->debug);
	if (r == SYMTAB_OK && g->candidates.cnt == 0)
		r = open_stripped(img, g, s);
	if (r == SYMTAB_OK)
		r = open_table(img, SYMTAB_SOURCE_DYNSYM, g, &s->dynamic);
	return r == SYMTAB_OK ? open_plt(img, g, s) : r;
}

static uint32_t sources_bits(const struct gather *g)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < SYMTAB_SOURCE_MAX; i++)
		bits |= (uint32_t)(g->counts[i] > 0) << i;
	return bits;
}

/* What was read of the sources is let go of before the table is made. */
static int gather_all(const struct elf_image *img, const struct elf_image *debug, struct gather *g,
		      bool *ret_cut)
{
	_cleanup_(sources_done) struct sources s = { .debugdata = DEBUGDATA_INIT };
	int r;

	/* Go's linker says in .symtab how a function is called; its runtime, and who reads its profiles, do not. */
	if (elf_image_section(img, ".gopclntab"))
		g->strings.tail = ".abi0";
	r = open_all(img, debug, g, &s);
	*ret_cut = s.cut;
	return r == SYMTAB_OK ? g->outcome : r;
}

static void set_facts(const struct gather *g, struct symtab_info *info, struct ranges *ranges)
{
	ranges->base = g->base;
	info->sources = sources_bits(g);
	info->go = g->strings.tail || g->counts[SYMTAB_SOURCE_GO] > 0;
}

int elf_names_load(const struct elf_image *img, const struct elf_image *debug,
		   struct symtab_info *info, const struct symtab_limits *limits, struct ranges *ret)
{
	_cleanup_(gather_done) struct gather g = { 0 };
	int r = gather_init(&g, info, limits);

	*ret = (struct ranges){ 0 };
	if (r != SYMTAB_OK || info->segments_cnt == 0)
		return r;
	r = gather_all(img, debug, &g, &info->cut);
	if (r == SYMTAB_OK)
		r = ranges_build(&g.candidates, &g.strings, limits, ret);
	if (r == SYMTAB_OK)
		set_facts(&g, info, ret);
	return r;
}

/* Where it stays within the limits in any case, and is worth it. */
static bool may_stay(const struct elf_image *img, const struct symtab_limits *limits)
{
	uint64_t symbols = 0, strings = 0;

	for (uint32_t i = 0; i < img->shdrs_cnt; i++) {
		const Elf64_Shdr *s = &img->shdrs[i];

		if (s->sh_type == SHT_SYMTAB)
			symbols = s->sh_size;
		if (s->sh_type == SHT_SYMTAB || s->sh_type == SHT_DYNSYM)
			strings += s->sh_link < img->shdrs_cnt ? img->shdrs[s->sh_link].sh_size : 0;
		if (strings > limits->bytes / 2 || symbols > limits->bytes)
			return false;
	}
	return symbols > 0 && symbols >= limits->lean;
}

int elf_names_leave(const struct elf_file *f, struct symtab_info *info,
		    const struct symtab_limits *limits, struct ranges *ret,
		    struct file_names **ret_names)
{
	_cleanup_(gather_done) struct gather g = { 0 };
	struct ranges made = { 0 };
	struct file_texts texts = { .img = &f->img,
				    .strings = &g.strings,
				    .reads_left = &g.reads_left };
	int r = gather_init(&g, info, limits);
	bool cut;

	if (r != SYMTAB_OK || info->segments_cnt == 0 || !may_stay(&f->img, limits))
		return -E2BIG;
	g.strings.in_file = true;
	r = gather_all(&f->img, NULL, &g, &cut);
	if (r == SYMTAB_OK)
		r = ranges_build_in_file(&g.candidates, &texts, limits, &made);
	if (r == SYMTAB_OK)
		r = file_names_new(f, &g.strings, &texts.ties, ret_names);
	vec_done(&texts.ties.v);
	set_facts(&g, info, &made);
	if (r == SYMTAB_OK)
		*ret = made;
	else
		ranges_done(&made);
	return r;
}
