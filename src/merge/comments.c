/* SPDX-License-Identifier: Apache-2.0 */
/*
 * comments — what the merged file says about itself, of what its parts said.
 *
 * A key that is not in the list is kept where all files agree in it: a fact of the process or machine
 * that a later version tells as well is lost at worst, and never wrong.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge-internal.h"

#define PREFIX "#cprofd "
#define OBJECT "#cprofd object="
#define COMMENTS_MAX 256 /* different ones */
#define OBJECTS_MAX 512
#define REASONS_MAX 64
#define REASON_LEN_MAX 32

static const struct {
	const char *key;
	enum merge_rule rule;
} rules[] = {
	{ "complete", MERGE_SUM },	 { "truncated", MERGE_SUM },
	{ "missed", MERGE_SUM },	 { "lost", MERGE_SUM },
	{ "cpu_true_ns", MERGE_SUM },	 { "gap_ns", MERGE_SUM_ANY },
	{ "walk", MERGE_KEEP_ANY },	 { "truncated_by", MERGE_REASONS },
	{ "samples", MERGE_COUNTED },	 { "frames", MERGE_COUNTED },
	{ "symbolized", MERGE_COUNTED }, { "processes", MERGE_COUNTED },
	{ "windows", MERGE_COUNTED },	 { "hz", MERGE_RANGE },
};

static enum merge_rule find_rule(const char *key)
{
	for (size_t i = 0; i < ELEMENTSOF(rules); i++) {
		if (strcmp(rules[i].key, key) == 0)
			return rules[i].rule;
	}
	return MERGE_KEEP;
}

/* Digits to the end, or to @end; -EBADMSG. */
static int read_count(const char *text, char end, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -EBADMSG;
	}
	if (p == text || (*p && *p != end))
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int add_count(uint64_t *sum, uint64_t v)
{
	return __builtin_add_overflow(*sum, v, sum) ? -EBADMSG : 0;
}

/* "99" or "49-99" */
static int add_range(struct merge_comment *c, const char *text)
{
	uint64_t least, most;
	int r = read_count(text, '-', &least);

	if (r < 0)
		return r;
	most = least;
	text += strspn(text, "0123456789");
	if (*text == '-')
		r = read_count(text + 1, '\0', &most);
	if (r < 0 || most < least)
		return -EBADMSG;
	c->least = c->files > 0 ? MIN(c->least, least) : least;
	c->sum = MAX(c->sum, most);
	return 0;
}

static int add_reason(struct merge *m, const char *name, size_t len, uint64_t cnt)
{
	uint32_t id;
	int r = strtab_add(&m->strings, name, len, &id);

	if (r < 0)
		return r;
	for (size_t i = 0; i < m->reasons.cnt; i++) {
		if (m->reasons.v[i].name == id)
			return add_count(&m->reasons.v[i].sum, cnt);
	}
	if (m->reasons.cnt == REASONS_MAX)
		return -EBADMSG;
	return vec_push(&m->reasons, (struct merge_reason){ .name = id, .sum = cnt });
}

/* "fp_bad:12,limit:3" */
static int add_reasons(struct merge *m, const char *text)
{
	uint64_t cnt;
	int r = 0;

	for (const char *p = text; r == 0 && *p; p += *p == ',') {
		size_t len = strcspn(p, ":,");

		if (len == 0 || len > REASON_LEN_MAX || p[len] != ':')
			return -EBADMSG;
		r = read_count(p + len + 1, ',', &cnt);
		if (r == 0)
			r = add_reason(m, p, len, cnt);
		p += strcspn(p, ",");
	}
	return r;
}

/* What is not made of the files' own samples is checked against them. */
static int add_counted(struct merge_file *f, const char *key, const char *value)
{
	uint64_t v;
	int r = read_count(value, '\0', &v);

	if (r < 0)
		return r;
	if (strcmp(key, "samples") == 0 && v != (uint64_t)f->samples)
		return -EBADMSG;
	/* One was counted for every file. */
	if (strcmp(key, "windows") == 0)
		return v > 0 ? add_count(&f->merge->windows, v - 1) : -EBADMSG;
	return 0;
}

static int find_comment(struct merge *m, uint32_t text, bool ours, struct merge_comment **ret)
{
	const struct merge_comment new = {
		.text = text,
		.ours = ours,
		.rule = ours ? find_rule(strtab_get(&m->strings, text)) : MERGE_KEEP,
	};
	int r;

	for (size_t i = 0; i < m->comments.cnt; i++) {
		*ret = &m->comments.v[i];
		if ((*ret)->text == text && (*ret)->ours == ours)
			return 0;
	}
	if (m->comments.cnt == COMMENTS_MAX)
		return -EBADMSG;
	r = vec_push(&m->comments, new);
	*ret = r < 0 ? NULL : &m->comments.v[m->comments.cnt - 1];
	return r;
}

/* The @value of @c in this file; an empty one of a comment that is not ours. */
static int apply(struct merge_file *f, struct merge_comment *c, const char *value)
{
	struct merge *m = f->merge;
	const char *key = strtab_get(&m->strings, c->text);
	uint32_t id;
	uint64_t v;
	int r;

	switch (c->rule) {
	case MERGE_KEEP:
	case MERGE_KEEP_ANY:
		r = strtab_add(&m->strings, value, strlen(value), &id);
		c->differs |= c->files > 0 && id != c->value;
		c->value = id;
		break;
	case MERGE_SUM:
	case MERGE_SUM_ANY:
		r = read_count(value, '\0', &v);
		if (r == 0)
			r = add_count(&c->sum, v);
		break;
	case MERGE_RANGE:
		r = add_range(c, value);
		break;
	case MERGE_REASONS:
		r = add_reasons(m, value);
		break;
	default:
		r = add_counted(f, key, value);
		break;
	}
	c->files++;
	return r;
}

/* What each part says of an object is kept, once: they learnt more of it as time went by. */
static int add_object(struct merge *m, uint32_t text)
{
	for (size_t i = 0; i < m->objects.cnt; i++) {
		if (m->objects.v[i] == text)
			return 0;
	}
	return m->objects.cnt < OBJECTS_MAX ? vec_push(&m->objects, (int64_t)text) : 0;
}

static int add_comment(struct merge_file *f, uint32_t string)
{
	struct merge *m = f->merge;
	struct merge_comment *c = NULL;
	_cleanup_free_ char *text = NULL;
	char *equals = NULL;
	uint32_t id;
	int r;

	r = merge_string(f, string, &id);
	if (r < 0)
		return r;
	text = strdup(strtab_get(&m->strings, id));
	if (!text)
		return -ENOMEM;
	if (strncmp(text, OBJECT, strlen(OBJECT)) == 0)
		return add_object(m, id);
	if (strncmp(text, PREFIX, strlen(PREFIX)) == 0)
		equals = strchr(text, '=');
	if (equals) {
		char *key = text + strlen(PREFIX);

		r = strtab_add(&m->strings, key, (size_t)(equals - key), &id);
	}
	if (r == 0)
		r = find_comment(m, id, equals != NULL, &c);
	/* Twice in one file: the first counts. */
	if (r < 0 || c->last == m->files + 1)
		return r;
	c->last = m->files + 1;
	return apply(f, c, equals ? equals + 1 : "");
}

int merge_add_comments(struct merge_file *f)
{
	const struct pprof *p = &f->profile;
	int r = add_count(&f->merge->windows, 1);

	for (size_t i = 0; r == 0 && i < p->comments.cnt; i++)
		r = add_comment(f, p->comments.v[i]);
	return r;
}

bool merge_is_by_rate(const struct merge *m)
{
	for (size_t i = 0; i < m->comments.cnt; i++) {
		const struct merge_comment *c = &m->comments.v[i];

		if (c->ours && strcmp(strtab_get(&m->strings, c->text), "event_count") == 0)
			return false;
	}
	return true;
}

struct listing {
	struct merge *merge;
	VEC(int64_t) ids;
};

static void listing_done(struct listing *l)
{
	vec_done(&l->ids);
}

static int list_text(struct listing *l, const char *key, const char *value)
{
	_cleanup_free_ char *text = NULL;
	uint32_t id;
	int r;

	if (asprintf(&text, PREFIX "%s=%s", key, value) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	r = strtab_add(&l->merge->strings, text, strlen(text), &id);
	return r < 0 ? r : vec_push(&l->ids, (int64_t)id);
}

static int list_count(struct listing *l, const char *key, uint64_t v)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRIu64, v);
	return list_text(l, key, text);
}

static int list_range(struct listing *l, const char *key, const struct merge_comment *c)
{
	char text[48];

	if (c->least == c->sum)
		return list_count(l, key, c->sum);
	(void)snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, c->least, c->sum);
	return list_text(l, key, text);
}

static int compare_reasons(const void *a, const void *b, void *ctx)
{
	const struct merge_reason *x = a, *y = b;
	const struct strtab *strings = ctx;

	return strcmp(strtab_get(strings, x->name), strtab_get(strings, y->name));
}

static int list_reasons(struct listing *l)
{
	struct merge *m = l->merge;
	char text[REASONS_MAX * (REASON_LEN_MAX + 24)];
	size_t len = 0;

	text[0] = '\0';
	if (m->reasons.cnt > 0)
		qsort_r(m->reasons.v, m->reasons.cnt, sizeof(*m->reasons.v), compare_reasons,
			&m->strings);
	for (size_t i = 0; i < m->reasons.cnt; i++)
		len += (size_t)snprintf(
			text + len, sizeof(text) - len, "%s%s:%" PRIu64, i > 0 ? "," : "",
			strtab_get(&m->strings, m->reasons.v[i].name), m->reasons.v[i].sum);
	return list_text(l, "truncated_by", text);
}

static int list_counted(struct listing *l, const char *key, const struct merge_counts *counts)
{
	const struct {
		const char *key;
		uint64_t v;
	} figures[] = {
		{ "samples", counts->samples },
		{ "frames", counts->frames },
		{ "symbolized", counts->symbolized },
		{ "processes", counts->processes },
	};

	for (size_t i = 0; i < ELEMENTSOF(figures); i++) {
		if (strcmp(figures[i].key, key) == 0)
			return list_count(l, key, figures[i].v);
	}
	return 0; /* windows: told in any case */
}

static int list_comment(struct listing *l, const struct merge_comment *c,
			const struct merge_counts *counts)
{
	const char *text = strtab_get(&l->merge->strings, c->text);
	bool all = c->files == l->merge->files;

	switch (c->rule) {
	case MERGE_KEEP:
		if (!all || c->differs)
			return 0;
		return c->ours ? list_text(l, text, strtab_get(&l->merge->strings, c->value))
			       : vec_push(&l->ids, (int64_t)c->text);
	case MERGE_KEEP_ANY:
		return c->differs ? 0
				  : list_text(l, text, strtab_get(&l->merge->strings, c->value));
	case MERGE_RANGE:
		return all ? list_range(l, text, c) : 0;
	case MERGE_SUM:
		return all ? list_count(l, text, c->sum) : 0;
	case MERGE_SUM_ANY:
		return list_count(l, text, c->sum);
	case MERGE_REASONS:
		return list_reasons(l);
	default:
		return list_counted(l, text, counts);
	}
}

int merge_list_comments(struct merge *m, const struct merge_counts *counts, int64_t **ret,
			size_t *ret_cnt)
{
	_cleanup_(listing_done) struct listing l = { .merge = m };
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->comments.cnt; i++)
		r = list_comment(&l, &m->comments.v[i], counts);
	for (size_t i = 0; r == 0 && i < m->objects.cnt; i++)
		r = vec_push(&l.ids, m->objects.v[i]);
	if (r == 0)
		r = list_count(&l, "windows", m->windows);
	if (r < 0)
		return r;
	*ret_cnt = l.ids.cnt;
	*ret = TAKE_PTR(l.ids.v);
	return 0;
}
