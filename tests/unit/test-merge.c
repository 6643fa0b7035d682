/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging of finished profiles: sums, what different files call the same, comments, and what is
 * refused. The files are encode's own; their text form is what is compared, for ids and addresses
 * depend on the order of the files.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cprof/object_source.h"
#include "cprof/base/cleanup.h"
#include "cprof/pprof.h"
#include "encode-fixture.h"
#include "fail.h"
#include "merge-fixture.h"

#define LINES_MAX 512

/* A window of one process and its file. */
struct scene {
	struct fixture f;
	uint32_t exe, lib, other, process;
};

static const struct object_segment segment = { .vaddr = 0x1000,
					       .offset = 0x1000,
					       .filesz = 0x4000 };
static const struct object_segment linked = { .vaddr = 0x401000,
					      .offset = 0x1000,
					      .filesz = 0x2000 };

/* @swapped: the libraries are met in another order, and get other slots. */
static void scene_init(struct scene *s, unsigned int minute, bool swapped)
{
	struct fixture *f = &s->f;

	fixture_init(f);
	f->window->from_real_ns += minute * 60000000000ULL;
	f->window->to_boot_ns = f->window->from_boot_ns + 60000000000ULL;
	s->exe = fixture_object(f, "/usr/bin/server", OBJECT_ELF_EXEC, &linked);
	s->lib = fixture_object(f, "/usr/lib/liba.so.1", OBJECT_ELF_DYN, &segment);
	s->other = fixture_object(f, "/usr/lib/libb.so.1", OBJECT_ELF_DYN, &segment);
	fixture_name(f, s->exe, 0x1100, "main", NULL);
	fixture_name(f, s->lib, 0x1200, "a(int)", "_Z1ai");
	fixture_name(f, s->other, 0x1200, "b", NULL);
	s->process = fixture_process(f, 42, "server", s->exe);
	if (swapped) {
		const struct window_frame frame = { .object = s->other,
						    .offset = 0x1200,
						    .flags = 1 };

		fixture_sample(f, s->process, fixture_stack(f, &frame, 1), 7);
	}
}

/* main -> a -> @leaf of libb, or a where that is 0. */
static void scene_stack(struct scene *s, uint64_t leaf, uint64_t cnt)
{
	const struct window_frame frames[] = {
		{ .object = s->other, .offset = leaf, .flags = CPROF_FRAME_EXACT },
		{ .object = s->lib, .offset = 0x1201 },
		{ .object = s->exe, .offset = 0x1101 },
	};
	uint32_t skip = leaf == 0;

	fixture_sample(&s->f, s->process, fixture_stack(&s->f, frames + skip, 3 - skip), cnt);
}

static int scene_done(struct scene *s)
{
	int fd;

	fixture_encode(&s->f, s->process);
	fd = to_fd(s->f.file.v, s->f.file.cnt);
	fixture_done(&s->f);
	return fd;
}

/* Window @minute: two stacks, one of which is in every window, and one of its own. */
static int minute(unsigned int minute)
{
	struct scene s;

	scene_init(&s, minute, minute % 2);
	scene_stack(&s, 0x1200, 1 + minute);
	scene_stack(&s, 0, 10);
	scene_stack(&s, 0x1300 + 16 * minute, 1);
	return scene_done(&s);
}

/* A file as text: a line for each sample and comment, sorted. */
struct text {
	struct pprof p;
	uint8_t *plain;
	char *lines[LINES_MAX];
	size_t cnt;
	int64_t totals[2];
};

static void string_of(const struct pprof *p, uint32_t i, char *dst, size_t sz)
{
	const struct pprof_bytes *s = &p->strings.v[i];

	(void)snprintf(dst, sz, "%.*s", (int)(s->end - s->p), (const char *)s->p);
}

static size_t print_location(const struct pprof *p, const struct pprof_location *l, char *dst,
			     size_t sz)
{
	const struct pprof_mapping *m =
		l->mapping == PPROF_NONE ? NULL : &p->mappings.v[l->mapping];
	char name[128], file[128] = "";

	CHECK_EQ(l->line_cnt, 1);
	string_of(p, p->functions.v[p->lines.v[l->line].function].name, name, sizeof(name));
	if (m) {
		CHECK(l->address >= m->start && l->address < m->limit);
		string_of(p, m->file, file, sizeof(file));
	}
	return (size_t)snprintf(dst, sz, " %s(%s+%" PRIx64 ")", name, file,
				m && file[0] != '[' ? l->address - m->start + m->offset : 0);
}

static int print_sample(const struct pprof_sample *s, void *ctx)
{
	struct text *t = ctx;
	char line[4096], name[128];
	size_t len = (size_t)snprintf(line, sizeof(line), "%" PRId64 " %" PRId64, s->values[0],
				      s->values[1]);

	for (size_t i = 0; i < s->labels_cnt; i++) {
		string_of(&t->p, s->labels[i].key, name, sizeof(name));
		len += (size_t)snprintf(line + len, sizeof(line) - len, " %s=%" PRId64, name,
					s->labels[i].num);
	}
	for (size_t i = 0; i < s->locations_cnt; i++)
		len += print_location(&t->p, &t->p.locations.v[s->locations[i]], line + len,
				      sizeof(line) - len);
	t->totals[0] += s->values[0];
	t->totals[1] += s->values[1];
	CHECK(t->cnt < LINES_MAX);
	t->lines[t->cnt++] = strdup(line);
	return 0;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct text text_of(int fd)
{
	struct text t = { 0 };
	uint8_t bytes[65536];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	char comment[256];
	size_t sz;

	CHECK(n > 0 && n < (ssize_t)sizeof(bytes));
	CHECK_EQ(pprof_unpack(bytes, (size_t)n, 1 << 24, &t.plain, &sz), 0);
	CHECK_EQ(pprof_parse(&t.p, &(struct pprof_bytes){ t.plain, t.plain + sz },
			     PPROF_ENTRIES_MAX),
		 0);
	CHECK_EQ(pprof_samples(&t.p, print_sample, &t), 0);
	for (size_t i = 0; i < t.p.comments.cnt; i++) {
		string_of(&t.p, t.p.comments.v[i], comment, sizeof(comment));
		t.lines[t.cnt++] = strdup(comment);
	}
	qsort(t.lines, t.cnt, sizeof(t.lines[0]), compare_lines);
	return t;
}

static void text_done(struct text *t)
{
	for (size_t i = 0; i < t->cnt; i++)
		free(t->lines[i]);
	pprof_done(&t->p);
	free(t->plain);
}

static bool has_line(const struct text *t, const char *line)
{
	for (size_t i = 0; i < t->cnt; i++) {
		if (strcmp(t->lines[i], line) == 0)
			return true;
	}
	for (size_t i = 0; i < t->cnt; i++)
		fprintf(stderr, "%s\n", t->lines[i]);
	return false;
}

static bool has_key(const struct text *t, const char *key)
{
	for (size_t i = 0; i < t->cnt; i++) {
		if (strncmp(t->lines[i], key, strlen(key)) == 0)
			return true;
	}
	return false;
}

static void check_same(int a, int b)
{
	_cleanup_(text_done) struct text s = text_of(a), t = text_of(b);

	CHECK_EQ(s.cnt, t.cnt);
	for (size_t i = 0; i < s.cnt; i++)
		CHECK_STR(s.lines[i], t.lines[i]);
	CHECK_EQ(s.p.time_ns, t.p.time_ns);
	CHECK_EQ(s.p.duration_ns, t.p.duration_ns);
	CHECK_EQ(s.p.period, t.p.period);
	CHECK_EQ(s.p.mappings.cnt, t.p.mappings.cnt);
	CHECK_EQ(s.p.locations.cnt, t.p.locations.cnt);
	CHECK_EQ(s.p.functions.cnt, t.p.functions.cnt);
}

TEST(sums)
{
	int fds[] = { minute(0), minute(1), minute(2) };
	struct merge_result result;
	int fd = merged(fds, 3, &result);
	_cleanup_(text_done) struct text t = text_of(fd);

	/* 12, 20 (7 of them the leaf alone), 14 */
	CHECK_EQ(result.samples, 12 + 20 + 14);
	CHECK_EQ(t.totals[0], 46);
	CHECK_EQ(t.totals[1], 460000000);
	CHECK(has_line(&t, "6 60000000 b(/usr/lib/libb.so.1+1200) a(int)(/usr/lib/liba.so.1+1200) "
			   "main(/usr/bin/server+1100)"));
	CHECK(has_line(&t,
		       "30 300000000 a(int)(/usr/lib/liba.so.1+1200) main(/usr/bin/server+1100)"));
	CHECK(has_line(&t, "7 70000000 b(/usr/lib/libb.so.1+1200)"));
	CHECK(has_line(&t, "1 10000000 [libb.so.1](/usr/lib/libb.so.1+1310) "
			   "a(int)(/usr/lib/liba.so.1+1200) main(/usr/bin/server+1100)"));
	CHECK_EQ(t.p.time_ns, 1700000000000000000);
	CHECK_EQ(t.p.duration_ns, 180000000000);
	CHECK_EQ(t.p.period, 10101010);
	CHECK_EQ(t.p.type, 1);
	CHECK_EQ(t.p.mappings.cnt, 3);
	CHECK_EQ(t.p.locations.cnt, 6);
	CHECK_EQ(t.p.functions.cnt, 4);
	CHECK_EQ(t.p.mappings.v[0].start, 0x401000);
	close_all(fds, 3);
	close(fd);
}

/* Figures are of the merged file, or sums; facts are what all agree in. */
TEST(comments)
{
	int fds[] = { minute(0), minute(1), minute(2) };
	struct merge_result result;
	int fd = merged(fds, 3, &result);
	_cleanup_(text_done) struct text t = text_of(fd);

	CHECK(has_line(&t, "#cprofd samples=46"));
	CHECK(has_line(&t, "#cprofd complete=46"));
	CHECK(has_line(&t, "#cprofd truncated=0"));
	CHECK(has_line(&t, "#cprofd frames=6"));
	CHECK(has_line(&t, "#cprofd symbolized=3"));
	CHECK(has_line(&t, "#cprofd missed=9"));
	CHECK(has_line(&t, "#cprofd lost=12"));
	CHECK(has_line(&t, "#cprofd windows=3"));
	CHECK(has_line(&t, "#cprofd pid=42"));
	CHECK(has_line(&t, "#cprofd comm=server"));
	CHECK(has_line(&t, "#cprofd exe=/usr/bin/server"));
	CHECK(has_line(&t, "#cprofd hz=99"));
	CHECK(has_line(&t, "#cprofd boot=6f3c"));
	CHECK(!has_key(&t, "#cprofd cpu_true_ns"));
	CHECK(!has_key(&t, "#cprofd gap_ns"));
	CHECK(!has_key(&t, "#cprofd processes"));
	close_all(fds, 3);
	close(fd);
}

static int special(unsigned int at, uint64_t cpu, uint64_t gap, bool walk_proc)
{
	struct object *exe;
	struct scene s;

	scene_init(&s, at, false);
	scene_stack(&s, 0, 5 + at);
	s.f.window->gap_ns = gap;
	s.f.window->processes.v[0].cpu_true_ns = cpu;
	s.f.window->stacks.v[0].complete = 0;
	s.f.window->stacks.v[0].user_end = at == 0 ? CPROF_END_FP_BAD : CPROF_END_LIMIT;
	s.f.opts.walk_proc = walk_proc;
	exe = objects_get(s.f.objects, s.f.window->processes.v[0].exe);
	exe->state = at == 0 ? OBJECT_READY : OBJECT_GONE;
	exe->sources = at == 0 ? OBJECT_SOURCE_DYNSYM | OBJECT_SOURCE_LINES_GO : 0;
	s.f.opts.version = at == 0 ? "0.1.0" : "0.2.0";
	return scene_done(&s);
}

TEST(sums_of_comments)
{
	int fds[] = { special(0, 100, 0, false), special(1, 23, 77, true), special(2, 1, 1, true) };
	struct merge_result result;
	int fd = merged(fds, 3, &result);
	_cleanup_(text_done) struct text t = text_of(fd);

	CHECK(has_line(&t, "#cprofd cpu_true_ns=124"));
	CHECK(has_line(&t, "#cprofd gap_ns=78"));
	CHECK(has_line(&t, "#cprofd walk=proc"));
	CHECK(has_line(&t, "#cprofd truncated=18"));
	CHECK(has_line(&t, "#cprofd complete=0"));
	CHECK(has_line(&t, "#cprofd truncated_by=fp_bad:5,limit:13"));
	CHECK(!has_key(&t, "#cprofd version"));
	/* What they say of an object differs: all of it is kept, once. */
	CHECK(has_line(&t,
		       "#cprofd object=names:dynsym lines:gopclntab why:stripped /usr/bin/server"));
	CHECK(has_line(&t, "#cprofd object=names:- lines:- why:gone /usr/bin/server"));
	for (size_t i = 1; i < t.cnt; i++)
		CHECK(strncmp(t.lines[i], "#cprofd object=", 15) != 0 ||
		      strcmp(t.lines[i], t.lines[i - 1]) != 0);
	close_all(fds, 3);
	close(fd);
}

TEST(any_order)
{
	int fds[4] = { minute(0), minute(1), minute(2), minute(3) };
	const int orders[][4] = { { 3, 2, 1, 0 }, { 1, 3, 0, 2 } };
	struct merge_result result;
	int fd = merged(fds, 4, &result);

	for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
		int other[4], again;

		for (size_t j = 0; j < 4; j++)
			other[j] = fds[orders[i][j]];
		again = merged(other, 4, &result);
		check_same(fd, again);
		close(again);
	}
	close_all(fds, 4);
	close(fd);
}

/* Merged files are merged again: in pairs it is the same. */
TEST(merged_again)
{
	int fds[4] = { minute(0), minute(1), minute(2), minute(3) }, pairs[2];
	struct merge_result result;
	int all = merged(fds, 4, &result), both, same;

	pairs[0] = merged(fds, 2, &result);
	pairs[1] = merged(fds + 2, 2, &result);
	both = merged(pairs, 2, &result);
	check_same(all, both);
	same = merged(&all, 1, &result);
	check_same(all, same);
	close_all(fds, 4);
	close_all(pairs, 2);
	close(all);
	close(both);
	close(same);
}

/* Places without a distance: equal where their functions are, and all inside of their mapping. */
static int jit(unsigned int at)
{
	struct scene s;
	uint32_t area;

	scene_init(&s, at, false);
	CHECK_EQ(objects_intern_jit(s.f.objects,
				    &(struct object_jit){ .pid = 42, .start_ns = 1, .exec = 1 },
				    &area),
		 0);
	for (unsigned int i = 0; i < 3; i++) {
		const struct window_frame frame = {
			.object = area,
			.offset = 0x7f0000001000 + ((at + i) % 3) * 0x100,
			.flags = CPROF_FRAME_EXACT,
		};
		char name[32];

		(void)snprintf(name, sizeof(name), "jit_%u", (at + i) % 3);
		if ((at + i) % 3)
			fixture_name(&s.f, area, frame.offset, name, NULL);
		fixture_sample(&s.f, s.process, fixture_stack(&s.f, &frame, 1), 1);
	}
	return scene_done(&s);
}

TEST(places_without_distance)
{
	int fds[] = { jit(0), jit(1), jit(2) };
	struct merge_result result;
	int fd = merged(fds, 3, &result);
	_cleanup_(text_done) struct text t = text_of(fd);

	CHECK(has_line(&t, "3 30000000 jit_1([jit]+0)"));
	CHECK(has_line(&t, "3 30000000 jit_2([jit]+0)"));
	CHECK(has_line(&t, "3 30000000 [jit]([jit]+0)"));
	CHECK(has_line(&t, "#cprofd frames=3"));
	CHECK(has_line(&t, "#cprofd symbolized=2"));
	close_all(fds, 3);
	close(fd);
}

/* All of several processes: their labels stay apart, and each counts once. */
static int machine(unsigned int at)
{
	struct scene s;
	int fd;

	scene_init(&s, at, false);
	scene_stack(&s, 0, 3);
	s.process = fixture_process(&s.f, 50 + at, "worker", s.lib);
	scene_stack(&s, 0, 4);
	fixture_encode(&s.f, FIXTURE_ALL);
	fd = to_fd(s.f.file.v, s.f.file.cnt);
	fixture_done(&s.f);
	return fd;
}

TEST(labels)
{
	int fds[] = { machine(0), machine(1) };
	struct merge_result result;
	int fd = merged(fds, 2, &result);
	_cleanup_(text_done) struct text t = text_of(fd);
	static const char stack[] =
		" comm=0 a(int)(/usr/lib/liba.so.1+1200) main(/usr/bin/server+1100)";
	char line[256];

	(void)snprintf(line, sizeof(line), "6 60000000 pid=42 start=123 exec=1%s", stack);
	CHECK(has_line(&t, line));
	(void)snprintf(line, sizeof(line), "4 40000000 pid=50 start=123 exec=1%s", stack);
	CHECK(has_line(&t, line));
	CHECK(has_line(&t, "#cprofd processes=3"));
	close_all(fds, 2);
	close(fd);
}

/* What differs in kind is not added up. */
static int other(unsigned int hz, enum event_id event, uint64_t count, uint64_t cnt)
{
	struct scene s;

	scene_init(&s, 0, false);
	scene_stack(&s, 0, cnt);
	s.f.window->hz = hz;
	s.f.opts.event = &event_table[event];
	s.f.opts.event_count = count;
	s.f.window->samples.v[0].weight_ns = event == EVENT_CPU_CLOCK ? cnt : cnt * cnt * 100;
	return scene_done(&s);
}

TEST(differences)
{
	int fds[] = { other(99, EVENT_CPU_CLOCK, 0, 1),	  other(49, EVENT_CPU_CLOCK, 0, 1),
		      other(99, EVENT_PAGE_FAULTS, 0, 2), other(99, EVENT_PAGE_FAULTS, 0, 4),
		      other(99, EVENT_PAGE_FAULTS, 7, 4), other(99, EVENT_PAGE_FAULTS, 8, 4) };
	struct merge_result result;
	struct sink file = { 0 };
	struct text t;
	int fd;

	CHECK_EQ(merge((int[]){ fds[0], fds[0], fds[2] }, 3, &file, &result), BAD(-EINVAL, 2));
	CHECK_EQ(merge((int[]){ fds[4], fds[5] }, 2, &file, &result), BAD(-EINVAL, 1));
	CHECK_EQ(merge((int[]){ fds[2], fds[4] }, 2, &file, &result), BAD(-EINVAL, 1));
	CHECK_EQ(file.v.cnt, 0);
	/* a mean that differs is a mean again: 400 and 1600 of 2 and 4 samples */
	fd = merged(fds + 2, 2, &result);
	t = text_of(fd);
	CHECK_EQ(t.p.period, 2000 / 6);
	text_done(&t);
	close(fd);
	close_all(fds, ELEMENTSOF(fds));
}

/* A minute at half the rate: each sample keeps its own time, and the file says both. */
TEST(rates)
{
	int fds[] = { other(99, EVENT_CPU_CLOCK, 0, 30), other(49, EVENT_CPU_CLOCK, 0, 10),
		      other(24, EVENT_CPU_CLOCK, 0, 10), 0, 0 };
	const int64_t periods = 30ll * (1000000000 / 99) + 10ll * (1000000000 / 49);
	struct merge_result result;
	struct text t, again;

	fds[3] = merged(fds, 2, &result);
	t = text_of(fds[3]);
	CHECK_EQ(t.totals[0], 40);
	CHECK_EQ(t.totals[1], 40);
	CHECK_EQ(t.p.period, periods / 40);
	CHECK(has_line(&t, "#cprofd hz=49-99"));
	CHECK(has_line(&t, "#cprofd windows=2"));
	/* and with a third one */
	fds[4] = merged(fds + 2, 2, &result);
	again = text_of(fds[4]);
	CHECK_EQ(again.totals[0], 50);
	CHECK_EQ(again.p.period, (10ll * (1000000000 / 24) + 40 * t.p.period) / 50);
	CHECK(has_line(&again, "#cprofd hz=24-99"));
	text_done(&again);
	text_done(&t);
	close_all(fds, ELEMENTSOF(fds));
}

TEST(damaged)
{
	int good = minute(0), fd, directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint8_t bytes[8192];
	ssize_t sz = pread(good, bytes, sizeof(bytes), 0);
	struct merge_result result = { .files = 99 };
	struct sink file = { 0 };

	CHECK(sz > 0 && sz < (ssize_t)sizeof(bytes));
	for (ssize_t len = 0; len < sz; len += 1 + len / 16) {
		fd = to_fd(bytes, (size_t)len);
		CHECK_EQ(merge((int[]){ good, fd }, 2, &file, &result), BAD(-EBADMSG, 1));
		close(fd);
	}
	for (ssize_t i = 0; i < sz; i += 1 + sz / 64) {
		int r;

		bytes[i] ^= 0x41;
		fd = to_fd(bytes, (size_t)sz);
		r = merge((int[]){ fd, good }, 2, &file, &result);
		/* of a gzip header some bytes mean nothing */
		CHECK(r == BAD(-EBADMSG, 0) || (r == 0 && i < 10));
		if (r == 0)
			file.v.cnt = 0;
		bytes[i] ^= 0x41;
		close(fd);
	}
	CHECK_EQ(merge(&directory, 1, &file, &result), BAD(-EBADMSG, 0));
	CHECK_EQ(merge((int[]){ -EBADF }, 1, &file, &result), -EBADF);
	CHECK_EQ(file.v.cnt, 0);
	vec_done(&file.v);
	close(good);
	close(directory);
}

/* Within its limit it is done, or not at all: never less. */
TEST(memory_limit)
{
	int fds[] = { minute(0), minute(1) };
	struct merge_result result;
	int r = -EFBIG;

	for (size_t max = 0; r == -EFBIG; max += 4096) {
		struct sink file = { 0 };
		size_t bad = 99;
		const struct merge_opts opts = {
			.memory_max = max,
			.write = sink_write,
			.ctx = &file,
		};

		CHECK(max < MEMORY);
		r = merge_profiles(&opts, fds, 2, &result, &bad);
		CHECK_EQ(bad, 99);
		if (r < 0)
			CHECK_EQ(file.v.cnt, 0);
		vec_done(&file.v);
	}
	CHECK_EQ(r, 0);
	CHECK_EQ(result.samples, 32);
	close_all(fds, 2);
}

TEST(faults)
{
	int fds[] = { minute(0), minute(1) };
	struct merge_result result;
	struct sink whole = { 0 };
	long n = 0;

	CHECK_EQ(merge(fds, 2, &whole, &result), 0);
	for (size_t i = 1; i <= whole.v.cnt; i += 1 + whole.v.cnt / 50) {
		struct sink file = { .fail_at = i };

		CHECK_EQ(merge(fds, 2, &file, &result), -ENOSPC);
		vec_done(&file.v);
	}
	for (;; n++) {
		struct sink file = { 0 };
		int r;

		CHECK_EQ(vec_reserve(&file.v, 65536), 0);
		fail_at(n);
		r = merge(fds, 2, &file, &result);
		if (fail_over()) {
			CHECK_EQ(r, 0);
			vec_done(&file.v);
			break;
		}
		CHECK_EQ(r, -ENOMEM);
		vec_done(&file.v);
	}
	CHECK(n > 20);
	vec_done(&whole.v);
	close_all(fds, 2);
}

CHECK_MAIN
