/* SPDX-License-Identifier: Apache-2.0 */

/* elf-reads: the same bytes as by reading the file, whatever was read before; kept, and forgotten. */

#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/rng.h"
#include "elf-reads.h"

#define FILE_SZ 300000
#define READS 20000

static uint8_t bytes[FILE_SZ];

static int make_file(void)
{
	struct rng rng = { 1 };
	int fd = memfd_create("elf-reads", MFD_CLOEXEC);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rng_next(&rng);
	CHECK_EQ(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	return fd;
}

static ssize_t expected(uint64_t offset, size_t sz)
{
	return offset >= FILE_SZ ? 0 : (ssize_t)MIN(sz, (size_t)(FILE_SZ - offset));
}

TEST(any_read_has_the_files_bytes)
{
	struct elf_reads *reads = elf_reads_new();
	_cleanup_close_ int fd = make_file();
	struct rng rng = { 2 };
	uint8_t got[8192];

	elf_reads_keep(reads);
	for (int i = 0; i < READS; i++) {
		const uint64_t offset = rng_next(&rng) % (FILE_SZ + 5000);
		const size_t sz = rng_next(&rng) % (i % 2 ? sizeof(got) : 40);
		const ssize_t n = expected(offset, sz);

		CHECK_EQ(elf_reads_get(reads, fd, offset, got, sz), n);
		CHECK(n == 0 || memcmp(got, bytes + offset, (size_t)n) == 0);
	}
	elf_reads_free(reads);
}

TEST(what_was_read_is_kept_until_it_is_forgotten)
{
	struct elf_reads *reads = elf_reads_new();
	_cleanup_close_ int fd = make_file();
	const uint8_t other = (uint8_t)(bytes[8] + 1);
	uint8_t got;

	CHECK_EQ(elf_reads_get(reads, fd, 8, &got, 1), 1); /* nobody said that it should be kept */
	elf_reads_keep(reads);
	CHECK_EQ(elf_reads_get(reads, fd, 8, &got, 1), 1);
	CHECK_EQ(pwrite(fd, &other, 1, 8), 1);
	CHECK_EQ(elf_reads_get(reads, fd, 8, &got, 1), 1);
	CHECK_EQ(got, bytes[8]);
	elf_reads_rest(reads);
	CHECK_EQ(elf_reads_get(reads, fd, 8, &got, 1), 1);
	CHECK_EQ(got, other);
	elf_reads_free(reads);
}

TEST(a_read_that_failed_is_not_kept)
{
	struct elf_reads *reads = elf_reads_new();
	_cleanup_close_ int fd = make_file();
	uint8_t got;

	elf_reads_keep(reads);
	CHECK_EQ(elf_reads_get(reads, -1, 8, &got, 1), -EBADF);
	CHECK_EQ(elf_reads_get(reads, fd, 8, &got, 1), 1);
	CHECK_EQ(got, bytes[8]);
	elf_reads_free(reads);
}

CHECK_MAIN
