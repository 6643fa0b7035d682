/* SPDX-License-Identifier: Apache-2.0 */

/* Answers of a daemon: HTTP, and the JSON in them. */

#include "check.h"
#include "cprof/base/cleanup.h"
#include "http-answer.h"
#include "json-text.h"

#define BODY_MAX 64

/* Fed byte by byte, which http_answer_end() follows where it was not whole. */
static int parse(const char *text, size_t sz, struct http_answer *a)
{
	int r = 0;

	http_answer_init(a, BODY_MAX);
	for (size_t i = 0; i < sz && r == 0; i++)
		r = http_answer_feed(a, text + i, 1);
	return r == 0 ? http_answer_end(a) : r;
}

#define HEAD "HTTP/1.1 200 OK\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

TEST(http)
{
	static const struct {
		const char *text;
		int r; /* 0: the end of the stream is its end */
		int status;
		const char *type, *body;
	} cases[] = {
		{ HEAD "Content-Length: 2\r\n\r\n{}", 1, 200, "", "{}" },
		{ HEAD "content-type: Application/JSON; x=y\r\ncontent-length:2 \r\n\r\n{}", 1, 200,
		  "application/json", "{}" },
		{ "HTTP/1.0 503 Busy\nContent-Type: text/plain\n\nlater\n", 0, 503, "text/plain",
		  "later\n" },
		{ "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 1, 404, "", "" },
		{ CHUNKED "3\r\nabc\r\nA;x\r\n0123456789\r\n0\r\nX: y\r\n\r\n", 1, 200, "",
		  "abc0123456789" },
		{ "HTTP/1.1 100 Continue\r\n\r\n" HEAD "Content-Length: 1\r\n\r\nx", 1, 200, "",
		  "x" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", 1, 204, "", "" },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(http_answer_done) struct http_answer a;

		fprintf(stderr, "  %s\n", cases[i].text);
		CHECK_EQ(parse(cases[i].text, strlen(cases[i].text), &a), cases[i].r);
		CHECK_EQ(a.status, cases[i].status);
		CHECK_STR(a.type, cases[i].type);
		CHECK_STR(a.body.v, cases[i].body);
		CHECK_EQ(a.body.cnt, strlen(cases[i].body));
	}
}

TEST(http_refused)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "", -EBADMSG },
		{ "SSH-2.0-OpenSSH_9.2p1\r\n", -EBADMSG },
		{ "HTTP/2.0 200 OK\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 20 OK\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 600 No\r\n\r\n", -EBADMSG },
		{ "HTTP/1.1 101 Switching\r\n\r\n", -EBADMSG },
		{ HEAD "no colon\r\n\r\n", -EBADMSG },
		{ HEAD "Content-Length : 2\r\n\r\n{}", -EBADMSG },
		{ HEAD "X: a\r\n folded\r\n\r\n", -EBADMSG },
		{ HEAD "Content-Length: -1\r\n\r\n", -EBADMSG },
		{ HEAD "Content-Length: \r\n\r\n", -EBADMSG },
		{ HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", -EBADMSG },
		{ HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", -EBADMSG },
		{ HEAD "Transfer-Encoding: gzip\r\n\r\n", -EBADMSG },
		{ CHUNKED "x\r\n", -EBADMSG },
		{ CHUNKED "1\r\nabc\r\n", -EBADMSG },
		/* Half of it. */
		{ "HTTP/1.1 2", -EBADMSG },
		{ HEAD, -ENODATA },
		{ HEAD "Content-Length: 3\r\n\r\n{}", -ENODATA },
		{ CHUNKED "3\r\nab", -ENODATA },
		{ CHUNKED "3\r\nabc\r\n", -ENODATA },
		/* Too much of it. */
		{ HEAD "Content-Length: 65\r\n\r\n", -EMSGSIZE },
		{ HEAD "Content-Length: 18446744073709551616\r\n\r\n", -EMSGSIZE },
		{ CHUNKED "41\r\n", -EMSGSIZE },
		{ CHUNKED "ffffffffffffffff\r\n", -EMSGSIZE },
		{ HEAD "\r\n"
		       "0123456789012345678901234567890123456789012345678901234567890123456789",
		  -EMSGSIZE },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(http_answer_done) struct http_answer a;

		fprintf(stderr, "  %s\n", cases[i].text);
		CHECK_EQ(parse(cases[i].text, strlen(cases[i].text), &a), cases[i].r);
	}
}

/* A NUL in a line, a line without an end, headers without an end. */
TEST(http_lines)
{
	_cleanup_(http_answer_done) struct http_answer nul, line, heads;
	static char longest[HTTP_LINE_MAX + 1];
	int r = 0;

	CHECK_EQ(parse(HEAD "X: a\0b\r\n", sizeof(HEAD "X: a\0b\r\n") - 1, &nul), -EBADMSG);
	memset(longest, 'a', sizeof(longest));
	http_answer_init(&line, BODY_MAX);
	CHECK_EQ(http_answer_feed(&line, HEAD, strlen(HEAD)), 0);
	CHECK_EQ(http_answer_feed(&line, longest, sizeof(longest)), -EMSGSIZE);
	http_answer_init(&heads, BODY_MAX);
	for (int i = 0; i < HTTP_HEAD_MAX && r == 0; i++)
		r = http_answer_feed(&heads, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	CHECK_EQ(r, -EMSGSIZE);
}

static struct json_value json(const char *text)
{
	struct json_value v;

	fprintf(stderr, "  %s\n", text);
	CHECK_EQ(json_text_check(text, strlen(text), &v), 0);
	return v;
}

TEST(json_kinds)
{
	static const struct {
		const char *text;
		enum json_kind kind;
	} cases[] = {
		{ "null", JSON_NULL },	  { "true", JSON_BOOL },     { " -1.5e+3\n", JSON_NUMBER },
		{ "\"x\"", JSON_STRING }, { "[ ]", JSON_ARRAY },     { "{ }", JSON_OBJECT },
		{ "0", JSON_NUMBER },	  { "[1,[2]]", JSON_ARRAY },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		CHECK_EQ(json_text_kind(json(cases[i].text)), cases[i].kind);
}

TEST(json_refused)
{
	static const char *const cases[] = {
		"",
		" ",
		"nul",
		"01",
		"1.",
		".5",
		"+1",
		"1e",
		"0x10",
		"-",
		"\"",
		"\"\\x\"",
		"\"\\u12g4\"",
		"\"a\nb\"",
		"[1,]",
		"[1 2]",
		"[",
		"{\"a\"}",
		"{\"a\":}",
		"{a:1}",
		"{\"a\":1,}",
		"1 2",
		"{} x",
		"[1}",
		"\"\xc3\x28\"",
		"NaN",
		"'a'",
		"{1:2}",
		"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", /* 17 deep */
		"1234567890123456789012345678901234567890123456789012345678901234",
	};
	struct json_value v;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		fprintf(stderr, "  %s\n", cases[i]);
		CHECK_EQ(json_text_check(cases[i], strlen(cases[i]), &v), -EBADMSG);
	}
	/* What stands behind a NUL is no part of it. */
	CHECK_EQ(json_text_check("1\0002", 3, &v), -EBADMSG);
}

TEST(json_members)
{
	struct json_value v = json("{\"a\": {\"b\": [1, 2.5, \"}\"]}, \"ab\": true, \"a\": 3}");
	struct json_value b = json_text_member(json_text_member(v, "a"), "b");
	struct json_value one = json_text_first(b), two = json_text_next(one);
	struct json_entry e;

	CHECK_EQ(json_text_count(v), 3);
	CHECK_EQ(json_text_count(b), 3);
	CHECK_EQ(json_text_u64(one), 1);
	CHECK(json_text_double(two) == 2.5);
	CHECK_EQ(json_text_u64(two), 2);
	CHECK_EQ(json_text_kind(json_text_next(two)), JSON_STRING);
	CHECK(!json_text_next(json_text_next(two)).at);
	CHECK(json_text_bool(json_text_member(v, "ab")));
	CHECK_EQ(json_text_size(b), strlen("[1, 2.5, \"}\"]"));
	CHECK(json_text_first_entry(v, &e) && json_text_next_entry(&e));
	CHECK_STR(e.key, "ab");
	CHECK(json_text_next_entry(&e) && !json_text_next_entry(&e));
	/* What is not there answers all questions. */
	v = json_text_member(v, "none");
	CHECK_EQ(json_text_kind(v), JSON_NONE);
	CHECK_EQ(json_text_u64(json_text_member(v, "a")), 0);
	CHECK(json_text_double(v) == 0 && !json_text_bool(v) && json_text_size(v) == 0);
	CHECK(!json_text_first(v).at && !json_text_next(v).at && !json_text_first_entry(v, &e));
	/* Strings in an array are no keys. */
	v = json("[\"a\", \"b\"]");
	CHECK_EQ(json_text_count(v), 2);
	CHECK(!json_text_member(v, "a").at && !json_text_first_entry(v, &e));
}

TEST(json_numbers)
{
	CHECK(json_text_u64(json("18446744073709551615")) == UINT64_MAX);
	CHECK_EQ(json_text_u64(json("18446744073709551616")), 0);
	CHECK_EQ(json_text_u64(json("-1")), 0);
	CHECK_EQ(json_text_u64(json("1e3")), 1000);
	CHECK_EQ(json_text_u64(json("1e30")), 0);
	CHECK_EQ(json_text_u64(json("\"5\"")), 0);
	CHECK(json_text_double(json("-0.25")) == -0.25);
}

TEST(json_strings)
{
	static const struct {
		const char *text, *clean;
	} cases[] = {
		{ "\"a \\\"b\\\" \\\\ \\/\"", "a \"b\" \\ /" },
		{ "\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\"\xc3\xa9\"", "\xc3\xa9" },
		/* Nothing that a terminal obeys. */
		{ "\"\\u001b[31m\"", "\xef\xbf\xbd[31m" },
		{ "\"a\\nb\\u0000c\"", "a\xef\xbf\xbd"
				       "b\xef\xbf\xbd"
				       "c" },
		{ "5", "" },
	};
	char text[64], small[4];

	for (size_t i = 0; i < ELEMENTSOF(cases); i++)
		CHECK_STR(json_text_string(json(cases[i].text), text, sizeof(text)),
			  cases[i].clean);
	/* A lone surrogate is no character. */
	CHECK(strstr(json_text_string(json("\"\\ud83dx\""), text, sizeof(text)), "x"));
	CHECK_STR(json_text_string(json("\"abcdef\""), small, sizeof(small)), "abc");
}

CHECK_MAIN
