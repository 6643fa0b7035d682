/* SPDX-License-Identifier: Apache-2.0 */
/*
 * globs — Include= and Exclude=: words that name processes.
 *
 * fnmatch(3) is not used: it takes time exponential in the number of stars, and while root chooses
 * the pattern, anyone chooses the path that it is held against. One star needs only the last place to
 * go back to, so that a match takes at most their product.
 */

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/config.h"
#include "values.h"

#define PID_MAX 4194304 /* include/linux/threads.h: PID_MAX_LIMIT */
#define SERVICE ".service"

/* Part of a text, without a terminator. */
struct part {
	const char *p, *end;
};

enum glob_kind { GLOB_COMM, GLOB_EXE, GLOB_UNIT, GLOB_PID, GLOB_MAX };

static const char *const kinds[GLOB_MAX] = {
	[GLOB_COMM] = "comm:",
	[GLOB_EXE] = "exe:",
	[GLOB_UNIT] = "unit:",
	[GLOB_PID] = "pid:",
};

/* The next word of *text, which moves behind it; false at the end. */
static bool next_word(const char **text, struct part *ret)
{
	const char *p = *text + strspn(*text, VALUE_SPACE);

	*ret = (struct part){ .p = p, .end = p + strcspn(p, VALUE_SPACE) };
	*text = ret->end;
	return ret->p < ret->end;
}

/* What kind of word it is; then it is only what is behind the colon. */
static enum glob_kind word_kind(struct part *word)
{
	for (int i = 0; i < GLOB_MAX; i++) {
		size_t len = strlen(kinds[i]);

		if ((size_t)(word->end - word->p) > len && memcmp(word->p, kinds[i], len) == 0) {
			word->p += len;
			return (enum glob_kind)i;
		}
	}
	return GLOB_MAX;
}

/* 0: it is none. */
static uint32_t word_pid(const struct part *word)
{
	uint32_t pid = 0;

	for (const char *p = word->p; p < word->end; p++) {
		if (*p < '0' || *p > '9' || pid > PID_MAX)
			return 0;
		pid = pid * 10 + (uint32_t)(*p - '0');
	}
	return pid <= PID_MAX ? pid : 0;
}

const char *value_globs(const char *text)
{
	struct part word;

	while (next_word(&text, &word)) {
		enum glob_kind kind = word_kind(&word);

		if (kind == GLOB_MAX)
			return "a word is not KIND:GLOB";
		if (kind == GLOB_PID && word_pid(&word) == 0)
			return "pid: without a process's number";
	}
	return NULL;
}

/* Behind the "]" of the set at @p, the first of which is never one; NULL: there is none. */
static const char *set_end(const char *p, const char *end)
{
	p += p < end && (*p == '!' || *p == '^');
	if (p < end)
		p++;
	p = p < end ? memchr(p, ']', (size_t)(end - p)) : NULL;
	return p ? p + 1 : NULL;
}

static bool set_has(const char *p, const char *close, char c)
{
	bool not = *p == '!' || *p == '^', has = false;
	unsigned char b = (unsigned char)c;

	for (p += not ; p < close; p++) {
		unsigned char from = (unsigned char)*p, to = from;

		if (p + 2 < close && p[1] == '-') {
			to = (unsigned char)p[2];
			p += 2;
		}
		has |= b >= from && b <= to;
	}
	return has != not ;
}

/* Does what is at @glob, which is no star, match @c? *ret_next is behind it. */
static bool match_one(struct part glob, char c, const char **ret_next)
{
	const char *behind = *glob.p == '[' ? set_end(glob.p + 1, glob.end) : NULL;

	*ret_next = behind ? behind : glob.p + 1;
	if (behind)
		return set_has(glob.p + 1, behind - 1, c);
	return *glob.p == '?' || *glob.p == c;
}

static bool match(struct part glob, struct part text)
{
	struct part star = { 0 }; /* in both, to try again from */

	while (text.p < text.end) {
		const char *next;

		if (glob.p < glob.end && *glob.p == '*') {
			star = (struct part){ .p = ++glob.p, .end = text.p };
		} else if (glob.p < glob.end && match_one(glob, *text.p, &next)) {
			glob.p = next;
			text.p++;
		} else if (star.p) {
			glob.p = star.p;
			text.p = ++star.end;
		} else {
			return false;
		}
	}
	while (glob.p < glob.end && *glob.p == '*')
		glob.p++;
	return glob.p == glob.end;
}

static bool match_text(struct part glob, const char *text)
{
	return text && match(glob, (struct part){ .p = text, .end = text + strlen(text) });
}

/* "nginx" is "nginx.service", as for systemctl(1). */
static bool match_unit(struct part glob, const char *unit)
{
	size_t len = unit ? strlen(unit) : 0, suffix = strlen(SERVICE);

	if (match_text(glob, unit))
		return true;
	if (len <= suffix || strcmp(unit + len - suffix, SERVICE) != 0)
		return false;
	return match(glob, (struct part){ .p = unit, .end = unit + len - suffix });
}

bool config_globs_match(const char *globs, const struct config_subject *subject)
{
	struct part word;

	while (next_word(&globs, &word)) {
		bool matches = false;

		switch (word_kind(&word)) {
		case GLOB_COMM:
			matches = match_text(word, subject->comm);
			break;
		case GLOB_EXE:
			matches = match_text(word, subject->exe);
			break;
		case GLOB_UNIT:
			matches = match_unit(word, subject->unit);
			break;
		case GLOB_PID:
			matches = subject->pid != 0 && word_pid(&word) == subject->pid;
			break;
		case GLOB_MAX:
			break;
		}
		if (matches)
			return true;
	}
	return false;
}
