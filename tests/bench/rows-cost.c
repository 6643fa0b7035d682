/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rows-cost — what it takes to make the unwinding rows of files: rows-cost FILE...
 *
 * Beside it, what it takes only to read the file and to add up its words: the least that any digest of it
 * costs. The best of three rounds each, for the machine is shared with others. `sha256sum` of the same
 * files is what a digest costs that nobody can aim at. (docs/adr/0030-rows-are-made-again.md)
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/elf_file.h"
#include "cprof/unwind_info.h"

#define ROUNDS 3

struct cost {
	double read_ms, rows_ms;
	size_t rows_bytes;
};

static double ms_since(uint64_t begun_ns)
{
	return (double)(clock_mono_ns() - begun_ns) / 1e6;
}

static uint64_t sum_words(int fd)
{
	static uint64_t words[8192];
	uint64_t sum = 0;
	ssize_t n;

	(void)lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, words, sizeof(words))) > 0) {
		for (size_t i = 0; i < (size_t)n / 8; i++)
			sum = sum * 31 + words[i];
	}
	return sum;
}

static int one_round(int fd, uint64_t sz, struct cost *ret)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	struct unwind_info info = { 0 };
	volatile uint64_t sum;
	uint64_t begun_ns;
	int r;

	begun_ns = clock_mono_ns();
	sum = sum_words(fd);
	(void)sum;
	ret->read_ms = ms_since(begun_ns);
	begun_ns = clock_mono_ns();
	r = elf_file_open(fcntl(fd, F_DUPFD_CLOEXEC, 0), sz, &f); /* which closes it */
	if (r < 0)
		return r;
	r = unwind_info_read(f, NULL, &info);
	ret->rows_ms = ms_since(begun_ns);
	ret->rows_bytes = info.sz;
	free(info.bytes);
	return r;
}

static int measure(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct cost best = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	for (int i = 0; i < ROUNDS; i++) {
		struct cost now = { 0 };
		int r = one_round(fd, (uint64_t)st.st_size, &now);

		if (r < 0)
			return r;
		if (i == 0 || now.rows_ms < best.rows_ms)
			best.rows_ms = now.rows_ms;
		if (i == 0 || now.read_ms < best.read_ms)
			best.read_ms = now.read_ms;
		best.rows_bytes = now.rows_bytes;
	}
	printf("%8.1f MB  read %7.2f ms  rows %7.2f ms, %8zu bytes  %s\n", (double)st.st_size / 1e6,
	       best.read_ms, best.rows_ms, best.rows_bytes, path);
	return best.rows_bytes > 0 ? 0 : -ENODATA;
}

int main(int argc, char **argv)
{
	const char *ours[] = { argv[0] };
	const char *const *paths = argc > 1 ? (const char *const *)argv + 1 : ours;
	int cnt = argc > 1 ? argc - 1 : 1, failed = 0;

	for (int i = 0; i < cnt; i++) {
		int r = measure(paths[i]);

		if (r < 0)
			(void)fprintf(stderr, "rows-cost: %s: %s\n", paths[i], strerror(-r));
		failed += r < 0;
	}
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
