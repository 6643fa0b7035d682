/* SPDX-License-Identifier: Apache-2.0 */

/* output: names of files, and files that are whole or not there. */

#include "fail.h"
#include "scratch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cprof/base/cleanup.h"
#include "cprof/output.h"
#include "cprof/profile_name.h"

TEST(profile_names)
{
	const struct profile_label l = {
		.comm = "a/b c.d-e\xff",
		.pid = 12,
		.exec = 3,
		.start_ticks = 456,
		.from_real_ns = 86399999999999,	 /* 23:59:59 */
		.to_real_ns = 86400000000000ULL, /* midnight */
		.exe_id = 0xabc,
	};
	char name[PROFILE_NAME_MAX];

	profile_name(name, sizeof(name), &l);
	CHECK_STR(name, "a_b_c.d-e_-12-456-3.cpu.235959-000000.pb.gz");
	profile_name_merged(name, sizeof(name), &l);
	CHECK_STR(name, "a_b_c.d-e_-12.cpu.235959-000000.pb.gz");
	profile_name_ended(name, sizeof(name), &l);
	CHECK_STR(name, "a_b_c.d-e_-ended-0000000000000abc.cpu.235959-000000.pb.gz");
	profile_name_outside(name, sizeof(name), &l);
	CHECK_STR(name, "outside-namespace.cpu.235959-000000.pb.gz");
	profile_name_other(name, sizeof(name), "x.pb.gz", 2);
	CHECK_STR(name, "x~2.pb.gz");
	profile_name_other(name, sizeof(name), "x~2.pb.gz", 3);
	CHECK_STR(name, "x~3.pb.gz");
	profile_name_other(name, sizeof(name), "x~.pb.gz", 1);
	CHECK_STR(name, "x~~1.pb.gz");
	profile_name_other(name, sizeof(name), "x.prof", 1);
	CHECK_STR(name, "x.prof~1");
	profile_name_other(name, sizeof(name), ".pb.gz", 1);
	CHECK_STR(name, ".pb.gz~1");
	profile_directory_name(name, sizeof(name), 951782400000000000); /* 2000-02-29 */
	CHECK_STR(name, "cprofd-profiles-20000229-000000");
}

TEST(profile_name_fits)
{
	char name[PROFILE_NAME_MAX], comm[64];
	struct profile_label l = {
		.comm = comm,
		.pid = UINT32_MAX,
		.exec = UINT32_MAX,
		.start_ticks = UINT64_MAX,
		.from_real_ns = UINT64_MAX,
		.to_real_ns = UINT64_MAX,
	};

	memset(comm, 'x', sizeof(comm));
	comm[63] = 0;
	profile_name(name, sizeof(name), &l);
	CHECK(strlen(name) > 7 && strcmp(name + strlen(name) - 6, ".pb.gz") == 0);
	l.exe_id = UINT64_MAX;
	profile_name_ended(name, sizeof(name), &l);
	CHECK(strlen(name) > 7 && strcmp(name + strlen(name) - 6, ".pb.gz") == 0);
}

static struct profile_parsed parsed(const char *name)
{
	struct profile_parsed p;

	if (!profile_name_parse(name, &p))
		CHECK_FAIL("%s is not understood", name);
	return p;
}

TEST(profile_names_read_again)
{
	struct profile_parsed p =
		parsed("a.b-7-c-d_-12-18446744073709551615-3.cpu.235959-000000~17.pb.gz");
	char name[PROFILE_NAME_MAX];

	CHECK_STR(p.comm, "a.b-7-c-d_");
	CHECK_STR(p.kind, "cpu");
	CHECK(p.form == PROFILE_OF_PROCESS && p.pid == 12 && p.start_ticks == UINT64_MAX &&
	      p.exec == 3 && p.from_s == 86399 && p.to_s == 0 && p.other == 17);
	p.to_s = 3661;
	profile_name_span(name, sizeof(name), "x-1-2-3.cpu.000000-000001.pb.gz",
			  &(struct profile_parsed){ .id_len = 12, .from_s = 86399, .to_s = 3661 });
	CHECK_STR(name, "x-1-2-3.cpu.235959-010101.pb.gz");
	p = parsed("a.b-12.offcpu.000000-000000.pb.gz");
	CHECK(p.form == PROFILE_OF_MERGED && p.pid == 12 && p.other == 0);
	CHECK_STR(p.comm, "a.b");
	CHECK_STR(p.kind, "offcpu");
	p = parsed("x-ended-ended-00000000000000ff.cpu.000000-000001.pb.gz");
	CHECK(p.form == PROFILE_OF_ENDED && p.exe_id == 0xff && p.pid == 0);
	CHECK_STR(p.comm, "x-ended");
	p = parsed("outside-namespace.cpu.000000-000001.pb.gz");
	CHECK(p.form == PROFILE_OF_OUTSIDE);
}

TEST(names_that_nobody_made)
{
	static const char *const names[] = {
		"",
		".pb.gz",
		".cpu.000000-000001.pb.gz",
		"a.cpu.000000-000001.pb.gz",
		"a-1-2-3.cpu.000000-000001.pb",
		"a-1-2-3.cpu.000000-000001.pb.gz.tmp",
		"a-1-2-3.cpu.00000-000001.pb.gz",
		"a-1-2-3.cpu.240000-000001.pb.gz",
		"a-1-2-3.cpu.000060-000001.pb.gz",
		"a-1-2-3.cpu.000000_000001.pb.gz",
		"a-1-2-3..000000-000001.pb.gz",
		"a-1-2-3.CPU.000000-000001.pb.gz",
		"a-1-2-3.averyveryverylongkind.000000-000001.pb.gz",
		"a-1-2-3.cpu.000000-000001~0.pb.gz",
		"a-1-2-3.cpu.000000-000001~01.pb.gz",
		"a-1-2-3.cpu.000000-000001~.pb.gz",
		"a-1-2-3.cpu.000000-000001~1~2.pb.gz",
		"a-1-2-4294967296.cpu.000000-000001.pb.gz/",
		"a-4294967296.cpu.000000-000001.pb.gz",
		".a-1-2-3.cpu.000000-000001.pb.gz",
		"-a-1-2-3.cpu.000000-000001.pb.gz",
		"a/b-1-2-3.cpu.000000-000001.pb.gz",
		"a b-1-2-3.cpu.000000-000001.pb.gz",
		"a-ended-00000000000000FF.cpu.000000-000001.pb.gz",
		"a-ended-0000000000000ff.cpu.000000-000001.pb.gz",
		"outside-namespaces.cpu.000000-000001.pb.gz",
		"-1-2-3.cpu.000000-000001.pb.gz",
	};
	char longest[128];
	struct profile_parsed p;

	for (size_t i = 0; i < ELEMENTSOF(names); i++)
		if (profile_name_parse(names[i], &p))
			CHECK_FAIL("%s is taken for one of ours", names[i]);
	memset(longest, 'x', 64);
	strcpy(longest + 64, "-1-2-3.cpu.000000-000001.pb.gz");
	CHECK(!profile_name_parse(longest, &p));
	CHECK(profile_name_parse(longest + 1, &p));
}

static void check_file(const char *path, const char *text)
{
	char got[64] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(read(fd, got, sizeof(got) - 1) >= 0);
	CHECK_STR(got, text);
}

static char *written(struct output *o, const char *name, const char *text)
{
	char *path = NULL;

	CHECK_EQ(output_write(o, name, text, strlen(text), &path), 0);
	return path;
}

TEST(output_replaces_nothing)
{
	_cleanup_(output_done) struct output o = OUTPUT_INIT;
	_cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;
	struct stat st;

	enter_scratch();
	CHECK_EQ(output_open_directory(&o, "d//"), 0);
	a = written(&o, "x.pb.gz", "1");
	b = written(&o, "x.pb.gz", "2");
	c = written(&o, "x.pb.gz", "3");
	CHECK_STR(a, "d/x.pb.gz");
	CHECK_STR(b, "d/x~1.pb.gz");
	CHECK_STR(c, "d/x~2.pb.gz");
	check_file("d/x.pb.gz", "1");
	check_file("d/x~2.pb.gz", "3");
	CHECK_EQ(stat("d", &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0700);
	CHECK_EQ(stat("d/x.pb.gz", &st), 0);
	CHECK_EQ(st.st_mode & 0137, 0);
}

TEST(output_is_secret)
{
	_cleanup_(output_done) struct output o = OUTPUT_INIT;
	_cleanup_free_ char *path = NULL;
	struct stat st;

	enter_scratch();
	CHECK_EQ(close(creat("f", 0644)), 0);
	o.secret = true;
	CHECK_EQ(output_open_file(&o, "f"), 0);
	path = written(&o, "unused", "1");
	CHECK_EQ(stat("f", &st), 0);
	CHECK_EQ(st.st_mode & 07777, 0600);
}

TEST(output_file_replaces_once)
{
	_cleanup_(output_done) struct output o = OUTPUT_INIT;
	_cleanup_free_ char *a = NULL, *b = NULL;

	enter_scratch();
	CHECK_EQ(close(creat("f", 0600)), 0);
	CHECK_EQ(output_open_file(&o, "./f"), 0);
	a = written(&o, "unused", "1");
	b = written(&o, "unused", "2");
	CHECK_STR(a, "f");
	CHECK_STR(b, "f~1");
	check_file("f", "1");
	check_file("f~1", "2");
}

/* A device, a socket or a FIFO is never replaced, whenever it came. */
TEST(output_replaces_files_only)
{
	_cleanup_(output_done) struct output o = OUTPUT_INIT;
	_cleanup_free_ char *path = NULL;
	struct stat st;

	enter_scratch();
	CHECK_EQ(mkfifo("there", 0600), 0);
	CHECK_EQ(output_open_file(&o, "there"), -EINVAL);
	output_done(&o);
	CHECK_EQ(output_open_file(&o, "f"), 0);
	CHECK_EQ(mkfifo("f", 0600), 0);
	path = written(&o, "unused", "1");
	CHECK_STR(path, "f~1");
	check_file("f~1", "1");
	CHECK_EQ(lstat("f", &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
}

TEST(output_cannot)
{
	struct output o = OUTPUT_INIT;

	enter_scratch();
	CHECK_EQ(output_open_file(&o, "none/f"), -ENOENT);
	output_done(&o);
	CHECK_EQ(output_open_directory(&o, "none/d/"), -ENOENT);
	output_done(&o);
	CHECK_EQ(close(creat("f", 0600)), 0);
	CHECK_EQ(output_open_directory(&o, "f"), -ENOTDIR);
	output_done(&o);
	CHECK(output_is_directory("f/") && output_is_directory(".") && !output_is_directory("f"));
}

TEST(output_leaves_nothing)
{
	_cleanup_(output_done) struct output o = OUTPUT_INIT;

	enter_scratch();
	CHECK_EQ(output_open_directory(&o, "d"), 0);
	CHECK_EQ(access("d", F_OK), 0);
	output_done(&o);
	CHECK_EQ(access("d", F_OK), -1);
}

/* Who is told that it failed finds what was there, and nothing else. */
TEST(output_without_memory)
{
	_cleanup_(output_done) struct output o = OUTPUT_INIT;
	_cleanup_free_ char *path = NULL, *old = NULL;
	int n = 0, r;

	enter_scratch();
	CHECK_EQ(output_open_here(&o), 0);
	old = written(&o, "f", "old");
	output_done(&o);
	CHECK_EQ(output_open_file(&o, "f"), 0);
	for (;; n++) {
		fail_at(n);
		r = output_write(&o, "unused", "new", 3, &path);
		if (fail_over())
			break;
		CHECK_EQ(r, -ENOMEM);
		check_file("f", "old");
		CHECK(!path);
	}
	CHECK_EQ(r, 0);
	CHECK(n > 0);
	CHECK_STR(path, "f");
	check_file("f", "new");
}

/* More than one buffer of it, from the beginning wherever the file stands. */
TEST(output_copies)
{
	_cleanup_close_ int from = memfd_create("test", MFD_CLOEXEC);
	_cleanup_(output_done) struct output o = OUTPUT_INIT;
	_cleanup_free_ char *path = NULL, *b = NULL;
	const size_t sz = 600 << 10;
	struct stat st;

	enter_scratch();
	CHECK_EQ(output_open_here(&o), 0);
	CHECK_EQ(ftruncate(from, (off_t)sz), 0);
	CHECK_EQ(pwrite(from, "end", 4, (off_t)sz - 4), 4);
	CHECK_EQ(lseek(from, 17, SEEK_SET), 17);
	CHECK_EQ(output_copy(&o, "x", from, sz, &path), 0);
	CHECK_STR(path, "x");
	CHECK_EQ(stat("x", &st), 0);
	CHECK_EQ(st.st_size, sz);
	/* A file that is shorter than was said leaves nothing behind. */
	CHECK_EQ(output_copy(&o, "y", from, sz + 1, &b), -EIO);
	CHECK_EQ(access("y", F_OK), -1);
	CHECK_EQ(output_write(&o, "z", "z", 1, &b), 0);
	CHECK_STR(b, "z");
}

CHECK_MAIN
