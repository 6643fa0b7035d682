/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse — systemd's form (systemd.syntax(7)). A logical line is one line of the text, or several where
 * a backslash ends all but the last; comments between them are left out. A text that is none (NUL or
 * other control bytes) is told in one line; of one with very many errors, the first ones are.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "keys.h"
#include "parse.h"
#include "values.h"

#define TELL_SZ 2048
#define SHOWN 80 /* bytes of a stranger's text */
#define TEXT_ERRORS_MAX 50
#define SUGGEST_SZ 256
#define BOM "\xef\xbb\xbf"

struct text_parser {
	struct parser *parser;
	const char *p, *end;	      /* what is not read yet */
	unsigned int line;	      /* how many were read */
	unsigned int at;	      /* the first of the logical line, from 1 */
	char section[CONFIG_NAME_SZ]; /* "": none yet */
	bool deaf;		      /* the section is not ours: its keys are not looked at */
	char *logical;		      /* the line, with room for all of the text */
};

void parser_tell(struct parser *p, bool error, const char *fmt, ...)
{
	char text[TELL_SZ], clean[TELL_SZ];
	va_list ap;

	p->errors += error;
	if (!p->on_problem)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)str_clean(clean, sizeof(clean), text, strlen(text), NULL);
	p->on_problem(clean, error, p->ctx);
}

/* What is too long for any key is told as that. */
static bool is_clean(const char *value)
{
	char clean[CONFIG_GLOBS_SZ];
	size_t len = strlen(value);
	bool changed = false;

	if (len < sizeof(clean))
		(void)str_clean(clean, sizeof(clean), value, len, &changed);
	return !changed;
}

/* An assignment; @where begins every line that is told of it: "FILE:3: ". */
static void assign(struct parser *p, const char *where, const char *section, const char *key,
		   const char *value)
{
	const struct key *k = key_find(section, key);
	char meant[SUGGEST_SZ];
	const char *why;

	if (strncmp(key, "X-", 2) == 0)
		return;
	if (!k && key_is_later(section, key)) {
		parser_tell(p, false, "%s%.*s: not supported by this version, ignored", where,
			    SHOWN, key);
		return;
	}
	if (!k) {
		key_suggest(section, key, meant, sizeof(meant));
		parser_tell(p, false, "%s%.*s: unknown key, ignored;%s", where, SHOWN, key, meant);
		return;
	}
	why = is_clean(value) ? key_set(k, value, p->config) : "no clean UTF-8";
	if (why)
		parser_tell(p, true, "%s%s=%.*s: %s; allowed: %s", where, key, SHOWN, value, why,
			    k->row.value);
}

/* Are keys of this section looked at? Told where not. */
static bool enter_section(struct parser *p, const char *where, const char *section)
{
	char known[SUGGEST_SZ];

	if (section_is_known(section))
		return true;
	if (strncmp(section, "X-", 2) == 0)
		return false;
	if (key_is_later(section, NULL)) {
		parser_tell(p, false, "%s[%.*s]: not supported by this version, ignored", where,
			    SHOWN, section);
		return false;
	}
	sections_list(known, sizeof(known));
	parser_tell(p, false, "%s[%.*s]: unknown section, ignored; there are: %s", where, SHOWN,
		    section, known);
	return false;
}

static char *strip(char *text)
{
	size_t len;

	text += strspn(text, VALUE_SPACE);
	len = strlen(text);
	while (len > 0 && strchr(VALUE_SPACE, text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static void read_section(struct text_parser *t, const char *where, char *line)
{
	size_t len = strlen(line);

	t->deaf = true;
	if (line[len - 1] != ']' || len == 2) {
		parser_tell(t->parser, true, "%s%.*s: no section; allowed: [Name]", where, SHOWN,
			    line);
		/* Its keys are nobody's. */
		(void)snprintf(t->section, sizeof(t->section), "?");
		return;
	}
	line[len - 1] = '\0';
	(void)snprintf(t->section, sizeof(t->section), "%s", line + 1);
	t->deaf = !enter_section(t->parser, where, line + 1);
}

static void read_logical(struct text_parser *t, const char *where)
{
	char *line = strip(t->logical), *equals;

	if (*line == '[') {
		read_section(t, where, line);
		return;
	}
	equals = strchr(line, '=');
	if (!equals || equals == line) {
		parser_tell(t->parser, true,
			    "%s%.*s: no assignment; allowed: Key=Value, [Section], # comment",
			    where, SHOWN, line);
		return;
	}
	*equals = '\0';
	if (!t->section[0])
		parser_tell(t->parser, true,
			    "%s%.*s: in no section; a line [Section] must come before it", where,
			    SHOWN, strip(line));
	else if (!t->deaf)
		assign(t->parser, where, t->section, strip(line), strip(equals + 1));
}

/* One line of the text as it stands, without its end; false behind the last. */
static bool next_line(struct text_parser *t, const char **ret, size_t *ret_len)
{
	const char *end;

	if (t->p == t->end)
		return false;
	end = memchr(t->p, '\n', (size_t)(t->end - t->p));
	*ret = t->p;
	*ret_len = (size_t)((end ? end : t->end) - t->p);
	t->p = end ? end + 1 : t->end;
	t->line++;
	while (*ret_len > 0 && strchr(VALUE_SPACE, (*ret)[*ret_len - 1]))
		--*ret_len;
	return true;
}

static bool is_comment(const char *line, size_t len)
{
	while (len > 0 && strchr(VALUE_SPACE, *line))
		line++, len--;
	return len > 0 && (*line == '#' || *line == ';');
}

/* Two backslashes are one that ends nothing. */
static bool is_continued(const char *line, size_t len)
{
	size_t cnt = 0;

	while (cnt < len && line[len - 1 - cnt] == '\\')
		cnt++;
	return cnt % 2 == 1;
}

/* Collects the next logical line; false behind the last. */
static bool next_logical(struct text_parser *t)
{
	const char *line;
	size_t len, total = 0;
	bool continued = false;

	while (next_line(t, &line, &len)) {
		if (is_comment(line, len) || (len == 0 && !continued))
			continue;
		if (!continued)
			t->at = t->line;
		memcpy(t->logical + total, line, len);
		total += len;
		continued = is_continued(line, len);
		if (!continued)
			break;
		t->logical[total - 1] = ' ';
	}
	/* The buffer holds all of the text, and a joined line is no longer than what it is of. */
	t->logical[total] = '\0';
	for (char *p = t->logical; (p = strchr(p, '\t'));)
		*p = ' ';
	return total > 0;
}

/* The first byte that no text has, or NULL. */
static const char *find_binary(const struct config_text *text)
{
	for (size_t i = 0; i < text->sz; i++) {
		unsigned char c = (unsigned char)text->bytes[i];

		if (c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f')
			return text->bytes + i;
	}
	return NULL;
}

static bool is_text(struct parser *p, const struct config_text *text)
{
	const char *binary;
	unsigned int line = 1;

	if (text->sz > PARSE_TEXT_MAX) {
		parser_tell(p, true, "%s: too large: %zu bytes; allowed: %zu", text->name, text->sz,
			    PARSE_TEXT_MAX);
		return false;
	}
	binary = find_binary(text);
	for (const char *c = text->bytes; binary && c < binary; c++)
		line += *c == '\n';
	if (binary)
		parser_tell(p, true, "%s:%u: no text: there is a byte 0x%02x", text->name, line,
			    (unsigned int)(unsigned char)*binary);
	return !binary;
}

int parser_text(struct parser *p, const struct config_text *text)
{
	_cleanup_free_ char *logical = NULL, *where = NULL;
	struct text_parser t = { .parser = p, .p = text->bytes };
	unsigned int errors = p->errors;
	size_t where_sz = strlen(text->name) + 16;

	if (text->sz == 0 || !is_text(p, text))
		return 0;
	where = malloc(where_sz);
	t.logical = logical = malloc(text->sz + 1);
	if (!where || !logical) {
		parser_tell(p, true, "%s: not read: %s", text->name, strerror(ENOMEM));
		return -ENOMEM;
	}
	t.end = text->bytes + text->sz;
	if (text->sz >= strlen(BOM) && memcmp(t.p, BOM, strlen(BOM)) == 0)
		t.p += strlen(BOM);
	while (next_logical(&t)) {
		(void)snprintf(where, where_sz, "%s:%u: ", text->name, t.at);
		read_logical(&t, where);
		if (p->errors - errors < TEXT_ERRORS_MAX)
			continue;
		parser_tell(p, true, "%sso many errors that the rest was not read", where);
		break;
	}
	return 0;
}

void parser_option(struct parser *p, const char *option)
{
	_cleanup_free_ char *copy = strdup(option);
	char *dot = copy ? strchr(copy, '.') : NULL, *equals = dot ? strchr(dot, '=') : NULL;
	char where[CONFIG_NAME_SZ];

	if (!equals || dot == copy || equals == dot + 1) {
		parser_tell(p, true, "-o %.*s: no assignment; allowed: Section.Key=VALUE", SHOWN,
			    option);
		return;
	}
	*dot = *equals = '\0';
	(void)snprintf(where, sizeof(where), "-o %.*s.", 32, copy);
	if (enter_section(p, "-o ", copy))
		assign(p, where, copy, dot + 1, strip(equals + 1));
}

int config_parse(const struct config_text *text, struct config *config,
		 config_problem_fn on_problem, void *ctx)
{
	struct parser p = { .config = config, .on_problem = on_problem, .ctx = ctx };
	int r = parser_text(&p, text);

	return r == 0 && p.errors > 0 ? -EINVAL : r;
}
