/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of roles: design 2 in numbers. Each role has a uid of its own, so that a broken one can
 * neither signal nor trace its neighbours.
 */

#include "roles.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"

const struct role_spec role_specs[ROLES_CNT] = {
	{
		.number = WIRE_ROLE_SAMPLER,
		.name = "sampler",
		.program = "cprofd-sampler",
		.identity = { .uid = 61180,
			      .gid = 61180,
			      .caps = IDENTITY_CAP(CAP_BPF) | IDENTITY_CAP(CAP_PERFMON),
			      .first = true },
	},
	{
		.number = WIRE_ROLE_OPENER,
		.name = "opener",
		.program = "cprofd-opener",
		.identity = { .uid = 61181,
			      .gid = 61181,
			      .caps = IDENTITY_CAP(CAP_SYS_PTRACE) |
				      IDENTITY_CAP(CAP_DAC_READ_SEARCH) |
				      IDENTITY_CAP(CAP_CHECKPOINT_RESTORE) },
	},
	{
		.number = WIRE_ROLE_SYMBOLIZER,
		.name = "symbolizer",
		.program = "cprofd-symbolizer",
		.identity = { .uid = 61182, .gid = 61182 },
	},
	{
		.number = WIRE_ROLE_FRONT,
		.name = "front",
		.program = "cprofd-front",
		.identity = { .uid = 61183, .gid = 61183 },
		.daemon_only = true,
	},
};

/*
 * Debian's and other hardened kernels know kernel.perf_event_paranoid=3 (Debian's default): there
 * perf_event_open() asks for CAP_SYS_ADMIN, and CAP_PERFMON is not enough.
 */
static bool roles_perf_takes_admin(void)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strtol(text, NULL, 10) > 2;
}

struct role_identity roles_identity(const struct role_spec *spec)
{
	struct role_identity id = spec->identity;

	if (spec->number == WIRE_ROLE_SAMPLER && roles_perf_takes_admin())
		id.caps |= IDENTITY_CAP(CAP_SYS_ADMIN);
	return id;
}

uint64_t roles_launcher_caps(void)
{
	uint64_t caps = IDENTITY_CAP(CAP_KILL) | IDENTITY_CAP(CAP_SETUID) |
			IDENTITY_CAP(CAP_SETGID) | IDENTITY_CAP(CAP_SETPCAP) |
			IDENTITY_CAP(CAP_SYSLOG); /* the addresses in /proc/kallsyms */

	for (int i = 0; i < ROLES_CNT; i++)
		caps |= roles_identity(&role_specs[i]).caps;
	return caps;
}

int roles_by_name(const char *name, size_t len)
{
	for (int i = 0; i < ROLES_CNT; i++)
		if (strlen(role_specs[i].name) == len && memcmp(role_specs[i].name, name, len) == 0)
			return i;
	return -ENOENT;
}

static int roles_open_file(const char *path)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return TAKE_FD(fd);
}

/* The directory of our own executable; "" when it cannot be told. */
static void roles_own_directory(char dir[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", dir, PATH_MAX - 1);
	char *slash;

	dir[MAX(n, 0)] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
}

int roles_open_program(const struct role_spec *spec, const char *path)
{
	char dir[PATH_MAX], beside[PATH_MAX + 64], built[PATH_MAX + 64], moved[PATH_MAX + 64],
		installed[PATH_MAX];
	const char *places[] = { beside, built, moved, installed };

	if (path)
		return roles_open_file(path);

	roles_own_directory(dir);
	(void)snprintf(beside, sizeof(beside), "%s/%s", dir, spec->program);
	(void)snprintf(built, sizeof(built), "%s/../%s/%s", dir, spec->name, spec->program);
	(void)snprintf(moved, sizeof(moved), "%s/../libexec/cprofd/%s", dir, spec->program);
	(void)snprintf(installed, sizeof(installed), CPROF_LIBEXECDIR "/%s", spec->program);
	for (size_t i = 0; i < ELEMENTSOF(places); i++) {
		int fd = roles_open_file(places[i]);

		if (fd != -ENOENT && fd != -ENOTDIR)
			return fd;
	}
	return -ENOENT;
}
