/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of profiles: what it sums, what it refuses, and that a refused file leaves no trace.
 * Good files are packed by protobuf-c, bad ones are written byte by byte.
 */

#include <errno.h>
#include <zlib.h>

#include "check.h"
#include "cprof/pprof.h"
#include "cprof/report.h"
#include "profile.pb-c.h"

/* Ids are sparse and out of order on purpose: any producer may do that. */
enum { FN_MAIN = 700, FN_INLINED = 3, FN_LEAF = 1000000007, FN_NAMELESS = 9 };

static const char *const strings[] = { "",	     "samples",	    "count",
				       "cpu",	     "nanoseconds", "main",
				       "inlined",    "leaf",	    "/usr/lib/libx.so",
				       "heap\033[2J" };

struct sample_spec {
	uint64_t ids[4];
	size_t cnt;
	int64_t values[2];
};

struct packed {
	uint8_t bytes[4096];
	size_t sz;
};

static void pack_part(struct packed *to, const Perftools__Profiles__Profile *part)
{
	CHECK(to->sz + protobuf_c_message_get_packed_size(&part->base) <= sizeof(to->bytes));
	to->sz += protobuf_c_message_pack(&part->base, to->bytes + to->sz);
}

static void pack_tables(struct packed *to)
{
	Perftools__Profiles__ValueType t[2] = { PERFTOOLS__PROFILES__VALUE_TYPE__INIT,
						PERFTOOLS__PROFILES__VALUE_TYPE__INIT };
	Perftools__Profiles__ValueType *tp[] = { &t[0], &t[1] };
	Perftools__Profiles__Mapping m = PERFTOOLS__PROFILES__MAPPING__INIT, *mp[] = { &m };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	static const uint64_t ids[] = { FN_MAIN, FN_INLINED, FN_LEAF, FN_NAMELESS };

	t[0].type = 1;
	t[1].type = 3;
	m.id = 50;
	m.filename = 8;
	part.sample_type = tp;
	part.n_sample_type = 2;
	part.mapping = mp;
	part.n_mapping = 1;
	part.string_table = (char **)(uintptr_t)strings;
	part.n_string_table = sizeof(strings) / sizeof(strings[0]);
	pack_part(to, &part);
	for (int i = 0; i < 4; i++) {
		Perftools__Profiles__Function f = PERFTOOLS__PROFILES__FUNCTION__INIT,
					      *fp[] = { &f };

		part = (Perftools__Profiles__Profile)PERFTOOLS__PROFILES__PROFILE__INIT;
		f.id = ids[i];
		f.name = i < 3 ? 5 + i : 0;
		part.function = fp;
		part.n_function = 1;
		pack_part(to, &part);
	}
}

static void pack_location(struct packed *to, uint64_t id, uint64_t inner, uint64_t outer)
{
	Perftools__Profiles__Line l[2] = { PERFTOOLS__PROFILES__LINE__INIT,
					   PERFTOOLS__PROFILES__LINE__INIT };
	Perftools__Profiles__Line *lp[] = { &l[0], &l[1] };
	Perftools__Profiles__Location loc = PERFTOOLS__PROFILES__LOCATION__INIT, *locp[] = { &loc };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	l[0].function_id = inner;
	l[1].function_id = outer;
	loc.id = id;
	loc.mapping_id = id == 14 ? 0 : 50;
	loc.line = lp;
	loc.n_line = !!inner + !!outer;
	part.location = locp;
	part.n_location = 1;
	pack_part(to, &part);
}

/*
 * Locations: 13 main; 11 inlined into main; 12 leaf; 14 without mapping or line; 15 without line;
 * 16 with a function that has no name.
 */
static struct packed pack(const struct sample_spec *samples, size_t cnt)
{
	struct packed to = { .sz = 0 };

	for (size_t i = 0; i < cnt; i++) {
		Perftools__Profiles__Sample s = PERFTOOLS__PROFILES__SAMPLE__INIT, *sp[] = { &s };
		Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

		s.location_id = (uint64_t *)(uintptr_t)samples[i].ids;
		s.n_location_id = samples[i].cnt;
		s.value = (int64_t *)(uintptr_t)samples[i].values;
		s.n_value = 2;
		part.sample = sp;
		part.n_sample = 1;
		pack_part(&to, &part);
	}
	pack_tables(&to);
	pack_location(&to, 13, FN_MAIN, 0);
	pack_location(&to, 11, FN_INLINED, FN_MAIN);
	pack_location(&to, 12, FN_LEAF, 0);
	pack_location(&to, 14, 0, 0);
	pack_location(&to, 15, 0, 0);
	pack_location(&to, 16, FN_NAMELESS, 0);
	return to;
}

static const struct sample_spec samples[] = {
	{ { 12, 11, 13 }, 3, { 1, 10 } }, /* leaf <- inlined in main <- main: main counts once */
	{ { 11 }, 1, { 2, 20 } },	  /* the inlined function is the leaf */
	{ { 12, 12, 12, 13 }, 4, { 3, 30 } },
	{ { 14, 15 }, 2, { 4, 40 } },
	{ { 16 }, 1, { 5, 50 } },
	{ { 0 }, 0, { 6, 60 } }, /* no stack: in the total alone */
};

static struct report *new_report(void)
{
	struct report *r;

	CHECK_EQ(report_new(&r), 0);
	return r;
}

static void check_row(struct report *r, const char *name, const char *object, int64_t flat,
		      int64_t cum)
{
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };

	CHECK_EQ(report_top(r, &(struct report_query){ 0 }, &rows), 0);
	for (size_t i = 0; i < rows.cnt; i++) {
		if (strcmp(rows.v[i].name, name) != 0 || strcmp(rows.v[i].object, object) != 0)
			continue;
		CHECK_EQ(rows.v[i].flat, flat);
		CHECK_EQ(rows.v[i].cum, cum);
		return;
	}
	CHECK_FAIL("no row %s in %s", name, object);
}

static void check_sums(struct report *r, int64_t times)
{
	CHECK_EQ(report_total(r), 210 * times);
	check_row(r, "main", "libx.so", 0, 60 * times);
	check_row(r, "inlined", "libx.so", 20 * times, 30 * times);
	check_row(r, "leaf", "libx.so", 40 * times, 40 * times);
	check_row(r, "<unknown>", "", 40 * times, 40 * times);
	check_row(r, "[libx.so]", "libx.so", 50 * times, 90 * times);
}

TEST(sums)
{
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack(samples, 6);

	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	check_sums(r, 1);
	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	check_sums(r, 2);
}

static void check_order(struct report *r, const struct report_query *q, const char *expected,
			size_t kept, size_t dropped)
{
	_cleanup_(report_rows_done) struct report_rows rows = { 0 };
	char names[256] = "";

	CHECK_EQ(report_top(r, q, &rows), 0);
	for (size_t i = 0; i < rows.cnt; i++) {
		size_t len = strlen(names);

		(void)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? " " : "",
			       rows.v[i].name);
	}
	CHECK_STR(names, expected);
	CHECK_EQ(rows.kept, kept);
	CHECK_EQ(rows.dropped, dropped);
}

TEST(order_and_limit)
{
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack(samples, 6);

	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	/* equal to leaf in both: by name */
	check_order(r, &(struct report_query){ .max = 3 }, "[libx.so] <unknown> leaf", 5, 0);
	check_order(r, &(struct report_query){ .by_cum = true },
		    "[libx.so] main <unknown> leaf inlined", 5, 0);
	/* A cum of 40 is a quarter of the 150 that have a stack, and no less than that. */
	check_order(r, &(struct report_query){ .fraction = 0.26 }, "[libx.so] <unknown> leaf main",
		    4, 1);
	check_order(r, &(struct report_query){ .fraction = 0.28, .max = 1 }, "[libx.so]", 2, 3);
	check_order(r, &(struct report_query){ .fraction = 1 }, "", 0, 5);
}

TEST(header)
{
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack(samples, 6);
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	struct report_header h;

	report_header(r, &h);
	CHECK_STR(h.type, "");
	CHECK_EQ(h.time_ns, 0);
	part.time_nanos = 2000;
	part.duration_nanos = 5;
	pack_part(&p, &part);
	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	part.time_nanos = 1000;
	pack_part(&p, &part);
	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	report_header(r, &h);
	CHECK_STR(h.type, "cpu");
	CHECK_STR(h.types, "samples, cpu");
	CHECK_STR(h.file, "libx.so");
	CHECK_STR(h.build_id, "");
	CHECK_EQ(h.time_ns, 1000);
	CHECK_EQ(h.duration_ns, 10);
}

TEST(chosen_sample_type)
{
	static const struct {
		const char *type;
		int64_t total;
	} cases[] = { { "samples", 21 },    { "0", 21 }, { "cpu", 210 }, { "1", 210 },
		      { "inuse_cpu", 210 }, { "2", -1 }, { "wall", -1 }, { "sample", -1 } };
	struct packed p = pack(samples, 6);

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_(report_freep) struct report *r = new_report();
		struct report_header h;

		CHECK_EQ(report_choose_type(r, cases[i].type), 0);
		CHECK_EQ(report_add(r, p.bytes, p.sz), cases[i].total < 0 ? -EPROTOTYPE : 0);
		CHECK_EQ(report_total(r), cases[i].total < 0 ? 0 : cases[i].total);
		report_header(r, &h);
		CHECK_STR(h.types, "samples, cpu");
	}
}

/* What cannot be added up is refused, and the files before it stay. */
TEST(other_unit)
{
	_cleanup_(report_freep) struct report *r = new_report();
	Perftools__Profiles__ValueType t = PERFTOOLS__PROFILES__VALUE_TYPE__INIT, *tp[] = { &t };
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;
	struct packed p = pack(samples, 6), other = { .sz = 0 };

	t.type = 3;
	t.unit = 2;
	part.sample_type = tp;
	part.n_sample_type = 1;
	part.string_table = (char **)(uintptr_t)strings;
	part.n_string_table = ELEMENTSOF(strings);
	pack_part(&other, &part);
	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	CHECK_EQ(report_choose_type(r, "samples"), -EINVAL);
	CHECK_EQ(report_add(r, other.bytes, other.sz), -EPROTOTYPE);
	check_sums(r, 1);
}

TEST(default_sample_type)
{
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack(samples, 6);
	Perftools__Profiles__Profile part = PERFTOOLS__PROFILES__PROFILE__INIT;

	part.default_sample_type = 1;
	pack_part(&p, &part);
	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	CHECK_EQ(report_total(r), 21);
	check_row(r, "leaf", "libx.so", 4, 4);
}

/* Old writers do not pack numbers: each has its own tag. */
TEST(unpacked_numbers)
{
	static const uint8_t sample[] = {
		0x12, 10, 0x08, 12, 0x08, 13, 0x10, 1, 0x10, 0xf2, 0x01, 0
	};
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack(NULL, 0);

	memcpy(p.bytes + p.sz, sample, 11);
	p.bytes[p.sz + 1] = 9;
	CHECK_EQ(report_add(r, p.bytes, p.sz + 11), 0);
	CHECK_EQ(report_total(r), 242);
	check_row(r, "leaf", "libx.so", 242, 242);
	check_row(r, "main", "libx.so", 0, 242);
}

static size_t compress_to(uint8_t *to, size_t cap, const void *bytes, size_t sz)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)sz };

	CHECK_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = to;
	z.avail_out = (uInt)cap;
	CHECK_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
	CHECK_EQ(deflateEnd(&z), Z_OK);
	return z.total_out;
}

TEST(gzip)
{
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack(samples, 6);
	uint8_t gz[8192];
	size_t sz = compress_to(gz, sizeof(gz), p.bytes, 100);

	/* Two members make one file. */
	sz += compress_to(gz + sz, sizeof(gz) - sz, p.bytes + 100, p.sz - 100);
	CHECK_EQ(report_add(r, gz, sz), 0);
	check_sums(r, 1);
	for (size_t cut = 0; cut < sz; cut++)
		CHECK_EQ(report_add(r, gz, cut), -EBADMSG);
	gz[sz] = 'x';
	CHECK_EQ(report_add(r, gz, sz + 1), -EBADMSG);
	gz[sz - 6] ^= 1; /* the checksum */
	CHECK_EQ(report_add(r, gz, sz), -EBADMSG);
	check_sums(r, 1);
}

/* The limit on what a file unpacks to, in the small: the report's own is a gigabyte. */
TEST(bomb)
{
	_cleanup_free_ uint8_t *zeros = calloc(1, 1 << 20), *out = NULL;
	uint8_t gz[8192];
	size_t sz, out_sz;

	CHECK(zeros);
	sz = compress_to(gz, sizeof(gz), zeros, 1 << 20);
	CHECK_EQ(pprof_unpack(gz, sz, (1 << 20) - 1, &out, &out_sz), -E2BIG);
	CHECK(!out);
	CHECK_EQ(pprof_unpack(gz, sz, (1 << 20) + 1, &out, &out_sz), 0);
	CHECK_EQ(out_sz, 1 << 20);
}

static void check_refused(const struct packed *p)
{
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed good = pack(samples, 6);

	CHECK_EQ(report_add(r, good.bytes, good.sz), 0);
	CHECK_EQ(report_add(r, p->bytes, p->sz), -EBADMSG);
	check_sums(r, 1);
}

TEST(refused)
{
	struct packed p;

	check_refused(&(struct packed){ .sz = 0 });
	check_refused(&(struct packed){ .bytes = "not a profile", .sz = 13 });
	/* The last of good samples names a location that is not there. */
	p = pack((struct sample_spec[]){ { { 13 }, 1, { 1, 10 } }, { { 99 }, 1, { 1, 10 } } }, 2);
	check_refused(&p);
	p = pack((struct sample_spec[]){ { { 0 }, 1, { 1, 10 } } }, 1);
	check_refused(&p);
	p = pack(samples, 6);
	pack_location(&p, 13, FN_MAIN, 0); /* twice */
	check_refused(&p);
	p = pack(samples, 6);
	pack_location(&p, 0, FN_MAIN, 0);
	check_refused(&p);
	p = pack(samples, 6);
	pack_location(&p, 77, 4711, 0); /* no such function */
	check_refused(&p);
	p = pack(samples, 6);
	memcpy(p.bytes + p.sz, "\x12\x02\x10\x01", 4); /* one value for two types */
	p.sz += 4;
	check_refused(&p);
	p = pack(samples, 6);
	memcpy(p.bytes + p.sz, "\x2a\x04\x08\x63\x10\x63", 6); /* a function named by string 99 */
	p.sz += 6;
	check_refused(&p);
	p = pack(samples, 6);
	memcpy(p.bytes + p.sz, "\x70\x63", 2); /* default_sample_type 99 */
	p.sz += 2;
	check_refused(&p);
}

/* A cut plain file is refused, or is a shorter list of whole fields without what they refer to. */
TEST(cut_anywhere)
{
	struct packed p = pack(samples, 6);

	for (size_t cut = 0; cut < p.sz; cut++) {
		_cleanup_(report_freep) struct report *r = new_report();
		_cleanup_free_ uint8_t *exact = malloc(cut ? cut : 1);
		int error;

		CHECK(exact);
		memcpy(exact, p.bytes, cut);
		error = report_add(r, exact, cut);
		CHECK(error == -EBADMSG || error == 0);
		if (error != 0)
			CHECK_EQ(report_total(r), 0);
	}
}

TEST(sums_saturate)
{
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack((struct sample_spec[]){ { { 12 }, 1, { 1, INT64_MAX } },
						       { { 12 }, 1, { 1, 5 } },
						       { { 13 }, 1, { 1, INT64_MIN } },
						       { { 13 }, 1, { 1, -5 } } },
			       4);

	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	check_row(r, "leaf", "libx.so", INT64_MAX, INT64_MAX);
	check_row(r, "main", "libx.so", INT64_MIN, INT64_MIN);
}

/* What does not fit 64 bits is the most that does, as with sums. */
TEST(parts_saturate)
{
	struct report_row row[] = { { .flat = INT64_MAX }, { .flat = 5 }, { .flat = 1 } };
	struct report_rows rows = { .v = row, .cnt = 2 };

	CHECK_EQ(report_part(1000, 0.005), 5);
	CHECK_EQ(report_part(-999, 0.005), -4);
	CHECK_EQ(report_part(INT64_MAX, 0), 0);
	CHECK_EQ(report_part(INT64_MAX, 1), INT64_MAX);
	CHECK_EQ(report_part(INT64_MIN, 1), INT64_MIN);
	CHECK_EQ(report_part(INT64_MAX, 0.5), INT64_MAX / 2 + 1);
	CHECK_EQ(report_part(INT64_MIN, 4), INT64_MIN);
	CHECK_EQ(report_rows_flat(&rows), INT64_MAX);
	rows.v++;
	CHECK_EQ(report_rows_flat(&rows), 6);
}

/* Names come from anywhere and go to terminals. */
TEST(names_are_cleaned)
{
	static const uint8_t function[] = { 0x2a, 4, 0x08, 0x63, 0x10, 9 }; /* id 99: string 9 */
	_cleanup_(report_freep) struct report *r = new_report();
	struct packed p = pack((struct sample_spec[]){ { { 20 }, 1, { 1, 10 } } }, 1);

	memcpy(p.bytes + p.sz, function, sizeof(function));
	p.sz += sizeof(function);
	pack_location(&p, 20, 99, 0);
	CHECK_EQ(report_add(r, p.bytes, p.sz), 0);
	check_row(r, "heap\xef\xbf\xbd[2J", "libx.so", 10, 10);
}

CHECK_MAIN
