/* SPDX-License-Identifier: Apache-2.0 */

/*
 * cgroups: units and containers of paths that real managers make and of hostile ones, paths built
 * upwards, what is forgotten and what is kept, the walk over a recorded tree.
 */

#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cprof/cgroups.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "pod8b0e6f7c-1d2a-4f9e-b1a0-c3d4e5f60718"

struct row {
	const char *path, *unit, *container; /* NULL: none */
};

static const struct row rows[] = {
	{ "/", NULL, NULL },
	{ "", NULL, NULL },
	{ "/init.scope", "init.scope", NULL },
	{ "/system.slice/nginx.service", "nginx.service", NULL },
	{ "/system.slice/nginx.service/sub/deep", "nginx.service", NULL },
	{ "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", NULL },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.scope",
	  "user@1000.service", NULL },
	{ "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", NULL },
	{ "/system.slice/docker-" ID ".scope", "docker-" ID ".scope", ID },
	{ "/docker/" ID, NULL, ID },
	{ "/docker/" ID "/init.scope", "init.scope", ID },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
	  "cri-containerd-" ID ".scope",
	  "cri-containerd-" ID ".scope", ID },
	{ "/kubepods.slice/kubepods-pod1_2.slice/crio-" ID ".scope", "crio-" ID ".scope", ID },
	{ "/kubepods/" POD "/crio-" ID, NULL, ID },
	{ "/kubepods.slice/crio-conmon-" ID ".scope", "crio-conmon-" ID ".scope", NULL },
	{ "/kubepods/burstable/" POD "/" ID, NULL, ID },
	{ "/kubepods/besteffort/" POD, NULL, NULL },
	{ "/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope", ID },
	{ "/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", NULL },
	{ "/libpod_parent/libpod-" ID, NULL, ID },
	{ "/lxc/web1", NULL, "web1" },
	{ "/lxc.payload.web1/system.slice/ssh.service", "ssh.service", "web1" },
	{ "/lxc.payload/web1", NULL, "web1" },
	{ "/lxc.monitor.web1", NULL, NULL },
	{ "/machine.slice/machine-deb\\x2d12.scope/payload", "machine-deb\\x2d12.scope", "deb-12" },
	{ "/machine.slice/systemd-nspawn@web.service/payload/system.slice/ssh.service",
	  "systemd-nspawn@web.service", "web" },
	/* the outermost counts: below it others make names */
	{ "/docker/" ID "/lxc/web1", NULL, ID },
	/* hostile or odd */
	{ "/.service", NULL, NULL },
	{ "/.scope/a.scope", "a.scope", NULL },
	{ "/a.service.slice", NULL, NULL },
	{ "/aservice", NULL, NULL },
	{ "a.service", "a.service", NULL },
	{ "//a.service//", "a.service", NULL },
	{ "/../b.service", "b.service", NULL },
	{ "/machine.slice/machine-.scope", "machine-.scope", NULL },
	{ "/machine.slice/machine-a\\x0a\\x2f\\x1b\\xzz\\x.scope",
	  "machine-a\\x0a\\x2f\\x1b\\xzz\\x.scope", "a\\x0a\\x2f\\x1b\\xzz\\x" },
	{ "/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", NULL, NULL },
	{ "/docker/" ID "0", NULL, NULL },
	{ "/docker-" ID, NULL, NULL },
	{ "/x/machine-a.scope", "machine-a.scope", NULL },
	{ "/lxc", NULL, NULL },
};

TEST(units_and_containers)
{
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		const struct row *row = &rows[i];
		char unit[CGROUPS_UNIT_SZ] = "", container[CGROUPS_CONTAINER_SZ] = "";

		CHECK_EQ(cgroups_unit(row->path, unit), row->unit != NULL);
		CHECK_STR(unit, row->unit ? row->unit : "");
		CHECK_EQ(cgroups_container(row->path, container), row->container != NULL);
		CHECK_STR(container, row->container ? row->container : "");
	}
}

TEST(is_unit)
{
	CHECK(cgroups_is_unit("/system.slice/a.service", "a.service"));
	CHECK(cgroups_is_unit("/system.slice", "system.slice"));
	CHECK(cgroups_is_unit("/a.slice/a-b.slice", "a-b.slice"));
	CHECK(!cgroups_is_unit("/system.slice/a.service/sub", "a.service"));
	CHECK(!cgroups_is_unit("/system.slice/a.service/sub", "sub"));
	CHECK(!cgroups_is_unit("/b.service/a.service", "a.service"));
	CHECK(!cgroups_is_unit("/system.slice", "a.service"));
	CHECK(!cgroups_is_unit("/docker", "docker"));
	CHECK(!cgroups_is_unit("/", ""));
	CHECK(!cgroups_is_unit("/.slice", ".slice"));
}

/* 255 bytes are a directory's longest name: a unit of that length is one, a longer text is none. */
TEST(longest_names)
{
	char path[1024] = "/", unit[CGROUPS_UNIT_SZ];

	memset(path + 1, 'a', 247);
	strcpy(path + 248, ".service");
	CHECK(cgroups_unit(path, unit));
	CHECK_EQ(strlen(unit), 255);
	memset(path + 1, 'a', 248);
	strcpy(path + 249, ".service");
	CHECK(!cgroups_unit(path, unit));
}

static int put(struct cgroups *t, uint64_t id, uint64_t parent, const char *name)
{
	const struct cgroups_group g = {
		.id = id,
		.parent = parent,
		.name = name,
		.name_len = strlen(name),
		.hierarchy = CPROF_HIERARCHY_DEFAULT,
	};

	return cgroups_put(t, &g);
}

static const char *path_of(const struct cgroups *t, uint64_t id)
{
	static char path[CGROUPS_PATH_SZ];
	int r = cgroups_path(t, CPROF_HIERARCHY_DEFAULT, id, path);

	return r == 0 ? path : r == -ENOENT ? "unknown" : "too long";
}

TEST(paths)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	char path[CGROUPS_PATH_SZ];

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_STR(path_of(t, 0), "/");
	CHECK_STR(path_of(t, 1), "unknown");
	CHECK_EQ(put(t, 10, 1, "system.slice"), 0);
	CHECK_EQ(put(t, 11, 10, "a.service"), 0);
	CHECK_STR(path_of(t, 11), "unknown"); /* does not reach a root */
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	CHECK_STR(path_of(t, 1), "/");
	CHECK_STR(path_of(t, 10), "/system.slice");
	CHECK_STR(path_of(t, 11), "/system.slice/a.service");
	CHECK_EQ(cgroups_path(t, CPROF_HIERARCHY_PIDS, 11, path), -ENOENT);
	CHECK_EQ(put(t, 11, 10, "b.service"), 0);
	CHECK_STR(path_of(t, 11), "/system.slice/b.service");
	CHECK_EQ(put(t, 10, 1, "other.slice"), 0);
	CHECK_STR(path_of(t, 11), "/other.slice/b.service");
	/* a mount that shows a part only */
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_PIDS, 5, "/docker/x"), 0);
	CHECK_EQ(cgroups_path(t, CPROF_HIERARCHY_PIDS, 5, path), 0);
	CHECK_STR(path, "/docker/x");
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_PIDS, 5, "docker"), -EINVAL);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_MAX, 5, "/"), -EINVAL);
}

TEST(bad_names)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "../x", "/" };
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		CHECK_EQ(put(t, 10, 1, bad[i]), -EINVAL);
	for (size_t len = 1; len < 5; len++) {
		const char nul[] = "..\0a";
		const struct cgroups_group g = { 10, 1, nul + (len & 1 ? 2 : 0), len & 1 ? 2 : len,
						 0 };

		CHECK_EQ(cgroups_put(t, &g), -EINVAL);
	}
	CHECK_EQ(put(t, 1, 10, "root"), -EINVAL);
	CHECK_STR(path_of(t, 10), "unknown");
	CHECK_EQ(put(t, 10, 1, "a\nb\033[31m\xff.service"), 0);
	CHECK_STR(path_of(t, 10), "/a\xef\xbf\xbd"
				  "b\xef\xbf\xbd[31m\xef\xbf\xbd.service");
}

/* Parents that lead in a circle, or too deep, or too long. */
TEST(bad_chains)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	char name[200];

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	CHECK_EQ(put(t, 10, 11, "a"), 0);
	CHECK_EQ(put(t, 11, 10, "b"), 0);
	CHECK_EQ(put(t, 12, 12, "c"), 0);
	CHECK_EQ(put(t, 13, 0, "d"), 0);
	CHECK_STR(path_of(t, 10), "unknown");
	CHECK_STR(path_of(t, 12), "unknown");
	CHECK_STR(path_of(t, 13), "unknown");
	for (uint64_t i = 0; i < CGROUPS_DEPTH_MAX; i++)
		CHECK_EQ(put(t, 100 + i, i ? 99 + i : 1, "x"), 0);
	CHECK_EQ(strlen(path_of(t, 100 + CGROUPS_DEPTH_MAX - 2)), 2 * (CGROUPS_DEPTH_MAX - 1));
	CHECK_STR(path_of(t, 100 + CGROUPS_DEPTH_MAX - 1), "unknown");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (uint64_t i = 0; i < 30; i++)
		CHECK_EQ(put(t, 200 + i, i ? 199 + i : 1, name), 0);
	CHECK_EQ(strlen(path_of(t, 200 + 19)), 4000);
	CHECK_STR(path_of(t, 200 + 20), "too long");
}

/* The latest removed ones are known, the old ones not; living ones always. */
TEST(removed_ones_are_kept_a_while)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	const uint64_t cnt = 5 * CGROUPS_REMOVED_KEPT, first = 1000;

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	CHECK_EQ(put(t, 10, 1, "lives.slice"), 0);
	CHECK_EQ(put(t, 11, 10, "again.service"), 0);
	cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, 11);
	CHECK_EQ(put(t, 11, 10, "again.service"), 0);
	cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, 1); /* a root is not removed */
	cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, 77);
	for (uint64_t i = 0; i < cnt; i++) {
		CHECK_EQ(put(t, first + i, 10, "short.service"), 0);
		cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, first + i);
		cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, first + i);
	}
	for (uint64_t i = cnt - CGROUPS_REMOVED_KEPT; i < cnt; i++)
		CHECK_STR(path_of(t, first + i), "/lives.slice/short.service");
	CHECK_STR(path_of(t, first), "unknown");
	CHECK_STR(path_of(t, first + 2 * CGROUPS_REMOVED_KEPT), "unknown");
	CHECK_STR(path_of(t, 11), "/lives.slice/again.service");
}

/* A smaller bound: what was kept is forgotten as others are removed. */
TEST(fewer_removed_ones_are_kept)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	const uint64_t kept = 5, cnt = 100, first = 1000;

	CHECK_EQ(cgroups_new(1, &t), 0);
	cgroups_keep_removed(t, kept);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	for (uint64_t i = 0; i < cnt; i++) {
		CHECK_EQ(put(t, first + i, 1, "short.service"), 0);
		cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, first + i);
		CHECK_STR(path_of(t, first + i), "/short.service");
	}
	for (uint64_t i = cnt - kept; i < cnt; i++)
		CHECK_STR(path_of(t, first + i), "/short.service");
	for (uint64_t i = 0; i < cnt - 2 * kept; i++)
		CHECK_STR(path_of(t, first + i), "unknown");
}

/* How many more groups the subtree of @top takes. */
static uint64_t fill(struct cgroups *t, uint64_t top, uint64_t *id)
{
	uint64_t cnt = 0;

	while (put(t, *id, top, "x") == 0) {
		++*id;
		cnt++;
	}
	return cnt;
}

/* Users 10 to 14 of one slice were given their subtrees, and system.slice starts services. */
TEST(a_subtree_leaves_room_to_others)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	uint64_t id = 1000, sum = 0;

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	CHECK_EQ(put(t, 2, 1, "user.slice"), 0);
	CHECK_EQ(put(t, 3, 1, "system.slice"), 0);
	for (uint64_t user = 10; user < 15; user++)
		CHECK_EQ(put(t, user, 2, "user-1.slice"), 0);
	CHECK_EQ(put(t, 20, 10, "user@1.service"), 0);
	sum = fill(t, 20, &id);
	CHECK(sum > CGROUPS_MAX / 2 - 100 && sum <= CGROUPS_MAX / 2);
	CHECK_EQ(put(t, id, 20, "x"), -ENOSPC);
	CHECK_EQ(put(t, id, id - 1, "x"), -ENOSPC); /* nor deeper */
	for (uint64_t user = 11; user < 15; user++)
		sum += fill(t, user, &id);
	CHECK(sum < CGROUPS_MAX / 4 * 3 + 5 * CGROUPS_FEW);
	for (uint64_t i = 0; i < 10000; i++)
		CHECK_EQ(put(t, 1000000 + i, 3, "a.service"), 0);
	CHECK_EQ(put(t, 2000000, 1000000, "sub"), 0);
	CHECK_STR(path_of(t, 2000000), "/system.slice/a.service/sub");
	for (uint64_t i = 1000; i < id; i++)
		cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, i);
	CHECK(fill(t, 20, &id) > 10000);
}

TEST(no_more_than_that)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	uint64_t i = 10;

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	CHECK_EQ(fill(t, 1, &i), CGROUPS_MAX - 1);
	CHECK_EQ(put(t, i, 1, "x"), -ENOSPC);
	cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, 10);
	CHECK_EQ(put(t, i, 1, "x"), 0);
}

/* One who makes and removes groups without end is the one whose groups are forgotten. */
TEST(a_flood_does_not_push_out_others)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	CHECK_EQ(put(t, 2, 1, "user.slice"), 0);
	CHECK_EQ(put(t, 3, 1, "system.slice"), 0);
	CHECK_EQ(put(t, 10, 2, "user-1.slice"), 0);
	for (uint64_t i = 0; i < 500; i++) {
		CHECK_EQ(put(t, 100 + i, 3, "short.service"), 0);
		cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, 100 + i);
	}
	for (uint64_t i = 0; i < 5 * CGROUPS_REMOVED_KEPT; i++) {
		CHECK_EQ(put(t, 1000 + i, 10, "x"), 0);
		cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, 1000 + i);
	}
	for (uint64_t i = 0; i < 500; i++)
		CHECK_STR(path_of(t, 100 + i), "/system.slice/short.service");
	CHECK_STR(path_of(t, 1000), "unknown");
	CHECK_STR(path_of(t, 1000 + 5 * CGROUPS_REMOVED_KEPT - 1), "/user.slice/user-1.slice/x");
}

static int count_groups(uint8_t hierarchy, uint64_t id, void *ctx)
{
	uint64_t *sum = ctx;

	*sum += id + (uint64_t)hierarchy * 1000;
	return 0;
}

TEST(find_unit)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	uint64_t sum = 0;

	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_DEFAULT, 1, "/"), 0);
	CHECK_EQ(cgroups_put_root(t, CPROF_HIERARCHY_PIDS, 1, "/"), 0);
	CHECK_EQ(put(t, 10, 1, "a.service"), 0);
	CHECK_EQ(put(t, 20, 10, "sub"), 0);
	CHECK_EQ(put(t, 30, 10, "a.service"), 0);  /* below itself */
	CHECK_EQ(put(t, 40, 999, "a.service"), 0); /* leads nowhere */
	CHECK_EQ(put(t, 50, 1, "a.service"), 0);
	cgroups_remove(t, CPROF_HIERARCHY_DEFAULT, 50);
	CHECK_EQ(cgroups_put(
			 t, &(struct cgroups_group){ 60, 1, "a.service", 9, CPROF_HIERARCHY_PIDS }),
		 0);
	CHECK_EQ(cgroups_find_unit(t, "a.service", count_groups, &sum), 0);
	CHECK_EQ(sum, 10 + 60 + 1000 * CPROF_HIERARCHY_PIDS);
	sum = 0;
	CHECK_EQ(cgroups_find_unit(t, "b.service", count_groups, &sum), 0);
	CHECK_EQ(sum, 0);
}

/* %1$s is the device of the tree. */
#define MOUNTS                                                                 \
	"22 1 0:20 / /proc rw - proc proc rw\n"                                \
	"nonsense\n"                                                           \
	"28 1 %1$s / /cg/hidden rw - cgroup2 cgroup2 rw\n"                     \
	"29 1 0:9999 / /cg/covered rw - cgroup2 cgroup2 rw\n"                  \
	"30 1 %1$s /part /cg/other rw - cgroup2 cgroup2 rw\n"                  \
	"31 1 %1$s / /cg/v2\\040x rw,relatime shared:4 - cgroup2 cgroup2 rw\n" \
	"32 1 %1$s / /cg/cpuset rw - cgroup cgroup rw,cpuset,cpuacct\n"        \
	"33 1 %1$s /../.. /cg/mem rw - cgroup none rw,xattr,memory,cpu\n"      \
	"34 1 %1$s / /cg/gone rw - cgroup cgroup rw,pids\n"

static void write_mounts(int dir)
{
	_cleanup_close_ int fd = -EBADF;
	char device[32];
	struct stat st;

	CHECK_EQ(fstat(dir, &st), 0);
	(void)snprintf(device, sizeof(device), "%u:%u", major(st.st_dev), minor(st.st_dev));
	fd = openat(dir, "proc/self/mountinfo", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(dprintf(fd, MOUNTS, device) > 0);
}

static void make_tree(int dir)
{
	static const char *const dirs[] = {
		"proc",		  "proc/self",	      "cg",
		"cg/v2 x",	  "cg/v2 x/a.slice",  "cg/v2 x/a.slice/b.service",
		"cg/covered",	  "cg/covered/wrong", "cg/other",
		"cg/other/wrong", "cg/cpuset",	      "cg/cpuset/x",
		"cg/mem",	  "cg/mem/docker",    ("cg/mem/docker/" ID)
	};

	for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
		CHECK_EQ(mkdirat(dir, dirs[i], 0700), 0);
	write_mounts(dir);
}

static const char *scanned(const struct cgroups *t, int dir, const char *path, uint8_t hierarchy)
{
	static char found[CGROUPS_PATH_SZ];
	struct stat st;

	CHECK_EQ(fstatat(dir, path, &st, 0), 0);
	return cgroups_path(t, hierarchy, st.st_ino, found) == 0 ? found : "unknown";
}

TEST(walk_of_a_tree)
{
	_cleanup_(cgroups_freep) struct cgroups *t = NULL;
	char dir[] = "/tmp/test-cgroups-XXXXXX";
	struct root root = ROOT_INIT;

	CHECK(mkdtemp(dir));
	CHECK_EQ(root_open(&root, dir), 0);
	CHECK_EQ(cgroups_new(1, &t), 0);
	CHECK_EQ(cgroups_scan(t, &root), -ENOENT); /* no /proc */
	make_tree(root.fd);
	CHECK_EQ(cgroups_scan(t, &root), 0);
	CHECK_STR(scanned(t, root.fd, "cg/v2 x", CPROF_HIERARCHY_DEFAULT), "/");
	CHECK_STR(scanned(t, root.fd, "cg/v2 x/a.slice/b.service", CPROF_HIERARCHY_DEFAULT),
		  "/a.slice/b.service");
	CHECK_STR(scanned(t, root.fd, "cg/other/wrong", CPROF_HIERARCHY_DEFAULT), "unknown");
	CHECK_STR(scanned(t, root.fd, "cg/covered/wrong", CPROF_HIERARCHY_DEFAULT), "unknown");
	CHECK_STR(scanned(t, root.fd, "cg/mem/docker/" ID, CPROF_HIERARCHY_MEMORY), "/docker/" ID);
	for (uint8_t h = 0; h < CPROF_HIERARCHY_MAX; h++)
		CHECK_STR(scanned(t, root.fd, "cg/cpuset/x", h), "unknown");
	root_done(&root);
	CHECK_EQ(execlp("rm", "rm", "-r", dir, NULL), 0);
}

CHECK_MAIN
