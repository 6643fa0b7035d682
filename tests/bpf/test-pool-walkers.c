/* SPDX-License-Identifier: GPL-2.0-only */

/*
 * test-pool-walkers — walks read rows (bpf/rows.h) while objects are put, pushed out and moved together.
 *
 * Whatever is found must be right for a version of that object: its rules tell whose they are. Slots are
 * given on from one object to another, and walks ask for those too that do not have theirs any more. The
 * argument is the number of lookups.
 */

#include <pthread.h>

#include "kenv-host.h"

struct kenv_image kenv_image;
struct kenv_pool kenv_pool;

#include "rows.h"

#include "../unit/pool-fixture.h"

#define OBJECTS 120u
#define SLOTS 80u /* 80 of the objects share one with another */
#define FIRST 16u
#define WALKERS 2
#define TURNS 1000u /* that many changes at least, before walks begin and while they go on */

struct walker {
	pthread_t thread;
	uint64_t lookups, seed;
	uint64_t answers[ROWS_REFUSED + 1];
	uint64_t wrong;
	struct rows_found found[ROWS_FOUND_CNT];
};

static struct image image;
static uint64_t turns; /* of the changes, while walks go on */
static bool over;

/* The slabs that walks find are the image's. */
static int slab_new(void *ctx, uint32_t index, uint32_t **ret)
{
	int r = image_slab_new(ctx, index, ret);

	if (r == 0)
		__atomic_store_n(&kenv_pool.slabs[index], *ret, __ATOMIC_RELEASE);
	return r;
}

static void slab_free(void *ctx, uint32_t index)
{
	__atomic_store_n(&kenv_pool.slabs[index], NULL, __ATOMIC_RELEASE);
	image_slab_free(ctx, index);
}

static uint32_t slot_of(uint32_t object)
{
	return FIRST + (object - FIRST) % SLOTS;
}

static int find(uint32_t object, uint64_t offset, struct rows_found *ret)
{
	return rows_find(slot_of(object), object, offset, ret);
}

static int put(struct pool *pool, const struct content *c, uint32_t owner, uint64_t now)
{
	const struct cprof_known known = { .id = c->object, .slot = slot_of(c->object) };
	struct made m;
	int r;

	make(&m, c);
	r = pool_put(pool, known, owner, &m.view, now);
	made_done(&m);
	return r;
}

static int add(struct pool *pool, const struct content *c, uint64_t pages, uint64_t now)
{
	const struct cprof_known known = { .id = c->object, .slot = slot_of(c->object) };
	struct made m;
	int r;

	make(&m, c);
	make_part(&m, pages);
	r = pool_add(pool, known, 0, &m.view, now);
	made_done(&m);
	return r;
}

static bool is_right(uint32_t object, uint64_t offset, int answer, const struct cprof_rule *rule)
{
	if (answer == ROWS_FOUND || answer == ROWS_GAP)
		return content_had(object, offset, answer == ROWS_FOUND ? rule : NULL);
	return true;
}

static void *walk(void *arg)
{
	struct walker *w = arg;
	struct rng rng = { w->seed };

	for (uint64_t i = 0; i < w->lookups || __atomic_load_n(&turns, __ATOMIC_RELAXED) < TURNS;
	     i++) {
		uint64_t random = rng_next(&rng);
		uint32_t object = FIRST + (uint32_t)(random >> 40) % OBJECTS;
		/* Half of them at one place of the object, where it was looked before. */
		uint64_t offset = random % 2 ? random % CONTENT_OFFSETS : CONTENT_OFFSETS / 2;
		struct rows_found *found = &w->found[rows_nth(slot_of(object), offset)];
		int answer = find(object, offset, found);

		w->answers[answer]++;
		w->wrong += !is_right(object, offset, answer, &found->rule);
	}
	return NULL;
}

struct changer {
	struct pool *pool;
	struct rng rng;
	uint32_t version;
	uint64_t now;
};

static void turn(struct changer *ch)
{
	uint64_t random = rng_next(&ch->rng);
	uint32_t object = FIRST + (uint32_t)(random >> 40) % OBJECTS;
	struct content c = content_of(object, ++ch->version);

	ch->now += 1000000;
	if (random % 16 == 0) {
		pool_drop(ch->pool, slot_of(object));
	} else if (random % 256 == 1) {
		pool_limit(ch->pool, (4 + (random >> 32) % 8) << 20);
	} else if (random % 4 == 2) {
		pool_use(ch->pool, slot_of(object), ch->now);
	} else if (random % 4 == 1) {
		(void)add(ch->pool, &c, random >> 8 | random >> 30, ch->now);
	} else {
		(void)put(ch->pool, &c, random % 3 ? 0 : 1000, ch->now);
	}
}

static void *change(void *arg)
{
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		turn(arg);
		__atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void start(struct pool **pool)
{
	image_init(&image);
	image.memory.slab_new = slab_new;
	image.memory.slab_free = slab_free;
	kenv_pool.objects = image.memory.objects;
	kenv_pool.pages = image.memory.pages;
	kenv_pool.rules = image.memory.rules;
	CHECK_EQ(pool_new(&image.memory, 5 << 20, 42, pool), 0);
}

/* As by a walk that read whose the slot is just before it was given on. */
static void check_given_on(struct pool *pool)
{
	struct content a = content_of(FIRST, 1), b = content_of(FIRST + SLOTS, 1);
	const uint64_t at = (uint64_t)a.page_first << CPROF_PAGE_SHIFT;
	struct rows_found found = { 0 };

	CHECK_EQ(slot_of(a.object), slot_of(b.object));
	CHECK_EQ(put(pool, &a, 0, 1), 0);
	CHECK_EQ(find(a.object, at, &found), ROWS_FOUND);
	CHECK_EQ(find(b.object, at, &found), ROWS_UNKNOWN);
	pool_drop(pool, slot_of(a.object));
	CHECK_EQ(find(a.object, at, &found), ROWS_UNKNOWN);
	CHECK_EQ(put(pool, &b, 0, 1), 0);
	CHECK_EQ(find(a.object, at, &found), ROWS_UNKNOWN);
	CHECK_EQ(find(b.object, at, &found), ROWS_FOUND);
	b.pages_cnt = 0;
	CHECK_EQ(put(pool, &b, 0, 1), 0);
	CHECK_EQ(find(a.object, at, &found), ROWS_UNKNOWN);
	CHECK_EQ(find(b.object, at, &found), ROWS_NONE);
}

/* A page that is not there yet is as an object that is not. */
static void check_absent(struct pool *pool)
{
	struct content a = content_of(FIRST, 1);
	const uint64_t at = (uint64_t)a.page_first << CPROF_PAGE_SHIFT;
	struct rows_found found = { 0 };

	pool_drop(pool, slot_of(a.object));
	CHECK_EQ(add(pool, &a, 4, 1), 0);
	CHECK_EQ(find(a.object, at, &found), ROWS_UNKNOWN);
	CHECK_EQ(find(a.object, at + (2u << CPROF_PAGE_SHIFT), &found), ROWS_FOUND);
	CHECK_EQ(add(pool, &a, 1, 1), 0);
	CHECK_EQ(find(a.object, at, &found), ROWS_FOUND);
	CHECK_EQ(find(a.object, at + (2u << CPROF_PAGE_SHIFT), &found), ROWS_FOUND);
	pool_drop(pool, slot_of(a.object));
}

static uint64_t sum(const struct walker *w, enum rows_answer answer)
{
	uint64_t n = 0;

	for (int i = 0; i < WALKERS; i++)
		n += w[i].answers[answer];
	return n;
}

/* Nothing changes any more: what was found before is what there is now. */
static uint64_t found_otherwise(struct walker *w, uint64_t *ret_same)
{
	uint64_t other = 0;

	for (uint32_t i = 0; i < ROWS_FOUND_CNT; i++) {
		struct rows_found *before = &w->found[i], now = { 0 };
		uint64_t offset = before->offset;
		uint32_t object = before->id;

		if (!before->slot)
			continue;
		if (find(object, offset, &now) != find(object, offset, before) ||
		    (now.slot && memcmp(&now.rule, &before->rule, sizeof(now.rule)) != 0))
			other++;
		else
			*ret_same += now.slot != 0;
	}
	return other;
}

static void report(const struct walker *w, const struct pool_facts *f)
{
	fprintf(stderr,
		"found %" PRIu64 ", gap %" PRIu64 ", stale %" PRIu64 ", unknown %" PRIu64
		", refused %" PRIu64 ", wrong %" PRIu64 "; %" PRIu64 " objects pushed out\n",
		sum(w, ROWS_FOUND), sum(w, ROWS_GAP), sum(w, ROWS_STALE), sum(w, ROWS_UNKNOWN),
		sum(w, ROWS_REFUSED), w[0].wrong + w[1].wrong, f->evicted);
}

int main(int argc, char **argv)
{
	uint64_t lookups = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	struct walker w[WALKERS] = { 0 };
	uint64_t same = 0;
	struct pool_facts facts;
	struct changer ch = { .rng = { 7 } };
	pthread_t changer;

	start(&ch.pool);
	check_given_on(ch.pool);
	check_absent(ch.pool);
	for (uint32_t i = 0; i < TURNS; i++)
		turn(&ch);
	CHECK_EQ(pthread_create(&changer, NULL, change, &ch), 0);
	for (int i = 0; i < WALKERS; i++) {
		w[i].lookups = lookups / WALKERS;
		w[i].seed = (uint64_t)i + 1;
		CHECK_EQ(pthread_create(&w[i].thread, NULL, walk, &w[i]), 0);
	}
	for (int i = 0; i < WALKERS; i++)
		CHECK_EQ(pthread_join(w[i].thread, NULL), 0);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(changer, NULL), 0);
	pool_facts(ch.pool, &facts);
	report(w, &facts);
	CHECK_EQ(w[0].wrong + w[1].wrong, 0);
	for (int i = 0; i < WALKERS; i++)
		CHECK_EQ(found_otherwise(&w[i], &same), 0);
	CHECK(same > 0);
	CHECK(sum(w, ROWS_FOUND) > lookups / 10 && sum(w, ROWS_STALE) > 0 && facts.evicted > 50);
	ch.pool = pool_free(ch.pool);
	image_done(&image);
	return 0;
}
