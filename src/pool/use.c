/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who was used when, who goes, and who comes again.
 *
 * Objects with rows are in a list by use, so a use costs nothing; who goes is looked for from its end,
 * which happens when a file was just read, and that took a thousand times longer.
 */

#include "pool-internal.h"

void pool_list_add(struct pool *p, enum pool_place place, uint32_t object)
{
	struct pool_list *list = &p->lists[place];
	struct pool_object *o = &p->objects[object];

	o->place = (uint8_t)place;
	o->next = NONE;
	o->prev = list->cnt > 0 ? list->last : NONE;
	if (o->prev == NONE)
		list->first = object;
	else
		p->objects[o->prev].next = object;
	list->last = object;
	list->cnt++;
}

void pool_list_remove(struct pool *p, uint32_t object)
{
	struct pool_object *o = &p->objects[object];
	struct pool_list *list = &p->lists[o->place];

	if (o->place == PLACE_NONE)
		return;
	if (o->prev == NONE)
		list->first = o->next;
	else
		p->objects[o->prev].next = o->next;
	if (o->next == NONE)
		list->last = o->prev;
	else
		p->objects[o->next].prev = o->prev;
	list->cnt--;
	o->place = PLACE_NONE;
}

/* Which ones may go. */
enum whose {
	WHOSE_OWN,
	WHOSE_USERS,
	WHOSE_ANY,
};

static uint32_t oldest(const struct pool *p, enum whose whose, uint32_t owner)
{
	for (uint32_t i = p->lists[PLACE_ROWS].first; i != NONE; i = p->objects[i].next) {
		const struct pool_object *o = &p->objects[i];

		if (whose == WHOSE_ANY || (whose == WHOSE_USERS && o->owner != 0) ||
		    (whose == WHOSE_OWN && o->owner == owner))
			return i;
	}
	return NONE;
}

static bool evict(struct pool *p, uint32_t object)
{
	bool thrashes;

	if (object == NONE)
		return false;
	p->evicted++;
	pool_is_gone(p, object, false);
	thrashes = p->objects[object].pause_ns > 0;
	pool_release(p, object, thrashes ? CPROF_UNWIND_REFUSED : CPROF_UNWIND_UNKNOWN);
	return true;
}

/* Own ones of who has more than a quarter, then users' beyond half, then any. */
bool pool_evict_for(struct pool *p, const struct shares *shares, size_t max, uint32_t owner,
		    size_t sz)
{
	uint32_t i = NONE;

	if (owner != 0 && shares_of(shares, owner) + sz > max / 4)
		return evict(p, oldest(p, WHOSE_OWN, owner));
	if (shares->total - shares->root > max / 2)
		i = oldest(p, WHOSE_USERS, owner);
	return evict(p, i != NONE ? i : oldest(p, WHOSE_ANY, owner));
}

bool pool_evict_any(struct pool *p, uint32_t owner)
{
	uint32_t i = owner != 0 ? oldest(p, WHOSE_OWN, owner) : NONE;

	if (i == NONE && p->steps.total - p->steps.root > pool_steps_max(p) / 2)
		i = oldest(p, WHOSE_USERS, owner);
	return evict(p, i != NONE ? i : oldest(p, WHOSE_ANY, owner));
}

void pool_evict_larger(struct pool *p, uint32_t steps_max)
{
	for (uint32_t i = p->lists[PLACE_ROWS].first, next; i != NONE; i = next) {
		next = p->objects[i].next;
		if (p->objects[i].steps > steps_max)
			(void)evict(p, i);
	}
}

/* Twice the pause each time, unless it was there for long. */
void pool_is_gone(struct pool *p, uint32_t object, bool for_long)
{
	struct pool_object *o = &p->objects[object];
	bool stayed = o->place == PLACE_ROWS &&
		      p->now_ns - o->put_ns >= MAX(POOL_STAY_NS, 8 * o->pause_ns);

	o->gone = true;
	if (for_long)
		o->pause_ns = POOL_PAUSE_MAX_NS;
	else if (stayed)
		o->pause_ns = 0;
	else
		o->pause_ns = MIN(MAX(2 * o->pause_ns, POOL_PAUSE_MIN_NS), POOL_PAUSE_MAX_NS);
	o->retry_ns = p->now_ns + o->pause_ns;
}

void pool_use(struct pool *p, uint32_t object, uint64_t now_ns)
{
	struct pool_object *o;

	if (object >= CPROF_UNWIND_OBJECTS_MAX)
		return;
	p->now_ns = MAX(p->now_ns, now_ns);
	o = &p->objects[object];
	if (o->place == PLACE_ROWS) {
		pool_list_remove(p, object);
		pool_list_add(p, PLACE_ROWS, object);
	} else if (o->gone && o->place == PLACE_NONE && p->now_ns >= o->retry_ns) {
		pool_list_add(p, PLACE_WANTED, object);
		pool_publish(p, object, CPROF_UNWIND_UNKNOWN, 0); /* rows may come */
	}
}

bool pool_is_wanted(struct pool *p, uint32_t *ret_id)
{
	uint32_t object = p->lists[PLACE_WANTED].first;
	struct pool_object *o;

	if (object == NONE)
		return false;
	o = &p->objects[object];
	pool_list_remove(p, object);
	o->retry_ns = p->now_ns + MAX(o->pause_ns, POOL_PAUSE_MIN_NS);
	*ret_id = o->id;
	return true;
}
