/* SPDX-License-Identifier: Apache-2.0 */

/*
 * replay — runs a fuzzer's function over files and over all files of directories, once each: the
 * corpus as a plain test, and an input that was found as something to debug. No file at all is a
 * failure, for a test that looked at nothing has shown nothing.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "fuzz.h"

#define INPUT_MAX ((size_t)1 << 20)

static int replay_file(int dir_fd, const char *path)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *bytes = malloc(INPUT_MAX), *exact = NULL;
	size_t sz = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (!bytes)
		return -ENOMEM;
	while (sz < INPUT_MAX && (n = read(fd, bytes + sz, INPUT_MAX - sz)) != 0) {
		if (n < 0)
			return -errno;
		sz += (size_t)n;
	}
	/* No slack behind the input, as in libFuzzer. */
	exact = fuzz_copy(bytes, sz);
	(void)LLVMFuzzerTestOneInput(exact, sz);
	return 0;
}

static int replay_directory(const char *path, unsigned int *cnt)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		r = replay_file(dirfd(dir), e->d_name);
		if (r < 0)
			fprintf(stderr, "%s/%s: %s\n", path, e->d_name, strerror(-r));
		++*cnt;
	}
	closedir(dir);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int cnt = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		int r;

		if (stat(argv[i], &st) < 0)
			r = -errno;
		else if (S_ISDIR(st.st_mode))
			r = replay_directory(argv[i], &cnt);
		else
			r = replay_file(AT_FDCWD, argv[i]), cnt++;
		if (r < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
			return 1;
		}
	}
	printf("%u inputs\n", cnt);
	return cnt > 0 ? 0 : 1;
}
