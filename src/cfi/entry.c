/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Both sections have the same entries with small differences: in .eh_frame a CIE has the id 0 and an
 * FDE says how far back its CIE lies, in .debug_frame a CIE has all ones and an FDE says where in the
 * section its CIE is.
 */

#include "entry.h"

#include <errno.h>
#include <string.h>

#include "dwarf.h"

#define AUGMENTATION_MAX 15
#define WIDE_LENGTH 0xffffffffULL
#define ADDR_SZ 8

int entry_read(struct reader *r, uint64_t offset, struct entry *ret)
{
	bool debug = r->section->debug;
	struct entry e = { .start = offset };
	unsigned int id_sz;
	uint64_t len, id, id_pos;

	reader_seek(r, offset, r->section->size);
	if (!reader_more(r))
		return 0;
	len = reader_uint(r, 4);
	if (len == 0 && !debug)
		return 0; /* the terminator */
	e.wide = len == WIDE_LENGTH;
	if (e.wide)
		len = reader_uint(r, 8);
	id_sz = e.wide && debug ? 8 : 4;
	id_pos = r->pos;
	if (r->failed || len > r->end - r->pos)
		return -EBADMSG;
	e.end = r->pos + len;
	e.body = e.end;
	*ret = e;
	if (len < id_sz)
		return 1; /* padding of .debug_frame, or nothing that could be read */
	id = reader_uint(r, id_sz);
	e.body = r->pos;
	e.is_cie = debug ? id == (id_sz == 8 ? UINT64_MAX : UINT32_MAX) : id == 0;
	e.cie = debug ? id : id_pos - id;
	*ret = e;
	return 1;
}

/* A pointer's size by its encoding; 0: it is of variable length or unknown. */
static unsigned int encoded_size(uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return 8;
	case DW_EH_PE_udata4:
	case DW_EH_PE_sdata4:
		return 4;
	case DW_EH_PE_udata2:
	case DW_EH_PE_sdata2:
		return 2;
	default:
		return 0;
	}
}

static uint64_t read_encoded(struct reader *r, uint8_t encoding)
{
	unsigned int sz = encoded_size(encoding);

	switch (encoding & 0x0f) {
	case DW_EH_PE_uleb128:
		return reader_uleb(r);
	case DW_EH_PE_sleb128:
		return (uint64_t)reader_sleb(r);
	}
	if (sz == 0) {
		reader_skip(r, UINT64_MAX); /* fails */
		return 0;
	}
	/* DW_EH_PE_s*: the fourth bit. */
	return encoding & 0x08 ? (uint64_t)reader_sint(r, sz) : reader_uint(r, sz);
}

static bool read_augmentation(struct reader *r, char text[static AUGMENTATION_MAX + 1])
{
	for (unsigned int i = 0; i <= AUGMENTATION_MAX; i++) {
		text[i] = (char)reader_u8(r);
		if (text[i] == '\0')
			return !r->failed;
	}
	return false;
}

/* What the letters behind 'z' stand for; the rest of an unknown one is skipped by the length. */
static void read_augmentation_data(struct reader *r, const char *letters, struct cie *cie)
{
	uint64_t len = reader_uleb(r), end;

	if (r->failed || len > r->end - r->pos) {
		reader_skip(r, UINT64_MAX);
		return;
	}
	end = r->pos + len;
	for (; *letters != '\0'; letters++) {
		uint8_t encoding;

		if (*letters == 'R') {
			cie->program.encoding = reader_u8(r);
		} else if (*letters == 'S') {
			cie->program.signal_frame = true;
		} else if (*letters == 'L') {
			(void)reader_u8(r);
		} else if (*letters == 'P') {
			encoding = reader_u8(r);
			if (encoding != DW_EH_PE_omit)
				(void)read_encoded(r, encoding);
		} else {
			break;
		}
	}
	r->pos = end;
}

int entry_cie(struct reader *r, const struct entry *e, struct cie *ret)
{
	struct cie cie = { .offset = e->start, .program.encoding = DW_EH_PE_absptr };
	char letters[AUGMENTATION_MAX + 1];
	uint8_t version;

	reader_seek(r, e->body, e->end);
	version = reader_u8(r);
	if (version != 1 && version != 3 && version != 4)
		return -EBADMSG;
	if (!read_augmentation(r, letters))
		return -EBADMSG;
	if (version == 4 && (reader_u8(r) != ADDR_SZ || reader_u8(r) != 0))
		return -EBADMSG;
	cie.program.code_align = reader_uleb(r);
	cie.program.data_align = reader_sleb(r);
	cie.program.ra_reg = version == 1 ? reader_u8(r) : reader_uleb(r);
	if (letters[0] == 'z') {
		cie.has_augmentation = true;
		read_augmentation_data(r, letters + 1, &cie);
	} else if (letters[0] != '\0') {
		return -EBADMSG; /* something of unknown length may follow */
	}
	if (r->failed)
		return -EBADMSG;
	*ret = cie;
	return 0;
}

int entry_fde(struct reader *r, const struct entry *e, const struct cie *cie, uint64_t *ret_start,
	      uint64_t *ret_end)
{
	uint8_t encoding = cie->program.encoding;
	uint64_t at, start, len;

	reader_seek(r, e->body, e->end);
	at = r->section->addr + r->pos;
	start = read_encoded(r, encoding);
	if ((encoding & 0xf0) == DW_EH_PE_pcrel)
		start += at;
	else if ((encoding & 0xf0) != 0)
		return -EBADMSG;
	len = read_encoded(r, encoding & 0x0f);
	if (cie->has_augmentation)
		reader_skip(r, reader_uleb(r));
	if (r->failed || start > ROWS_ADDR_MAX || len > ROWS_ADDR_MAX - start)
		return -EBADMSG;
	*ret_start = start;
	*ret_end = start + len;
	return 0;
}
