/* SPDX-License-Identifier: Apache-2.0 */

/* tables of the symbolizer: whose goes when memory is short, and that nobody takes it all. */

#include "check.h"
#include "fail.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tables.h"

/* A table of some hundred bytes for each symbol. */
static struct symtab *make(int symbols)
{
	struct symtab *ret = NULL;
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);

	CHECK(fd >= 0);
	for (int i = 0; i < symbols; i++)
		CHECK(dprintf(fd, "%" PRIx64 " T function_with_a_name_of_some_length_%d\n",
			      0xffffffff81000000 + (uint64_t)i * 16, i) > 0);
	CHECK_EQ(symtab_load_kernel(fd, &SYMTAB_LIMITS_DEFAULT, &ret), SYMTAB_OK);
	close(fd);
	return ret;
}

static int put(struct tables *t, uint32_t object, uint32_t owner, int symbols)
{
	const struct table table = {
		.object = object,
		.owner = owner,
		.status = WIRE_OBJECT_READY,
		.symtab = symbols ? make(symbols) : NULL,
	};

	return tables_put(t, &table);
}

static size_t size_of(int symbols)
{
	struct tables t = { .bytes_max = SIZE_MAX };
	size_t sz;

	CHECK_EQ(put(&t, 16, 0, symbols), 0);
	sz = t.shares.total;
	tables_done(&t);
	return sz;
}

TEST(known_until_forgotten)
{
	struct tables t = { .bytes_max = 1 << 20 };

	CHECK(!tables_get(&t, 16));
	for (uint32_t i = 0; i < 100; i++)
		CHECK_EQ(put(&t, 1000000 * i, i, i % 2 ? 3 : 0), 0);
	for (uint32_t i = 0; i < 100; i++) {
		CHECK(tables_get(&t, 1000000 * i));
		CHECK_EQ(tables_get(&t, 1000000 * i)->owner, i);
		CHECK_EQ(!tables_get(&t, 1000000 * i)->symtab, i % 2 == 0);
	}
	for (uint32_t i = 0; i < 100; i += 3)
		tables_forget(&t, 1000000 * i);
	tables_forget(&t, 7);
	for (uint32_t i = 0; i < 100; i++)
		CHECK_EQ(!tables_get(&t, 1000000 * i), i % 3 == 0);
	/* Once more is not twice. */
	CHECK_EQ(put(&t, 1000000, 1, 3), 0);
	CHECK_EQ(t.v.cnt, 66);
	tables_done(&t);
	CHECK_EQ(t.shares.total, 0);
	CHECK(!tables_get(&t, 1000000));
}

TEST(the_least_lately_used_goes)
{
	size_t one = size_of(100);
	struct tables t = { .bytes_max = 10 * one + one / 2 };

	CHECK_EQ(put(&t, CPROF_OBJECT_KERNEL, 0, 100), 0);
	for (uint32_t i = 0; i < 9; i++)
		CHECK_EQ(put(&t, 20 + i, 0, 100), 0);
	CHECK(tables_get(&t, 20));
	CHECK_EQ(put(&t, 30, 0, 100), 0);
	CHECK(!tables_get(&t, 21));
	CHECK(tables_get(&t, 20) && tables_get(&t, 22) && tables_get(&t, 30));
	CHECK(tables_get(&t, CPROF_OBJECT_KERNEL));
	CHECK_EQ(t.v.cnt, 10);
	CHECK(t.shares.total <= t.bytes_max);
	tables_done(&t);
}

/* One user's files push out his own; root's and other users' stay, however many he brings. */
TEST(one_user_pushes_out_his_own)
{
	size_t one = size_of(100);
	struct tables t = { .bytes_max = 40 * one };

	for (uint32_t i = 0; i < 15; i++)
		CHECK_EQ(put(&t, 100 + i, 0, 100), 0);
	for (uint32_t i = 0; i < 5; i++)
		CHECK_EQ(put(&t, 200 + i, 1000, 100), 0);
	for (uint32_t i = 0; i < 500; i++)
		CHECK_EQ(put(&t, 1000 + i, 65534, 100), 0);
	for (uint32_t i = 0; i < 15; i++)
		CHECK(tables_get(&t, 100 + i));
	for (uint32_t i = 0; i < 5; i++)
		CHECK(tables_get(&t, 200 + i));
	CHECK(tables_get(&t, 1499));
	CHECK(!tables_get(&t, 1480));
	CHECK(shares_of(&t.shares, 65534) <= t.bytes_max / 4);
	/* Another one still finds room. */
	CHECK_EQ(put(&t, 5000, 1001, 100), 0);
	CHECK(tables_get(&t, 5000));
	tables_done(&t);
}

TEST(many_users_do_not_push_out_root)
{
	size_t one = size_of(100);
	struct tables t = { .bytes_max = 40 * one };

	for (uint32_t i = 0; i < 15; i++)
		CHECK_EQ(put(&t, 100 + i, 0, 100), 0);
	for (uint32_t i = 0; i < 1000; i++)
		CHECK_EQ(put(&t, 1000 + i, 100000 + i, 100), 0);
	for (uint32_t i = 0; i < 15; i++)
		CHECK(tables_get(&t, 100 + i));
	CHECK(t.shares.total <= t.bytes_max);
	tables_done(&t);
}

TEST(a_file_that_is_too_large_is_told)
{
	size_t one = size_of(100);
	struct tables t = { .bytes_max = 3 * one };

	CHECK_EQ(put(&t, 16, 0, 400), -ENOSPC);
	CHECK_EQ(t.v.cnt, 0);
	CHECK_EQ(put(&t, 17, 0, 100), 0);
	CHECK_EQ(put(&t, 18, 65534, 100), -ENOSPC);
	CHECK(tables_get(&t, 17));
	CHECK(tables_room(&t, 0) > tables_room(&t, 1));
	tables_done(&t);
}

TEST(statuses_are_bounded_too)
{
	struct tables t = { .bytes_max = 64 << 20 };

	for (uint32_t i = 0; i < TABLES_CNT_MAX + 1000; i++)
		CHECK_EQ(put(&t, 16 + i, 0, 0), 0);
	CHECK_EQ(t.v.cnt, TABLES_CNT_MAX);
	CHECK(!tables_get(&t, 16));
	tables_done(&t);
}

TEST(no_memory)
{
	struct tables t = { .bytes_max = 1 << 20 };
	struct table table = { .object = 99, .symtab = make(3) };
	int failed = 0;

	for (long n = 0;; n++) {
		int r;

		fail_at(n);
		r = tables_put(&t, &table);
		if (fail_over()) {
			CHECK_EQ(r, 0);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
		CHECK(!tables_get(&t, 99));
		CHECK_EQ(t.shares.total, 0);
		table.symtab = make(3);
		failed++;
	}
	CHECK_EQ(failed, 2);
	tables_done(&t);
}

CHECK_MAIN
