/* SPDX-License-Identifier: Apache-2.0 */

/* test-symbolize-rows — blocks of rows from a symbolizer that the test plays itself, honest and not. */

#include <fcntl.h>
#include <sys/mman.h>

#include "symbolize-bench.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

/* A block of @pages pages as a file with these seals. */
static int make_block(uint32_t pages, int seals, size_t *ret_sz)
{
	struct cprof_rule rule = { .cfa = CPROF_CFA_REG, .cfa_reg = CPROF_REG_RSP, .cfa_off = 8 };
	_cleanup_(rows_builder_freep) struct rows_builder *rows = NULL;
	_cleanup_free_ void *bytes = NULL;
	int fd = memfd_create("rows", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK_EQ(rows_builder_new(&rows), 0);
	if (pages > 0)
		CHECK_EQ(rows_add(rows, 0, (uint64_t)pages << CPROF_PAGE_SHIFT, &rule), 0);
	CHECK_EQ(rows_finish(rows, &bytes, ret_sz), 0);
	CHECK_EQ(write(fd, bytes, *ret_sz), *ret_sz);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int say_rows(struct bench *b, uint64_t id, uint32_t status, int fd, uint64_t bytes)
{
	struct wire_rows m = {
		.head = { .size = sizeof(m), .type = WIRE_ROWS, .id = id },
		.status = status,
		.bytes = bytes,
	};

	CHECK_EQ(seqpacket_send(b->symbolizer, &m, sizeof(m), fd), 0);
	if (fd >= 0)
		close(fd);
	return symbolize_dispatch_symbolizer(b->s, SECOND);
}

/* An honest one. */
static int say_block(struct bench *b, uint64_t id, uint32_t status, uint32_t pages)
{
	size_t sz;
	int fd = make_block(pages, SEALS, &sz);

	return say_rows(b, id, status, fd, sz);
}

TEST(a_block_follows_each_file)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK_EQ(b.rows_cnt, 0);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 3), 0);
	CHECK_EQ(b.rows_cnt, 1);
	CHECK_EQ(b.rows_object, object);
	CHECK_EQ(b.rows_pages, 3);
	/* Another one that nobody asked for is not looked at. */
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_OK, open("/dev/null", O_RDONLY | O_CLOEXEC), 5), 0);
	CHECK_EQ(b.rows_cnt, 1);
	/* The file is read again, by another symbolizer. */
	give_symbolizer(&b);
	CHECK_EQ(next(&b, b.opener), WIRE_OPEN);
	say_opened(&b, object, WIRE_OPENED_OK);
	CHECK_EQ(say_object(&b, object, WIRE_OBJECT_UNNAMED), 0);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_NONE, 0), 0);
	CHECK_EQ(b.rows_cnt, 2);
	CHECK_EQ(b.rows_pages, 0);
	CHECK_EQ(b.counters.v[COUNTER_rows_limited], 0);
	CHECK_EQ(say_rows(&b, object, WIRE_ROWS_OK, -EBADF, 5), -EBADMSG);
	end(&b);
}

TEST(what_was_too_much_is_counted)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_LIMIT, 1), 0);
	CHECK_EQ(b.rows_cnt, 1);
	CHECK_EQ(b.counters.v[COUNTER_rows_limited], 1);
	end(&b);
}

TEST(the_vdso_has_rows_and_the_kernel_has_none)
{
	struct bench b;

	begin(&b);
	CHECK_EQ(say_object(&b, CPROF_OBJECT_VDSO, WIRE_OBJECT_READY), 0);
	CHECK_EQ(say_block(&b, CPROF_OBJECT_VDSO, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(b.rows_object, CPROF_OBJECT_VDSO);
	CHECK_EQ(say_object(&b, CPROF_OBJECT_KERNEL, WIRE_OBJECT_READY), 0);
	CHECK_EQ(say_block(&b, CPROF_OBJECT_KERNEL, WIRE_ROWS_OK, 1), -EBADMSG);
	CHECK_EQ(b.rows_cnt, 1);
	end(&b);
}

TEST(rows_of_a_forgotten_file_are_no_lie)
{
	struct bench b;
	uint32_t object;

	begin(&b);
	object = make_ready(&b, 100);
	CHECK(symbolize_forget(b.s, object));
	objects_forget(b.objects, object);
	CHECK_EQ(say_block(&b, object, WIRE_ROWS_OK, 1), 0);
	CHECK_EQ(b.rows_cnt, 0);
	CHECK_EQ(b.counters.v[COUNTER_symbolizer_lied], 0);
	end(&b);
}

/* The descriptor for each way to lie; *ret_sz is what is said of it. */
enum lie {
	LIE_NO_FD,
	LIE_NOT_SEALED,
	LIE_MAY_SHRINK,
	LIE_SIZE,
	LIE_EMPTY,
	LIE_FILE,
	LIE_GARBAGE,
	LIE_NONE_WITH_PAGES,
	LIE_STRANGER,
	LIE_MAX
};

static int lying_fd(enum lie lie, size_t *ret_sz)
{
	int fd = make_block(1,
			    lie == LIE_NOT_SEALED   ? F_SEAL_SHRINK | F_SEAL_GROW
			    : lie == LIE_MAY_SHRINK ? F_SEAL_WRITE | F_SEAL_GROW
			    : lie == LIE_GARBAGE    ? F_SEAL_GROW
						    : SEALS,
			    ret_sz);

	if (lie == LIE_SIZE)
		++*ret_sz;
	if (lie == LIE_GARBAGE) {
		CHECK_EQ(pwrite(fd, "x", 1, 5), 1); /* the version */
		CHECK_EQ(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	}
	if (lie == LIE_NO_FD || lie == LIE_FILE || lie == LIE_EMPTY)
		fd = fd_close(fd);
	if (lie == LIE_FILE)
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (lie == LIE_EMPTY) {
		fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		CHECK_EQ(fcntl(fd, F_ADD_SEALS, SEALS), 0);
		*ret_sz = 0;
	}
	return fd;
}

TEST(lies_are_found_out)
{
	for (enum lie lie = 0; lie < LIE_MAX; lie++) {
		struct bench b;
		uint32_t object;
		size_t sz;
		int fd = lying_fd(lie, &sz);

		begin(&b);
		object = make_ready(&b, 100);
		CHECK_EQ(say_rows(&b, object + (lie == LIE_STRANGER),
				  lie == LIE_NONE_WITH_PAGES ? WIRE_ROWS_NONE : WIRE_ROWS_OK, fd,
				  sz),
			 -EBADMSG);
		CHECK_EQ(b.rows_cnt, 0);
		CHECK_EQ(b.counters.v[COUNTER_symbolizer_lied], 1);
		end(&b);
	}
}

CHECK_MAIN
