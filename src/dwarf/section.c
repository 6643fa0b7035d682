/* SPDX-License-Identifier: Apache-2.0 */

/* Bytes that are read cost as much work. */

#include "section.h"

#include "inflater.h"

static const char *const names[SECTIONS_CNT] = {
	[SECTION_INFO] = ".debug_info",
	[SECTION_ABBREV] = ".debug_abbrev",
	[SECTION_STR] = ".debug_str",
	[SECTION_LINE] = ".debug_line",
	[SECTION_LINE_STR] = ".debug_line_str",
	[SECTION_RANGES] = ".debug_ranges",
	[SECTION_RNGLISTS] = ".debug_rnglists",
	[SECTION_ADDR] = ".debug_addr",
	[SECTION_STR_OFFSETS] = ".debug_str_offsets",
	[SECTION_ARANGES] = ".debug_aranges",
	[SECTION_CU_INDEX] = ".debug_cu_index",
};

static const char *const dwo_names[SECTIONS_CNT] = {
	[SECTION_INFO] = ".debug_info.dwo",
	[SECTION_ABBREV] = ".debug_abbrev.dwo",
	[SECTION_STR] = ".debug_str.dwo",
	[SECTION_RNGLISTS] = ".debug_rnglists.dwo",
	[SECTION_STR_OFFSETS] = ".debug_str_offsets.dwo",
	[SECTION_CU_INDEX] = ".debug_cu_index",
};

int section_open(struct section *s, const struct elf_file *f, struct ledger *ledger,
		 enum section_id id, bool dwo)
{
	const char *name = dwo ? dwo_names[id] : names[id];
	struct elf_section e;

	*s = (struct section){ .file = f, .ledger = ledger };
	if (!name || !elf_file_section(f, name, &e))
		return 0;
	if (e.packing == ELF_OTHER)
		return -EOPNOTSUPP;
	s->offset = e.offset;
	s->size = e.plain_sz;
	return e.packing == ELF_PLAIN ? 0 : inflater_new(f, &e, ledger, &s->packed);
}

void section_done(struct section *s)
{
	s->packed = inflater_free(s->packed);
	s->size = 0;
}

void section_settle(struct section *s)
{
	if (s->packed)
		inflater_settle(s->packed);
}

void section_rest(struct section *s)
{
	if (s->packed)
		inflater_rest(s->packed);
}

int section_read(struct section *s, uint64_t offset, void *dst, size_t sz)
{
	int r;

	if (offset > s->size || sz > s->size - offset)
		return -EBADMSG;
	r = ledger_spend(s->ledger, sz);
	if (r < 0)
		return r;
	if (s->packed)
		return inflater_read(s->packed, offset, dst, sz);
	return elf_file_read(s->file, s->offset + offset, dst, sz);
}
