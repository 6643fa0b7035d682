/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The walk at the start: what was there before the kernel's events told of it. Directories come and go
 * under it; the events, which are switched on before, tell of those.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cprof/base/fd.h"
#include "cprof/cgroups.h"
#include "mounts.h"

struct scan {
	struct cgroups *table;
	uint8_t hierarchy;
};

/* What lies below the directory, which is taken over. */
static int scan_below(const struct scan *s, int dir_fd, uint64_t parent, int depth)
{
	_cleanup_closedir_ DIR *dir = fd_opendir(dir_fd);
	const struct dirent *e;
	int r = 0;

	if (!dir)
		return errno == ENOMEM ? -ENOMEM : 0;
	while (r != -ENOMEM && (e = readdir(dir))) {
		const struct cgroups_group g = {
			.id = e->d_ino,
			.parent = parent,
			.name = e->d_name,
			.name_len = strlen(e->d_name),
			.hierarchy = s->hierarchy,
		};
		int below;

		if (e->d_type != DT_DIR)
			continue;
		r = cgroups_put(s->table, &g);
		if (r < 0 || depth == CGROUPS_DEPTH_MAX)
			continue; /* "." and "..", or no room */
		below = openat(dirfd(dir), e->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			r = scan_below(s, below, g.id, depth + 1);
	}
	return r == -ENOMEM ? r : 0;
}

static int scan_mount(struct cgroups *t, const struct root *root, const struct cgroup_mount *m)
{
	const struct scan s = { .table = t, .hierarchy = m->hierarchy };
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	int r;

	fd = root_open_file(root, m->point[1] ? m->point + 1 : ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0; /* mounted over, or not for us */
	/* A mount from above our namespace: what it is called there is not known here. */
	r = cgroups_put_root(t, m->hierarchy, st.st_ino,
			     strncmp(m->root, "/..", 3) == 0 ? "/" : m->root);
	return r < 0 ? r : scan_below(&s, TAKE_FD(fd), st.st_ino, 1);
}

/* Of several mounts of a hierarchy the one that shows all of it, else the first. */
static int read_mounts(FILE *f, struct cgroup_mount *mounts, bool *found)
{
	_cleanup_free_ struct cgroup_mount *m = malloc(sizeof(*m));
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;

	if (!m)
		return -ENOMEM;
	while (getline(&line, &cap, f) > 0) {
		if (!cgroup_mount_parse(line, m))
			continue;
		if (found[m->hierarchy] &&
		    (strcmp(mounts[m->hierarchy].root, "/") == 0 || strcmp(m->root, "/") != 0))
			continue;
		mounts[m->hierarchy] = *m;
		found[m->hierarchy] = true;
	}
	return ferror(f) ? -EIO : 0;
}

int cgroups_scan(struct cgroups *t, const struct root *root)
{
	_cleanup_free_ struct cgroup_mount *mounts = calloc(CPROF_HIERARCHY_MAX, sizeof(*mounts));
	_cleanup_fclose_ FILE *f = NULL;
	bool found[CPROF_HIERARCHY_MAX] = { false };
	int fd, r;

	if (!mounts)
		return -ENOMEM;
	fd = root_open_file(root, "proc/self/mountinfo", O_RDONLY);
	if (fd < 0)
		return fd;
	f = fdopen(fd, "r");
	if (!f) {
		(void)fd_close(fd);
		return -ENOMEM;
	}
	r = read_mounts(f, mounts, found);
	for (int h = 0; h < CPROF_HIERARCHY_MAX && r != -ENOMEM; h++) {
		if (found[h])
			r = scan_mount(t, root, &mounts[h]);
	}
	return r == -ENOMEM ? r : 0;
}
