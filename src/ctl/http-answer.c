/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A state for each part of an answer. Lines are gathered in a buffer of fixed size, bodies go
 * straight to where they stay. A line may end without its carriage return, as RFC 9112 (2.2) allows.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cprof/base/cleanup.h"
#include "http-answer.h"

void http_answer_init(struct http_answer *a, size_t body_max)
{
	*a = (struct http_answer){ .body_max = body_max };
}

void http_answer_done(struct http_answer *a)
{
	vec_done(&a->body);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be missing. */
static int http_status_line(struct http_answer *a)
{
	const char *l = a->line;

	if (a->line_sz < 12 || strncmp(l, "HTTP/1.", 7) != 0 || !is_digit(l[7]) || l[8] != ' ')
		return -EBADMSG;
	if (!is_digit(l[9]) || !is_digit(l[10]) || !is_digit(l[11]) || (l[12] && l[12] != ' '))
		return -EBADMSG;
	a->status = (l[9] - '0') * 100 + (l[10] - '0') * 10 + (l[11] - '0');
	if (a->status < 100 || a->status > 599 || a->status == 101)
		return -EBADMSG;
	a->has_length = a->chunked = false;
	a->state = HTTP_HEADERS;
	return 0;
}

/* Decimal or hexadecimal digits and nothing else. */
static int http_number(const char *text, size_t len, unsigned int base, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		unsigned int digit = 16;

		if (is_digit(c))
			digit = (unsigned int)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (unsigned int)((c | 0x20) - 'a') + 10;
		if (digit >= base)
			return -EBADMSG;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			return -EMSGSIZE;
	}
	*ret = v;
	return 0;
}

static int http_length(struct http_answer *a, const char *value)
{
	if (a->has_length)
		return -EBADMSG;
	a->has_length = true;
	return http_number(value, strlen(value), 10, &a->left);
}

static void http_type(struct http_answer *a, const char *value)
{
	size_t len = MIN(strcspn(value, "; \t"), sizeof(a->type) - 1);

	for (size_t i = 0; i < len; i++)
		a->type[i] =
			(char)(value[i] >= 'A' && value[i] <= 'Z' ? value[i] | 0x20 : value[i]);
	a->type[len] = 0;
}

/* "Name: value", the value without the blanks around it. */
static int http_header(struct http_answer *a)
{
	char *colon = strchr(a->line, ':'), *value;
	size_t len;

	/* A blank before the colon, or a line that continues the one before: smugglers use them. */
	if (!colon || colon == a->line || strcspn(a->line, " \t") < (size_t)(colon - a->line))
		return -EBADMSG;
	*colon = 0;
	value = colon + 1 + strspn(colon + 1, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		value[--len] = 0;
	if (strcasecmp(a->line, "Content-Length") == 0)
		return http_length(a, value);
	if (strcasecmp(a->line, "Content-Type") == 0)
		http_type(a, value);
	if (strcasecmp(a->line, "Transfer-Encoding") != 0)
		return 0;
	if (a->chunked || strcasecmp(value, "chunked") != 0)
		return -EBADMSG;
	a->chunked = true;
	return 0;
}

/* The empty line behind the headers decides how the body ends. */
static int http_headers_end(struct http_answer *a)
{
	if (a->status < 200) {
		a->state = HTTP_STATUS_LINE;
		return 0;
	}
	if (a->chunked && a->has_length)
		return -EBADMSG;
	if (a->status == 204 || a->status == 304)
		a->state = HTTP_DONE;
	else if (a->chunked)
		a->state = HTTP_CHUNK_SIZE;
	else if (!a->has_length)
		a->state = HTTP_BODY_TO_END;
	else if (a->left > a->body_max)
		return -EMSGSIZE;
	else
		a->state = a->left > 0 ? HTTP_BODY : HTTP_DONE;
	return 0;
}

/* Hexadecimal, then extensions that nobody needs. The last one has no bytes. */
static int http_chunk_size(struct http_answer *a)
{
	int r = http_number(a->line, strcspn(a->line, "; \t"), 16, &a->left);

	if (r < 0)
		return r;
	if (a->left > a->body_max - a->body.cnt)
		return -EMSGSIZE;
	a->state = a->left > 0 ? HTTP_CHUNK : HTTP_TRAILERS;
	return 0;
}

static int http_line(struct http_answer *a)
{
	switch (a->state) {
	case HTTP_STATUS_LINE:
		return http_status_line(a);
	case HTTP_HEADERS:
		return a->line_sz > 0 ? http_header(a) : http_headers_end(a);
	case HTTP_CHUNK_SIZE:
		return http_chunk_size(a);
	case HTTP_CHUNK_END:
		a->state = HTTP_CHUNK_SIZE;
		return a->line_sz > 0 ? -EBADMSG : 0;
	default: /* HTTP_TRAILERS */
		if (a->line_sz == 0)
			a->state = HTTP_DONE;
		return 0;
	}
}

/* Takes bytes of a line; *ret_taken of them. */
static int http_feed_line(struct http_answer *a, const char *bytes, size_t sz, size_t *ret_taken)
{
	const char *newline = memchr(bytes, '\n', sz);
	size_t len = newline ? (size_t)(newline - bytes) : sz;
	int r;

	*ret_taken = newline ? len + 1 : len;
	a->head_sz += *ret_taken;
	if (len >= sizeof(a->line) - a->line_sz || a->head_sz > HTTP_HEAD_MAX)
		return a->status == 0 ? -EBADMSG : -EMSGSIZE;
	memcpy(a->line + a->line_sz, bytes, len);
	a->line_sz += len;
	if (!newline)
		return 0;
	if (a->line_sz > 0 && a->line[a->line_sz - 1] == '\r')
		a->line_sz--;
	a->line[a->line_sz] = 0;
	if (strlen(a->line) != a->line_sz)
		return -EBADMSG;
	r = http_line(a);
	a->line_sz = 0;
	return r;
}

static int http_feed_body(struct http_answer *a, const char *bytes, size_t sz, size_t *ret_taken)
{
	bool to_end = a->state == HTTP_BODY_TO_END;
	size_t n = to_end ? sz : (size_t)MIN((uint64_t)sz, a->left);

	*ret_taken = n;
	if (n > a->body_max - a->body.cnt)
		return -EMSGSIZE;
	if (vec_reserve(&a->body, n + 1) < 0)
		return -ENOMEM;
	memcpy(a->body.v + a->body.cnt, bytes, n);
	a->body.cnt += n;
	a->body.v[a->body.cnt] = 0;
	if (to_end)
		return 0;
	a->left -= n;
	if (a->left == 0)
		a->state = a->state == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_DONE;
	return 0;
}

static bool http_in_body(const struct http_answer *a)
{
	return a->state == HTTP_BODY || a->state == HTTP_BODY_TO_END || a->state == HTTP_CHUNK;
}

/* Also of an empty body something can be read. */
static int http_finish(struct http_answer *a)
{
	if (vec_reserve(&a->body, 1) < 0)
		return -ENOMEM;
	a->body.v[a->body.cnt] = 0;
	return 0;
}

int http_answer_feed(struct http_answer *a, const char *bytes, size_t sz)
{
	size_t at = 0, taken;
	int r;

	while (at < sz && a->state != HTTP_DONE) {
		if (http_in_body(a))
			r = http_feed_body(a, bytes + at, sz - at, &taken);
		else
			r = http_feed_line(a, bytes + at, sz - at, &taken);
		if (r < 0)
			return r;
		at += taken;
	}
	if (a->state != HTTP_DONE)
		return 0;
	r = http_finish(a);
	return r < 0 ? r : 1;
}

int http_answer_end(struct http_answer *a)
{
	if (a->state == HTTP_BODY_TO_END)
		a->state = HTTP_DONE;
	if (a->state == HTTP_DONE)
		return http_finish(a);
	return a->status == 0 ? -EBADMSG : -ENODATA;
}
