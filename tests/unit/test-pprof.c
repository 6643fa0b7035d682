/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of profiles: what is written is read again field by field, and where places go in a
 * file's address space. What is refused of foreign bytes is in test-report.c.
 */

#include <errno.h>

#include "check.h"
#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/rng.h"
#include "cprof/pprof_write.h"
#include "sink.h"

static const struct pprof_type types[] = { { 1, 2 }, { 3, 4 } };

static int put_tables(struct pprof_writer *w)
{
	const struct pprof_line lines[] = { { 1, 12, 3 }, { 0, -1, 0 } };
	int r;

	r = pprof_put_mapping(
		w, &(struct pprof_mapping){ .start = 0x1000,
					    .limit = 0x3000,
					    .offset = 0x2000,
					    .file = 5,
					    .build_id = 6,
					    .has = PPROF_HAS_FUNCTIONS | PPROF_HAS_LINE_NUMBERS });
	if (r == 0)
		r = pprof_put_mapping(w,
				      &(struct pprof_mapping){
					      .limit = 1,
					      .has = PPROF_HAS_FILENAMES | PPROF_HAS_INLINE_FRAMES,
				      });
	if (r == 0)
		r = pprof_put_location(w,
				       &(struct pprof_location){ .address = UINT64_MAX,
								 .mapping = 1,
								 .line_cnt = 2,
								 .folded = true },
				       lines);
	if (r == 0)
		r = pprof_put_location(w, &(struct pprof_location){ .mapping = PPROF_NONE }, NULL);
	if (r == 0)
		r = pprof_put_function(w, &(struct pprof_function){ .name = 7, .start_line = 99 });
	if (r == 0)
		r = pprof_put_function(
			w, &(struct pprof_function){ .name = 8, .system_name = 7, .file = 5 });
	return r;
}

static int put_all(struct pprof_writer *w, const struct strtab *strings, uint64_t *ret_bytes)
{
	const struct pprof_label labels[] = { { .key = 1, .str = 2 },
					      { .key = 3, .num = -7, .unit = 4 } };
	int r;

	r = pprof_put_head(w, &(struct pprof_head){ .types = types,
						    .types_cnt = ELEMENTSOF(types),
						    .period_type = { 3, 4 },
						    .default_type = 1,
						    .period = 10101010,
						    .time_ns = 1700000000000000000,
						    .duration_ns = 60000000000 });
	if (r == 0)
		r = pprof_put_sample(w,
				     &(struct pprof_sample){ .locations = (uint32_t[]){ 1, 0, 1 },
							     .locations_cnt = 3,
							     .values = (int64_t[]){ 1, -5 },
							     .values_cnt = 2,
							     .labels = labels,
							     .labels_cnt = 2 });
	if (r == 0)
		r = pprof_put_sample(w, &(struct pprof_sample){ .values = (int64_t[]){ 2, 3 },
								.values_cnt = 2 });
	if (r == 0)
		r = put_tables(w);
	if (r == 0)
		r = pprof_put_comments(w, (int64_t[]){ 8, 1 }, 2);
	if (r == 0)
		r = pprof_put_strings(w, strings);
	return r < 0 ? r : pprof_writer_finish(w, ret_bytes);
}

/* The file of all that can be put; -errno: the writer's. */
static int write_all(struct sink *file)
{
	static const char *const texts[] = { "samples", "count", "cpu",	 "nanoseconds",
					     "/bin/x",	"abcd",	 "main", "inlined" };
	_cleanup_(pprof_writer_freep) struct pprof_writer *w = NULL;
	_cleanup_(strtab_done) struct strtab strings;
	uint64_t bytes = 0;
	int r;

	CHECK_EQ(strtab_init(&strings, 1), 0);
	for (uint32_t i = 0; i < ELEMENTSOF(texts); i++) {
		uint32_t id;

		CHECK_EQ(strtab_add(&strings, texts[i], strlen(texts[i]), &id), 0);
		CHECK_EQ(id, i + 1);
	}
	CHECK_EQ(pprof_writer_new(sink_write, file, &w), 0);
	r = put_all(w, &strings, &bytes);
	if (r == 0)
		CHECK_EQ(bytes, file->v.cnt);
	return r;
}

static void unpack(const struct sink *file, uint8_t **ret, struct pprof_bytes *ret_bytes)
{
	size_t sz;

	CHECK(pprof_is_gzip(file->v.v, file->v.cnt));
	CHECK_EQ(pprof_unpack(file->v.v, file->v.cnt, 1 << 20, ret, &sz), 0);
	*ret_bytes = (struct pprof_bytes){ .p = *ret, .end = *ret + sz };
}

static void check_tables(const struct pprof *p)
{
	CHECK_EQ(p->mappings.cnt, 2);
	CHECK_EQ(p->mappings.v[0].id, 1);
	CHECK_EQ(p->mappings.v[0].start, 0x1000);
	CHECK_EQ(p->mappings.v[0].limit, 0x3000);
	CHECK_EQ(p->mappings.v[0].offset, 0x2000);
	CHECK_EQ(p->mappings.v[0].file, 5);
	CHECK_EQ(p->mappings.v[0].build_id, 6);
	CHECK_EQ(p->mappings.v[0].has, PPROF_HAS_FUNCTIONS | PPROF_HAS_LINE_NUMBERS);
	CHECK_EQ(p->mappings.v[1].has, PPROF_HAS_FILENAMES | PPROF_HAS_INLINE_FRAMES);
	CHECK_EQ(p->locations.cnt, 2);
	CHECK(p->locations.v[0].address == UINT64_MAX);
	CHECK_EQ(p->locations.v[0].mapping, 1);
	CHECK_EQ(p->locations.v[0].line_cnt, 2);
	CHECK(p->locations.v[0].folded);
	CHECK_EQ(p->lines.v[0].function, 1);
	CHECK_EQ(p->lines.v[0].line, 12);
	CHECK_EQ(p->lines.v[0].column, 3);
	CHECK_EQ(p->lines.v[1].function, 0);
	CHECK_EQ(p->lines.v[1].line, -1);
	CHECK_EQ(p->locations.v[1].mapping, PPROF_NONE);
	CHECK_EQ(p->locations.v[1].line_cnt, 0);
	CHECK_EQ(p->functions.cnt, 2);
	CHECK_EQ(p->functions.v[0].name, 7);
	CHECK_EQ(p->functions.v[0].start_line, 99);
	CHECK_EQ(p->functions.v[1].system_name, 7);
	CHECK_EQ(p->functions.v[1].file, 5);
}

static int check_sample(const struct pprof_sample *s, void *ctx)
{
	unsigned int *cnt = ctx;

	CHECK_EQ(s->values_cnt, 2);
	if ((*cnt)++ > 0) {
		CHECK_EQ(s->locations_cnt, 0);
		CHECK_EQ(s->labels_cnt, 0);
		CHECK_EQ(s->values[1], 3);
		return 0;
	}
	CHECK_EQ(s->locations_cnt, 3);
	CHECK_EQ(s->locations[0], 1);
	CHECK_EQ(s->locations[1], 0);
	CHECK_EQ(s->values[1], -5);
	CHECK_EQ(s->labels_cnt, 2);
	CHECK_EQ(s->labels[0].str, 2);
	CHECK_EQ(s->labels[1].key, 3);
	CHECK_EQ(s->labels[1].num, -7);
	CHECK_EQ(s->labels[1].unit, 4);
	return 0;
}

TEST(round_trip)
{
	struct sink file = { 0 };
	_cleanup_free_ uint8_t *plain = NULL;
	_cleanup_(pprof_done) struct pprof p = { 0 };
	struct pprof_bytes bytes;
	unsigned int cnt = 0;

	CHECK_EQ(write_all(&file), 0);
	unpack(&file, &plain, &bytes);
	vec_done(&file.v);
	CHECK_EQ(pprof_parse(&p, &bytes, PPROF_ENTRIES_MAX), 0);
	CHECK_EQ(p.types.cnt, 2);
	CHECK_EQ(p.type, 0);
	CHECK_EQ(p.period_type.name, 3);
	CHECK_EQ(p.period_type.unit, 4);
	CHECK_EQ(p.period, 10101010);
	CHECK_EQ(p.time_ns, 1700000000000000000);
	CHECK_EQ(p.duration_ns, 60000000000);
	CHECK_EQ(p.strings.cnt, 9);
	CHECK_EQ(p.comments.cnt, 2);
	CHECK_EQ(p.comments.v[0], 8);
	check_tables(&p);
	CHECK_EQ(pprof_samples(&p, check_sample, &cnt), 0);
	CHECK_EQ(cnt, 2);
}

TEST(limits)
{
	struct sink file = { 0 };
	_cleanup_free_ uint8_t *plain = NULL;
	_cleanup_(pprof_done) struct pprof p = { 0 };
	struct pprof_bytes bytes;

	CHECK_EQ(write_all(&file), 0);
	unpack(&file, &plain, &bytes);
	vec_done(&file.v);
	CHECK_EQ(pprof_parse(&p, &bytes, 8), -E2BIG);
}

/* Every byte that the writer's writer refuses ends it with its error. */
TEST(write_fails)
{
	struct sink whole = { 0 };

	CHECK_EQ(write_all(&whole), 0);
	for (size_t i = 1; i <= whole.v.cnt; i++) {
		struct sink file = { .fail_at = i };

		CHECK_EQ(write_all(&file), -ENOSPC);
		vec_done(&file.v);
	}
	vec_done(&whole.v);
}

/* A profile of nothing but @cnt strings, of a KiB each, that are all different. -errno: the writer's. */
static int write_strings(struct sink *file, uint32_t cnt)
{
	_cleanup_(pprof_writer_freep) struct pprof_writer *w = NULL;
	_cleanup_(strtab_done) struct strtab strings;
	struct rng rng = { .state = 1 };
	uint64_t bytes;
	char text[1021];
	uint32_t id;
	int r;

	CHECK_EQ(strtab_init(&strings, 1), 0);
	for (uint32_t i = 0; i < cnt; i++) {
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = (char)('a' + rng_next(&rng) % 26);
		CHECK_EQ(strtab_add(&strings, text, sizeof(text), &id), 0);
	}
	CHECK_EQ(pprof_writer_new(sink_write, file, &w), 0);
	r = pprof_put_strings(w, &strings);
	if (r == 0)
		r = pprof_writer_finish(w, &bytes);
	if (r == 0)
		CHECK_EQ(bytes, file->v.cnt);
	return r;
}

/* Little is deflated at once, and more by a stream: on both sides of the edge all of it is there. */
TEST(sizes)
{
	static const uint32_t counts[] = { 0, 1, 255, 256, 257, 300, 700 };

	for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
		struct sink file = { 0 };
		_cleanup_free_ uint8_t *plain = NULL;
		struct pprof_bytes bytes;

		CHECK_EQ(write_strings(&file, counts[i]), 0);
		unpack(&file, &plain, &bytes);
		CHECK_EQ((size_t)(bytes.end - bytes.p), 2 + (size_t)counts[i] * 1024);
		vec_done(&file.v);
	}
}

TEST(stream_fails)
{
	struct sink whole = { 0 };

	CHECK_EQ(write_strings(&whole, 300), 0);
	for (size_t i = 1; i <= whole.v.cnt; i += whole.v.cnt / 20) {
		struct sink file = { .fail_at = i };

		CHECK_EQ(write_strings(&file, 300), -ENOSPC);
		vec_done(&file.v);
	}
	vec_done(&whole.v);
}

TEST(places)
{
	_cleanup_(pprof_space_done) struct pprof_space space = { 0 };
	struct pprof_region exe = { .link = 0x400000, .size = 0x2000 };
	struct pprof_region clash = { .link = 0x401000, .size = 0x1000, .file_offset = 0x3000 };
	struct pprof_region beside = { .link = 0x402000, .size = 0x1000 };
	struct pprof_region large = { .size = 1ULL << 61 };

	CHECK_EQ(pprof_place(&space, &exe), 0);
	CHECK_EQ(exe.start, 0x400000);
	CHECK_EQ(pprof_place(&space, &clash), 0);
	CHECK(!pprof_is_linked(clash.start));
	CHECK_EQ(clash.start % 0x1000000, 0x3000);
	CHECK_EQ(pprof_place(&space, &beside), 0);
	CHECK_EQ(beside.start, 0x402000);
	CHECK_EQ(pprof_place(&space, &large), 0);
	CHECK(large.start > clash.start);
	CHECK_EQ(pprof_place(&space, &large), -ENOMEM);
	large = (struct pprof_region){ .file_offset = UINT64_MAX - 4095, .size = 8192 };
	CHECK_EQ(pprof_place(&space, &large), -ENOMEM);
}

TEST(numbers)
{
	const struct pprof_area *vdso = &pprof_areas[PPROF_AREA_VDSO];
	uint64_t numbered = 0;

	CHECK_EQ(pprof_number(vdso, &numbered), 1 << 16);
	CHECK_EQ(pprof_number(vdso, &numbered), (1 << 16) + 16);
	for (int i = 2; i < 1 << 12; i++)
		CHECK(pprof_number(vdso, &numbered) < vdso->size);
	CHECK_EQ(pprof_number(vdso, &numbered), 1 << 16);
}

CHECK_MAIN
