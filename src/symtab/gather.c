/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A frame is known by its offset in the file, so functions are turned from link addresses into file
 * offsets here, once, by the executable PT_LOAD that holds them; p_vaddr and p_offset may differ by
 * anything (prelinked libraries, ET_EXEC, large pages).
 */

#include "gather.h"

#include <errno.h>

#define READS_MAX 8192

/* Offsets are kept in 32 bits. */
int gather_init(struct gather *g, const struct symtab_info *info,
		const struct symtab_limits *limits)
{
	uint64_t base = UINT64_MAX, end = 0;

	*g = (struct gather){
		.info = info,
		.only = limits->only != 0 ? limits->only : UINT32_MAX,
		.symbols_left = limits->symbols,
		.strings_left = SYMTAB_STRINGS_MAX,
		.reads_left = READS_MAX,
		.strings = { .version_mark = '@' },
	};
	for (uint32_t i = 0; i < info->segments_cnt; i++) {
		const struct object_segment *s = &info->segments[i];

		base = MIN(base, s->offset);
		end = MAX(end, s->offset + s->filesz);
	}
	g->base = base;
	return info->segments_cnt == 0 || end - base < UINT32_MAX ? SYMTAB_OK : SYMTAB_LIMIT;
}

void gather_done(struct gather *g)
{
	candidates_done(&g->candidates);
	candidate_strings_done(&g->strings);
	*g = (struct gather){ 0 };
}

static const struct object_segment *find_segment(const struct symtab_info *info, uint64_t vaddr)
{
	for (uint32_t i = 0; i < info->segments_cnt; i++) {
		const struct object_segment *s = &info->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
			return s;
	}
	return NULL;
}

void gather_add(struct gather *g, const struct gather_function *f)
{
	const struct object_segment *seg = find_segment(g->info, f->vaddr);
	uint64_t room, offset;

	if (!seg || !(g->only & 1u << (f->rank & CANDIDATE_SOURCE)) || g->outcome != SYMTAB_OK)
		return;
	if (g->candidates.cnt == SYMTAB_FUNCTIONS_MAX) {
		g->outcome = SYMTAB_LIMIT;
		return;
	}
	g->counts[f->rank & CANDIDATE_SOURCE]++;
	room = MIN(f->room, seg->filesz - (f->vaddr - seg->vaddr));
	offset = seg->offset + (f->vaddr - seg->vaddr) - g->base;
	g->outcome = candidates_add(&g->candidates, &(struct candidate){
							    .from = (uint32_t)offset,
							    .to = (uint32_t)(offset + room),
							    .string = f->string,
							    .rank = f->rank,
						    });
}

int gather_strings(struct gather *g, enum symtab_source source, uint64_t sz)
{
	struct candidate_strings *s = &g->strings;

	if (sz > g->strings_left)
		return SYMTAB_LIMIT;
	s->v[source] = malloc((size_t)sz);
	if (!s->v[source])
		return -ENOMEM;
	s->sz[source] = (size_t)sz;
	g->strings_left -= (size_t)sz;
	return SYMTAB_OK;
}

int gather_strings_in_file(struct gather *g, enum symtab_source source, uint64_t offset,
			   uint64_t sz)
{
	if (sz > g->strings_left)
		return SYMTAB_LIMIT;
	g->strings.at[source] = offset;
	g->strings.sz[source] = (size_t)sz;
	g->strings_left -= (size_t)sz;
	return SYMTAB_OK;
}

int gather_strings_made(struct gather *g, enum symtab_source source, char *strings, size_t sz)
{
	int r = gather_strings_in_file(g, source, 0, sz);

	if (r == SYMTAB_OK)
		g->strings.v[source] = strings;
	else
		free(strings);
	return r;
}

void gather_drop_strings(struct gather *g, enum symtab_source source)
{
	g->strings_left += g->strings.sz[source];
	free(g->strings.v[source]);
	g->strings.v[source] = NULL;
	g->strings.sz[source] = 0;
}
