/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* identity: the user and the capabilities that a role runs with. */

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct role_identity {
	uid_t uid;
	gid_t gid;
	uint64_t caps; /* a bit per CAP_* */
	bool first;    /* keeps the precedence that the service has (Nice=), if it has any */
};

#define IDENTITY_CAP(cap) (UINT64_C(1) << (cap))

/*
 * Turns the calling process, which is about to exec, into @id: for good, over exec as well. Where
 * the uid is not mapped (a user namespace) it stays root without any other capability. Capabilities
 * that we do not have ourselves are left out. 0 or -errno.
 */
int identity_take(const struct role_identity *id);

/*
 * Those of @caps that we do not have ourselves, with their names in @names ("CAP_BPF CAP_KILL"). All of
 * them when we cannot tell.
 */
uint64_t identity_missing(uint64_t caps, char *names, size_t names_sz);

/* Keeps of our own capabilities these alone, over exec as well. 0 or -errno. */
int identity_limit(uint64_t caps);
