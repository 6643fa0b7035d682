/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A machine where the package made system users shows their names in ps and ls; one where it did not
 * (a build tree) works the same with the numbers of the table. The users are looked for in
 * /etc/passwd alone, where sysusers puts them: asking the name services would load their modules
 * into the one process that has every right. The group is the administrator's own choice and may
 * come from anywhere, so for that, and if /etc/group has it not, they are asked.
 */

#include "users.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/log.h"

static void users_close(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

static void users_find_roles(struct users *u)
{
	_cleanup_(users_close) FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	while (f && (pw = fgetpwent(f))) {
		for (int i = 0; i < ROLES_CNT; i++) {
			if (strcmp(pw->pw_name, role_specs[i].program) != 0)
				continue;
			if (pw->pw_uid == 0 || pw->pw_gid == 0)
				continue; /* a role that is root is none */
			u->roles[i].uid = pw->pw_uid;
			u->roles[i].gid = pw->pw_gid;
		}
	}
}

static gid_t users_find_group(const char *name)
{
	_cleanup_(users_close) FILE *f = fopen("/etc/group", "re");
	const struct group *gr;

	while (f && (gr = fgetgrent(f)))
		if (strcmp(gr->gr_name, name) == 0)
			return gr->gr_gid;
	gr = getgrnam(name);
	return gr ? gr->gr_gid : USERS_NOBODY;
}

/*
 * What the sampler writes is of its group, and the front reads it as that group's member. Were the group
 * the directory's alone, by its set-group-ID bit, no service manager could forbid us such bits.
 */
static void users_share_group(struct users *u)
{
	const int sampler = roles_by_name("sampler", strlen("sampler"));
	const int front = roles_by_name("front", strlen("front"));

	if (u->control != USERS_NOBODY)
		u->roles[front].gid = u->control;
	u->roles[sampler].gid = u->roles[front].gid;
}

void users_find(const char *group, struct users *ret)
{
	for (int i = 0; i < ROLES_CNT; i++) {
		ret->roles[i].uid = role_specs[i].identity.uid;
		ret->roles[i].gid = role_specs[i].identity.gid;
	}
	users_find_roles(ret);
	ret->control = *group ? users_find_group(group) : USERS_NOBODY;
	if (*group && ret->control == USERS_NOBODY)
		log_info("Group=%s: there is no such group; only root sees other users' processes",
			 group);
	users_share_group(ret);
}
