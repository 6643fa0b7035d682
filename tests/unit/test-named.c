/* SPDX-License-Identifier: Apache-2.0 */

/* wire: NAMED messages, names with their lines written and read back, and lies about where their texts are. */

#include "check.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/wire.h"
#include "wire-fixture.h"

static struct wire_line_view line(const char *name, const char *linkage, const char *file)
{
	return (struct wire_line_view){
		.name = name,
		.linkage = linkage,
		.file = file,
		.name_len = (uint16_t)strlen(name),
		.linkage_len = (uint16_t)strlen(linkage),
		.file_len = (uint16_t)strlen(file),
	};
}

static struct wire_named *named_new(struct wire_named_writer *w)
{
	struct wire_named *m = message(WIRE_MESSAGE_MAX, WIRE_NAMED);

	m->head.size = sizeof(*m);
	wire_named_writer_init(w, m, WIRE_MESSAGE_MAX);
	return m;
}

static void add(struct wire_named_writer *w, const char *name, const char *linkage)
{
	struct wire_line_view l = line(name, linkage, "");

	CHECK_EQ(wire_named_add(w, w->m->cnt * 16ULL, &l, 1), 0);
	CHECK_EQ(check_copy(w->m, w->m->head.size), WIRE_NAMED);
}

static void check_text(const char *text, size_t len, const char *expect)
{
	CHECK_EQ(len, strlen(expect));
	CHECK(memcmp(text, expect, len) == 0);
}

TEST(what_is_told_in_part)
{
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_name_view v;
	size_t pos = 0;

	add(&w, "whole", "");
	add(&w, "part", "");
	wire_named_part(&w);
	add(&w, "", "");
	m->wants = 1;
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(wire_named_next(m, &pos, &v), 1);
		CHECK_EQ(v.part, i == 1);
	}
	m->wants = 2;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(round_trip)
{
	static const char *const expect[][2] = {
		{ "main", "" }, { "foo(int)", "_Z3fooi" }, { "", "" },	       { "", "" },
		{ "same", "" }, { "12345678", "" },	   { "1234567", "x" }, { "main", "" },
	};
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_name_view v;
	struct wire_line_view l;
	size_t pos = 0;

	add(&w, "main", "");
	add(&w, "foo(int)", "_Z3fooi");
	add(&w, "", "");
	add(&w, "", "_Zdropped");
	add(&w, "same", "same");
	add(&w, "12345678", "");
	add(&w, "1234567", "x");
	add(&w, "main", "");
	CHECK_EQ(m->cnt, ELEMENTSOF(expect));
	for (size_t i = 0; i < ELEMENTSOF(expect); i++) {
		CHECK_EQ(wire_named_next(m, &pos, &v), 1);
		CHECK_EQ(v.start, i * 16);
		CHECK_EQ(v.lines_cnt, expect[i][0][0] != '\0');
		if (v.lines_cnt == 0)
			continue;
		wire_named_line(&v, 0, &l);
		check_text(l.name, l.name_len, expect[i][0]);
		check_text(l.linkage, l.linkage_len, expect[i][1]);
		CHECK_EQ(l.file_len, 0);
	}
	CHECK_EQ(wire_named_next(m, &pos, &v), 0);
	CHECK_EQ(wire_named_next(m, &pos, &v), 0);
	check_sizes(m, m->head.size, WIRE_NAMED);
}

TEST(inlined)
{
	struct wire_line_view lines[] = {
		line("leaf", "", "/src/a.c"),
		line("middle<int>()", "_Z6middleIiEvv", "/src/a.c"),
		line("outer", "", "/src/b.c"),
	};
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_name_view v;
	struct wire_line_view l;
	size_t pos = 0, sz;

	for (uint32_t i = 0; i < ELEMENTSOF(lines); i++) {
		lines[i].line = 10 + i;
		lines[i].column = 20 + i;
		lines[i].start_line = 1 + i;
	}
	CHECK_EQ(wire_named_add(&w, 0x1000, lines, ELEMENTSOF(lines)), 0);
	sz = m->head.size;
	CHECK_EQ(wire_named_add(&w, 0x1000, lines, ELEMENTSOF(lines)), 0);
	/* The second one needs no text. */
	CHECK_EQ(m->head.size - sz, sizeof(struct wire_name) + 3 * sizeof(struct wire_line));
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	for (int n = 0; n < 2; n++) {
		CHECK_EQ(wire_named_next(m, &pos, &v), 1);
		CHECK_EQ(v.start, 0x1000);
		CHECK_EQ(v.lines_cnt, ELEMENTSOF(lines));
		for (uint16_t i = 0; i < ELEMENTSOF(lines); i++) {
			wire_named_line(&v, i, &l);
			check_text(l.name, l.name_len, lines[i].name);
			check_text(l.linkage, l.linkage_len, lines[i].linkage);
			check_text(l.file, l.file_len, lines[i].file);
			CHECK_EQ(l.line, 10 + i);
			CHECK_EQ(l.column, 20 + i);
			CHECK_EQ(l.start_line, 1 + i);
		}
	}
	check_sizes(m, m->head.size, WIRE_NAMED);
}

TEST(empty)
{
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_name_view v;
	size_t pos = 0;

	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	CHECK_EQ(wire_named_next(m, &pos, &v), 0);
	m->status = WIRE_OBJECT_BAD;
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	m->status = WIRE_OBJECT_MAX;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(lies_about_counts)
{
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);

	add(&w, "main", "");
	add(&w, "foo", "_Z3foo");
	m->cnt = 1;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->cnt = 3;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->cnt = UINT32_MAX;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	m->cnt = 2;
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	m->status = WIRE_OBJECT_BAD;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(lies_about_lines)
{
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_name *first = (struct wire_name *)(m + 1);
	struct wire_line *l = (struct wire_line *)(first + 1);
	const struct wire_line was = { .name = { (uint16_t)((char *)(l + 1) - (char *)m), 4 } };

	add(&w, "main", "");
	CHECK(memcmp(l, &was, sizeof(was)) == 0);
	l->name.len = 0; /* a line is a function */
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	*l = was;
	l->name.at = (uint16_t)(m->head.size - 3);
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	l->name.at = (uint16_t)(m->head.size - 4);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	*l = was;
	l->linkage = l->file = (struct wire_text){ UINT16_MAX, UINT16_MAX };
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	*l = was;
	l->file = (struct wire_text){ 0, WIRE_NAME_MAX + 1 };
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	*l = was;
	first->lines_cnt = WIRE_LINES_MAX + 1;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	first->lines_cnt = 2;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	first->lines_cnt = 1;
	first->text_sz = UINT32_MAX - 7;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
	first->text_sz = 7;
	CHECK_EQ(check_copy(m, m->head.size), -EBADMSG);
}

TEST(cut_and_full)
{
	static char huge[UINT16_MAX], at_limit[WIRE_NAME_MAX], file[WIRE_NAME_MAX];
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_line_view l = { .name = huge, .name_len = UINT16_MAX };
	struct wire_name_view v;
	size_t pos = 0;
	uint32_t cnt = 0;

	memset(huge, 'h', sizeof(huge));
	memset(at_limit, 'h', sizeof(at_limit));
	l.linkage = at_limit;
	l.linkage_len = sizeof(at_limit);
	CHECK_EQ(wire_named_add(&w, 0, &l, 1), 0);
	CHECK_EQ(wire_named_next(m, &pos, &v), 1);
	wire_named_line(&v, 0, &l);
	CHECK_EQ(l.name_len, WIRE_NAME_MAX);
	CHECK_EQ(l.linkage_len, 0); /* equal when cut */
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);

	l = (struct wire_line_view){ .name = huge, .name_len = 1000, .file = file };
	do {
		l.file_len = 1000; /* no other file is like it */
		memset(file, 'a' + (int)(cnt % 26), sizeof(file));
		file[0] = (char)('a' + (int)(cnt / 26));
		cnt++;
	} while (wire_named_add(&w, 0, &l, 1) == 0);
	CHECK(cnt > 50 && cnt < 65);
	CHECK_EQ(wire_named_add(&w, 0, &l, 1), -ENOSPC);
	CHECK_EQ(m->cnt, cnt);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
}

/* More than any message holds: the function whose code it is stays. */
TEST(too_many_inlined)
{
	static char text[WIRE_LINES_MAX + 2][WIRE_NAME_MAX];
	struct wire_line_view lines[WIRE_LINES_MAX + 2];
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_name_view v;
	struct wire_line_view l;
	size_t pos = 0;

	for (uint32_t i = 0; i < ELEMENTSOF(lines); i++) {
		memset(text[i], 'a', sizeof(text[i]));
		memcpy(text[i], &i, sizeof(i));
		lines[i] = (struct wire_line_view){ .name = text[i], .name_len = WIRE_NAME_MAX };
	}
	CHECK_EQ(wire_named_add(&w, 0, lines, ELEMENTSOF(lines)), 0);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	CHECK_EQ(wire_named_next(m, &pos, &v), 1);
	CHECK_EQ(v.lines_cnt, 1);
	wire_named_line(&v, 0, &l);
	CHECK(memcmp(l.name, text[WIRE_LINES_MAX + 1], WIRE_NAME_MAX) == 0);
	/* Behind others it waits for a message of its own. */
	CHECK_EQ(wire_named_add(&w, 0, lines, ELEMENTSOF(lines)), -ENOSPC);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	for (uint32_t i = 0; i < ELEMENTSOF(lines); i++)
		lines[i].name_len = 8;
	CHECK_EQ(wire_named_add(&w, 0, lines, ELEMENTSOF(lines)), 0);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
	CHECK_EQ(wire_named_next(m, &pos, &v), 1);
	CHECK_EQ(v.lines_cnt, WIRE_LINES_MAX);
	wire_named_line(&v, 0, &l);
	CHECK(memcmp(l.name, text[2], 8) == 0);
}

TEST(count_limit)
{
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_line_view l = line("f", "", "");

	for (int i = 0; i < WIRE_NAMES_MAX; i++)
		CHECK_EQ(wire_named_add(&w, 0, &l, 1), 0);
	CHECK_EQ(wire_named_add(&w, 0, &l, 1), -ENOSPC);
	CHECK_EQ(check_copy(m, m->head.size), WIRE_NAMED);
}

/* Padding is zero: what lay in the buffer before does not leave. */
TEST(leaks_nothing)
{
	struct wire_named_writer w;
	_cleanup_free_ struct wire_named *m = named_new(&w);
	struct wire_line_view l = line("abc", "", "");
	const unsigned char *end;

	memset(m + 1, 0xaa, 128);
	CHECK_EQ(wire_named_add(&w, 0, &l, 1), 0);
	end = (unsigned char *)m + m->head.size;
	CHECK_EQ(m->head.size,
		 sizeof(*m) + sizeof(struct wire_name) + sizeof(struct wire_line) + 8);
	for (int i = 1; i <= 5; i++)
		CHECK_EQ(end[-i], 0);
}

CHECK_MAIN
