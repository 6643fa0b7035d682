/* SPDX-License-Identifier: Apache-2.0 */

/*
 * procfs: lines of every form, and the mappings of this process, which are asked for in both ways.
 */

#include <fcntl.h>
#include <sys/auxv.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "cprof/base/cleanup.h"
#include "cprof/procfs.h"

#define PAGE ((uint64_t)4096)

TEST(lines_of_maps)
{
	static const struct {
		const char *line;
		bool ok;
		struct procfs_range r;
	} cases[] = {
		{ "55d0c0a00000-55d0c0a02000 r-xp 00002000 fe:01 1234 /usr/bin/true",
		  true,
		  { 0x55d0c0a00000, 0x55d0c0a02000, 0x2000, 1234, PROCFS_FILE } },
		{ "55d0c0a00000-55d0c0a02000 r--p 00002000 fe:01 1234 /usr/bin/true",
		  true,
		  { 0x55d0c0a00000, 0x55d0c0a02000, 0x2000, 1234, PROCFS_NONE } },
		{ "7f00-8f00 rwxp 00000000 00:00 0 ", true, { 0x7f00, 0x8f00, 0, 0, PROCFS_ANON } },
		{ "7f00-8f00 rwxs 00000000 00:00 0 [vdso]x",
		  true,
		  { 0x7f00, 0x8f00, 0, 0, PROCFS_ANON } },
		{ "7f00-8f00 r-xp 00000000 00:00 0        [vdso]",
		  true,
		  { 0x7f00, 0x8f00, 0, 0, PROCFS_VDSO } },
		/* A file of that name is a file. */
		{ "7f00-8f00 r-xp 00000000 00:1a 9   [vdso]",
		  true,
		  { 0x7f00, 0x8f00, 0, 9, PROCFS_FILE } },
		{ "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
		  true,
		  { 0xffffffffff600000, 0xffffffffff601000, 0, 0, PROCFS_ANON } },
		{ "8f00-7f00 r-xp 00000000 00:00 0 ", false, { 0 } },
		{ "7f00-7f00 r-xp 00000000 00:00 0 ", false, { 0 } },
		{ "10000000000000000-8f00 r-xp 00000000 00:00 0 ", false, { 0 } },
		{ "7f00-8f00 r-xp", false, { 0 } },
		{ "7f00-8f00 r-xp 0 00:00 ", false, { 0 } },
		{ "7f00-8f00 r-xp 0 00:00 12a ", false, { 0 } },
		{ "-8f00 r-xp 0 00:00 0 ", false, { 0 } },
		{ "", false, { 0 } },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct procfs_range r;

		if (procfs_maps_parse(cases[i].line, strlen(cases[i].line), &r) != cases[i].ok)
			CHECK_FAIL("%s", cases[i].line);
		if (!cases[i].ok)
			continue;
		CHECK_EQ(r.start, cases[i].r.start);
		CHECK_EQ(r.end, cases[i].r.end);
		CHECK_EQ(r.pgoff, cases[i].r.pgoff);
		CHECK_EQ(r.ino, cases[i].r.ino);
		CHECK_EQ(r.kind, cases[i].r.kind);
	}
}

/* A text that we made, as a file. */
static int text_fd(const char *text, size_t sz)
{
	int fd = memfd_create("maps", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, sz), (ssize_t)sz);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

TEST(long_lines_and_many)
{
	enum { LINES = 65000 };
	_cleanup_free_ char *text = malloc(LINES * 100 + 20000);
	uint64_t addresses[] = {
		0x500, 0x1000, 0x1fff, 0x2000, 0x10000, 0x100000, 0xfde8000 + 0xfff, 0xfffff000
	};
	struct procfs_range r[ELEMENTSOF(addresses)];
	_cleanup_close_ int fd = -EBADF;
	size_t sz = 0;

	CHECK(text);
	for (uint64_t i = 1; i <= LINES; i++) {
		sz += (size_t)sprintf(text + sz,
				      "%" PRIx64 "-%" PRIx64 " r-xp 0 08:01 %" PRIu64 " ", i * PAGE,
				      (i + 1) * PAGE, i);
		/* The sixteenth has a path longer than a piece. */
		for (int k = 0; i == 16 && k < 18000; k++)
			text[sz++] = 'p';
		text[sz++] = '\n';
	}
	fd = text_fd(text, sz);
	CHECK_EQ(procfs_maps_query(fd, addresses, 1, r), -ENOTTY);
	CHECK_EQ(procfs_maps_find(fd, addresses, ELEMENTSOF(addresses), r), 0);
	CHECK_EQ(r[0].end, 0);
	CHECK_EQ(r[1].ino, 1);
	CHECK_EQ(r[2].ino, 1);
	CHECK_EQ(r[3].ino, 2);
	CHECK_EQ(r[4].ino, 16);
	CHECK_EQ(r[5].ino, 256);
	CHECK_EQ(r[6].ino, LINES);
	CHECK_EQ(r[7].end, 0);
	CHECK_EQ(r[7].kind, PROCFS_NONE);
}

/* What a process with endless paths shows is not read to its end. */
TEST(reading_has_an_end)
{
	static const char line[] = "1000-2000 r-xp 0 08:01 1 \n";
	const size_t lines = (17u << 20) / strlen(line);
	_cleanup_free_ char *text = malloc(lines * sizeof(line) + 100);
	uint64_t address = 0x5000;
	_cleanup_close_ int fd = -EBADF;
	struct procfs_range r;
	size_t sz = 0;

	CHECK(text);
	for (size_t i = 0; i < lines; i++)
		sz += (size_t)sprintf(text + sz, "%s", line);
	sz += (size_t)sprintf(text + sz, "5000-6000 r-xp 0 08:01 2 \n");
	fd = text_fd(text, sz);
	CHECK_EQ(procfs_maps_read(fd, &address, 1, &r), 0);
	CHECK_EQ(r.end, 0);
	CHECK(lseek(fd, 0, SEEK_CUR) < (off_t)sz);
}

TEST(an_empty_text_is_a_process_without_memory)
{
	_cleanup_close_ int fd = text_fd("", 0);
	uint64_t address = 0x5000;
	struct procfs_range r;

	CHECK_EQ(procfs_maps_read(fd, &address, 1, &r), -ESRCH);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return CMP(*x, *y);
}

/* Of this process: both ways tell the same. */
static void check_self(int (*find)(int, const uint64_t *, size_t, struct procfs_range *))
{
	_cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	const uint64_t vdso = getauxval(AT_SYSINFO_EHDR) + 0x10, code = (uintptr_t)compare;
	char *jit = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t addresses[] = { vdso, code, (uintptr_t)jit + PAGE, (uintptr_t)jit, 0x10000 };
	struct procfs_range r[ELEMENTSOF(addresses)];
	int got;

	CHECK(jit != MAP_FAILED);
	CHECK_EQ(mprotect(jit + PAGE, PAGE, PROT_READ | PROT_EXEC), 0);
	qsort(addresses, ELEMENTSOF(addresses), sizeof(*addresses), compare);
	CHECK(fd >= 0);
	got = find(fd, addresses, ELEMENTSOF(addresses), r);
	if (got == -ENOTTY) {
		fprintf(stderr, "SKIP: PROCMAP_QUERY is not known here (Linux 6.11)\n");
		return;
	}
	CHECK_EQ(got, 0);
	for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
		if (addresses[i] == vdso)
			CHECK_EQ(r[i].kind, PROCFS_VDSO);
		else if (addresses[i] == code)
			CHECK(r[i].kind == PROCFS_FILE && r[i].start <= code && code < r[i].end);
		else if (addresses[i] == (uintptr_t)jit + PAGE)
			CHECK(r[i].kind == PROCFS_ANON && r[i].start == addresses[i]);
		else
			CHECK_EQ(r[i].kind, PROCFS_NONE);
	}
	CHECK_EQ(r[0].end, 0); /* 0x10000 */
	CHECK_EQ(munmap(jit, 3 * PAGE), 0);
}

TEST(our_own_mappings_by_question)
{
	check_self(procfs_maps_query);
}

TEST(our_own_mappings_by_text)
{
	check_self(procfs_maps_read);
}

/* 1 and its range, or what else is said. */
static int find_named(const char *text, const char *name, struct procfs_range *ret)
{
	_cleanup_close_ int fd = text_fd(text, strlen(text));

	return procfs_maps_named(fd, name, ret);
}

TEST(mappings_by_name)
{
	static const char text[] = "1000-2000 r-xp 0 08:01 1 /a/jit-7.dump.old\n"
				   "2000-3000 r--p 0 08:01 2 /a/jit-7.dump\n"
				   "3000-4000 r-xp 0 00:00 0 /a/jit-7.dump\n"
				   "4000-5000 r-xp 0 08:01 3 /a/x-jit-7.dump\n"
				   "5000-6000 r-xp 0 08:01 4 /a/jit-7.dump (deleted)\n"
				   "jit-7.dump\n/jit-7.dump\n"
				   "6000-7000 r-xp 0 08:01 5 /a b/jit-7.dump\n"
				   "7000-8000 r-xp 0 08:01 6 /jit-7.dump\n";
	static char wide[40000];
	struct procfs_range r;

	CHECK_EQ(find_named(text, "jit-7.dump", &r), 1);
	CHECK_EQ(r.start, 0x6000);
	CHECK_EQ(r.end, 0x7000);
	CHECK_EQ(r.ino, 5);
	CHECK_EQ(find_named(text, "jit-77.dump", &r), 0);
	CHECK_EQ(find_named(text, "dump", &r), 0);
	CHECK_EQ(find_named(text, "jit-7.dump (deleted)", &r), 1);
	CHECK_EQ(r.start, 0x5000);
	CHECK_EQ(find_named("", "jit-7.dump", &r), -ESRCH);
	/* The last line has no end: there is more to come, or it is none. */
	CHECK_EQ(find_named("1000-2000 r-xp 0 08:01 1 /x", "x", &r), 0);
	/* With a path that is much longer than what is kept of it, over the border of two pieces. */
	for (int path = 16000; path < 16400; path++) {
		int len = sprintf(wide, "1000-2000 r-xp 0 08:01 1 /%*s/x.dump\n", path, "y");

		CHECK_EQ(find_named(wide, "x.dump", &r), 1);
		CHECK_EQ(r.end, 0x2000);
		wide[len - 2] = 'q';
		CHECK_EQ(find_named(wide, "x.dump", &r), 0);
	}
}

TEST(start_times)
{
	_cleanup_(root_done) struct root root = ROOT_INIT;
	uint64_t ticks = 7, again = 8, child;
	struct procfs_stat stat;
	pid_t pid;

	CHECK(procfs_stat_parse(
		"1 (a) b) c) R 31 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20", &stat));
	CHECK_EQ(stat.start_ticks, 4242);
	CHECK_EQ(stat.ppid, 31);
	CHECK_EQ(stat.state, 'R');
	CHECK(!procfs_stat_parse("1 (a) R 1 2 3", &stat));
	CHECK(!procfs_stat_parse("1 (a) R x 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4243 20",
				 &stat));
	CHECK(!procfs_stat_parse("1 (a) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -1 20",
				 &stat));
	CHECK(!procfs_stat_parse("", &stat));
	CHECK_EQ(stat.start_ticks, 4242);

	CHECK_EQ(root_open(&root, "/"), 0);
	CHECK_EQ(procfs_start_ticks(&root, (uint32_t)getpid(), &ticks), 0);
	CHECK_EQ(procfs_start_ticks(&root, (uint32_t)getpid(), &again), 0);
	CHECK_EQ(ticks, again);
	pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EQ(procfs_start_ticks(&root, (uint32_t)pid, &child), 0);
	CHECK(child >= ticks);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK(procfs_start_ticks(&root, (uint32_t)pid, &child) < 0);
}

/* Processes: pid, parent. Who descends from 10 and 40? */
static const uint32_t family[][2] = {
	{ 1, 0 },   { 10, 1 },	/* asked for */
	{ 11, 10 },		/* its child */
	{ 5, 11 },		/* a grandchild with a lower number */
	{ 12, 5 },  { 20, 1 },	/* strangers */
	{ 21, 20 }, { 40, 11 }, /* asked for, and a descendant too: not told again */
	{ 41, 40 }, { 50, 99 }, /* its parent has just gone */
};

static void make_family(const char *dir)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/proc", dir);
	CHECK_EQ(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/proc/self", dir);
	CHECK_EQ(mkdir(path, 0700), 0);
	for (size_t i = 0; i < ELEMENTSOF(family); i++) {
		(void)snprintf(path, sizeof(path), "%s/proc/%u", dir, family[i][0]);
		CHECK_EQ(mkdir(path, 0700), 0);
	}
}

struct met {
	uint32_t pids[16];
	size_t cnt, limit;
};

static int meet(const struct procfs_process *p, void *ctx)
{
	struct met *met = ctx;

	CHECK_EQ(p->start_ns, p->pid * 100);
	if (met->cnt == met->limit)
		return -E2BIG;
	met->pids[met->cnt++] = p->pid;
	return 0;
}

static struct procfs_table list_family(struct procfs_process *v)
{
	struct procfs_table t = { .v = v, .cnt = ELEMENTSOF(family) };

	for (size_t i = 0; i < t.cnt; i++)
		v[i] = (struct procfs_process){ .pid = family[i][0],
						.ppid = family[i][1],
						.start_ns = family[i][0] * 100 };
	procfs_sort(&t);
	CHECK_EQ(procfs_find(&t, 21)->ppid, 20);
	CHECK(!procfs_find(&t, 99));
	return t;
}

static int count(uint32_t pid, void *ctx)
{
	uint32_t *left = ctx;

	CHECK(pid > 0);
	return *left == 0 ? -E2BIG : (int)--*left;
}

static void check_each_pid(const struct root *root)
{
	uint32_t left = ELEMENTSOF(family);

	CHECK_EQ(procfs_each_pid(root, count, &left), 0);
	CHECK_EQ(left, 0);
	CHECK_EQ(procfs_each_pid(root, count, &left), -E2BIG);
	CHECK_EQ(procfs_each_pid(&ROOT_INIT, count, &left), -EBADF);
}

TEST(descendants)
{
	struct procfs_process rows[ELEMENTSOF(family)];
	struct procfs_table t;
	static const uint32_t expected[] = { 11, 41, 5, 12 };
	static const int32_t asked[] = { 10, 40, 7777 };
	_cleanup_(root_done) struct root root = ROOT_INIT;
	char dir[] = "/tmp/test-procfs-XXXXXX", command[64];
	struct met met = { .limit = 16 };

	CHECK(mkdtemp(dir));
	make_family(dir);
	CHECK_EQ(root_open(&root, dir), 0);
	check_each_pid(&root);
	t = list_family(rows);
	CHECK_EQ(procfs_descendants(&t, asked, ELEMENTSOF(asked), meet, &met), 0);
	CHECK_EQ(met.cnt, ELEMENTSOF(expected));
	for (size_t i = 0; i < ELEMENTSOF(expected); i++)
		CHECK_EQ(met.pids[i], expected[i]);

	met = (struct met){ .limit = 2 };
	t = list_family(rows);
	CHECK_EQ(procfs_descendants(&t, asked, ELEMENTSOF(asked), meet, &met), -E2BIG);
	met = (struct met){ .limit = 0 };
	t = list_family(rows);
	CHECK_EQ(procfs_descendants(&t, asked + 2, 1, meet, &met), 0);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	CHECK_EQ(system(command), 0);
}

TEST(lines_of_mountinfo)
{
	static const struct {
		const char *line, *type;
		uint32_t id, major, minor;
	} cases[] = {
		{ "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
		  "ext3", 36, 98, 0 },
		{ "40 35 0:50 / /media/a\\040-\\040b rw - fuse.sshfs host: rw", "fuse", 40, 0, 50 },
		{ "41 35 0:51 / /m rw - overlay overlay rw", "overlay", 41, 0, 51 },
		{ "42 35 0:52 / /m rw - tmpfs", "tmpfs", 42, 0, 52 },
		{ "43 35 0:52 / /m rw - abcdefghijklmnopqrstuvwxyz0123456789 x rw",
		  "abcdefghijklmnopqrstuvwxyz01234", 43, 0, 52 },
		{ "43 35 0:52 / /m rw", NULL, 0, 0, 0 },
		{ "x 35 0:52 / /m rw - tmpfs t rw", NULL, 0, 0, 0 },
		{ "", NULL, 0, 0, 0 },
	};

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct procfs_mount m;

		if (procfs_mount_parse(cases[i].line, &m) != (cases[i].type != NULL))
			CHECK_FAIL("%s", cases[i].line);
		if (!cases[i].type)
			continue;
		CHECK_STR(m.type, cases[i].type);
		CHECK_EQ(m.id, cases[i].id);
		CHECK_EQ(m.major, cases[i].major);
		CHECK_EQ(m.minor, cases[i].minor);
	}
}

CHECK_MAIN
