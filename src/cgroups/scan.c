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

/* The mount through which a hierarchy is walked. */
struct chosen {
	int fd; /* negative: none yet */
	bool whole;
	char root[PATH_MAX];
};

static struct chosen *chosen_free(struct chosen *c)
{
	for (int h = 0; c && h < CPROF_HIERARCHY_MAX; h++)
		(void)fd_close(c[h].fd);
	free(c);
	return NULL;
}

DEFINE_CLEANUP(struct chosen *, chosen_free);

static struct chosen *chosen_new(void)
{
	struct chosen *c = calloc(CPROF_HIERARCHY_MAX, sizeof(*c));

	for (int h = 0; c && h < CPROF_HIERARCHY_MAX; h++)
		c[h].fd = -EBADF;
	return c;
}

/*
 * A mount may be covered by another: below /tmp by a service's own, say, where a tree for chroot(2) has
 * the hierarchy, too. What is found at its path lies in another file system then, or nowhere.
 */
static int open_mount(const struct root *root, const struct cgroup_mount *m)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = root_open_file(root, m->point[1] ? m->point + 1 : ".", O_RDONLY | O_DIRECTORY);
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == m->dev ? TAKE_FD(fd) : -ENOENT;
}

/* Of several that can be seen the one that shows all of the hierarchy, else the first. */
static void choose(struct chosen *c, const struct root *root, const struct cgroup_mount *m)
{
	bool whole = strcmp(m->root, "/") == 0;
	int fd;

	if (c->fd >= 0 && (c->whole || !whole))
		return;
	fd = open_mount(root, m);
	if (fd < 0)
		return;
	(void)fd_close(c->fd);
	c->fd = fd;
	c->whole = whole;
	memcpy(c->root, m->root, sizeof(c->root));
}

static int choose_mounts(FILE *f, const struct root *root, struct chosen *chosen)
{
	_cleanup_free_ struct cgroup_mount *m = malloc(sizeof(*m));
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;

	if (!m)
		return -ENOMEM;
	while (getline(&line, &cap, f) > 0) {
		if (cgroup_mount_parse(line, m))
			choose(&chosen[m->hierarchy], root, m);
	}
	return ferror(f) ? -EIO : 0;
}

static int scan_mount(struct cgroups *t, uint8_t hierarchy, struct chosen *c)
{
	const struct scan s = { .table = t, .hierarchy = hierarchy };
	struct stat st;
	int r;

	if (fstat(c->fd, &st) < 0)
		return 0; /* none was found */
	/* A mount from above our namespace: what it is called there is not known here. */
	r = cgroups_put_root(t, hierarchy, st.st_ino,
			     strncmp(c->root, "/..", 3) == 0 ? "/" : c->root);
	return r < 0 ? r : scan_below(&s, TAKE_FD(c->fd), st.st_ino, 1);
}

int cgroups_scan(struct cgroups *t, const struct root *root)
{
	_cleanup_(chosen_freep) struct chosen *chosen = chosen_new();
	_cleanup_fclose_ FILE *f = NULL;
	int fd, r;

	if (!chosen)
		return -ENOMEM;
	fd = root_open_file(root, "proc/self/mountinfo", O_RDONLY);
	if (fd < 0)
		return fd;
	f = fdopen(fd, "r");
	if (!f) {
		(void)fd_close(fd);
		return -ENOMEM;
	}
	r = choose_mounts(f, root, chosen);
	for (uint8_t h = 0; h < CPROF_HIERARCHY_MAX && r != -ENOMEM; h++)
		r = scan_mount(t, h, &chosen[h]);
	return r == -ENOMEM ? r : 0;
}
