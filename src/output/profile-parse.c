/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names of profile files read again. They come from a directory that others can write to, so nothing is
 * believed: every part must be what the writer would have made of it, in the one form that it makes
 * (numbers without leading zeros, hex of 16 digits, a comm that str_file_name() leaves alone).
 *
 * A name is taken apart from its end, because the comm at its front may hold dots, dashes and digits of
 * its own. A part is a range of bytes that shrinks as its last words are taken off.
 */

#include <stdio.h>
#include <string.h>

#include "cprof/base/str.h"
#include "cprof/profile_name.h"

#define OUTSIDE "outside-namespace"
#define TIMES_LEN 13 /* HHMMSS-HHMMSS */
#define HEX_LEN 16

struct part {
	const char *s;
	size_t len;
};

/* Takes off the last word behind @separator; false: there is no such one, or nothing before it. */
static bool take_word(struct part *p, char separator, struct part *ret)
{
	const char *at = memrchr(p->s, separator, p->len);

	if (!at || at == p->s)
		return false;
	*ret = (struct part){ .s = at + 1, .len = p->len - (size_t)(at + 1 - p->s) };
	p->len = (size_t)(at - p->s);
	return true;
}

static bool take_end(struct part *p, const char *end)
{
	const size_t len = strlen(end);

	if (p->len <= len || memcmp(p->s + p->len - len, end, len) != 0)
		return false;
	p->len -= len;
	return true;
}

static bool parse_number(struct part p, uint64_t max, uint64_t *ret)
{
	return str_parse_number(p.s, p.len, ret) && *ret <= max;
}

static bool take_number(struct part *p, uint64_t max, uint64_t *ret)
{
	struct part rest = *p, word;

	if (!take_word(&rest, '-', &word) || !parse_number(word, max, ret))
		return false;
	*p = rest;
	return true;
}

/* Two digits below @end. */
static bool parse_two(const char *s, uint32_t end, uint32_t *ret)
{
	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return false;
	*ret = (uint32_t)(s[0] - '0') * 10 + (uint32_t)(s[1] - '0');
	return *ret < end;
}

static bool parse_time(const char *s, uint32_t *ret)
{
	uint32_t h, m, sec;

	if (!parse_two(s, 24, &h) || !parse_two(s + 2, 60, &m) || !parse_two(s + 4, 60, &sec))
		return false;
	*ret = (h * 60 + m) * 60 + sec;
	return true;
}

static bool take_times(struct part *p, struct profile_parsed *ret)
{
	struct part times;

	return take_word(p, '.', &times) && times.len == TIMES_LEN && times.s[6] == '-' &&
	       parse_time(times.s, &ret->from_s) && parse_time(times.s + 7, &ret->to_s);
}

static bool take_kind(struct part *p, struct profile_parsed *ret)
{
	struct part kind;

	if (!take_word(p, '.', &kind) || kind.len == 0 || kind.len >= sizeof(ret->kind))
		return false;
	for (size_t i = 0; i < kind.len; i++)
		if (kind.s[i] < 'a' || kind.s[i] > 'z')
			return false;
	memcpy(ret->kind, kind.s, kind.len);
	return true;
}

/* "~<number>", where there is one. */
static bool take_other(struct part *p, struct profile_parsed *ret)
{
	struct part number;
	uint64_t n = 0;

	if (!take_word(p, '~', &number))
		return true;
	if (!parse_number(number, UINT32_MAX, &n) || n == 0)
		return false;
	ret->other = (uint32_t)n;
	return true;
}

static bool take_process(struct part *p, struct profile_parsed *ret)
{
	struct part rest = *p;
	uint64_t pid, start, exec;

	if (!take_number(&rest, UINT32_MAX, &exec) || !take_number(&rest, UINT64_MAX, &start) ||
	    !take_number(&rest, UINT32_MAX, &pid))
		return false;
	ret->form = PROFILE_OF_PROCESS;
	ret->pid = (uint32_t)pid;
	ret->start_ticks = start;
	ret->exec = (uint32_t)exec;
	*p = rest;
	return true;
}

static bool take_ended(struct part *p, struct profile_parsed *ret)
{
	struct part rest = *p, hex;
	uint64_t id = 0;

	if (!take_word(&rest, '-', &hex) || hex.len != HEX_LEN || !take_end(&rest, "-ended"))
		return false;
	for (size_t i = 0; i < HEX_LEN; i++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, hex.s[i]);

		if (!at)
			return false;
		id = id << 4 | (uint64_t)(at - digits);
	}
	ret->form = PROFILE_OF_ENDED;
	ret->exe_id = id;
	*p = rest;
	return true;
}

static bool take_merged(struct part *p, struct profile_parsed *ret)
{
	uint64_t pid;

	if (!take_number(p, UINT32_MAX, &pid))
		return false;
	ret->form = PROFILE_OF_MERGED;
	ret->pid = (uint32_t)pid;
	return true;
}

static bool parse_comm(struct part p, struct profile_parsed *ret)
{
	char clean[sizeof(ret->comm)];

	if (p.len == 0 || p.len >= sizeof(ret->comm))
		return false;
	memcpy(ret->comm, p.s, p.len);
	return str_file_name(clean, sizeof(clean), ret->comm) == p.len &&
	       strcmp(clean, ret->comm) == 0;
}

bool profile_name_parse(const char *name, struct profile_parsed *ret)
{
	struct part p = { .s = name, .len = strlen(name) };
	struct profile_parsed parsed = { 0 };

	if (!take_end(&p, PROFILE_SUFFIX) || !take_other(&p, &parsed) || !take_times(&p, &parsed))
		return false;
	parsed.id_len = p.len + 1;
	if (!take_kind(&p, &parsed))
		return false;
	if (p.len == strlen(OUTSIDE) && memcmp(p.s, OUTSIDE, p.len) == 0)
		parsed.form = PROFILE_OF_OUTSIDE;
	else if (!take_process(&p, &parsed) && !take_ended(&p, &parsed) &&
		 !take_merged(&p, &parsed))
		return false;
	if (!parse_comm(p, &parsed))
		return false;
	*ret = parsed;
	return true;
}

static void print_time(char dst[static 16], uint32_t s)
{
	(void)snprintf(dst, 16, "%02u%02u%02u", s / 3600 % 24, s / 60 % 60, s % 60);
}

void profile_name_span(char *dst, size_t dst_sz, const char *name,
		       const struct profile_parsed *parsed)
{
	char from[16], to[16];

	print_time(from, parsed->from_s);
	print_time(to, parsed->to_s);
	(void)snprintf(dst, dst_sz, "%.*s%s-%s" PROFILE_SUFFIX, (int)parsed->id_len, name, from,
		       to);
}
