/* SPDX-License-Identifier: Apache-2.0 */

/*
 * test-debug-file WHOLE STRIPPED DEBUG OTHER — a program whose unwinding information was taken out of it
 * (STRIPPED says the name of DEBUG) has with its debug file the rows that it had before (WHOLE), and no
 * other file is taken for that (OTHER is another program's).
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cprof/elf_file.h"
#include "cprof/rows.h"
#include "cprof/symtab.h"
#include "cprof/unwind_info.h"

static char **paths;

enum which { WHOLE, STRIPPED, DEBUG, OTHER };

static uint64_t size_of(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return (uint64_t)st.st_size;
}

/* A copy in memory, that can be changed. */
static int copy_of(enum which which)
{
	int from = open(paths[which], O_RDONLY | O_CLOEXEC), fd = memfd_create("copy", MFD_CLOEXEC);
	char buf[4096];
	ssize_t n;

	CHECK(from >= 0 && fd >= 0);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(fd, buf, (size_t)n), n);
	close(from);
	return fd;
}

static struct elf_file *open_fd(int fd, bool debug)
{
	struct elf_file *f = NULL;
	uint64_t sz = size_of(fd);

	CHECK_EQ(debug ? elf_file_open_debug(fd, sz, &f) : elf_file_open(fd, sz, &f), SYMTAB_OK);
	return f;
}

/* Changes the first bytes that are these; false: there are none. */
static bool spoil(int fd, const void *bytes, size_t sz)
{
	uint64_t all = size_of(fd);
	char *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *at;

	CHECK(p != MAP_FAILED);
	at = memmem(p, all, bytes, sz);
	if (at)
		at[0]++;
	CHECK_EQ(munmap(p, all), 0);
	return at;
}

/* The note of a build id has a type of its own; as another there is none. */
static const char note[] = "\x03\0\0\0GNU";

static int without_build_id(enum which which)
{
	int fd = copy_of(which);

	while (spoil(fd, note, sizeof(note)))
		continue;
	return fd;
}

static struct unwind_info rows_of(const struct elf_file *f, const struct elf_file *debug)
{
	struct unwind_info info;
	struct rows_view v;

	CHECK_EQ(unwind_info_read(f, debug, &info), UNWIND_INFO_OK);
	CHECK_EQ(rows_check(info.bytes, info.sz, &v), 0);
	return info;
}

TEST(a_file_has_its_rows_back)
{
	_cleanup_(elf_file_closep) struct elf_file *whole = open_fd(copy_of(WHOLE), false);
	_cleanup_(elf_file_closep) struct elf_file *stripped = open_fd(copy_of(STRIPPED), false);
	_cleanup_(elf_file_closep) struct elf_file *debug = open_fd(copy_of(DEBUG), true);
	struct unwind_info before = rows_of(whole, NULL), without = rows_of(stripped, NULL);
	struct unwind_info with = rows_of(stripped, debug);

	CHECK(!before.part);
	CHECK(without.part);
	CHECK(!with.part);
	CHECK(without.sz < before.sz);
	CHECK_EQ(with.sz, before.sz);
	CHECK(memcmp(with.bytes, before.bytes, before.sz) == 0);
	free(before.bytes);
	free(without.bytes);
	free(with.bytes);
}

TEST(build_ids_say_whose_it_is)
{
	_cleanup_(elf_file_closep) struct elf_file *stripped = open_fd(copy_of(STRIPPED), false);
	_cleanup_(elf_file_closep) struct elf_file *debug = open_fd(copy_of(DEBUG), true);
	_cleanup_(elf_file_closep) struct elf_file *other = open_fd(copy_of(OTHER), true);

	CHECK_EQ(elf_file_is_debug_of(debug, stripped), 1);
	CHECK_EQ(elf_file_is_debug_of(other, stripped), 0);
}

TEST(where_there_is_none_the_crc_does)
{
	_cleanup_(elf_file_closep) struct elf_file *bare =
		open_fd(without_build_id(STRIPPED), false);
	_cleanup_(elf_file_closep) struct elf_file *whole = open_fd(without_build_id(WHOLE), false);
	_cleanup_(elf_file_closep) struct elf_file *debug = open_fd(copy_of(DEBUG), true);
	_cleanup_(elf_file_closep) struct elf_file *other = open_fd(copy_of(OTHER), true);
	_cleanup_(elf_file_closep) struct elf_file *changed = NULL;
	char name[ELF_FILE_LINK_MAX + 1];
	uint32_t crc;
	int fd = copy_of(DEBUG);

	CHECK(elf_file_link(bare, name, &crc));
	CHECK_STR(name, strrchr(paths[DEBUG], '/') + 1);
	CHECK(!elf_file_link(whole, name, &crc));
	CHECK_EQ(elf_file_is_debug_of(debug, bare), 1);
	CHECK_EQ(elf_file_is_debug_of(other, bare), 0);
	CHECK_EQ(elf_file_is_debug_of(debug, whole), 0); /* it names none */
	CHECK_EQ(pwrite(fd, "x", 1, (off_t)size_of(fd) - 1), 1);
	changed = open_fd(fd, true);
	CHECK_EQ(elf_file_is_debug_of(changed, bare), 0);
}

TEST(names_that_lead_elsewhere_are_none)
{
	static const char *const bad[] = { "/rames-", ".rames-", "\0rames-" };
	char name[ELF_FILE_LINK_MAX + 1];
	uint32_t crc;

	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		_cleanup_(elf_file_closep) struct elf_file *f = NULL;
		int fd = copy_of(STRIPPED);
		uint64_t sz = size_of(fd);
		char *p = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		const char *want = strrchr(paths[DEBUG], '/') + 1;
		char *at;

		CHECK(p != MAP_FAILED);
		at = memmem(p, sz, want, strlen(want) + 1);
		CHECK(at);
		at[0] = bad[i][0];
		CHECK_EQ(munmap(p, sz), 0);
		f = open_fd(fd, false);
		CHECK(!elf_file_link(f, name, &crc));
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		check_skip("objcopy is missing");
	paths = argv + 1;
	for (int i = 0; i < check_tests_cnt; i++) {
		fprintf(stderr, "%s\n", check_tests[i].name);
		check_tests[i].fn();
	}
	return check_tests_cnt > 0 ? 0 : 1;
}
