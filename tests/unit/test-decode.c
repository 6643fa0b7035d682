/* SPDX-License-Identifier: Apache-2.0 */

/*
 * decode: every type at its size and beside it, every limit at its edge, references to keys. Records
 * stand in memory of exactly their size, so that AddressSanitizer sees a read beyond.
 */

#include "check.h"
#include "sample.h"

#include <errno.h>

#include "cprof/base/cleanup.h"
#include "cprof/decode.h"

static const __u64 kernel[CPROF_KERNEL_FRAMES_MAX + 1];
static const struct cprof_frame frames[CPROF_USER_FRAMES_MAX + 1];
static const struct cprof_key keys[CPROF_KEYS_MAX + 1];
static const struct sample_body zeroes = { kernel, frames, frames, keys };
static const struct cprof_kept_map maps[CPROF_KEPT_MAPS_MAX + 1] = {
	[0 ... CPROF_KEPT_MAPS_MAX] = { .start = 0x1000, .end = 0x2000, .exec = 1 },
};
static const __u64 words[CPROF_KEPT_STACK_MAX / 8 + 1];

/* The result for a copy of just these bytes. */
static int decode_copy(const void *bytes, size_t sz)
{
	_cleanup_free_ void *copy = malloc(sz > 0 ? sz : 1);
	struct record rec;

	CHECK(copy);
	memcpy(copy, bytes, sz);
	return decode_record(copy, sz, &rec);
}

/* Any other size fails, whether the head knows of it or not. */
static void check_sizes(const void *bytes, size_t sz)
{
	_cleanup_free_ unsigned char *b = calloc(1, sz + 64);
	struct cprof_head *h = (struct cprof_head *)b;

	CHECK(b);
	memcpy(b, bytes, sz);
	CHECK_EQ(decode_copy(b, sz), 0);
	for (size_t other = 0; other <= sz + 64; other++) {
		if (other == sz)
			continue;
		CHECK_EQ(decode_copy(b, other), -EBADMSG);
		h->size = (__u32)other;
		CHECK_EQ(decode_copy(b, other), -EBADMSG);
		CHECK_EQ(decode_copy(b, sz), -EBADMSG);
		h->size = (__u32)sz;
	}
}

TEST(sample)
{
	const struct cprof_frame user[] = { { .offset = 0x1000, .object = CPROF_OBJECT_KEY },
					    { .offset = 0x2000, .object = 17 } };
	const struct cprof_frame interp[] = { { .offset = 5, .object = CPROF_OBJECT_KEY + 1 } };
	const struct cprof_key key[] = { { .ino = 1 }, { .ino = 2 } };
	const __u64 kern[] = { 0xffffffff81000000, 0xffffffff81000010, 0xffffffff81000020 };
	const struct cprof_sample head = { .pid = 42,
					   .kernel_cnt = 3,
					   .user_cnt = 2,
					   .interp_cnt = 1,
					   .keys_cnt = 2,
					   .user_end = CPROF_END_ROOT,
					   .exe = CPROF_OBJECT_KEY + 1 };
	struct record rec;
	struct sample s;

	sample_build(&s, &head, &(struct sample_body){ kern, user, interp, key });
	CHECK_EQ(decode_record(s.bytes, s.sz, &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_SAMPLE);
	CHECK(rec.sample.head == &s.head);
	CHECK_EQ(rec.sample.head->pid, 42);
	CHECK(memcmp(rec.sample.kernel, kern, sizeof(kern)) == 0);
	CHECK(memcmp(rec.sample.user, user, sizeof(user)) == 0);
	CHECK(memcmp(rec.sample.interp, interp, sizeof(interp)) == 0);
	CHECK(memcmp(rec.sample.keys, key, sizeof(key)) == 0);
	CHECK((const unsigned char *)(rec.sample.keys + 2) == s.bytes + s.sz);
	check_sizes(s.bytes, s.sz);
}

TEST(empty_sample)
{
	const struct cprof_sample head = { .pid = 1 };
	struct sample s;

	sample_build(&s, &head, &zeroes);
	check_sizes(s.bytes, s.sz);
}

TEST(limits_of_counts)
{
	static const struct {
		struct cprof_sample head;
		int result;
	} cases[] = {
		{ { .kernel_cnt = CPROF_KERNEL_FRAMES_MAX }, 0 },
		{ { .kernel_cnt = CPROF_KERNEL_FRAMES_MAX + 1 }, -EBADMSG },
		{ { .user_cnt = CPROF_USER_FRAMES_MAX }, 0 },
		{ { .user_cnt = CPROF_USER_FRAMES_MAX + 1 }, -EBADMSG },
		{ { .interp_cnt = CPROF_USER_FRAMES_MAX }, 0 },
		{ { .interp_cnt = CPROF_USER_FRAMES_MAX + 1 }, -EBADMSG },
		{ { .keys_cnt = CPROF_KEYS_MAX }, 0 },
		{ { .keys_cnt = CPROF_KEYS_MAX + 1 }, -EBADMSG },
		{ { .kernel_cnt = CPROF_KERNEL_FRAMES_MAX,
		    .user_cnt = CPROF_USER_FRAMES_MAX,
		    .interp_cnt = CPROF_USER_FRAMES_MAX,
		    .keys_cnt = CPROF_KEYS_MAX },
		  0 },
		{ { .kernel_end = CPROF_END_MAX - 1 }, 0 },
		{ { .kernel_end = CPROF_END_MAX }, -EBADMSG },
		{ { .user_end = CPROF_END_MAX - 1 }, 0 },
		{ { .user_end = CPROF_END_MAX }, -EBADMSG },
		{ { .interp_end = CPROF_END_MAX - 1 }, 0 },
		{ { .interp_end = 255 }, -EBADMSG },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		/* One element of each beyond the limits still fits. */
		_cleanup_free_ struct sample *s = calloc(1, sizeof(*s) + 64);

		CHECK(s);
		sample_build(s, &cases[i].head, &zeroes);
		if (decode_copy(s->bytes, s->sz) != cases[i].result)
			CHECK_FAIL("case %zu", i);
	}
}

TEST(references)
{
	static const struct {
		__u32 object;
		__u16 keys_cnt;
		int result;
	} cases[] = {
		{ CPROF_OBJECT_NONE, 0, 0 },
		{ CPROF_OBJECT_ANON, 0, 0 },
		{ CPROF_OBJECT_KEY - 1, 0, 0 },
		{ CPROF_OBJECT_KEY, 0, -EBADMSG },
		{ CPROF_OBJECT_KEY, 1, 0 },
		{ CPROF_OBJECT_KEY + 1, 1, -EBADMSG },
		{ CPROF_OBJECT_KEY + CPROF_KEYS_MAX - 1, CPROF_KEYS_MAX, 0 },
		{ CPROF_OBJECT_KEY + CPROF_KEYS_MAX, CPROF_KEYS_MAX, -EBADMSG },
		{ UINT32_MAX, CPROF_KEYS_MAX, -EBADMSG },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		/* The last one of several frames. */
		const struct cprof_frame f[3] = { [2] = { .object = cases[i].object } };
		struct cprof_sample head = { .keys_cnt = cases[i].keys_cnt };
		struct sample s;

		head.user_cnt = 3;
		sample_build(&s, &head, &(struct sample_body){ .user = f, .keys = keys });
		CHECK_EQ(decode_copy(s.bytes, s.sz), cases[i].result);

		head.user_cnt = 0;
		head.interp_cnt = 3;
		sample_build(&s, &head, &(struct sample_body){ .interp = f, .keys = keys });
		CHECK_EQ(decode_copy(s.bytes, s.sz), cases[i].result);

		head.interp_cnt = 0;
		head.exe = cases[i].object;
		sample_build(&s, &head, &(struct sample_body){ .keys = keys });
		CHECK_EQ(decode_copy(s.bytes, s.sz), cases[i].result);
	}
}

TEST(announce_and_exit)
{
	struct cprof_announce a = { .head = { .size = sizeof(a), .version = CPROF_ABI_VERSION } };
	struct cprof_exit e = { .head = { .size = sizeof(e),
					  .version = CPROF_ABI_VERSION,
					  .type = CPROF_RECORD_EXIT } };
	struct record rec;

	a.head.type = CPROF_RECORD_OBJECT;
	check_sizes(&a, sizeof(a));
	CHECK_EQ(decode_record(&a, sizeof(a), &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_OBJECT);
	CHECK(rec.announce == &a);
	a.head.type = CPROF_RECORD_EXEC;
	check_sizes(&a, sizeof(a));
	CHECK_EQ(decode_record(&a, sizeof(a), &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_EXEC);
	check_sizes(&e, sizeof(e));
	CHECK_EQ(decode_record(&e, sizeof(e), &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_EXIT);
	CHECK(rec.exit == &e);
}

TEST(cgroup)
{
	struct cprof_cgroup c = { .head = { .size = sizeof(c),
					    .version = CPROF_ABI_VERSION,
					    .type = CPROF_RECORD_CGROUP },
				  .hierarchy = CPROF_HIERARCHY_MAX - 1,
				  .name_len = CPROF_CGROUP_NAME_SZ };
	struct record rec;

	check_sizes(&c, sizeof(c));
	CHECK_EQ(decode_record(&c, sizeof(c), &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_CGROUP);
	CHECK(rec.cgroup == &c);
	c.name_len++;
	CHECK_EQ(decode_copy(&c, sizeof(c)), -EBADMSG);
	c.name_len = 0;
	c.hierarchy++;
	CHECK_EQ(decode_copy(&c, sizeof(c)), -EBADMSG);
}

TEST(sample_bits)
{
	struct cprof_sample head = { .flags = CPROF_SAMPLE_FLAGS };
	struct sample s;

	sample_build(&s, &head, &zeroes);
	CHECK_EQ(decode_copy(s.bytes, s.sz), 0);
	head.flags++;
	sample_build(&s, &head, &zeroes);
	CHECK_EQ(decode_copy(s.bytes, s.sz), -EBADMSG);
	head = (struct cprof_sample){ .cgroup_hierarchy = CPROF_HIERARCHY_MAX };
	sample_build(&s, &head, &zeroes);
	CHECK_EQ(decode_copy(s.bytes, s.sz), -EBADMSG);
}

TEST(kept)
{
	const struct cprof_kept head = {
		.seq = 9, .stack_addr = 0x7000, .stack_sz = 16, .maps_cnt = 2, .keys_cnt = 1
	};
	const struct cprof_kept_map m[] = { maps[0], { 0x3000, 0x3001, 5, CPROF_OBJECT_KEY, 0 } };
	const struct cprof_key key[] = { { .ino = 1 } };
	const __u64 stack[] = { 1, 2 };
	struct record rec;
	struct kept k;

	kept_build(&k, &head, &(struct kept_body){ m, key, stack });
	CHECK_EQ(decode_record(k.bytes, k.sz, &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_KEPT);
	CHECK(rec.kept.head == &k.head);
	CHECK(memcmp(rec.kept.maps, m, sizeof(m)) == 0);
	CHECK(memcmp(rec.kept.keys, key, sizeof(key)) == 0);
	CHECK(memcmp(rec.kept.stack, stack, sizeof(stack)) == 0);
	check_sizes(k.bytes, k.sz);
}

TEST(limits_of_kept)
{
	static const struct {
		struct cprof_kept head;
		int result;
	} cases[] = {
		{ { .seq = 0 }, 0 },
		{ { .maps_cnt = CPROF_KEPT_MAPS_MAX,
		    .keys_cnt = CPROF_KEYS_MAX,
		    .stack_sz = CPROF_KEPT_STACK_MAX },
		  0 },
		{ { .maps_cnt = CPROF_KEPT_MAPS_MAX + 1 }, -EBADMSG },
		{ { .keys_cnt = CPROF_KEYS_MAX + 1 }, -EBADMSG },
		{ { .stack_sz = CPROF_KEPT_STACK_MAX + 8 }, -EBADMSG },
		{ { .stack_sz = 4 }, -EBADMSG },
		{ { .stack_addr = 4, .stack_sz = 8 }, -EBADMSG },
		{ { .stack_addr = UINT64_MAX - 7 }, 0 },
		{ { .stack_addr = UINT64_MAX - 7, .stack_sz = 8 }, -EBADMSG },
		{ { .stack_addr = UINT64_MAX - 15, .stack_sz = 8 }, 0 },
		{ { .flags = CPROF_KEPT_FLAGS }, 0 },
		{ { .flags = CPROF_KEPT_FLAGS + 1 }, -EBADMSG },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct kept k;

		kept_build(&k, &cases[i].head, &(struct kept_body){ maps, keys, words });
		if (decode_copy(k.bytes, k.sz) != cases[i].result)
			CHECK_FAIL("case %zu", i);
	}
}

/* The last one of three. */
TEST(mappings_of_kept)
{
	static const struct {
		struct cprof_kept_map map;
		int result;
	} cases[] = {
		{ { 0, UINT64_MAX, UINT64_MAX, CPROF_OBJECT_KEY - 1, 0 }, 0 },
		{ { 0x1000, 0x1000, 0, 0, 0 }, -EBADMSG },
		{ { 0x1001, 0x1000, 0, 0, 0 }, -EBADMSG },
		{ { 0x1000, 0x1001, 0, 0, 2 }, -EBADMSG },
		{ { 0x1000, 0x1001, 0, CPROF_OBJECT_KEY + 1, 0 }, 0 },
		{ { 0x1000, 0x1001, 0, CPROF_OBJECT_KEY + 2, 0 }, -EBADMSG },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		const struct cprof_kept_map m[] = { maps[0], maps[0], cases[i].map };
		const struct cprof_kept head = { .maps_cnt = 3, .keys_cnt = 2 };
		struct kept k;

		kept_build(&k, &head, &(struct kept_body){ m, keys, words });
		if (decode_copy(k.bytes, k.sz) != cases[i].result)
			CHECK_FAIL("case %zu", i);
	}
}

TEST(rest)
{
	const struct cprof_rest head = {
		.seq = 9, .user_cnt = 2, .keys_cnt = 1, .user_end = CPROF_END_ROOT
	};
	const struct cprof_frame user[] = { { 0x1000, CPROF_OBJECT_KEY, 1 }, { 0x2000, 17, 0 } };
	const struct cprof_key key[] = { { .ino = 1 } };
	struct record rec;
	struct rest r;

	rest_build(&r, &head, &(struct rest_body){ user, key });
	CHECK_EQ(decode_record(r.bytes, r.sz, &rec), 0);
	CHECK_EQ(rec.type, CPROF_RECORD_REST);
	CHECK(rec.rest.head == &r.head);
	CHECK(memcmp(rec.rest.user, user, sizeof(user)) == 0);
	CHECK(memcmp(rec.rest.keys, key, sizeof(key)) == 0);
	check_sizes(r.bytes, r.sz);
}

TEST(limits_of_rest)
{
	static const struct cprof_frame beyond[] = { [2] = { .object = CPROF_OBJECT_KEY + 1 } };
	static const struct {
		struct cprof_rest head;
		const struct cprof_frame *user;
		int result;
	} cases[] = {
		{ { .user_cnt = CPROF_USER_FRAMES_MAX, .keys_cnt = CPROF_KEYS_MAX }, frames, 0 },
		{ { .user_cnt = CPROF_USER_FRAMES_MAX + 1 }, frames, -EBADMSG },
		{ { .keys_cnt = CPROF_KEYS_MAX + 1 }, frames, -EBADMSG },
		{ { .user_end = CPROF_END_MAX - 1 }, frames, 0 },
		{ { .user_end = CPROF_END_MAX }, frames, -EBADMSG },
		{ { .pad = 1 }, frames, -EBADMSG },
		{ { .user_cnt = 3, .keys_cnt = 1 }, beyond, -EBADMSG },
		{ { .user_cnt = 3, .keys_cnt = 2 }, beyond, 0 },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct rest r;

		rest_build(&r, &cases[i].head, &(struct rest_body){ cases[i].user, keys });
		if (decode_copy(r.bytes, r.sz) != cases[i].result)
			CHECK_FAIL("case %zu", i);
	}
}

TEST(heads)
{
	const struct cprof_exit good = { .head = { .size = sizeof(good),
						   .version = CPROF_ABI_VERSION,
						   .type = CPROF_RECORD_EXIT } };
	struct cprof_exit e = good;

	CHECK_EQ(decode_copy(&e, sizeof(e)), 0);
	e.head.version = CPROF_ABI_VERSION + 1;
	CHECK_EQ(decode_copy(&e, sizeof(e)), -EBADMSG);
	e.head.version = 0;
	CHECK_EQ(decode_copy(&e, sizeof(e)), -EBADMSG);
	for (unsigned int type = 0; type < 256; type++) {
		e = good;
		e.head.type = (__u8)type;
		CHECK_EQ(decode_copy(&e, sizeof(e)), type == CPROF_RECORD_EXIT ? 0 : -EBADMSG);
	}
}

CHECK_MAIN
