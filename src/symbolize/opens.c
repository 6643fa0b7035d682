/* SPDX-License-Identifier: Apache-2.0 */

/*
 * opens — whose files the opener is asked for next.
 *
 * A user who maps a thousand new files a second must not keep others' files from being opened while
 * their processes live. So every user has a bucket of openings (a burst, then so many a second), a
 * short queue, and only a few files with the opener and the symbolizer at a time; users take turns.
 * What the bucket or a full queue puts off is not lost: BPF announces it again when it is next
 * seen. A file that could not be opened is left alone for a while, each time for twice as long.
 *
 * A large file takes longer to read, so it costs more of the bucket, and more of what may be at work.
 *
 * Figures: a build host starts some 50 new programs a second, a desktop's session some hundred files at
 * once, and the start of a recording meets the files of everything that runs. Opening and reading a
 * small file costs some 300 us, so a user's steady rate is worth at most 6 % of a CPU.
 */

#include <string.h>

#include "symbolize-internal.h"

#define OPENS_ROOT_NS 1000000ull /* 1,000 a second, and 4,000 at once */
#define OPENS_ROOT_BURST 4000
#define OPENS_USER_NS 5000000ull /* 200 a second, and 1,000 at once */
#define OPENS_USER_BURST 1000
#define OPENS_ROOT_BUSY 64
#define OPENS_USER_BUSY 8
/* That wait for their rows. */
#define OPENS_ROOT_OPEN 160
#define OPENS_USER_OPEN 8
/* Of a user's file, by its size: 50 MiB, and whatever claims more, cost a second of the bucket. */
#define OPENS_BYTE_NS 20
#define OPENS_COST_MAX 1000000000ull
#define OPENS_LARGE (8u << 20)
#define OPENS_LARGE_BUSY 4 /* as many at work as it counts for */
/* The first pause after a failure, and how often it doubles: 20 ms to 5 s. */
#define PAUSE_NS 20000000ull
#define PAUSE_DOUBLINGS 8

static bool is_idle(const struct opens_user *u, uint64_t now_ns)
{
	return u->busy + u->open + u->cnt == 0 && u->due_ns <= now_ns;
}

/* The user's place; when all are taken by users at work, one that he shares with the rest. Root's is 0. */
static uint32_t find_user(struct symbolize *s, uint32_t uid, uint64_t now_ns)
{
	uint32_t found = OPENS_USERS_MAX - 1;

	if (uid == 0) {
		s->users[0].used = true;
		return 0;
	}
	for (uint32_t i = 1; i < OPENS_USERS_MAX; i++) {
		const struct opens_user *u = &s->users[i];

		if (u->used && u->uid == uid)
			return i;
		if (found == OPENS_USERS_MAX - 1 && (!u->used || is_idle(u, now_ns)))
			found = i;
	}
	if (found < OPENS_USERS_MAX - 1 || !s->users[found].used)
		s->users[found] = (struct opens_user){ .uid = uid, .used = true };
	return found;
}

static uint64_t cost_of(const struct opens_user *u, uint64_t file_sz)
{
	if (u->uid == 0)
		return OPENS_ROOT_NS;
	return MIN(OPENS_USER_NS + MIN(file_sz, 1ull << 40) * OPENS_BYTE_NS, OPENS_COST_MAX);
}

/* Takes so much out of the bucket; due_ns is when it will be full again. */
static bool spend(struct opens_user *u, uint64_t cost, uint64_t now_ns)
{
	uint64_t room =
		u->uid == 0 ? OPENS_ROOT_BURST * OPENS_ROOT_NS : OPENS_USER_BURST * OPENS_USER_NS;
	uint64_t due = MAX(u->due_ns, now_ns);

	if (due - now_ns + cost > room)
		return false;
	u->due_ns = due + cost;
	return true;
}

bool opens_spend(struct symbolize *s, const struct work *w, uint64_t cost_ns, uint64_t now_ns)
{
	struct opens_user *u = &s->users[w->user];

	return spend(u, u->uid == 0 ? OPENS_ROOT_NS : cost_ns, now_ns);
}

void opens_refund(struct symbolize *s, uint32_t user, uint64_t ns)
{
	struct opens_user *u = &s->users[user];

	if (u->uid != 0)
		u->due_ns -= MIN(ns, u->due_ns);
}

void opens_keep(struct symbolize *s, struct work *w)
{
	w->keeper = w->user;
	s->users[w->keeper].open++;
}

void opens_let_go(struct symbolize *s, const struct work *w)
{
	s->users[w->keeper].open--;
}

bool opens_put(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);
	struct opens_user *u;
	uint32_t user;

	if (!w || w->waits || now_ns < w->pause_until_ns)
		return true;
	user = find_user(s, w->last.uid, now_ns);
	u = &s->users[user];
	if (u->cnt == OPENS_WAIT_MAX || !spend(u, cost_of(u, w->last.key.size), now_ns)) {
		s->opts.counters->v[COUNTER_opens_limited] += !w->limited;
		w->limited = true;
		return false;
	}
	w->limited = false;
	w->waits = true;
	w->user = user;
	w->weight = w->last.key.size > OPENS_LARGE ? OPENS_LARGE_BUSY : 1;
	u->waiting[(u->first + u->cnt++) % OPENS_WAIT_MAX] = object;
	s->waiting++;
	opens_pump(s, now_ns);
	return true;
}

void opens_again(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	symbolize_read_again(s, object, now_ns);
	if (symbolize_is_to_retry(s, object))
		opens_put(s, object, now_ns);
}

/* False: the opener takes no more now. */
static bool open_first(struct symbolize *s, struct opens_user *u, uint64_t now_ns)
{
	uint32_t object = u->waiting[u->first];
	struct work *w = symbolize_work(s, object);

	if (w && !symbolize_open(s, object, now_ns))
		return false;
	w = symbolize_work(s, object);
	if (w)
		w->waits = false;
	u->first = (u->first + 1) % OPENS_WAIT_MAX;
	u->cnt--;
	s->waiting--;
	return true;
}

static bool has_turn(const struct opens_user *u)
{
	bool root = u->uid == 0;

	return u->cnt > 0 && u->busy < (root ? OPENS_ROOT_BUSY : OPENS_USER_BUSY) &&
	       u->open < (root ? OPENS_ROOT_OPEN : OPENS_USER_OPEN);
}

/* Where the CPU is short no file is opened to wait. */
static bool may_open(const struct symbolize *s)
{
	return !s->deferred || (s->rows.cnt == 0 && s->opening + s->loading == 0);
}

void opens_pump(struct symbolize *s, uint64_t now_ns)
{
	uint32_t idle = 0; /* users in a row with nothing to ask for */

	while (s->waiting > 0 && idle < OPENS_USERS_MAX && may_open(s)) {
		struct opens_user *u = &s->users[s->turn];

		idle++;
		if (has_turn(u)) {
			if (!open_first(s, u, now_ns))
				return;
			idle = 0;
		}
		s->turn = (s->turn + 1) % OPENS_USERS_MAX;
	}
}

void opens_failed(struct symbolize *s, uint32_t object, uint64_t now_ns)
{
	struct work *w = symbolize_work(s, object);

	if (!w)
		return;
	w->pause_until_ns = now_ns + (PAUSE_NS << w->failures);
	if (w->failures < PAUSE_DOUBLINGS)
		w->failures++;
}
