/* SPDX-License-Identifier: Apache-2.0 */

#include "cprof/gopclntab.h"

#include "check.h"
#include "fail.h"
#include "gopclntab-fixture.h"

#define ASM GOPCLNTAB_ASM

static const enum gopclntab_version versions[] = { GOPCLNTAB_12, GOPCLNTAB_116, GOPCLNTAB_118,
						   GOPCLNTAB_120 };

struct found {
	struct {
		uint64_t start;
		uint64_t end;
		struct cprof_rule rule;
	} rows[64];
	size_t rows_cnt;
	struct gopclntab_func funcs[16];
	size_t funcs_cnt;
	struct gopclntab_facts facts;
	int stop; /* said by the row() of the second row, if it is not 0 */
};

static int on_row(void *ctx, uint64_t start, uint64_t end, const struct cprof_rule *rule)
{
	struct found *f = ctx;

	CHECK(start < end);
	CHECK(f->rows_cnt == 0 || f->rows[f->rows_cnt - 1].end <= start);
	CHECK(f->rows_cnt < ELEMENTSOF(f->rows));
	f->rows[f->rows_cnt].start = start;
	f->rows[f->rows_cnt].end = end;
	f->rows[f->rows_cnt++].rule = *rule;
	return f->rows_cnt == 2 ? f->stop : 0;
}

static int on_func(void *ctx, const struct gopclntab_func *func)
{
	struct found *f = ctx;

	CHECK(f->funcs_cnt < ELEMENTSOF(f->funcs));
	f->funcs[f->funcs_cnt++] = *func;
	return 0;
}

static int walk_file(const struct gopclntab_file *file, struct found *ret)
{
	int stop = ret->stop;

	*ret = (struct found){ .stop = stop };
	return gopclntab_walk(
		file, &(struct gopclntab_sink){ .func = on_func, .row = on_row, .ctx = ret },
		&ret->facts);
}

static void walk(struct fake_table *t, bool code, struct found *ret)
{
	struct gopclntab_file file = fake_file(t, code);

	CHECK_EQ(walk_file(&file, ret), GOPCLNTAB_OK);
}

/* The rule at an offset of the text; a GAP: there is none. */
static struct cprof_rule at(const struct found *f, uint64_t offset)
{
	for (size_t i = 0; i < f->rows_cnt; i++) {
		if (TEXT + offset >= f->rows[i].start && TEXT + offset < f->rows[i].end)
			return f->rows[i].rule;
	}
	return (struct cprof_rule){ 0 };
}

#define CHECK_RSP(f, offset, off, where)                              \
	do {                                                          \
		struct cprof_rule _r = at(f, offset);                 \
		CHECK_EQ(_r.cfa, CPROF_CFA_REG);                      \
		CHECK_EQ(_r.cfa_reg, CPROF_REG_RSP);                  \
		CHECK_EQ(_r.cfa_off, off);                            \
		CHECK_EQ(_r.ra, CPROF_WHERE_CFA);                     \
		CHECK_EQ(_r.ra_off, -8);                              \
		CHECK_EQ(_r.fp, where);                               \
		CHECK(where == CPROF_WHERE_SAME || _r.fp_off == -16); \
	} while (0)

#define CHECK_CHAIN(f, offset)                         \
	do {                                           \
		struct cprof_rule _r = at(f, offset);  \
		CHECK_EQ(_r.cfa, CPROF_CFA_REG);       \
		CHECK_EQ(_r.cfa_reg, CPROF_REG_RBP);   \
		CHECK_EQ(_r.cfa_off, 16);              \
		CHECK_EQ(_r.ra_off, -8);               \
		CHECK_EQ(_r.fp, CPROF_WHERE_CFA);      \
		CHECK_EQ(_r.fp_off, -16);              \
		CHECK_EQ(_r.flags, CPROF_RULE_SWITCH); \
	} while (0)

#define CHECK_ROOT(f, offset) CHECK_EQ(at(f, offset).ra, CPROF_WHERE_UNDEFINED)

#define CODE(bytes) .code = (bytes), .code_sz = sizeof(bytes) - 1

/* SUBQ $0x20, SP; MOVQ BP, 0x18(SP); LEAQ 0x18(SP), BP */
#define MOVED "\x48\x83\xec\x20\x48\x89\x6c\x24\x18\x48\x8d\x6c\x24\x18"
/* PUSHQ BP; MOVQ SP, BP; SUBQ $0x18, SP */
#define PUSHED "\x55\x48\x89\xe5\x48\x83\xec\x18"

TEST(a_moved_frame)
{
	const struct fake_func f[] = {
		{ "main.a", 64, .deltas = { { 0, 0 }, { 4, 0x20 }, { 40, 0 }, { 41, 0x20 } },
		  CODE(MOVED) },
	};

	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		struct found found = { 0 };
		struct fake_table t;

		fake_table(&t, versions[i], f, 1);
		walk(&t, true, &found);
		CHECK_EQ(found.funcs_cnt, 1);
		CHECK_EQ(found.funcs[0].start, TEXT);
		CHECK_EQ(found.funcs[0].end, TEXT + 64);
		CHECK_EQ(found.facts.bad, 0);
		CHECK_RSP(&found, 0, 8, CPROF_WHERE_SAME);
		CHECK_RSP(&found, 4, 0x28, CPROF_WHERE_SAME); /* it is being saved */
		CHECK_RSP(&found, 8, 0x28, CPROF_WHERE_SAME);
		CHECK_RSP(&found, 9, 0x28, CPROF_WHERE_CFA);
		CHECK_RSP(&found, 39, 0x28, CPROF_WHERE_CFA);
		CHECK_RSP(&found, 40, 8, CPROF_WHERE_SAME);
		CHECK_RSP(&found, 41, 0x28, CPROF_WHERE_CFA); /* behind a return */
		CHECK_EQ(at(&found, 64).cfa, CPROF_CFA_GAP);
	}
}

TEST(a_pushed_frame)
{
	const struct fake_func f[] = {
		{ "main.a", 64,
		  .deltas = { { 0, 0 }, { 1, 8 }, { 8, 0x20 }, { 40, 8 }, { 41, 0 } } },
		/* Of 8 bytes: only the code tells. */
		{ "main.b", 32, .deltas = { { 0, 0 }, { 1, 8 }, { 20, 0 } },
		  CODE("\x55\x48\x89\xe5") },
		{ "main.c", 32, .deltas = { { 0, 0 }, { 4, 8 }, { 20, 0 } },
		  CODE("\x48\x83\xec\x08\x48\x89\x2c\x24\x48\x8d\x2c\x24") },
		/* Too large for a short instruction. */
		{ "main.d", 64, .deltas = { { 0, 0 }, { 7, 0x100 } } },
	};
	struct found found = { 0 };
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_120, f, 4);
	walk(&t, true, &found);
	CHECK_RSP(&found, 0, 8, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 1, 16, CPROF_WHERE_CFA);
	CHECK_RSP(&found, 8, 0x28, CPROF_WHERE_CFA);
	CHECK_RSP(&found, 40, 16, CPROF_WHERE_CFA);
	CHECK_RSP(&found, 41, 8, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 65, 16, CPROF_WHERE_CFA);
	CHECK_RSP(&found, 100, 16, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 103, 16, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 104, 16, CPROF_WHERE_CFA);
	CHECK_RSP(&found, 128 + 14, 0x108, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 128 + 15, 0x108, CPROF_WHERE_CFA);
}

/* What assembly does not save is where it was. */
TEST(assembly)
{
	const struct fake_func f[] = {
		{ "main.pushes", 32, ASM, .deltas = { { 0, 0 }, { 1, 8 } }, CODE("\x53\x90") },
		{ "main.framed", 32, ASM, .deltas = { { 0, 0 }, { 4, 0x20 } }, CODE(MOVED) },
		{ "main.c", 32, .foreign = true },
		{ "syscall.rawVforkSyscall", 32, ASM, .deltas = { { 0, 0 }, { 4, -8 }, { 8, 0 } },
		  CODE("\x90\x90\x41\x5c") },
		{ "main.below", 32, ASM, .deltas = { { 0, 0 }, { 4, -8 }, { 8, -24 } } },
	};
	struct found found = { 0 };
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_120, f, 5);
	walk(&t, true, &found);
	CHECK_RSP(&found, 1, 16, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 32 + 9, 0x28, CPROF_WHERE_CFA);
	CHECK_EQ(at(&found, 64).cfa, CPROF_CFA_GAP);
	CHECK_EQ(found.facts.foreign, 1);
	CHECK_EQ(at(&found, 96 + 4).ra, CPROF_WHERE_REG);
	CHECK_EQ(at(&found, 96 + 4).ra_reg, 12);
	CHECK_EQ(at(&found, 96 + 4).cfa_off, 0);
	CHECK_EQ(at(&found, 128 + 4).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_EQ(at(&found, 128 + 8).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_EQ(found.facts.unsupported, 1);
}

#define SP_WRITE (ASM | GOPCLNTAB_SP_WRITE)
/* MOVQ 0x38(DX), SP */
#define LOADED "\x48\x8b\x62\x38"
/* MOVQ R12, SP */
#define BACK "\x4c\x89\xe4"

TEST(roots_and_signals)
{
	const struct fake_func f[] = {
		{ "main.a", 32 },
		{ "runtime.sigreturn__sigaction", 32, ASM },
		{ "runtime.goexit", 32, ASM },
		{ "runtime.mcall", 32, SP_WRITE, .deltas = { { 0, 0 }, { 8, 8 } },
		  CODE("\x90\x90" LOADED) },
		{ "runtime.mcall", 32 }, /* a wrapper */
		{ "runtime.sigpanic", 32, .deltas = { { 0, 0 }, { 1, 8 }, { 8, 32 } } },
		{ "runtime.mcall", 32, .deltas = { { 0, 0 }, { 4, 0x20 } }, CODE(MOVED) },
		{ "runtime.goschedImpl", 32, .deltas = { { 0, 0 }, { 4, 0x20 } } },
	};

	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		struct found found = { 0 };
		struct fake_table t;

		fake_table(&t, versions[i], f, 8);
		walk(&t, true, &found);
		CHECK_RSP(&found, 30, 8, CPROF_WHERE_SAME);
		CHECK_EQ(at(&found, 31).cfa, CPROF_CFA_SIGNAL); /* the return address less one */
		CHECK_EQ(at(&found, 31).flags, CPROF_RULE_EXACT);
		CHECK_EQ(at(&found, 63).cfa, CPROF_CFA_SIGNAL);
		CHECK_ROOT(&found, 64);
		CHECK_RSP(&found, 96 + 5, 8, CPROF_WHERE_SAME);
		CHECK_ROOT(&found, 96 + 6);
		CHECK_ROOT(&found, 127);
		CHECK_RSP(&found, 128, 8, CPROF_WHERE_SAME);
		CHECK_EQ(at(&found, 160 + 8).flags, CPROF_RULE_EXACT);
		CHECK_RSP(&found, 192 + 9, 0x28, CPROF_WHERE_CFA);
		CHECK_ROOT(&found, 224 + 9);
		walk(&t, false, &found);
		CHECK_ROOT(&found, 96);
	}
}

TEST(other_stacks)
{
	const struct fake_func f[] = {
		/* Without a frame, up to 1.20. */
		{ "runtime.systemstack", 32, SP_WRITE,
		  CODE("\x90\x90" LOADED "\x90\x90" BACK "\xc3") },
		/* With one. */
		{ "runtime.nanotime1", 48, SP_WRITE, .deltas = { { 0, 0 }, { 4, 0x20 }, { 40, 0 } },
		  CODE(MOVED LOADED BACK) },
		{ "runtime.asmcgocall", 48, SP_WRITE, .deltas = { { 0, 0 }, { 1, 8 }, { 40, 0 } },
		  CODE("\x55\x48\x89\xe5" LOADED BACK) },
		{ "runtime.morestack", 32, SP_WRITE, CODE("\x90\x90\x90" LOADED) },
		{ "main.aligns", 32, SP_WRITE, .deltas = { { 0, 0 }, { 4, 0x20 }, { 24, 0 } },
		  CODE(MOVED BACK) },
		/* Given back by a longer instruction. */
		{ "runtime.walltime", 64, SP_WRITE, .deltas = { { 0, 0 }, { 7, 0x80 }, { 50, 0 } },
		  CODE("\x48\x81\xec\x80\x00\x00\x00\x48\x89\x6c\x24\x78\x48\x8d\x6c\x24"
		       "\x78" BACK) },
		{ "time.now", 64, SP_WRITE, .deltas = { { 0, 0 }, { 7, 0x90 }, { 50, 0 } },
		  CODE("\x48\x81\xec\x90\x00\x00\x00\x48\x89\xac\x24\x88\x00\x00\x00"
		       "\x48\x8d\xac\x24\x88\x00\x00\x00" BACK) },
	};
	struct found found = { 0 };
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_120, f, 7);
	walk(&t, true, &found);
	CHECK_RSP(&found, 5, 8, CPROF_WHERE_SAME);
	CHECK_CHAIN(&found, 6);
	CHECK_CHAIN(&found, 10);
	CHECK_RSP(&found, 11, 8, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 32 + 9, 0x28, CPROF_WHERE_CFA);
	CHECK_CHAIN(&found, 32 + 14);
	CHECK_CHAIN(&found, 32 + 35);
	CHECK_RSP(&found, 32 + 36, 0x28, CPROF_WHERE_CFA); /* ADDQ $0x20, SP */
	CHECK_RSP(&found, 32 + 40, 8, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 80 + 1, 16, CPROF_WHERE_CFA);
	CHECK_CHAIN(&found, 80 + 4);
	CHECK_CHAIN(&found, 80 + 39);
	CHECK_RSP(&found, 80 + 40, 8, CPROF_WHERE_SAME);
	CHECK_RSP(&found, 128 + 6, 8, CPROF_WHERE_SAME);
	CHECK_EQ(at(&found, 128 + 7).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_EQ(at(&found, 160 + 4).cfa, CPROF_CFA_UNSUPPORTED);
	CHECK_RSP(&found, 160 + 24, 8, CPROF_WHERE_SAME);
	CHECK_CHAIN(&found, 192 + 45);
	CHECK_RSP(&found, 192 + 46, 0x88, CPROF_WHERE_CFA);
	CHECK_CHAIN(&found, 256 + 42);
	CHECK_RSP(&found, 256 + 43, 0x98, CPROF_WHERE_CFA);
	walk(&t, false, &found);
	CHECK_CHAIN(&found, 0);
	CHECK_EQ(at(&found, 128).cfa, CPROF_CFA_UNSUPPORTED);
}

#define COMPARED "\x48\x3b\x83\xc0\x00\x00\x00"		 /* CMPQ AX, 0xc0(BX) */
#define BY_THREAD "\x64\x48\x8b\x1c\x25\xf8\xff\xff\xff" /* MOVQ (TLS), BX */
#define KEPT "\x48\x89\x6e\x68"				 /* MOVQ BP, 0x68(SI) */

/* Where the goroutine is kept is read from the code of two functions. */
TEST(growth_of_stacks)
{
	const struct fake_func f[] = {
		{ "runtime.systemstack", 48, SP_WRITE,
		  CODE("\x48\x3b\x43\x50" COMPARED LOADED "\x48\x3b\x83\x11\x11\x00\x00" BACK
		       "\xc3") },
		{ "runtime.morestack", 48, SP_WRITE,
		  CODE(BY_THREAD "\x48\x89\x6c\x24\x08" KEPT "\x48\x89\x6e\x70" LOADED) },
	};
	struct found found = { 0 };
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_120, f, 2);
	walk(&t, true, &found);
	CHECK_CHAIN(&found, 20);
	CHECK_RSP(&found, 48 + 25, 8, CPROF_WHERE_SAME);
	CHECK_EQ(at(&found, 48 + 26).cfa, CPROF_CFA_GOROUTINE);
	CHECK_EQ(at(&found, 48 + 26).cfa_reg, 14);
	CHECK_EQ(at(&found, 48 + 26).cfa_off, 0xc0);
	CHECK_EQ(at(&found, 48 + 26).fp_off, 0x68);
	CHECK_EQ(found.facts.unsupported, 0);

	/* Of 1.16, where no register has g. */
	fake_table(&t, GOPCLNTAB_116, f, 2);
	walk(&t, true, &found);
	CHECK_EQ(at(&found, 48 + 26).cfa_reg, CPROF_REG_RIP);
	CHECK_EQ(at(&found, 48 + 26).cfa_add, -8);

	/* One of the two is not to be seen. */
	fake_table(&t, GOPCLNTAB_120, f + 1, 1);
	walk(&t, true, &found);
	CHECK_EQ(at(&found, 26).cfa, CPROF_CFA_UNSUPPORTED);
}

/* A wrapper has the name, and is a function like others. */
TEST(wrappers)
{
	const struct fake_func f[] = {
		/* MOVQ SP, R12 is no switch. */
		{ "runtime.nanotime1", 48, .deltas = { { 0, 0 }, { 4, 0x20 } },
		  CODE(MOVED "\x49\x89\xe4") },
		{ "runtime.mcall", 32 },
	};
	struct found found = { 0 };
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_116, f, 2);
	walk(&t, true, &found);
	CHECK_RSP(&found, 20, 0x28, CPROF_WHERE_CFA);
	fake_table(&t, GOPCLNTAB_118, f, 2);
	walk(&t, false, &found);
	CHECK_RSP(&found, 20, 0x28, CPROF_WHERE_CFA);
	CHECK_RSP(&found, 48, 8, CPROF_WHERE_SAME);
}

static const struct fake_func three[] = {
	{ "main.a", 32, .deltas = { { 0, 0 }, { 4, 0x20 } } },
	{ "main.b", 32, .deltas = { { 0, 0 }, { 4, 0x30 } } },
	{ "main.c", 32, .deltas = { { 0, 0 }, { 4, 0x40 } } },
};

TEST(names)
{
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		struct gopclntab_head head;
		struct found found = { 0 };
		struct gopclntab_file file;
		struct fake_table t;
		char name[5];

		fake_table(&t, versions[i], three, 3);
		file = fake_file(&t, true);
		walk(&t, true, &found);
		CHECK_EQ(found.funcs_cnt, 3);
		CHECK_EQ(gopclntab_head(t.v, t.cnt, t.cnt, &head), 0);
		CHECK_EQ(head.version, versions[i]);
		CHECK_EQ(head.funcs_cnt, 3);
		CHECK_EQ(gopclntab_name(&file, &head, found.funcs[2].name, name, sizeof(name)), 4);
		CHECK_STR(name, "main");
		CHECK_EQ(gopclntab_name(&file, &head, UINT32_MAX, name, sizeof(name)), -EBADMSG);
	}
}

/* What is wrong with one function is not the others' business. */
TEST(bad_functions)
{
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		size_t word = fake_word(versions[i]);
		struct found found = { 0 };
		struct fake_table t;

		fake_table(&t, versions[i], three, 3);
		fake_set(&t, t.list + 3 * word, 0xffffff, word); /* no record */
		walk(&t, false, &found);
		CHECK_EQ(found.facts.bad, 1);
		CHECK_RSP(&found, 20, 0x28, CPROF_WHERE_CFA);
		CHECK_EQ(at(&found, 32).cfa, CPROF_CFA_GAP);
		CHECK_EQ(at(&found, 64).cfa, CPROF_CFA_REG);

		fake_table(&t, versions[i], three, 3);
		fake_set(&t, t.list + 4 * word, fake_addr(versions[i], 16), word); /* goes back */
		walk(&t, false, &found);
		CHECK_EQ(found.facts.bad, 2);
		CHECK_RSP(&found, 20, 0x28, CPROF_WHERE_CFA);
		CHECK_EQ(at(&found, 32).cfa, CPROF_CFA_GAP);

		fake_table(&t, versions[i], three, 3);
		memset(t.v + t.pcs + 1, 0x81, 5); /* a number without an end */
		walk(&t, false, &found);
		CHECK_EQ(found.facts.bad, 1);
		CHECK_EQ(at(&found, 0).cfa, CPROF_CFA_GAP);
		CHECK_EQ(at(&found, 32).cfa, CPROF_CFA_REG);
	}
}

TEST(bad_heads)
{
	struct gopclntab_head head;
	struct found found = { 0 };
	struct gopclntab_file file;
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_120, three, 3);
	for (size_t sz = 0; sz < GOPCLNTAB_HEAD_SZ; sz++)
		CHECK_EQ(gopclntab_head(t.v, sz, t.cnt, &head), -EBADMSG);
	CHECK_EQ(gopclntab_head(t.v, GOPCLNTAB_HEAD_SZ, t.list + 6 * 4, &head), -EBADMSG);
	for (size_t i = 0; i < 8; i++) {
		t.v[i] ^= 0x10; /* another magic number or machine */
		CHECK_EQ(gopclntab_head(t.v, t.cnt, t.cnt, &head), -EBADMSG);
		t.v[i] ^= 0x10;
	}
	fake_set(&t, 8, UINT64_MAX / 8, 8); /* more functions than there is room for */
	CHECK_EQ(gopclntab_head(t.v, t.cnt, t.cnt, &head), -EBADMSG);
	file = fake_file(&t, true);
	CHECK_EQ(walk_file(&file, &found), GOPCLNTAB_NONE);
	t.cnt = 3;
	file = fake_file(&t, true);
	CHECK_EQ(walk_file(&file, &found), GOPCLNTAB_NONE);
}

/* Where the text is, from the runtime's description of the program. */
TEST(text)
{
	uint64_t words[64] = { 0 }, table_addr = 0x4e1108, text = 0;
	struct fake_table t, data = { 0 };
	struct gopclntab_bytes bytes = { fake_read_table, &data, sizeof(words) };
	struct gopclntab_head head;

	fake_table(&t, GOPCLNTAB_120, three, 3);
	CHECK_EQ(gopclntab_head(t.v, t.cnt, t.cnt, &head), 0);
	words[3] = table_addr; /* only a pointer to it */
	words[7] = table_addr;
	words[7 + 1] = table_addr + head.names;
	words[7 + 10] = table_addr + head.pc_tables;
	words[7 + 13] = table_addr + head.funcs;
	words[7 + 20] = 0x402000;
	words[7 + 21] = 0x403000;
	words[7 + 22] = 0x401780;
	memcpy(data.v, words, sizeof(words));
	data.cnt = sizeof(words);
	CHECK_EQ(gopclntab_text(&head, table_addr, &bytes, &text), 0);
	CHECK_EQ(text, 0x401780);
	bytes.size = (7 + 22) * 8;
	CHECK_EQ(gopclntab_text(&head, table_addr, &bytes, &text), -ENOENT);
	bytes.size = sizeof(words) + 4096;
	data.v[3] = 1;
	CHECK_EQ(gopclntab_text(&head, table_addr, &bytes, &text), -EIO);
}

/* Functions of 4 GiB in all that share one table of single bytes. */
TEST(work_is_bounded)
{
	struct fake_func f[16] = { 0 };
	struct found found = { 0 };
	struct gopclntab_file file;
	struct fake_table t;

	for (size_t i = 0; i < ELEMENTSOF(f); i++)
		f[i] = (struct fake_func){ "main.a", 32 };
	fake_table(&t, GOPCLNTAB_120, f, 16);
	for (size_t i = 0; i <= ELEMENTSOF(f); i++)
		fake_set(&t, t.list + i * 8, i << 28, 4);
	for (size_t i = 0; i < ELEMENTSOF(f); i++)
		fake_set(&t, t.records + i * 44 + 16, t.cnt - t.pcs, 4);
	for (uint8_t step = 2; t.cnt < sizeof(t.v); step ^= 3) { /* up by one, down by one */
		fake_put(&t, step, 1);
		fake_put(&t, 1, 1);
	}
	file = fake_file(&t, false);
	CHECK_EQ(gopclntab_walk(&file, &(struct gopclntab_sink){ 0 }, &found.facts),
		 GOPCLNTAB_LIMIT);
	CHECK(found.facts.funcs > 1);
}

TEST(a_sink_stops)
{
	struct found found = { .stop = -EBADMSG };
	struct gopclntab_file file;
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_118, three, 3);
	file = fake_file(&t, true);
	CHECK_EQ(walk_file(&file, &found), -EBADMSG);
	CHECK_EQ(found.rows_cnt, 2);
	CHECK_EQ(found.facts.bad, 0);
}

TEST(reading_fails)
{
	struct found found = { 0 };
	struct gopclntab_file file;
	struct fake_table t;

	fake_table(&t, GOPCLNTAB_116, three, 3);
	file = fake_file(&t, true);
	file.table.size += 1;
	CHECK_EQ(walk_file(&file, &found), -EIO);
	file = fake_file(&t, true);
	file.code.size += 1;
	CHECK_EQ(walk_file(&file, &found), -EIO);
}

TEST(no_memory)
{
	struct found found = { 0 };
	struct gopclntab_file file;
	struct fake_table t;
	int r;

	fake_table(&t, GOPCLNTAB_120, three, 3);
	file = fake_file(&t, true);
	fail_at(0);
	r = walk_file(&file, &found);
	CHECK(!fail_over());
	CHECK_EQ(r, -ENOMEM);
}

CHECK_MAIN
