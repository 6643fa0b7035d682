/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From root to one fixed uid with the few capabilities of a role, without libcap. They survive the
 * exec as ambient capabilities (the binaries carry none), the bounding set loses all others, which
 * is what holds root down where it has to stay root, and no_new_privs ends the matter.
 *
 * The uids are plain numbers: a session must work on a machine where no system user was ever made.
 * They lie outside all ranges that systemd or distributions hand out (systemd's uid-gid.md).
 *
 * Source: capabilities(7), "Transformation of capabilities during execve()".
 */

#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"

#define IDENTITY_WORDS _LINUX_CAPABILITY_U32S_3

static int identity_get_permitted(uint64_t *ret)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[IDENTITY_WORDS];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	*ret = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

static int identity_set_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[IDENTITY_WORDS];

	for (unsigned i = 0; i < IDENTITY_WORDS; i++) {
		data[i].effective = (uint32_t)(caps >> (32 * i));
		data[i].permitted = data[i].effective;
		data[i].inheritable = data[i].effective;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Needs CAP_SETPCAP, so it comes first. */
static int identity_bound(uint64_t caps)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		int r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (r < 0) /* past the kernel's last one */
			return 0;
		if (r == 0 || (caps & IDENTITY_CAP(cap)))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int identity_raise_ambient(uint64_t caps)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		if (!(caps & IDENTITY_CAP(cap)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

/* EINVAL: not mapped in our user namespace. EPERM of setgroups: denied in it. */
static int identity_set_ids(const struct role_identity *id)
{
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (setresgid(id->gid, id->gid, id->gid) < 0)
		return errno == EINVAL ? 0 : -errno;
	if (setresuid(id->uid, id->uid, id->uid) < 0)
		return errno == EINVAL ? 0 : -errno;
	return 0;
}

uint64_t identity_missing(uint64_t caps, char *names, size_t names_sz)
{
	static const struct {
		unsigned cap;
		const char *name;
	} known[] = {
		{ CAP_BPF, "CAP_BPF" },
		{ CAP_PERFMON, "CAP_PERFMON" },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE" },
		{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH" },
		{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE" },
		{ CAP_SYSLOG, "CAP_SYSLOG" },
		{ CAP_SETUID, "CAP_SETUID" },
		{ CAP_SETGID, "CAP_SETGID" },
		{ CAP_SETPCAP, "CAP_SETPCAP" },
		{ CAP_KILL, "CAP_KILL" },
	};
	uint64_t have = 0, missing;
	size_t len = 0;

	(void)identity_get_permitted(&have);
	missing = caps & ~have;
	names[0] = '\0';
	for (size_t i = 0; i < ELEMENTSOF(known); i++) {
		if (!(missing & IDENTITY_CAP(known[i].cap)) || len >= names_sz)
			continue;
		len += (size_t)snprintf(names + len, names_sz - len, "%s%s", len > 0 ? " " : "",
					known[i].name);
	}
	return missing;
}

int identity_limit(uint64_t caps)
{
	uint64_t have = 0;
	int r;

	r = identity_get_permitted(&have);
	if (r < 0)
		return r;
	r = identity_bound(caps & have);
	if (r < 0)
		return r;
	return identity_set_caps(caps & have);
}

int identity_take(const struct role_identity *id)
{
	uint64_t caps = 0;
	int r;

	r = identity_get_permitted(&caps);
	if (r < 0)
		return r;
	caps &= id->caps;

	r = identity_bound(caps);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	r = identity_set_ids(id);
	if (r < 0)
		return r;
	r = identity_set_caps(caps);
	if (r < 0)
		return r;
	r = identity_raise_ambient(caps);
	if (r < 0)
		return r;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
