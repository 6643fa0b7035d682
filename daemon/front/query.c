/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The target is copied and decoded in place, for no decoding makes it longer. It is cut at its own
 * '/', '&' and '=' before anything is decoded, so that an encoded one never is a border; an encoded '/'
 * in a piece of the path is refused, for whoever checks a path by its pieces would not expect it.
 * (RFC 3986, 2 and 3; '+' is a space behind the '?', as forms and Go's url.Values write it.)
 */

#include "query.h"

#include <errno.h>
#include <string.h>

#include "cprof/base/str.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_clean(const char *s, size_t len)
{
	char copy[3 * QUERY_TARGET_MAX + 1];
	bool changed;

	return str_clean(copy, sizeof(copy), s, len, &changed) == len && !changed;
}

/* Decodes a terminated text in place. */
static int decode(char *s, bool plus_is_space, const char **ret_why)
{
	char *to = s;

	for (const char *from = s; *from; from++) {
		char c = *from;

		if (c == '%') {
			int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);

			if (low < 0) {
				*ret_why = "a % is not followed by two hexadecimal digits";
				return -EINVAL;
			}
			c = (char)(high << 4 | low);
			from += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		*to++ = c;
	}
	*to = '\0';
	if (strlen(s) == (size_t)(to - s) && is_clean(s, (size_t)(to - s)))
		return 0;
	*ret_why = "it holds control characters or what is not UTF-8";
	return -EINVAL;
}

static int add_piece(struct query *q, char *piece, const char **ret_why)
{
	if (q->pieces_cnt == QUERY_PIECES_MAX) {
		*ret_why = "its path has too many parts";
		return -EINVAL;
	}
	if (decode(piece, false, ret_why) < 0)
		return -EINVAL;
	if (!*piece || strcmp(piece, ".") == 0 || strcmp(piece, "..") == 0 || strchr(piece, '/')) {
		*ret_why = "a part of its path is empty, . or .., or holds a /";
		return -EINVAL;
	}
	q->pieces[q->pieces_cnt++] = piece;
	return 0;
}

static int parse_path(struct query *q, char *path, const char **ret_why)
{
	char *at = path + 1;

	/* A '/' at the end makes no empty piece. */
	while (*at) {
		char *end = at + strcspn(at, "/");
		bool more = *end == '/';
		int r;

		*end = '\0';
		r = add_piece(q, at, ret_why);
		if (r < 0)
			return r;
		at = more ? end + 1 : end;
	}
	return 0;
}

static int add_param(struct query *q, char *pair, const char **ret_why)
{
	char *value = strchr(pair, '=');
	struct query_param p = { .name = pair, .value = "" };

	if (value) {
		*value = '\0';
		p.value = value + 1;
		if (decode(value + 1, true, ret_why) < 0)
			return -EINVAL;
	}
	if (decode(pair, true, ret_why) < 0)
		return -EINVAL;
	if (!*pair) {
		*ret_why = "a parameter has no name";
		return -EINVAL;
	}
	for (size_t i = 0; i < q->params_cnt; i++) {
		if (strcmp(q->params[i].name, pair) == 0) {
			*ret_why = "a parameter is given twice";
			return -EINVAL;
		}
	}
	if (q->params_cnt == QUERY_PARAMS_MAX) {
		*ret_why = "it has too many parameters";
		return -EINVAL;
	}
	q->params[q->params_cnt++] = p;
	return 0;
}

static int parse_params(struct query *q, char *text, const char **ret_why)
{
	while (*text) {
		char *end = text + strcspn(text, "&");
		bool more = *end == '&';
		int r;

		*end = '\0';
		r = add_param(q, text, ret_why);
		if (r < 0)
			return r;
		if (more && !end[1]) {
			*ret_why = "a parameter has no name";
			return -EINVAL;
		}
		text = more ? end + 1 : end;
	}
	return 0;
}

int query_parse(const char *target, size_t len, struct query *ret, const char **ret_why)
{
	char *question;
	int r;

	ret->pieces_cnt = 0;
	ret->params_cnt = 0;
	if (len > QUERY_TARGET_MAX) {
		*ret_why = "it is too long";
		return -EINVAL;
	}
	for (size_t i = 0; i < len; i++) {
		if (target[i] <= ' ' || target[i] > '~' || target[i] == '#') {
			*ret_why = "it holds bytes that a URL must encode";
			return -EINVAL;
		}
	}
	if (len == 0 || target[0] != '/') {
		*ret_why = "it does not begin with a /";
		return -EINVAL;
	}
	memcpy(ret->text, target, len);
	ret->text[len] = '\0';
	question = strchr(ret->text, '?');
	if (question)
		*question = '\0';
	r = parse_path(ret, ret->text, ret_why);
	if (r < 0)
		return r;
	return question ? parse_params(ret, question + 1, ret_why) : 0;
}
