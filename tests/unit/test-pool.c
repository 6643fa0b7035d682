/* SPDX-License-Identifier: Apache-2.0 */

/* pool of unwinding rows: what is put is found, who goes, who has how much, and the books. */

#include "check.h"
#include "fail.h"
#include "pool-fixture.h"
#include "rows-fixture.h"

#define MIB ((size_t)1 << 20)
#define SECOND UINT64_C(1000000000)
#define ID 0x01000000u /* an object's id is no slot */
#define STEP_ROWS 16   /* rows are given out in steps of so many */

static struct content plain(uint32_t object, uint32_t version, uint32_t pages, uint32_t rows)
{
	return (struct content){
		.object = object,
		.version = version,
		.pages_cnt = pages,
		.page_first = object % 3,
		.rows_max = rows,
		.rules_cnt = 8,
		.gaps = true,
	};
}

static struct cprof_known known_of(uint32_t slot)
{
	return (struct cprof_known){ .id = ID + slot, .slot = slot };
}

/* The slot of one that is. */
static bool is_wanted(struct pool *p, uint32_t *ret)
{
	if (!pool_is_wanted(p, ret))
		return false;
	*ret -= ID;
	return true;
}

static int put(struct pool *p, uint32_t owner, const struct content *c, uint64_t now)
{
	struct made m;
	int r;

	make(&m, c);
	r = pool_put(p, known_of(c->object), owner, &m.view, now);
	made_done(&m);
	return r;
}

static uint32_t state_of(const struct image *im, uint32_t object)
{
	CHECK_EQ(im->memory.objects[object].gen & 1, 0);
	return im->memory.objects[object].state;
}

static bool has_rows(const struct image *im, uint32_t object)
{
	return state_of(im, object) == CPROF_UNWIND_ROWS;
}

/* The rows of a page, or some hundred of them, are as they were put, in a slab that is there. */
static void check_page(const struct image *im, const struct content *c, uint32_t page)
{
	const struct cprof_unwind_page *at =
		&im->memory.pages[im->memory.objects[c->object].pages_at + page];
	uint32_t cnt = content_page_rows(c, page);
	const uint32_t *slab = im->slabs[at->row >> CPROF_SLAB_SHIFT];

	CHECK_EQ(at->cnt, cnt);
	if (cnt == 0)
		return;
	CHECK(slab);
	CHECK((at->row & (CPROF_SLAB_ROWS - 1)) + cnt <= CPROF_SLAB_ROWS);
	for (uint32_t i = 0; i < cnt; i += 1 + cnt / 200) {
		uint32_t row = slab[(at->row & (CPROF_SLAB_ROWS - 1)) + i];
		struct cprof_rule want = content_rule(c, content_rule_of_row(c, page, i));

		CHECK_EQ(CPROF_ROW_PC(row), i * (65536 / cnt));
		CHECK(memcmp(&im->memory.rules[CPROF_ROW_RULE(row)], &want, sizeof(want)) == 0);
	}
}

static void check_content(const struct image *im, const struct content *c)
{
	const struct cprof_unwind_object *o = &im->memory.objects[c->object];

	CHECK_EQ(o->state, CPROF_UNWIND_ROWS);
	CHECK_EQ(o->id, ID + c->object);
	CHECK_EQ(o->page_first, c->page_first);
	CHECK_EQ(o->pages_cnt, c->pages_cnt);
	for (uint32_t i = 0; i < c->pages_cnt; i++)
		check_page(im, c, i);
}

static struct pool *start(struct image *im, size_t bytes_max)
{
	struct pool *p;

	image_init(im);
	CHECK_EQ(pool_new(&im->memory, bytes_max, 1, &p), 0);
	return p;
}

static void end(struct image *im, struct pool *p)
{
	pool_free(p);
	image_done(im);
}

static struct pool_facts facts_of(const struct pool *p)
{
	struct pool_facts f;

	pool_facts(p, &f);
	return f;
}

TEST(what_is_put_is_there)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);
	struct content a = plain(16, 1, 30, 3000), b = plain(17, 2, 5, 65536),
		       none = plain(18, 0, 0, 1);

	b.rows_max = 60000;
	CHECK_EQ(put(p, 0, &a, 1), 0);
	CHECK_EQ(put(p, 0, &b, 2), 0);
	CHECK_EQ(put(p, 0, &none, 3), 0);
	check_content(&im, &a);
	check_content(&im, &b);
	CHECK_EQ(state_of(&im, 18), CPROF_UNWIND_NONE);
	CHECK_EQ(im.memory.objects[18].id, ID + 18);
	CHECK_EQ(state_of(&im, 19), CPROF_UNWIND_UNKNOWN);
	a.version = 7;
	a.pages_cnt = 9;
	CHECK_EQ(put(p, 0, &a, 4), 0);
	check_content(&im, &a);
	check_content(&im, &b);
	pool_drop(p, 16);
	pool_drop(p, 18);
	CHECK_EQ(state_of(&im, 16), CPROF_UNWIND_UNKNOWN);
	CHECK_EQ(state_of(&im, 18), CPROF_UNWIND_UNKNOWN);
	CHECK_EQ(im.memory.objects[16].id, 0);
	check_content(&im, &b);
	pool_drop(p, 17);
	CHECK_EQ(facts_of(p).rows, 0);
	CHECK_EQ(facts_of(p).rules, 0);
	CHECK_EQ(facts_of(p).pages, 0);
	CHECK_EQ(facts_of(p).bytes, 0);
	CHECK_EQ(facts_of(p).evicted, 0);
	CHECK_EQ(im.cnt, 0);
	end(&im, p);
}

static void check_block(struct pool *p, const struct content *c)
{
	_cleanup_free_ void *bytes = NULL;
	struct rows_view view;
	size_t sz;

	CHECK_EQ(pool_block(p, known_of(c->object), &bytes, &sz), 0);
	CHECK_EQ(rows_check(bytes, sz, &view), 0);
	for (uint64_t offset = 0; offset < CONTENT_OFFSETS; offset += 97) {
		uint32_t i = content_rule_at(c, offset);
		const struct cprof_rule rule = content_rule(c, i);

		CHECK(memcmp(rows_find(&view, offset), &rule, sizeof(rule)) == 0);
	}
}

TEST(what_is_there_comes_out_as_it_was)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);
	struct content a = plain(16, 1, 30, 3000), none = plain(18, 0, 0, 1),
		       gaps = content_of(17, 3);
	void *bytes;
	size_t sz;

	CHECK_EQ(put(p, 0, &gaps, 1), 0);
	CHECK_EQ(put(p, 0, &a, 1), 0);
	CHECK_EQ(put(p, 0, &none, 1), 0);
	check_block(p, &a);
	check_block(p, &gaps);
	check_block(p, &none);
	CHECK_EQ(pool_block(p, known_of(19), &bytes, &sz), -ENOENT);
	CHECK_EQ(pool_block(p, known_of(CPROF_UNWIND_OBJECTS_MAX), &bytes, &sz), -ENOENT);
	CHECK_EQ(pool_block(p, (struct cprof_known){ .id = 1, .slot = 16 }, &bytes, &sz), -ENOENT);
	pool_drop(p, 16);
	CHECK_EQ(pool_block(p, known_of(16), &bytes, &sz), -ENOENT);
	end(&im, p);
}

#define MANY 63ull /* pages of a part */

static int add_part(struct pool *p, uint32_t owner, const struct content *c, uint64_t present,
		    uint64_t now)
{
	struct made m;
	int r;

	make(&m, c);
	make_part(&m, present);
	r = pool_add(p, known_of(c->object), owner, &m.view, now);
	made_done(&m);
	return r;
}

/* Pages of @present are as they should be, the others absent; for walks, and as a block. */
static void check_part(struct image *im, struct pool *p, const struct content *c, uint64_t present)
{
	const struct cprof_unwind_object *o = &im->memory.objects[c->object];
	_cleanup_free_ void *bytes = NULL;
	struct rows_view view;
	struct cprof_rule rule;
	size_t sz;

	CHECK_EQ(pool_block(p, known_of(c->object), &bytes, &sz), 0);
	CHECK_EQ(rows_check(bytes, sz, &view), 0);
	CHECK_EQ(view.head->pages_cnt, c->pages_cnt);
	CHECK_EQ(view.head->page_first, c->page_first);
	for (uint32_t i = 0; i < c->pages_cnt; i++) {
		bool there = present >> i & 1;
		uint64_t at = (uint64_t)(c->page_first + i) << CPROF_PAGE_SHIFT;

		if (there)
			check_page(im, c, i);
		else
			CHECK_EQ(im->memory.pages[o->pages_at + i].cnt, CPROF_PAGE_ABSENT);
		CHECK_EQ(view.page_rows[i] == CPROF_PAGE_ABSENT, !there);
		CHECK_EQ(pool_lacks(p, known_of(c->object), at), !there);
		CHECK_EQ(pool_find(p, known_of(c->object), at, &rule) == ROWS_UNKNOWN, !there);
	}
	CHECK(!pool_lacks(p, known_of(c->object),
			  (uint64_t)(c->page_first + c->pages_cnt) << CPROF_PAGE_SHIFT));
}

TEST(pages_come_later)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);
	struct content a = plain(16, 1, MANY, 3000);
	uint64_t present = 0;
	struct rng rng = { 5 };

	CHECK(pool_lacks(p, known_of(16), 0));
	CHECK_EQ(add_part(p, 7, &a, 0, 1), 0);
	check_part(&im, p, &a, 0);
	CHECK_EQ(facts_of(p).rows, 0);
	for (int i = 0; i < 40; i++) {
		uint64_t more = rng_next(&rng) & rng_next(&rng) & rng_next(&rng) & rng_next(&rng);
		uint32_t gen = im.memory.objects[16].gen;
		bool is_new = (more & ~present & ((1ull << MANY) - 1)) != 0;

		present |= more;
		CHECK_EQ(add_part(p, 7, &a, more, 2), 0);
		check_part(&im, p, &a, present);
		CHECK(facts_of(p).rules <= 7);
		CHECK_EQ(im.memory.objects[16].gen > gen, is_new);
	}
	/* What is there stays, and nothing is held twice. */
	CHECK_EQ(add_part(p, 7, &a, UINT64_MAX, 3), 0);
	check_content(&im, &a);
	CHECK(!pool_lacks(p, known_of(16), 0));
	CHECK_EQ(facts_of(p).objects, 1);
	/* Rows of a file that has other pages take the place of all. */
	a.pages_cnt = 9;
	CHECK_EQ(add_part(p, 7, &a, 3, 4), 0);
	check_part(&im, p, &a, 3);
	pool_drop(p, 16);
	CHECK_EQ(facts_of(p).rows, 0);
	CHECK_EQ(facts_of(p).rules, 0);
	CHECK_EQ(facts_of(p).pages, 0);
	CHECK_EQ(facts_of(p).bytes, 0);
	end(&im, p);
}

/* Others go for a page that comes, never the object itself; one that gets too large is refused whole. */
TEST(pages_that_come_later_push_others_out)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);
	struct content a = plain(16, 1, MANY, 1), b = a, other;

	a.rows_max = 9000;
	b.rows_max = 30000;
	b.object = 17;
	CHECK_EQ(add_part(p, 0, &a, 1, 1), 0);
	for (uint32_t i = 0; i < 40; i++) {
		other = plain(100 + i, 1, 3, 1);
		other.rows_max = 1;
		other.pages_cnt = 2000;
		CHECK_EQ(put(p, 0, &other, 1), 0);
		pool_use(p, 16, 1);
	}
	CHECK(has_rows(&im, 16));
	other = plain(139, 1, 2000, 1);
	for (uint32_t i = 101; i < 140; i++)
		pool_use(p, i, 2);
	CHECK_EQ(add_part(p, 0, &a, MANY, 3), 0);
	check_part(&im, p, &a, MANY | 1);
	CHECK_EQ(add_part(p, 0, &b, 3, 4), 0);
	CHECK_EQ(add_part(p, 0, &b, UINT64_MAX, 4), -ENOSPC);
	CHECK_EQ(state_of(&im, 17), CPROF_UNWIND_REFUSED);
	CHECK_EQ(facts_of(p).refused, 1);
	check_part(&im, p, &a, MANY | 1);
	end(&im, p);
}

TEST(without_memory_for_a_page_it_is_as_not_read)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);
	struct content a = plain(16, 1, MANY, 30000);

	a.rows_max = 30000;
	CHECK_EQ(add_part(p, 0, &a, 0, 1), 0);
	im.fail = 1;
	CHECK_EQ(add_part(p, 0, &a, 3, 1), -ENOMEM);
	CHECK_EQ(state_of(&im, 16), CPROF_UNWIND_UNKNOWN);
	CHECK_EQ(add_part(p, 0, &a, 3, 1), 0);
	check_part(&im, p, &a, 3);
	end(&im, p);
}

TEST(a_change_is_seen_by_gen)
{
	struct image im;
	struct pool *p = start(&im, 4 * MIB);
	struct content a = plain(16, 1, 3, 100);
	uint32_t gen = im.memory.objects[16].gen;

	for (int i = 0; i < 10; i++) {
		CHECK_EQ(put(p, 0, &a, 1), 0);
		CHECK(im.memory.objects[16].gen > gen);
		gen = im.memory.objects[16].gen;
		pool_drop(p, 16);
		CHECK(im.memory.objects[16].gen > gen);
		gen = im.memory.objects[16].gen;
	}
	end(&im, p);
}

/* 8 slabs of 4 objects each. */
TEST(the_least_lately_used_goes)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);

	for (uint32_t i = 0; i < 40; i++) {
		struct content c = plain(100 + i, 1, 3, 1);

		c.rows_max = 1;
		c.pages_cnt = 2000; /* of 16 rows each, in steps */
		CHECK_EQ(put(p, 0, &c, i), 0);
		pool_use(p, 100, i);
	}
	CHECK(facts_of(p).evicted > 0);
	CHECK(has_rows(&im, 100));
	for (uint32_t i = 1; i < 40; i++)
		CHECK_EQ(has_rows(&im, 100 + i), i >= 40 - (facts_of(p).objects - 1));
	CHECK_EQ(facts_of(p).objects + facts_of(p).evicted, 40);
	end(&im, p);
}

TEST(no_object_has_more_than_a_quarter)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);
	struct content rows = plain(16, 1, 200, 65536), pages = plain(17, 1, 16385, 1),
		       rules = plain(18, 1, 20, 1000), fits = plain(19, 1, 30, 20000);

	rules.rules_cnt = 8192;
	rows.rows_max = 30000;
	CHECK_EQ(put(p, 0, &fits, 1), 0);
	CHECK_EQ(put(p, 0, &rows, 1), -ENOSPC);
	CHECK_EQ(put(p, 0, &pages, 1), -ENOSPC);
	CHECK_EQ(put(p, 0, &rules, 1), -ENOSPC);
	rules.object = CPROF_UNWIND_OBJECTS_MAX;
	CHECK_EQ(put(p, 0, &rules, 1), -ENOSPC);
	for (uint32_t i = 16; i < 19; i++) {
		CHECK_EQ(state_of(&im, i), CPROF_UNWIND_REFUSED);
		CHECK_EQ(im.memory.objects[i].id, ID + i);
	}
	check_content(&im, &fits);
	CHECK_EQ(facts_of(p).refused, 4);
	CHECK_EQ(facts_of(p).evicted, 0);
	/* An object that is refused loses what it had. */
	fits.pages_cnt = 5000;
	CHECK_EQ(put(p, 0, &fits, 2), -ENOSPC);
	CHECK_EQ(facts_of(p).rows, 0);
	CHECK_EQ(im.cnt, 0);
	end(&im, p);
}

/* What root uses stays, however many files a user has, and however many rules are in them. */
TEST(one_user_with_5000_files_of_1000_rules)
{
	struct image im;
	struct pool *p = start(&im, 64 * MIB);
	struct content libc = plain(16, 1, 30, 2000), other = plain(17, 1, 30, 2000);
	uint64_t rows = 0, objects = 0;

	libc.rules_cnt = 2000;
	other.rules_cnt = 3000;
	CHECK_EQ(put(p, 0, &libc, 1), 0);
	CHECK_EQ(put(p, 1001, &other, 1), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		struct content c = plain(1000 + i, 1, 2, 1000);

		c.rules_cnt = 1001;
		CHECK_EQ(put(p, 1000, &c, 2 + i), 0);
		pool_use(p, 1000 + i, 2 + i);
	}
	check_content(&im, &libc);
	check_content(&im, &other);
	for (uint32_t i = 0; i < 5000; i++) {
		struct content c = plain(1000 + i, 1, 2, 1000);

		c.rules_cnt = 1001;
		if (!has_rows(&im, 1000 + i))
			continue;
		check_content(&im, &c);
		objects++;
		rows += content_page_rows(&c, 0) + content_page_rows(&c, 1);
	}
	for (uint32_t i = 0; i < 30; i++)
		rows += content_page_rows(&libc, i) + content_page_rows(&other, i);
	fprintf(stderr, "  of the user's files %" PRIu64 " have rows\n", objects);
	CHECK_EQ(facts_of(p).rows, rows);
	CHECK_EQ(facts_of(p).objects, objects + 2);
	CHECK_EQ(facts_of(p).evicted, 5000 - objects);
	CHECK_EQ(facts_of(p).rules, 1999 + 2999 + objects * 1000);
	CHECK(objects * 1000 <= CPROF_UNWIND_RULES_MAX / 2);
	end(&im, p);
}

/* As daemons with rotating sets of files: 3,000 objects in turn, with room for some. */
TEST(a_working_set_beyond_the_limit_does_not_thrash)
{
	struct image im;
	struct pool *p = start(&im, 8 * MIB);
	uint32_t object, reads = 0, late = 0;

	for (uint32_t i = 0; i < 3000; i++) {
		struct content c = plain(16 + i, 1, 4, 1000);

		CHECK_EQ(put(p, 0, &c, SECOND), 0);
	}
	for (uint64_t second = 2; second < 2000; second++) {
		for (uint32_t i = 0; i < 3000; i++)
			pool_use(p, 16 + i, second * SECOND);
		while (is_wanted(p, &object)) {
			struct content c = plain(object, 1, 4, 1000);

			CHECK(!has_rows(&im, object));
			CHECK_EQ(state_of(&im, object), CPROF_UNWIND_UNKNOWN);
			CHECK_EQ(put(p, 0, &c, second * SECOND), 0);
			reads++;
			late += second >= 1000;
		}
	}
	fprintf(stderr, "  %u files were read again, in the second half %u: %.1f a second\n", reads,
		late, late / 1000.0);
	/* Without a pause it were nearly all 3,000 each second. */
	CHECK(late < 1000 * 3000 / 300);
	CHECK(facts_of(p).objects > 500);
	CHECK(im.most <= 8);
	end(&im, p);
}

TEST(what_was_there_for_long_comes_back_at_once)
{
	struct image im;
	struct pool *p = start(&im, 4 * MIB);
	struct content a = plain(16, 1, 20, 10000);
	uint64_t now = SECOND;
	uint32_t object;

	CHECK_EQ(put(p, 0, &a, now), 0);
	now += 100 * SECOND;
	pool_use(p, 16, now);
	pool_limit(p, 0);
	CHECK_EQ(state_of(&im, 16), CPROF_UNWIND_UNKNOWN); /* rows may come */
	CHECK(!is_wanted(p, &object));
	pool_use(p, 16, now);
	pool_use(p, 16, now);
	CHECK(is_wanted(p, &object) && object == 16);
	CHECK(!is_wanted(p, &object));
	pool_use(p, 16, now); /* it is being read */
	CHECK(!is_wanted(p, &object));
	CHECK_EQ(put(p, 0, &a, now), -ENOSPC);
	CHECK_EQ(state_of(&im, 16), CPROF_UNWIND_REFUSED);
	/* More room: not after ten minutes, but now. */
	pool_use(p, 16, now + SECOND);
	CHECK(!is_wanted(p, &object));
	pool_limit(p, 4 * MIB);
	pool_use(p, 16, now + SECOND);
	CHECK(is_wanted(p, &object) && object == 16);
	CHECK_EQ(put(p, 0, &a, now), 0);
	check_content(&im, &a);
	/* Who has it dropped does not want it. */
	pool_limit(p, 0);
	pool_drop(p, 16);
	pool_use(p, 16, now + 10000 * SECOND);
	CHECK(!is_wanted(p, &object));
	end(&im, p);
}

TEST(pauses_get_longer_up_to_ten_minutes)
{
	struct image im;
	struct pool *p = start(&im, 0);
	struct content a = plain(16, 1, 2, 100);
	uint64_t now = SECOND, last = now;
	uint32_t object;

	CHECK_EQ(put(p, 0, &a, now), -ENOSPC);
	CHECK_EQ(facts_of(p).refused, 1);
	/* Without any room it is larger than a quarter: no use to try soon. */
	for (now = 2 * SECOND; !is_wanted(p, &object); now += SECOND)
		pool_use(p, 16, now);
	CHECK(now - last >= POOL_PAUSE_MAX_NS && now - last <= POOL_PAUSE_MAX_NS + 2 * SECOND);
	end(&im, p);

	p = start(&im, 4 * MIB);
	a.rows_max = 30000;
	a.pages_cnt = 6;
	for (uint32_t i = 0; i < 12; i++) {
		a.object = 16;
		CHECK_EQ(put(p, 0, &a, now), 0);
		while (has_rows(&im, 16)) {
			a.object++;
			CHECK_EQ(put(p, 0, &a, now), 0);
		}
		last = now;
		while (pool_use(p, 16, now), !is_wanted(p, &object))
			now += SECOND / 2;
		CHECK_EQ(object, 16);
		CHECK_EQ(now - last, MIN(SECOND << i, POOL_PAUSE_MAX_NS));
	}
	end(&im, p);
}

TEST(a_smaller_limit_is_kept_at_once)
{
	struct image im;
	struct pool *p = start(&im, 32 * MIB);

	for (uint32_t i = 0; i < 400; i++) {
		struct content c = plain(100 + i, 1, 10, 5000);

		CHECK_EQ(put(p, i % 2 ? 1000 : 0, &c, i), 0);
	}
	CHECK(im.cnt > 20);
	/* Holes everywhere. */
	for (uint32_t i = 0; i < 400; i += 3)
		pool_drop(p, 100 + i);
	for (size_t mib = 31; mib-- > 0;) {
		pool_limit(p, mib * MIB);
		CHECK(im.cnt <= mib);
		CHECK_EQ(facts_of(p).bytes, im.cnt * MIB);
		for (uint32_t i = 0; i < 400; i++) {
			struct content c = plain(100 + i, 1, 10, 5000);

			if (has_rows(&im, 100 + i))
				check_content(&im, &c);
		}
		if (mib > 3) /* nobody went who need not have */
			CHECK(facts_of(p).rows * 4 > (mib - 1) * MIB * 8 / 10 || mib > 8);
	}
	CHECK_EQ(facts_of(p).objects, 0);
	end(&im, p);
}

TEST(slabs_that_cannot_be_had)
{
	struct image im;
	struct pool *p = start(&im, 32 * MIB);
	struct content a = plain(16, 1, 40, 60000), b = plain(17, 1, 2, 100);

	CHECK_EQ(put(p, 0, &b, 1), 0);
	im.fail = 2;
	CHECK_EQ(put(p, 0, &a, 1), -ENOMEM);
	CHECK_EQ(state_of(&im, 16), CPROF_UNWIND_UNKNOWN);
	CHECK_EQ(im.cnt, 1);
	check_content(&im, &b);
	CHECK_EQ(put(p, 0, &a, 2), 0);
	check_content(&im, &a);
	end(&im, p);
}

TEST(no_memory)
{
	struct content a = plain(16, 1, 9, 900);
	struct image im;
	struct pool *p;
	struct made m;
	long n;
	int r;

	image_init(&im);
	for (n = 0;; n++) {
		fail_at(n);
		r = pool_new(&im.memory, 4 * MIB, 1, &p);
		if (fail_over())
			break;
		CHECK_EQ(r, -ENOMEM);
	}
	CHECK(r == 0 && n >= 4);
	a.rules_cnt = 40;
	make(&m, &a);
	for (n = 0;; n++) {
		fail_at(n);
		r = pool_put(p, known_of(16), 0, &m.view, 1);
		if (fail_over())
			break;
		CHECK_EQ(r, -ENOMEM);
		CHECK_EQ(state_of(&im, 16), CPROF_UNWIND_UNKNOWN);
		CHECK_EQ(facts_of(p).rows + facts_of(p).rules + facts_of(p).pages, 0);
	}
	CHECK(r == 0 && n >= 3);
	check_content(&im, &a);
	made_done(&m);
	end(&im, p);
}

/*
 * The model: what was put last of each object and when it was used. It knows nothing of places, so it
 * is asked who should have gone rather than who will.
 */
#define OBJECTS 300u
#define OWNERS 4u

struct model {
	struct content content[OBJECTS];
	bool live[OBJECTS];
	uint64_t used[OBJECTS];
	uint64_t evicted, refused;
	struct image im;
	struct pool *p;
	struct rng rng;
	uint64_t now;
	uint32_t owners;
	size_t mib;
};

static uint32_t owner_of(const struct model *m, uint32_t i)
{
	return i % m->owners ? 1000 + i % m->owners : 0;
}

/* Who is gone although nobody dropped it was pushed out, and of one owner's it was used before all others. */
static void check_evicted(struct model *m, bool by_use)
{
	uint64_t last = 0, first = UINT64_MAX;

	for (uint32_t i = 0; i < OBJECTS; i++) {
		if (!m->live[i])
			continue;
		if (has_rows(&m->im, i)) {
			first = MIN(first, m->used[i]);
			continue;
		}
		last = MAX(last, m->used[i]);
		m->live[i] = false;
		m->evicted++;
	}
	CHECK_EQ(facts_of(m->p).evicted, m->evicted);
	if (m->owners == 1 && by_use)
		CHECK(last < first);
}

/* In steps, as the pool counts. */
static uint64_t taken_by(const struct model *m, uint32_t owner, uint64_t *ret_rows)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < OBJECTS; i++)
		for (uint32_t j = 0;
		     m->live[i] && owner_of(m, i) == owner && j < m->content[i].pages_cnt; j++) {
			uint32_t rows = content_page_rows(&m->content[i], j);

			*ret_rows += rows;
			sum += (rows + STEP_ROWS - 1) / STEP_ROWS * STEP_ROWS;
		}
	return sum;
}

/* Right after a put: no user has more than a quarter if they have half, and all of them three quarters. */
static void check_shares(const struct model *m, uint32_t owner, bool was_put)
{
	uint64_t max = m->mib * CPROF_SLAB_ROWS, root, users = 0, own = 0, rows = 0;

	root = taken_by(m, 0, &rows);
	for (uint32_t i = 1; i < m->owners; i++) {
		uint64_t taken = taken_by(m, 1000 + i, &rows);

		users += taken;
		own = owner == 1000 + i ? taken : own;
	}
	CHECK_EQ(facts_of(m->p).rows, rows);
	CHECK(root + users <= max);
	if (!was_put || owner == 0)
		return;
	CHECK(users <= max / 4 * 3);
	CHECK(root + users <= max / 2 || own <= max / 4);
}

static int by_number(const void *a, const void *b)
{
	return CMP(*(const uint32_t *)a, *(const uint32_t *)b);
}

/* No page is anybody's twice, and so no row; as many rules as there are. */
static void check_books(const struct model *m)
{
	static bool pages[CPROF_UNWIND_PAGES_MAX], rules[CPROF_UNWIND_RULES_MAX];
	static uint32_t rows[CPROF_UNWIND_PAGES_MAX];
	uint32_t pages_cnt = 0, rules_cnt = 0, cnt = 0;

	memset(pages, 0, sizeof(pages));
	memset(rules, 0, sizeof(rules));
	for (uint32_t i = 0; i < OBJECTS; i++) {
		const struct cprof_unwind_object *o = &m->im.memory.objects[i];

		for (uint32_t j = o->pages_at; j < o->pages_at + o->pages_cnt; j++) {
			const struct cprof_unwind_page *page = &m->im.memory.pages[j];
			const uint32_t *slab = m->im.slabs[page->row >> CPROF_SLAB_SHIFT];

			CHECK(!pages[j]);
			pages[j] = true;
			pages_cnt++;
			for (uint32_t k = 0; k < page->cnt; k++)
				rules[CPROF_ROW_RULE(slab[page->row % CPROF_SLAB_ROWS + k])] = true;
			if (page->cnt > 0)
				rows[cnt++] = page->row;
		}
	}
	for (uint32_t i = 1; i < CPROF_UNWIND_RULES_MAX; i++)
		rules_cnt += rules[i];
	qsort(rows, cnt, sizeof(*rows), by_number);
	for (uint32_t i = 1; i < cnt; i++)
		CHECK(rows[i] != rows[i - 1]);
	CHECK_EQ(facts_of(m->p).pages, pages_cnt);
	CHECK(facts_of(m->p).rules >= rules_cnt); /* some that no row has */
	CHECK_EQ(facts_of(m->p).bytes, m->im.cnt * MIB);
	CHECK(m->im.cnt <= m->mib);
}

static void put_any(struct model *m, uint32_t i, uint64_t random)
{
	struct content c = plain(i, (uint32_t)(random >> 20) % 1000, 1 + random % 40, 1);
	int r;

	c.rows_max = random % 13 ? 1 + (random >> 32) % 3000 : 65536 / 2;
	c.rules_cnt = 2 + (random >> 40) % 200;
	r = put(m->p, owner_of(m, i), &c, m->now);
	m->live[i] = false;
	m->refused += r == -ENOSPC;
	CHECK(r == 0 || r == -ENOSPC);
	if (r < 0)
		CHECK_EQ(state_of(&m->im, i), CPROF_UNWIND_REFUSED);
	check_evicted(m, true);
	if (r == 0) {
		check_content(&m->im, &c);
		m->content[i] = c;
		m->live[i] = true;
		m->used[i] = m->now;
	}
	CHECK_EQ(facts_of(m->p).refused, m->refused);
	check_shares(m, owner_of(m, i), r == 0);
}

static void act(struct model *m, bool limits)
{
	uint64_t random = rng_next(&m->rng);
	uint32_t i = (uint32_t)(random >> 48) % OBJECTS, object;

	m->now += SECOND / 100;
	if (random % 10 == 0) {
		pool_drop(m->p, i);
		m->live[i] = false;
	} else if (random % 10 < 5) {
		pool_use(m->p, i, m->now);
		m->used[i] = m->now;
	} else if (limits && random % 200 == 5) {
		m->mib = 1 + (random >> 32) % 12;
		pool_limit(m->p, m->mib * MIB);
		check_evicted(m, false); /* those larger than a quarter went first */
	} else {
		put_any(m, i, random / 10);
	}
	check_evicted(m, true);
	if (is_wanted(m->p, &object))
		CHECK(!has_rows(&m->im, object) && !m->live[object]);
}

static struct model model;

static void start_model(uint32_t owners, size_t mib)
{
	model = (struct model){ .owners = owners, .mib = mib, .rng = { 11 } };
	model.p = start(&model.im, mib * MIB);
}

static void check_all(struct model *m)
{
	check_books(m);
	for (uint32_t i = 0; i < OBJECTS; i++)
		if (m->live[i])
			check_content(&m->im, &m->content[i]);
}

TEST(against_the_model_with_one_owner)
{
	start_model(1, 10);
	for (int turn = 0; turn < 4000; turn++) {
		act(&model, turn > 2000);
		if (turn % 100 == 0)
			check_all(&model);
	}
	CHECK(model.evicted > 300);
	end(&model.im, model.p);
}

TEST(against_the_model_with_users)
{
	start_model(OWNERS, 10);
	for (int turn = 0; turn < 4000; turn++) {
		act(&model, false);
		if (turn % 100 == 0)
			check_all(&model);
	}
	CHECK(model.evicted > 300);
	end(&model.im, model.p);
}

/* Of what the limit allows, how much is rows when it is full and all is put and dropped at random? */
TEST(holes_are_few)
{
	uint64_t sum = 0, least = UINT64_MAX, room;
	uint32_t cnt = 0;

	start_model(1, 10);
	room = model.mib * CPROF_SLAB_ROWS;
	for (int turn = 0; turn < 4000; turn++) {
		uint64_t evicted = facts_of(model.p).evicted, random = rng_next(&model.rng);

		model.now++;
		put_any(&model, (uint32_t)(random >> 48) % OBJECTS, random / 10);
		if (facts_of(model.p).evicted == evicted)
			continue;
		sum += facts_of(model.p).rows;
		least = MIN(least, facts_of(model.p).rows);
		cnt++;
	}
	fprintf(stderr,
		"  full of rows to %.1f %%, at least %.1f %%, in %u times that somebody went\n",
		(double)sum * 100 / cnt / (double)room, (double)least * 100 / (double)room, cnt);
	CHECK(cnt > 400);
	CHECK(sum / cnt > room * 85 / 100);
	end(&model.im, model.p);
}

CHECK_MAIN
