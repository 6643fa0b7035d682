/* SPDX-License-Identifier: Apache-2.0 */

#include "cprof/gopclntab_lines.h"

#include "check.h"
#include "fail.h"
#include "gopclntab-lines-fixture.h"

static const enum gopclntab_version versions[] = { GOPCLNTAB_116, GOPCLNTAB_118, GOPCLNTAB_120 };

/* One function with two calls in each other, and one after it in another file; a plain one; a generic one. */
static const struct fake_source program[] = {
	{
		.name = "main.outer",
		.size = 64,
		.start_line = 10,
		.files = { { 0, 0 }, { 20, 1 }, { 40, 0 } },
		.lines = { { 0, 10 },
			   { 10, 12 },
			   { 20, 105 },
			   { 30, 207 },
			   { 40, 14 },
			   { 50, 33 } },
		.calls = { { 0, -1 }, { 12, 0 }, { 30, 1 }, { 40, -1 }, { 50, 2 }, { 60, -1 } },
		.tree = { { "main.middle", 11, 100, -1 },
			  { "main.inner", 21, 200, 0 },
			  { "main.after", 45, 30, -1 } },
	},
	{ .name = "main.plain", .size = 32, .unit = 4, .lines = { { 0, 3 }, { 16, 0 } } },
	{ .name = "main.F[go.shape.[]int,go.shape.int].func1",
	  .size = 32,
	  .lines = { { 0, 8 }, { 16, 9 } },
	  .calls = { { 0, -1 }, { 4, 0 } },
	  .tree = { { "main.G[...]", 0, 5, -1 } } },
};

struct told {
	size_t i;
	uint64_t start, end;
	bool flat;
	size_t cnt;
	struct {
		char function[64], linkage[64], file[64];
		uint32_t line, start_line;
	} v[GOPCLNTAB_PLACES_MAX];
};

struct found {
	struct told v[16];
	size_t cnt;
	int stop; /* said at the second */
	struct gopclntab_lines_facts facts;
	enum gopclntab_trees trees;
};

static int on_found(void *ctx, const struct gopclntab_answer *a)
{
	struct found *f = ctx;
	struct told *t = &f->v[f->cnt++];

	CHECK(f->cnt <= ELEMENTSOF(f->v));
	CHECK(a->cnt > 0 && a->cnt <= GOPCLNTAB_PLACES_MAX);
	*t = (struct told){ .i = a->i, a->start, a->end, a->flat, a->cnt };
	for (size_t i = 0; i < a->cnt; i++) {
		const struct gopclntab_place *p = &a->places[i];

		snprintf(t->v[i].function, sizeof(t->v[i].function), "%s", p->function);
		snprintf(t->v[i].linkage, sizeof(t->v[i].linkage), "%s",
			 p->linkage ? p->linkage : "");
		snprintf(t->v[i].file, sizeof(t->v[i].file), "%s", p->file);
		t->v[i].line = p->line;
		t->v[i].start_line = p->start_line;
	}
	return f->cnt == 2 ? f->stop : 0;
}

struct asked {
	const uint64_t *offsets;
	size_t cnt;
	struct gopclntab_lines_limits limits;
};

static int find_in(const struct gopclntab_sources *s, const struct asked *asked, struct found *ret)
{
	_cleanup_(gopclntab_lines_freep) struct gopclntab_lines *l = NULL;
	struct gopclntab_lines_sink sink = { on_found, ret };
	uint64_t addrs[16];
	int stop = ret->stop, r;

	*ret = (struct found){ .stop = stop };
	for (size_t i = 0; i < asked->cnt; i++)
		addrs[i] = TEXT + asked->offsets[i];
	r = gopclntab_lines_new(s, &asked->limits, &l);
	if (r != GOPCLNTAB_OK)
		return r;
	ret->trees = gopclntab_lines_trees(l);
	return gopclntab_lines_find(l, addrs, asked->cnt, &sink, &ret->facts);
}

#define ASKED(...)                                                                     \
	((struct asked){ (const uint64_t[]){ __VA_ARGS__ },                            \
			 sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t), \
			 GOPCLNTAB_LINES_LIMITS_DEFAULT })

#define FIND(lines, ret, ...)                                             \
	do {                                                              \
		struct gopclntab_sources _sources = fake_sources(lines);  \
		struct asked _asked = ASKED(__VA_ARGS__);                 \
		CHECK_EQ(find_in(&_sources, &_asked, ret), GOPCLNTAB_OK); \
	} while (0)

static void check_place(const struct told *t, size_t i, const char *function, const char *where)
{
	char ours[128];

	CHECK(i < t->cnt);
	snprintf(ours, sizeof(ours), "%s:%u", t->v[i].file, t->v[i].line);
	CHECK_STR(t->v[i].function, function);
	CHECK_STR(ours, where);
}

TEST(calls_within_calls)
{
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		bool starts = versions[i] >= GOPCLNTAB_120;
		struct found found = { 0 };
		struct fake_lines l;

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		FIND(&l, &found, 0, 9, 15, 29, 30, 39, 40, 55, 63);
		CHECK_EQ(found.trees, GOPCLNTAB_TREES_OK);
		CHECK_EQ(found.cnt, 9);
		CHECK_EQ(found.facts.found, 9);
		CHECK_EQ(found.facts.bad + found.facts.flat + found.facts.cut, 0);
		CHECK_EQ(found.v[0].start, TEXT);
		CHECK_EQ(found.v[0].end, TEXT + 64);
		CHECK_EQ(found.v[1].cnt, 1);
		check_place(&found.v[1], 0, "main.outer", "/src/a.go:10");
		CHECK_EQ(found.v[1].v[0].start_line, starts ? 10 : 0);
		CHECK_EQ(found.v[2].cnt, 2);
		check_place(&found.v[2], 0, "main.middle", "/src/a.go:12");
		check_place(&found.v[2], 1, "main.outer", "/src/a.go:12");
		check_place(&found.v[3], 0, "main.middle", "/src/b.go:105");
		CHECK_EQ(found.v[4].cnt, 3);
		check_place(&found.v[4], 0, "main.inner", "/src/b.go:207");
		check_place(&found.v[4], 1, "main.middle", "/src/b.go:105");
		check_place(&found.v[4], 2, "main.outer", "/src/a.go:12");
		CHECK_EQ(found.v[4].v[0].start_line, starts ? 200 : 0);
		CHECK_EQ(found.v[4].v[1].start_line, starts ? 100 : 0);
		CHECK_EQ(found.v[5].cnt, 3);
		CHECK_EQ(found.v[6].cnt, 1);
		CHECK_EQ(found.v[7].cnt, 2);
		check_place(&found.v[7], 1, "main.outer", "/src/a.go:14");
		CHECK_EQ(found.v[8].cnt, 1);
	}
}

TEST(names_and_files)
{
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		struct found found = { 0 };
		struct fake_lines l;

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		FIND(&l, &found, 64, 64 + 20, 96, 100);
		CHECK_EQ(found.cnt, 4);
		CHECK_EQ(found.v[3].i, 3);
		check_place(&found.v[0], 0, "main.plain", "<autogenerated>:3");
		check_place(&found.v[1], 0, "main.plain", ":0"); /* a line of nothing */
		check_place(&found.v[2], 0, "main.F[...].func1", "/src/a.go:8");
		CHECK_STR(found.v[2].v[0].linkage, "main.F[go.shape.[]int,go.shape.int].func1");
		check_place(&found.v[3], 0, "main.G[...]", "/src/a.go:8");
		CHECK_STR(found.v[3].v[0].linkage, "");
	}
}

/* Where trees may be, by what the runtime's description says in each release. */
TEST(descriptions)
{
	static const uint64_t bases[][GOPCLNTAB_BASES_MAX] = { { 0 }, { 38 }, { 40, 43 } };

	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		struct fake_table data = { .cnt = 60 * 8 };
		struct gopclntab_bytes bytes = { fake_read_table, &data, data.cnt };
		struct gopclntab_module m;
		struct gopclntab_head head;
		struct fake_lines l;
		uint64_t at = 0x4e1100;

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		CHECK_EQ(gopclntab_head(l.t.v, l.t.cnt, l.t.cnt, &head), 0);
		for (size_t k = 0; k < 52; k++) /* what is not looked at */
			fake_set(&data, 8 * (8 + k), k, 8);
		fake_set(&data, 64, at, 8);
		fake_set(&data, 64 + 8, at + head.names, 8);
		fake_set(&data, 64 + 8 * 10, at + head.pc_tables, 8);
		fake_set(&data, 64 + 8 * 13, at + head.funcs, 8);
		CHECK_EQ(gopclntab_module(&head, at, &bytes, &m), -ENOENT); /* text > min_pc */
		fake_set(&data, 64 + 8 * 22, 20, 8);
		CHECK_EQ(gopclntab_module(&head, at, &bytes, &m), 0);
		CHECK_EQ(m.text, 20);
		CHECK_EQ(m.bases_cnt, i);
		CHECK(memcmp(m.bases, bases[i], sizeof(m.bases)) == 0);
		bytes.size = 8 * (8 + 43); /* it ends before the last */
		CHECK_EQ(gopclntab_module(&head, at, &bytes, &m), 0);
		CHECK_EQ(m.bases_cnt, MIN(i, (size_t)1));
	}
}

TEST(other_addresses)
{
	struct gopclntab_sources s;
	struct found found = { 0 };
	struct asked asked = ASKED(0, 127, 128, 1 << 20);
	struct fake_lines l;

	fake_lines(&l, GOPCLNTAB_118, program, ELEMENTSOF(program));
	s = fake_sources(&l);
	CHECK_EQ(find_in(&s, &asked, &found), GOPCLNTAB_OK);
	CHECK_EQ(found.cnt, 2);
	CHECK_EQ(found.v[1].i, 1);
	asked = ASKED(-1ull, 0);
	asked.cnt = 1;
	CHECK_EQ(find_in(&s, &asked, &found), GOPCLNTAB_OK);
	CHECK_EQ(found.cnt, 0);
	asked = ASKED(-TEXT); /* address 0 */
	CHECK_EQ(find_in(&s, &asked, &found), GOPCLNTAB_OK);
	CHECK_EQ(found.cnt, 0);
}

TEST(tables_of_others)
{
	struct fake_func f[] = { { "main.a", 32 } };
	struct found found = { 0 };
	struct gopclntab_sources s;
	struct asked asked = ASKED(0);
	struct fake_lines l = { 0 };

	fake_table(&l.t, GOPCLNTAB_12, f, 1);
	s = fake_sources(&l);
	CHECK_EQ(find_in(&s, &asked, &found), GOPCLNTAB_NONE);
	l.t.v[0] ^= 0x80;
	CHECK_EQ(find_in(&s, &asked, &found), GOPCLNTAB_NONE);
}

/* Of a call nothing is known: the line is the innermost one's, and that is said. */
static void check_flat(struct fake_lines *l, const struct gopclntab_sources *s,
		       enum gopclntab_trees trees)
{
	struct asked asked = ASKED(5, 30);
	struct found found = { 0 };

	CHECK_EQ(find_in(s, &asked, &found), GOPCLNTAB_OK);
	CHECK_EQ(found.trees, trees);
	CHECK_EQ(found.cnt, 2);
	CHECK(!found.v[0].flat && found.v[1].flat);
	CHECK_EQ(found.facts.flat, 1);
	CHECK_EQ(found.v[1].cnt, 1);
	check_place(&found.v[1], 0, "main.outer", "/src/b.go:207");
	CHECK_EQ(found.facts.bad, trees == GOPCLNTAB_TREES_OK);
}

TEST(trees_that_are_not_known)
{
	struct gopclntab_sources s;
	struct fake_lines l;

	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		s = fake_sources(&l);
		s.memory.size = 0;
		check_flat(&l, &s, GOPCLNTAB_TREES_NONE);
		s.memory.size = MEMORY;
		check_flat(&l, &s, GOPCLNTAB_TREES_BAD);
		if (versions[i] < GOPCLNTAB_118)
			continue;
		s = fake_sources(&l);
		s.module.bases_cnt = 0;
		check_flat(&l, &s, GOPCLNTAB_TREES_NONE);
		s.module = (struct gopclntab_module){ .bases = { MEMORY }, .bases_cnt = 1 };
		check_flat(&l, &s, GOPCLNTAB_TREES_BAD);
		s.module.bases[0] = UINT64_MAX;
		check_flat(&l, &s, GOPCLNTAB_TREES_BAD);
	}
	/* In two places, one of which cannot be right. */
	fake_lines(&l, GOPCLNTAB_120, program, ELEMENTSOF(program));
	memcpy(l.memory + 0x800, l.memory, l.memory_cnt);
	s = fake_sources(&l);
	s.module.bases[s.module.bases_cnt++] = MEMORY + 0x800 + TREES;
	check_flat(&l, &s, GOPCLNTAB_TREES_BAD);
	l.memory[0x800 + TREES + 1] = 1;
	s.module.bases[0] = MEMORY + 0x800 + TREES;
	s.module.bases[1] = MEMORY + TREES;
	{
		struct found found = { 0 };
		struct asked asked = ASKED(30);

		CHECK_EQ(find_in(&s, &asked, &found), GOPCLNTAB_OK);
		CHECK_EQ(found.trees, GOPCLNTAB_TREES_OK);
		CHECK_EQ(found.v[0].cnt, 3);
	}
}

/* A program in which nothing is inlined has no trees, which is no lie. */
TEST(no_trees)
{
	struct found found = { 0 };
	struct fake_lines l;

	fake_lines(&l, GOPCLNTAB_120, program + 1, 1);
	FIND(&l, &found, 3);
	CHECK_EQ(found.trees, GOPCLNTAB_TREES_NONE);
	CHECK(!found.v[0].flat);
}

/* What is at this byte of each call, and what must not be there. */
static const struct {
	enum gopclntab_version version;
	size_t at;
	size_t sz;
	uint64_t v;
} lies[] = {
	{ GOPCLNTAB_116, 0, 2, 2 },	      /* into one that comes later */
	{ GOPCLNTAB_116, 0, 2, 0xfffe },      /* into nothing */
	{ GOPCLNTAB_116, 3, 1, 1 },	      /* what is always zero */
	{ GOPCLNTAB_118, 12, 4, 1 },	      /* in the middle of a name */
	{ GOPCLNTAB_118, 12, 4, 0x10000000 }, /* behind the names */
	{ GOPCLNTAB_118, 16, 4, 64 },	      /* behind the function */
	{ GOPCLNTAB_118, 16, 4, UINT32_MAX }, { GOPCLNTAB_120, 1, 1, 1 },
	{ GOPCLNTAB_120, 3, 1, 0x80 },	      { GOPCLNTAB_120, 4, 4, UINT32_MAX },
	{ GOPCLNTAB_120, 4, 4, 3 },	      { GOPCLNTAB_120, 8, 4, 64 },
	{ GOPCLNTAB_120, 12, 4, 0x80000000 }, /* a line below 0 */
};

TEST(lies_about_calls)
{
	struct gopclntab_sources s;
	struct fake_lines l;

	fake_lines(&l, GOPCLNTAB_120, program, ELEMENTSOF(program));
	s = fake_sources(&l);
	memcpy(l.memory + l.trees[0] + 4, &(uint32_t){ (uint32_t)(l.paths - l.t.names) + 10 }, 4);
	check_flat(&l, &s, GOPCLNTAB_TREES_BAD); /* not a name, but a path */
	for (size_t i = 0; i < ELEMENTSOF(lies); i++) {
		size_t sz = lies[i].version < GOPCLNTAB_120 ? 20 : 16;

		fake_lines(&l, lies[i].version, program, ELEMENTSOF(program));
		s = fake_sources(&l);
		memcpy(l.memory + l.trees[0] + sz + lies[i].at, &lies[i].v, lies[i].sz);
		check_flat(&l, &s, GOPCLNTAB_TREES_BAD);
		fake_lines(&l, lies[i].version, program, ELEMENTSOF(program));
		memset(l.memory + l.trees[0] + sz, 0, sz);
		check_flat(&l, &s, GOPCLNTAB_TREES_BAD);
	}
}

/* Each call is at the place of the other, or at its own. */
TEST(circles)
{
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		bool old = versions[i] < GOPCLNTAB_120;
		size_t sz = old ? 20 : 16, pc = old ? 16 : 8;
		struct gopclntab_sources s;
		struct fake_lines l;

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		s = fake_sources(&l);
		memcpy(l.memory + l.trees[0] + pc, &(uint32_t){ 31 }, 4);
		check_flat(&l, &s, GOPCLNTAB_TREES_OK);
		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		memcpy(l.memory + l.trees[0] + sz + pc, &(uint32_t){ 31 }, 4);
		check_flat(&l, &s, GOPCLNTAB_TREES_OK);
	}
}

/* The table speaks of calls, and there is no tree; or of ones beyond it, which the proof did not look at. */
TEST(calls_without_a_tree)
{
	struct fake_source f[2] = { program[0], program[0] };
	struct found found = { 0 };
	struct fake_lines l;

	f[1].tree[0].name = NULL;
	fake_lines(&l, GOPCLNTAB_120, f, 2);
	FIND(&l, &found, 30, 64 + 30);
	CHECK_EQ(found.trees, GOPCLNTAB_TREES_OK);
	CHECK(!found.v[0].flat && found.v[1].flat);
	CHECK_EQ(found.facts.bad, 1);
	f[1] = program[0];
	f[1].calls[5].delta = 64;
	fake_lines(&l, GOPCLNTAB_120, f, 2);
	memset(l.memory + l.memory_cnt, 0, sizeof(l.memory) - l.memory_cnt);
	for (size_t k = 3; k < 64; k++) /* all that it looks at */
		memcpy(l.memory + l.trees[1] + k * 16, l.memory + l.trees[1], 16);
	FIND(&l, &found, 64 + 30, 64 + 62);
	CHECK_EQ(found.trees, GOPCLNTAB_TREES_OK);
	CHECK_EQ(found.v[0].cnt, 3);
	CHECK(found.v[1].flat);
	CHECK_EQ(found.facts.bad, 1);
}

/* What a record says that cannot be costs that alone. */
TEST(lies_about_functions)
{
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		size_t word = fake_word(versions[i]);
		struct found found = { 0 };
		struct fake_lines l;

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		fake_set(&l.t, l.records[0] + word + 24, UINT32_MAX, 4); /* tables */
		FIND(&l, &found, 5, 64);
		CHECK_EQ(found.facts.bad, 1);
		check_place(&found.v[0], 0, "main.outer", ":0");
		check_place(&found.v[1], 0, "main.plain", "<autogenerated>:3");

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		fake_set(&l.t, l.records[0] + word + 28, 6, 4); /* a unit behind all */
		FIND(&l, &found, 5);
		check_place(&found.v[0], 0, "main.outer", ":0");
		fake_set(&l.t, l.records[0] + word + 28, UINT32_MAX, 4);
		FIND(&l, &found, 5);
		check_place(&found.v[0], 0, "main.outer", ":0");
		fake_set(&l.t, l.records[0] + word + 28, 3, 4); /* a file that nobody has */
		FIND(&l, &found, 5);
		check_place(&found.v[0], 0, "main.outer", ":0");

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		fake_set(&l.t, l.units, 0xffff, 4); /* a path behind all */
		FIND(&l, &found, 5);
		check_place(&found.v[0], 0, "main.outer", ":0");
		fake_set(&l.t, l.units, 12, 4);
		fake_set(&l.t, versions[i] == GOPCLNTAB_116 ? 40 : 48, l.units, 8); /* no units */
		FIND(&l, &found, 5);
		check_place(&found.v[0], 0, "main.outer", ":0");

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		fake_set(&l.t, l.records[0] + word, 0xffffff, 4); /* a name behind all */
		FIND(&l, &found, 5);
		check_place(&found.v[0], 0, "", "/src/a.go:10");
		fake_set(&l.t, l.records[0] + word, l.paths - l.t.names, 4); /* no name */
		FIND(&l, &found, 5);
		check_place(&found.v[0], 0, "", "/src/a.go:10");

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		memset(l.t.v + l.t.pcs + 1, 0x81, 5); /* a number without an end */
		FIND(&l, &found, 5);
		CHECK_EQ(found.facts.bad, 1);
		check_place(&found.v[0], 0, "main.outer", ":0");
		fake_set(&l.t, l.records[0] + word + 20, 0xffffff, 4); /* a table behind all */
		FIND(&l, &found, 5);
		CHECK_EQ(found.facts.bad, 1);

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		fake_set(&l.t, l.t.list + 2 * word, fake_addr(versions[i], 1ull << 33), word);
		FIND(&l, &found, 5);
		CHECK(found.cnt <= 1);
		CHECK_EQ(found.facts.bad, versions[i] == GOPCLNTAB_116); /* of 8 GiB */
		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		fake_set(&l.t, l.t.list + word, 0xffffff, word); /* no record */
		FIND(&l, &found, 5);
		CHECK_EQ(found.cnt, 0);
	}
}

/* The last record ends where the table does. */
TEST(tables_that_end)
{
	for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
		struct fake_lines l;

		fake_lines(&l, versions[i], program, ELEMENTSOF(program));
		for (size_t cnt = l.t.cnt; cnt > 0; cnt--) {
			struct found found = { 0 };
			struct gopclntab_sources s;
			struct asked asked = ASKED(0, 30, 64, 100);
			int r;

			l.t.cnt = cnt;
			s = fake_sources(&l);
			r = find_in(&s, &asked, &found);
			CHECK(r == GOPCLNTAB_OK || r == GOPCLNTAB_NONE);
		}
	}
}

TEST(limits)
{
	struct gopclntab_sources s;
	struct found found = { 0 };
	struct asked asked = ASKED(5, 45);
	struct fake_lines l;

	fake_lines(&l, GOPCLNTAB_120, program, ELEMENTSOF(program));
	s = fake_sources(&l);
	asked.limits.rows = 2;
	CHECK_EQ(find_in(&s, &asked, &found), GOPCLNTAB_OK);
	CHECK_EQ(found.facts.bad, 1);
	check_place(&found.v[0], 0, "main.outer", "/src/a.go:10");
	check_place(&found.v[1], 0, "main.outer", ":0");
	for (asked = ASKED(5, 30, 64), asked.limits.work = 0;; asked.limits.work++) {
		int r = find_in(&s, &asked, &found);

		if (r == GOPCLNTAB_OK)
			break;
		CHECK_EQ(r, GOPCLNTAB_LIMIT);
		CHECK(found.cnt < 3);
	}
	CHECK_EQ(found.cnt, 3);
	/* 15 and 3 numbers of three tables, two calls, and two functions. */
	CHECK_EQ(asked.limits.work, 22);
}

/* As many calls within each other as bytes of a function, in a tree that says so by itself. */
TEST(too_many_places)
{
	enum { DEPTH = 200 };
	struct fake_source f = program[0];
	struct found found = { 0 };
	struct fake_lines l;

	f.size = DEPTH + 1;
	f.calls[1] = (struct fake_delta){ 1, 0 };
	f.calls[2] = (struct fake_delta){ 0 };
	fake_lines(&l, GOPCLNTAB_120, &f, 1);
	/* At byte n the call n - 1, each at the place of the one before: one up by each byte. */
	{
		size_t at = l.t.cnt - l.t.pcs, record = l.records[0] + 4;

		fake_set(&l.t, record + 40 + 8, at, 4);
		for (size_t i = 0; i <= DEPTH; i++) {
			fake_put(&l.t, i == 0 ? 0 : 2, 1);
			fake_put(&l.t, 1, 1);
		}
		fake_put(&l.t, 0, 1);
	}
	for (uint32_t i = 0; i < DEPTH; i++) {
		uint32_t call[4] = { 0, fake_name(&l.t, "main.inner"), i, i + 1 };

		memcpy(l.memory + l.trees[0] + i * sizeof(call), call, sizeof(call));
	}
	FIND(&l, &found, 10, 128, 129, DEPTH);
	CHECK_EQ(found.cnt, 4);
	CHECK_EQ(found.v[0].cnt, 11);
	CHECK_EQ(found.v[1].cnt, 129);
	CHECK_EQ(found.facts.cut, 2);
	CHECK_EQ(found.v[3].cnt, GOPCLNTAB_PLACES_MAX);
	CHECK_STR(found.v[3].v[0].function, "main.inner");
	CHECK_EQ(found.v[3].v[0].start_line, DEPTH);
	CHECK_STR(found.v[3].v[128].function, "main.outer");
	CHECK_EQ(found.v[3].v[128].line, 10);
}

TEST(a_sink_stops)
{
	struct found found = { .stop = -EBADMSG };
	struct asked asked = ASKED(0, 1, 2, 3);
	struct gopclntab_sources s;
	struct fake_lines l;

	fake_lines(&l, GOPCLNTAB_118, program, ELEMENTSOF(program));
	s = fake_sources(&l);
	CHECK_EQ(find_in(&s, &asked, &found), -EBADMSG);
	CHECK_EQ(found.cnt, 2);
}

TEST(reading_fails)
{
	struct asked asked = ASKED(30);
	struct found found = { 0 };
	struct gopclntab_sources s;
	struct fake_lines l;

	fake_lines(&l, GOPCLNTAB_116, program, ELEMENTSOF(program));
	s = fake_sources(&l);
	s.file.table.size += 1;
	CHECK_EQ(find_in(&s, &asked, &found), -EIO);
	s = fake_sources(&l);
	l.fails = true;
	CHECK_EQ(find_in(&s, &asked, &found), -EIO);
}

TEST(no_memory)
{
	struct asked asked = ASKED(30);
	struct gopclntab_sources s;
	struct fake_lines l;
	long n;

	fake_lines(&l, GOPCLNTAB_120, program, ELEMENTSOF(program));
	s = fake_sources(&l);
	for (n = 0;; n++) {
		struct found found = { 0 };
		int r;

		fail_at(n);
		r = find_in(&s, &asked, &found);
		if (fail_over())
			break;
		CHECK_EQ(r, -ENOMEM);
	}
	CHECK(n >= 4);
}

CHECK_MAIN
