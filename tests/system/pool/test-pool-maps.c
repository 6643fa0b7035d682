/* SPDX-License-Identifier: Apache-2.0 */

/*
 * test-pool-maps — rows that a pool writes by plain stores are what BPF finds, in this kernel: of two
 * collections that share the maps, of one that has none, and while objects are pushed out. Needs root.
 */

#include <pthread.h>

#include "../../unit/check.h"
#include "../../unit/pool-fixture.h"
#include "cprof/collect_pool.h"

/* enum rows_answer of bpf/rows.h */
enum answer { FOUND, GAP, STALE, UNKNOWN, NO_INFORMATION, REFUSED, ANSWERS };

#define FIRST 16u
#define ID 0x01000000u /* an object's id is no slot */
#define OBJECTS 40u
#define PROBES 50000u

static int on_record(const void *bytes, size_t sz, void *ctx)
{
	return 0;
}

static struct collect *open_collect(const struct root *root, const struct collect_pool *cp)
{
	const struct collect_opts opts = {
		.event = event_find(""),
		.hz = 99,
		.ring_bytes = 1 << 16,
		.frames_max = 16,
		.pool = cp,
		.walk_off = true,
		.root = root,
		.on_sample = on_record,
		.on_event = on_record,
	};
	struct collect_failure failure;
	struct collect *c;

	if (collect_new(&opts, &c, &failure) < 0)
		CHECK_FAIL("%s", failure.text);
	return c;
}

static int put(struct pool *pool, uint32_t object, uint32_t version, uint64_t now)
{
	const struct cprof_known known = { .id = ID + object, .slot = object };
	struct content c = content_of(object, version);
	struct made m;
	int r;

	make(&m, &c);
	r = pool_put(pool, known, object % 3 ? 0 : 1000, &m.view, now);
	made_done(&m);
	return r;
}

static int find_of(const struct collect *c, struct cprof_known object, uint64_t offset,
		   struct cprof_rule *ret)
{
	struct cprof_rows_probe probe = { .object = object, .offset = offset };

	CHECK_EQ(collect_find_rule(c, &probe), 0);
	CHECK(probe.answer >= 0 && probe.answer < ANSWERS);
	*ret = probe.rule;
	return probe.answer;
}

static int find(const struct collect *c, uint32_t object, uint64_t offset, struct cprof_rule *ret)
{
	const struct cprof_known known = { .id = ID + object, .slot = object };

	return find_of(c, known, offset, ret);
}

static bool is_right(uint32_t object, uint64_t offset, int answer, const struct cprof_rule *rule)
{
	if (answer == FOUND || answer == GAP)
		return content_had(object, offset, answer == FOUND ? rule : NULL);
	return true;
}

/* A place at random, and the first and last one of each row around it. */
static void check_object(const struct collect *c, uint32_t object, struct rng *rng)
{
	struct content want = content_of(object, 1);
	struct cprof_rule rule;

	for (int i = 0; i < 200; i++) {
		uint64_t offset = rng_next(rng) % CONTENT_OFFSETS;
		int answer = find(c, object, offset, &rule);

		CHECK_EQ(answer, content_rule_at(&want, offset) ? FOUND : GAP);
		CHECK(is_right(object, offset, answer, &rule));
		CHECK(answer == GAP || rule.cfa_add == 1);
	}
	CHECK_EQ(find(c, object, UINT64_MAX, &rule), GAP);
	CHECK_EQ(find(c, object, (uint64_t)want.page_first << CPROF_PAGE_SHIFT, &rule),
		 content_rule_at(&want, (uint64_t)want.page_first << CPROF_PAGE_SHIFT) ? FOUND
										       : GAP);
}

struct changer {
	struct pool *pool;
	bool over;
};

static void *change(void *arg)
{
	struct changer *ch = arg;
	struct rng rng = { 5 };

	for (uint32_t turn = 2; !__atomic_load_n(&ch->over, __ATOMIC_RELAXED); turn++) {
		(void)put(ch->pool, FIRST + (uint32_t)(rng_next(&rng) >> 40) % OBJECTS, turn, turn);
		if (turn % 50 == 0)
			pool_limit(ch->pool, (3 + (turn / 50 & 1) * 4) << 20);
	}
	return NULL;
}

static void probe_all(const struct collect *c, struct pool *pool)
{
	struct changer ch = { .pool = pool };
	uint64_t answers[ANSWERS] = { 0 }, wrong = 0;
	struct rng rng = { 3 };
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, change, &ch), 0);
	for (uint32_t i = 0; i < PROBES; i++) {
		uint64_t random = rng_next(&rng);
		uint32_t object = FIRST + (uint32_t)(random >> 40) % OBJECTS;
		uint64_t offset = random % CONTENT_OFFSETS;
		struct cprof_rule rule;
		int answer = find(c, object, offset, &rule);

		answers[answer]++;
		wrong += !is_right(object, offset, answer, &rule);
	}
	__atomic_store_n(&ch.over, true, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	fprintf(stderr,
		"found %" PRIu64 ", gap %" PRIu64 ", stale %" PRIu64 ", not there %" PRIu64
		", wrong %" PRIu64 "\n",
		answers[FOUND], answers[GAP], answers[STALE], answers[UNKNOWN] + answers[REFUSED],
		wrong);
	CHECK_EQ(wrong, 0);
	CHECK(answers[FOUND] > PROBES / 20 && answers[UNKNOWN] + answers[REFUSED] > 0);
}

/*
 * What the kernel counts is what we use, and a little more: a page or two for each slab. Of the others up to
 * 6.3 it counts keys, too, which arrays do not have.
 */
static void check_bytes(const struct collect_pool *cp, const struct pool *pool, uint64_t empty)
{
	const uint64_t arrays = CPROF_UNWIND_OBJECTS_MAX * sizeof(struct cprof_unwind_object) +
				CPROF_UNWIND_PAGES_MAX * sizeof(struct cprof_unwind_page) +
				CPROF_UNWIND_RULES_MAX * sizeof(struct cprof_rule);
	const uint64_t slabs = collect_pool_bytes(cp) - empty;
	struct pool_facts facts;

	pool_facts(pool, &facts);
	CHECK(empty >= arrays && empty < 2 * arrays);
	CHECK(facts.bytes > 0 && slabs >= facts.bytes && slabs - facts.bytes < facts.bytes / 16);
}

/* One after the other comes and goes: who is left finds what is there. */
static void check_shared(const struct root *root, const struct collect_pool *cp, struct pool *pool)
{
	struct collect *a = open_collect(root, cp), *b = open_collect(root, cp);
	const uint64_t empty = collect_pool_bytes(cp);
	struct rng rng = { 1 };
	struct cprof_rule rule;

	CHECK_EQ(find(a, FIRST, 0, &rule), UNKNOWN);
	for (uint32_t i = 0; i < OBJECTS; i++)
		CHECK_EQ(put(pool, FIRST + i, 1, 1), 0);
	check_bytes(cp, pool, empty);
	for (uint32_t i = 0; i < OBJECTS; i++)
		check_object(i % 2 ? a : b, FIRST + i, &rng);
	CHECK_EQ(find(a, CPROF_UNWIND_OBJECTS_MAX, 0, &rule), REFUSED);
	CHECK_EQ(find_of(a, (struct cprof_known){ .id = ID, .slot = FIRST }, 0, &rule), UNKNOWN);
	CHECK(collect_map_bytes(a) < 64 << 20);
	collect_free(a);
	check_object(b, FIRST + 3, &rng);
	pool_drop(pool, FIRST + 3);
	CHECK_EQ(find(b, FIRST + 3, 0, &rule), UNKNOWN);
	pool_limit(pool, 4 << 20);
	probe_all(b, pool);
	pool_limit(pool, 0);
	for (uint32_t i = 0; i < OBJECTS; i++)
		CHECK(find(b, FIRST + i, 0, &rule) >= UNKNOWN);
	CHECK_EQ(collect_pool_bytes(cp), empty);
	collect_free(b);
}

static void check_alone(const struct root *root)
{
	struct collect *c = open_collect(root, NULL);
	struct cprof_rule rule;

	CHECK_EQ(find(c, FIRST, 0, &rule), REFUSED);
	collect_free(c);
}

int main(void)
{
	struct collect_failure failure;
	struct collect_pool *cp;
	struct pool *pool;
	struct root root;
	int r;

	if (geteuid() != 0)
		check_skip("needs root");
	CHECK_EQ(root_open(&root, "/"), 0);
	r = collect_pool_new(&root, &cp, &failure);
	if (r < 0)
		CHECK_FAIL("%s", failure.text);
	CHECK_EQ(pool_new(collect_pool_memory(cp), 64 << 20, 9, &pool), 0);
	check_shared(&root, cp, pool);
	pool_free(pool);
	collect_pool_free(cp);
	check_alone(&root);
	root_done(&root);
	return 0;
}
