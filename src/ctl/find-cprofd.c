/* SPDX-License-Identifier: Apache-2.0 */

/* Where cprofd may be, nearest first. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "find-cprofd.h"

static const char *const cprofd_places[] = {
	"cprofd", "../sbin/cprofd", "../../daemon/launcher/cprofd" /* the build tree */
};

static int cprofd_try(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return -ENOENT;
	return 0;
}

int find_cprofd_beside(const char *self, const char *last, char ret_path[static PATH_MAX])
{
	const char *slash = strrchr(self, '/');
	int dir_len = slash ? (int)(slash - self) : 0;

	for (size_t i = 0; slash && i < ELEMENTSOF(cprofd_places); i++) {
		int n = snprintf(ret_path, PATH_MAX, "%.*s/%s", dir_len, self, cprofd_places[i]);

		if (n < PATH_MAX && cprofd_try(ret_path) == 0)
			return 0;
	}
	if (snprintf(ret_path, PATH_MAX, "%s", last) >= PATH_MAX)
		return -ENOENT;
	return cprofd_try(ret_path);
}

int find_cprofd(char ret_path[static PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = 0;
	return find_cprofd_beside(self, "/usr/sbin/cprofd", ret_path);
}
