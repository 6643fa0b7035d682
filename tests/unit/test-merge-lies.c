/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles that are none of ours: well-formed, and with one thing in them that encode never writes. A
 * merge refuses them, or what it writes is right all the same.
 */

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "cprof/pprof_write.h"
#include "merge-fixture.h"

#define LOCATIONS_MAX 300

/* A file of one sample per location; what is not said is as it should be. */
struct spec {
	const char *file; /* of the mapping */
	uint64_t start, size, offset, distance;
	int64_t value, time_ns, duration_ns;
	const char *period_unit, *comments[3];
	uint32_t locations, default_type;
	size_t name_len;
	bool no_types, no_stack;
};

static uint32_t add(struct strtab *strings, const char *text)
{
	uint32_t id;

	CHECK_EQ(strtab_add(strings, text, strlen(text), &id), 0);
	return id;
}

static void put_head(const struct spec *s, struct pprof_writer *w, struct strtab *strings)
{
	const struct pprof_type types[] = {
		{ add(strings, "samples"), add(strings, "count") },
		{ add(strings, "cpu"), add(strings, "nanoseconds") },
	};

	CHECK_EQ(pprof_put_head(
			 w,
			 &(struct pprof_head){
				 .types = types,
				 .types_cnt = s->no_types ? 0 : 2,
				 .period_type = { types[1].name,
						  add(strings, s->period_unit ? s->period_unit
									      : "nanoseconds") },
				 .default_type = types[1 - s->default_type].name,
				 .period = 10101010,
				 .time_ns = s->time_ns ? s->time_ns : 1700000000000000000,
				 .duration_ns = s->duration_ns ? s->duration_ns : 60,
			 }),
		 0);
}

static void put_places(const struct spec *s, struct pprof_writer *w, struct strtab *strings)
{
	uint64_t start = s->start ? s->start : 0x100000000000, size = s->size ? s->size : 0x1000;
	static char name[400000];

	CHECK_EQ(pprof_put_mapping(w,
				   &(struct pprof_mapping){
					   .start = start,
					   .limit = start + size,
					   .offset = s->offset,
					   .file = add(strings, s->file ? s->file : "/usr/bin/x"),
					   .has = PPROF_HAS_FUNCTIONS,
				   }),
		 0);
	for (uint32_t i = 0; i < MAX(s->locations, 1u); i++) {
		CHECK_EQ(pprof_put_location(
				 w,
				 &(struct pprof_location){ .address = start + s->distance + 8 * i,
							   .line_cnt = 1 },
				 &(struct pprof_line){ .function = i }),
			 0);
		(void)snprintf(name, sizeof(name), "f%u", i);
		if (s->name_len)
			memset(name, 1, s->name_len);
		CHECK_EQ(pprof_put_function(w,
					    &(struct pprof_function){ .name = add(strings, name) }),
			 0);
	}
}

static int made(struct spec s)
{
	_cleanup_(pprof_writer_freep) struct pprof_writer *w = NULL;
	_cleanup_(strtab_done) struct strtab strings;
	int64_t values[] = { s.value ? s.value : 1, s.value ? s.value : 1 };
	struct sink sink = { 0 };
	uint64_t bytes;
	int fd;

	CHECK_EQ(strtab_init(&strings, 1), 0);
	CHECK_EQ(pprof_writer_new(sink_write, &sink, &w), 0);
	put_head(&s, w, &strings);
	for (uint32_t i = 0; i < MAX(s.locations, 1u); i++)
		CHECK_EQ(pprof_put_sample(
				 w, &(struct pprof_sample){ .locations = &i,
							    .locations_cnt = !s.no_stack,
							    .values = values,
							    .values_cnt = s.no_types ? 0 : 2 }),
			 0);
	put_places(&s, w, &strings);
	for (size_t i = 0; i < ELEMENTSOF(s.comments) && s.comments[i]; i++)
		CHECK_EQ(pprof_put_comments(w, (int64_t[]){ add(&strings, s.comments[i]) }, 1), 0);
	CHECK_EQ(pprof_put_strings(w, &strings), 0);
	CHECK_EQ(pprof_writer_finish(w, &bytes), 0);
	fd = to_fd(sink.v.v, sink.v.cnt);
	vec_done(&sink.v);
	return fd;
}

/* As the second file, behind one that is right. */
static int second(struct spec s)
{
	int fds[] = { made((struct spec){ 0 }), made(s) };
	struct merge_result result;
	struct sink sink = { 0 };
	int r = merge(fds, 2, &sink, &result);

	CHECK_EQ(sink.v.cnt > 0, r == 0);
	vec_done(&sink.v);
	close_all(fds, 2);
	return r;
}

struct result {
	struct pprof p;
	uint8_t *plain;
};

static void result_done(struct result *r)
{
	pprof_done(&r->p);
	free(r->plain);
}

/* The merged file of two, of which the descriptors are closed. */
static struct result both(int a, int b)
{
	struct result ret = { 0 };
	struct merge_result result;
	struct sink sink = { 0 };
	size_t sz;

	CHECK_EQ(merge((int[]){ a, b }, 2, &sink, &result), 0);
	CHECK_EQ(pprof_unpack(sink.v.v, sink.v.cnt, 1 << 24, &ret.plain, &sz), 0);
	CHECK_EQ(pprof_parse(&ret.p, &(struct pprof_bytes){ ret.plain, ret.plain + sz },
			     PPROF_ENTRIES_MAX),
		 0);
	vec_done(&sink.v);
	close_all((int[]){ a, b }, 2);
	return ret;
}

static bool says(const struct result *r, const char *comment)
{
	for (size_t i = 0; i < r->p.comments.cnt; i++) {
		const struct pprof_bytes *s = &r->p.strings.v[r->p.comments.v[i]];

		if ((size_t)(s->end - s->p) == strlen(comment) &&
		    memcmp(s->p, comment, strlen(comment)) == 0)
			return true;
	}
	return false;
}

TEST(refused)
{
	const int refused = BAD(-EBADMSG, 1);

	CHECK_EQ(second((struct spec){ 0 }), 0);
	CHECK_EQ(second((struct spec){ .start = 0x100000000001 }), refused);
	CHECK_EQ(second((struct spec){ .offset = 1 }), refused);
	CHECK_EQ(second((struct spec){ .size = 0x1800 }), refused);
	CHECK_EQ(second((struct spec){ .size = 1ULL << 60 }), refused);
	CHECK_EQ(second((struct spec){ .distance = 0x1000 }), refused);
	CHECK_EQ(second((struct spec){ .distance = -1ULL }), refused);
	CHECK_EQ(second((struct spec){ .value = -1 }), refused);
	CHECK_EQ(second((struct spec){ .value = INT64_MAX }), refused);
	CHECK_EQ(second((struct spec){ .no_stack = true }), refused);
	CHECK_EQ(second((struct spec){ .no_types = true }), refused);
	CHECK_EQ(second((struct spec){ .time_ns = -1 }), refused);
	CHECK_EQ(second((struct spec){ .duration_ns = -1 }), refused);
	CHECK_EQ(second((struct spec){ .duration_ns = INT64_MAX }), refused);
}

TEST(refused_for_its_comments)
{
	const int refused = BAD(-EBADMSG, 1);

	CHECK_EQ(second((struct spec){ .comments = { "#cprofd samples=1" } }), 0);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd samples=2" } }), refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd lost=x" } }), refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd lost=" } }), refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd lost=99999999999999999999" } }),
		 refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd windows=0" } }), refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd windows=18446744073709551615" } }),
		 refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd truncated_by=a" } }), refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd truncated_by=a:1,:2" } }), refused);
	CHECK_EQ(second((struct spec){ .comments = { "#cprofd truncated_by=a:1;b:2" } }), refused);
}

TEST(other_kinds)
{
	CHECK_EQ(second((struct spec){ .period_unit = "count" }), BAD(-EINVAL, 1));
	CHECK_EQ(second((struct spec){ .default_type = 1 }), BAD(-EINVAL, 1));
}

/* What only one of the files says is no fact of both. */
TEST(missing_comments)
{
	_cleanup_(result_done) struct result r = both(
		made((struct spec){ .comments = { "#cprofd host=a", "#cprofd lost=3", "note" } }),
		made((struct spec){
			.comments = { "#cprofd gap_ns=5", "#cprofd odd", "#cprofd gap_ns=7" } }));

	CHECK(!says(&r, "#cprofd host=a"));
	CHECK(!says(&r, "#cprofd lost=3"));
	CHECK(!says(&r, "note"));
	CHECK(!says(&r, "#cprofd odd"));
	CHECK(says(&r, "#cprofd gap_ns=5")); /* the first of two */
	CHECK(says(&r, "#cprofd windows=2"));
}

TEST(foreign_comments)
{
	_cleanup_(result_done) struct result r = both(
		made((struct spec){ .comments = { "note", "#cprofd host=a", "#cprofd new=1" } }),
		made((struct spec){ .comments = { "#cprofd host=a", "#cprofd new=1", "note" } }));

	CHECK(says(&r, "note"));
	CHECK(says(&r, "#cprofd host=a"));
	CHECK(says(&r, "#cprofd new=1"));
}

/* More places than its mapping has room for numbers: then the mapping grows. */
TEST(numbers_fit)
{
	_cleanup_(result_done) struct result r =
		both(made((struct spec){ .file = "[jit]", .locations = LOCATIONS_MAX }),
		     made((struct spec){ .file = "[jit]", .locations = 1 }));

	CHECK_EQ(r.p.locations.cnt, LOCATIONS_MAX);
	for (size_t i = 0; i < r.p.locations.cnt; i++) {
		const struct pprof_location *l = &r.p.locations.v[i];
		const struct pprof_mapping *m = &r.p.mappings.v[l->mapping];

		CHECK(l->address >= m->start && l->address < m->limit);
	}
}

/* The program that the report is named after has its link address before all others. */
TEST(link_addresses)
{
	const struct spec z = { .file = "/z", .start = 0x400000, .size = 0x2000 };
	const struct spec a = { .file = "/a", .start = 0x401000 };
	struct spec higher = z;
	struct result r = both(made(z), made(a));

	CHECK_EQ(r.p.mappings.v[0].start, 0x400000);
	CHECK(!pprof_is_linked(r.p.mappings.v[1].start));
	result_done(&r);
	/* one place for one file, whichever comes first */
	higher.start = 0x600000;
	r = both(made(z), made(higher));
	CHECK_EQ(r.p.mappings.cnt, 1);
	CHECK_EQ(r.p.mappings.v[0].start, 0x400000);
	result_done(&r);
	r = both(made(higher), made(z));
	CHECK_EQ(r.p.mappings.v[0].start, 0x400000);
	result_done(&r);
}

/* A file's text can take more room in the merged one than in the file. */
TEST(cleaned_text_counts)
{
	int fd = made((struct spec){ .name_len = 300000 });
	struct merge_opts opts = { .memory_max = 1200000, .write = sink_write };
	struct merge_result result;
	struct sink sink = { 0 };
	size_t bad;

	opts.ctx = &sink;
	CHECK_EQ(merge_profiles(&opts, &fd, 1, &result, &bad), -EFBIG);
	CHECK_EQ(sink.v.cnt, 0);
	opts.memory_max = 4000000;
	CHECK_EQ(merge_profiles(&opts, &fd, 1, &result, &bad), 0);
	vec_done(&sink.v);
	close(fd);
}

CHECK_MAIN
