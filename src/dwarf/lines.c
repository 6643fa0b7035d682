/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DWARF 5, 6.2. The program runs through once, and keeps of its rows those that the asked addresses are between;
 * of several at one address the last counts. A sequence that begins where no code is was thrown away by a
 * linker; where two sequences claim an address the first has it.
 */

#include "lines.h"

#define SIZE_64BIT 0xffffffffU
#define ADDR_SZ 8
#define STANDARD_MIN 10
/* What a head before version 5 has of each file behind its name: directory, time, size. */
#define FILE_NUMBERS 3

static int read_formats(struct cursor *c, struct line_table *t)
{
	unsigned int cnt = cursor_u8(c);

	if (cnt > LINE_FORMATS_MAX)
		return -EBADMSG;
	for (unsigned int i = 0; i < cnt; i++) {
		t->formats[i].content = (uint16_t)MIN(cursor_uleb(c), (uint64_t)UINT16_MAX);
		t->formats[i].form = (uint16_t)MIN(cursor_uleb(c), (uint64_t)UINT16_MAX);
	}
	t->formats_cnt = cnt;
	t->cnt = cursor_uleb(c);
	t->at = cursor_pos(c);
	return c->error;
}

static int skip_entry(void *ctx, uint64_t i, struct value name, uint64_t dir)
{
	return 0;
}

static int read_tables(struct line_program *p)
{
	struct cursor *c = &p->rd->line;
	int r = 0;

	if (p->layout.version >= 5) {
		r = read_formats(c, &p->dirs);
		if (r == 0)
			r = line_table_walk(p, &p->dirs, skip_entry, NULL);
		return r < 0 ? r : read_formats(c, &p->files);
	}
	p->dirs.at = cursor_pos(c);
	r = line_table_walk(p, &p->dirs, skip_entry, NULL);
	p->files.at = cursor_pos(c);
	return r;
}

/* From the version on, up to the tables. */
static int read_head(struct line_program *p)
{
	struct cursor *c = &p->rd->line;
	uint64_t length;

	p->layout.version = (uint8_t)MIN(cursor_uint(c, 2), (uint64_t)UINT8_MAX);
	if (c->error < 0 || p->layout.version < 2 || p->layout.version > 5)
		return c->error < 0 ? c->error : -EOPNOTSUPP;
	if (p->layout.version >= 5)
		cursor_skip(c, 2); /* sizes of addresses and segment selectors */
	length = cursor_uint(c, p->layout.offset_sz);
	p->start = cursor_pos(c);
	if (c->error < 0 || length > p->end - p->start)
		return c->error < 0 ? c->error : -EBADMSG;
	p->start += length;
	p->min_length = cursor_u8(c);
	if (p->layout.version >= 4)
		(void)cursor_u8(c); /* operations of one instruction: x86-64 has one */
	(void)cursor_u8(c);
	p->line_base = (int8_t)cursor_u8(c);
	p->line_range = cursor_u8(c);
	p->opcode_base = cursor_u8(c);
	for (unsigned int i = 1; i < p->opcode_base; i++)
		p->lengths[i] = cursor_u8(c);
	if (c->error == 0 && (p->line_range == 0 || p->opcode_base == 0))
		return -EBADMSG;
	return c->error;
}

int line_program_open(struct line_program *p, struct readers *rd, const struct unit *u)
{
	const struct unit *owner = u->skeleton ? u->skeleton : u;
	struct section *s = &owner->part->sections[SECTION_LINE];
	struct cursor *c = &rd->line;
	uint64_t sz;
	int r;

	*p = (struct line_program){ .rd = rd, .unit = owner, .layout.offset_sz = 4 };
	if (owner->lines.kind == VALUE_NONE)
		return -ENOENT;
	cursor_seek(c, s, owner->lines.u, UINT64_MAX);
	sz = cursor_uint(c, 4);
	if (sz == SIZE_64BIT) {
		p->layout.offset_sz = 8;
		sz = cursor_uint(c, 8);
	}
	p->end = cursor_pos(c);
	if (c->error < 0 || sz > s->size - p->end)
		return c->error < 0 ? c->error : -EBADMSG;
	p->end += sz;
	cursor_seek(c, s, cursor_pos(c), p->end);
	p->layout.addr_sz = ADDR_SZ;
	r = read_head(p);
	return r < 0 ? r : read_tables(p);
}

static int walk_described(struct line_program *p, const struct line_table *t, line_entry_fn fn,
			  void *ctx)
{
	struct cursor *c = &p->rd->line;
	int r = 0;

	for (uint64_t i = 0; r >= 0 && i < t->cnt; i++) {
		struct value name = { 0 }, dir = { 0 };

		if (t->formats_cnt == 0)
			return -EBADMSG;
		for (uint32_t k = 0; k < t->formats_cnt; k++) {
			enum dw_form form = (enum dw_form)t->formats[k].form;
			struct value v = form_read(c, form, 0, &p->layout);

			if (v.kind == VALUE_TEXT)
				v.kind = VALUE_LINE_TEXT;
			if (t->formats[k].content == DW_LNCT_path)
				name = v;
			else if (t->formats[k].content == DW_LNCT_directory_index)
				dir = v;
		}
		if (c->error == 0)
			r = ledger_spend(c->section->ledger, t->formats_cnt);
		if (c->error < 0 || r < 0)
			return c->error < 0 ? c->error : r;
		r = fn(ctx, i, name, dir.u);
	}
	return r;
}

int line_table_walk(struct line_program *p, const struct line_table *t, line_entry_fn fn, void *ctx)
{
	struct cursor *c = &p->rd->line;
	bool files = t == &p->files;
	int r = 0;

	cursor_seek(c, &p->unit->part->sections[SECTION_LINE], t->at, p->start);
	if (p->layout.version >= 5)
		return walk_described(p, t, fn, ctx);
	for (uint64_t i = 1; r >= 0; i++) {
		struct value name = { .kind = VALUE_LINE_TEXT, .u = cursor_pos(c) };
		uint64_t numbers[FILE_NUMBERS] = { 0 };

		cursor_skip_text(c);
		if (c->error < 0 || cursor_pos(c) - name.u <= 1)
			break;
		for (unsigned int k = 0; files && k < FILE_NUMBERS; k++)
			numbers[k] = cursor_uleb(c);
		if (c->error == 0)
			r = fn(ctx, i, name, numbers[0]);
	}
	return r < 0 ? r : c->error;
}

struct state {
	uint64_t addr;
	uint64_t file;
	uint32_t line;
	uint32_t column;
};

struct run {
	struct line_program *p;
	const struct asked *asked;
	size_t found;
	struct row *rows;
	struct state now;
	struct state before; /* the row that was added last */
	bool begun;	     /* there is one in this sequence */
	bool dead;	     /* no code is where the sequence begins */
	uint64_t tried;	     /* addresses, since work was spent on them */
	size_t next;	     /* the first address that is not below it */
};

/* A row: what lies between the one before and this one has the line of the one before. */
static void add_row(struct run *run)
{
	const struct asked *asked = run->asked;

	if (!run->begun) {
		run->begun = true;
		run->dead = !elf_file_has_code(asked->program, run->now.addr);
		run->next = asked_from(asked, run->now.addr);
	} else if (run->now.addr < run->before.addr) {
		run->next = asked_from(asked, run->now.addr);
	}
	for (; run->next < asked->cnt && asked->addrs[run->next] < run->now.addr; run->next++) {
		struct row *row = &run->rows[run->next];

		run->tried++;
		if (row->found || run->dead)
			continue;
		*row = (struct row){ run->before.file, run->before.line, run->before.column, true };
		run->found++;
	}
	run->before = run->now;
}

static void begin_sequence(struct run *run)
{
	run->now = (struct state){ .file = 1, .line = 1 };
	run->begun = false;
}

static void advance(struct run *run, uint64_t operations)
{
	run->now.addr += operations * run->p->min_length;
}

static void do_special(struct run *run, unsigned int opcode)
{
	const struct line_program *p = run->p;
	unsigned int adjusted = opcode - p->opcode_base;

	advance(run, adjusted / p->line_range);
	run->now.line += (uint32_t)(p->line_base + (int)(adjusted % p->line_range));
	add_row(run);
}

static void do_extended(struct run *run)
{
	struct cursor *c = &run->p->rd->line;
	uint64_t sz = cursor_uleb(c);
	enum dw_lne opcode;

	if (sz == 0)
		return;
	opcode = (enum dw_lne)cursor_u8(c);
	if (opcode == DW_LNE_end_sequence) {
		add_row(run);
		begin_sequence(run);
	}
	if (opcode == DW_LNE_set_address && sz == 1 + ADDR_SZ)
		run->now.addr = cursor_uint(c, ADDR_SZ);
	else
		cursor_skip(c, sz - 1);
}

static void do_standard(struct run *run, unsigned int opcode)
{
	const struct line_program *p = run->p;
	struct cursor *c = &p->rd->line;

	switch ((enum dw_lns)opcode) {
	case DW_LNS_copy:
		add_row(run);
		break;
	case DW_LNS_advance_pc:
		advance(run, cursor_uleb(c));
		break;
	case DW_LNS_advance_line:
		run->now.line += (uint32_t)cursor_sleb(c);
		break;
	case DW_LNS_set_file:
		run->now.file = cursor_uleb(c);
		break;
	case DW_LNS_set_column:
		run->now.column = (uint32_t)MIN(cursor_uleb(c), (uint64_t)UINT32_MAX);
		break;
	case DW_LNS_const_add_pc:
		advance(run, (255U - p->opcode_base) / p->line_range);
		break;
	case DW_LNS_fixed_advance_pc:
		run->now.addr += cursor_uint(c, 2);
		break;
	default:
		for (unsigned int i = 0; i < p->lengths[opcode]; i++)
			(void)cursor_uleb(c);
	}
}

int line_program_run(struct line_program *p, const struct asked *asked, struct row *rows)
{
	struct run run = { .p = p, .asked = asked, .rows = rows };
	struct cursor *c = &p->rd->line;
	int r;

	memset(rows, 0, asked->cnt * sizeof(*rows));
	cursor_seek(c, &p->unit->part->sections[SECTION_LINE], p->start, p->end);
	begin_sequence(&run);
	while (cursor_more(c) && run.found < asked->cnt) {
		unsigned int opcode = cursor_u8(c);

		if (opcode >= p->opcode_base)
			do_special(&run, opcode);
		else if (opcode == 0)
			do_extended(&run);
		else
			do_standard(&run, opcode);
		r = ledger_spend(c->section->ledger, run.tried);
		if (r < 0)
			return r;
		run.tried = 0;
	}
	return c->error;
}
