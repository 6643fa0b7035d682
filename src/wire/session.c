/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The checks of the session protocol. All its messages have a fixed size, counters included: client
 * and sampler are of one build, and a message of another one is refused by its size. The client's
 * numbers are held against their limits here, so that the sampler can use them as they are; the
 * sampler's texts are held to be clean, so that the client can print them as they are.
 */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "cprof/session.h"
#include "text.h"

#define SESSION_FLAGS \
	(SESSION_ALL | SESSION_TREE | SESSION_MERGED | SESSION_UNIT | SESSION_RAW | SESSION_MEMORY)
#define ERRNO_MAX 4095 /* MAX_ERRNO of the kernel's include/linux/err.h */

_Static_assert(SESSION_TEXT_MAX <= WIRE_CLEAN_MAX, "a text that cannot be checked");

struct session_kind {
	size_t sz;
	bool (*check)(const void *msg); /* NULL: nothing more to check */
};

static bool check_start(const void *msg)
{
	const struct session_start *m = msg;

	if (m->flags & ~(uint32_t)SESSION_FLAGS)
		return false;
	if ((m->flags & SESSION_MEMORY) && !(m->flags & SESSION_RAW))
		return false;
	if (m->hz == 0 || m->hz > SESSION_HZ_MAX || (m->ring_bytes & (m->ring_bytes - 1)) != 0)
		return false;
	if (m->pids_cnt > SESSION_PIDS_MAX)
		return false;
	if (!wire_field_is_clean(m->event, sizeof(m->event)) ||
	    !wire_field_is_clean(m->unit, sizeof(m->unit)))
		return false;
	if (((m->flags & SESSION_UNIT) != 0) != (m->unit[0] != '\0'))
		return false;
	/* Everything, a unit, or processes: exactly one of them. */
	if (((m->flags & SESSION_ALL) != 0) + ((m->flags & SESSION_UNIT) != 0) +
		    (m->pids_cnt > 0) !=
	    1)
		return false;
	for (uint32_t i = 0; i < m->pids_cnt; i++)
		if (m->pids[i] <= 0)
			return false;
	return true;
}

static bool check_progress(const void *msg)
{
	const struct session_progress *m = msg;

	return m->phase <= SESSION_WRITING;
}

static bool check_profile(const void *msg)
{
	const struct session_profile *m = msg;

	return m->kind < SESSION_PROFILE_KIND_MAX && wire_field_is_clean(m->comm, sizeof(m->comm));
}

static bool check_end(const void *msg)
{
	const struct session_end *m = msg;

	return m->ended_by <= SESSION_ENDED_GONE && m->counters_cnt == COUNTER_MAX &&
	       m->walk < SESSION_WALK_MAX;
}

static bool check_started(const void *msg)
{
	const struct session_started *m = msg;

	return wire_field_is_clean(m->event, sizeof(m->event));
}

static bool check_note(const void *msg)
{
	const struct session_note *m = msg;

	return m->text_len <= SESSION_TEXT_MAX && wire_text_is_clean(m->text, m->text_len);
}

static bool check_failed(const void *msg)
{
	const struct session_failed *m = msg;

	return m->error < 0 && m->error >= -ERRNO_MAX && m->text_len <= SESSION_TEXT_MAX &&
	       wire_text_is_clean(m->text, (size_t)m->text_len);
}

static const struct session_kind session_kinds[SESSION_TYPE_MAX - SESSION_START] = {
	[SESSION_START - SESSION_START] = { sizeof(struct session_start), check_start },
	[SESSION_STARTED - SESSION_START] = { sizeof(struct session_started), check_started },
	[SESSION_STOP - SESSION_START] = { sizeof(struct wire_head), NULL },
	[SESSION_PROGRESS - SESSION_START] = { sizeof(struct session_progress), check_progress },
	[SESSION_PROFILE - SESSION_START] = { sizeof(struct session_profile), check_profile },
	[SESSION_END - SESSION_START] = { sizeof(struct session_end), check_end },
	[SESSION_FAILED - SESSION_START] = { sizeof(struct session_failed), check_failed },
	[SESSION_NOTE - SESSION_START] = { sizeof(struct session_note), check_note },
};

int session_check(const void *msg, size_t sz)
{
	const struct wire_head *head = msg;
	const struct session_kind *kind;

	assert((uintptr_t)msg % _Alignof(uint64_t) == 0);

	if (sz < sizeof(*head) || head->size != sz)
		return -EBADMSG;
	if (head->type < SESSION_START || head->type >= SESSION_TYPE_MAX)
		return -EBADMSG;
	kind = &session_kinds[head->type - SESSION_START];
	if (sz != kind->sz || (kind->check && !kind->check(msg)))
		return -EBADMSG;
	return head->type;
}
