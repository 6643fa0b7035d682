/* SPDX-License-Identifier: Apache-2.0 */

/*
 * parcels — which processes of the window share a file.
 *
 * Mostly each has its own. A build host starts thousands a minute: those that began and ended within
 * the window share one file per executable, user, unit and container, unless they were asked for by
 * their pid: a file tells of one user, whoever is to read it. Those outside of our pid namespace have no
 * name of ours: all of them are in one file, without a pid.
 */

#include <string.h>

#include "cprof/base/str.h"
#include "writing.h"

#define EXE_SEED 0 /* ids of executables are the same in every recording */

/* A process on its way into a file; equal in all but the last field: the same file. */
struct member {
	uint32_t kind; /* enum session_profile_kind */
	uint32_t exe;
	uint32_t uid;
	uint32_t unit;	    /* string id */
	uint32_t container; /* string id */
	uint32_t alone;
	uint32_t process;
};

static uint64_t exe_id(const struct sampler *s, uint32_t exe)
{
	const struct object *o = objects_get(s->objects, exe);

	if (!o || exe < CPROF_OBJECT_FIRST)
		return 0;
	if (o->build_id_sz > 0)
		return hash_bytes(o->build_id, o->build_id_sz, EXE_SEED);
	return o->path ? hash_bytes(o->path, strlen(o->path), EXE_SEED) : 0;
}

static int intern_place(const struct sampler *s, const struct window_process *p,
			struct strtab *strings, struct member *m)
{
	char path[CGROUPS_PATH_SZ], unit[CGROUPS_UNIT_SZ], container[CGROUPS_CONTAINER_SZ];
	bool known = cgroups_path(s->cgroups, p->cgroup_hierarchy, p->cgroup, path) == 0;
	int r;

	if (!known || !cgroups_unit(path, unit))
		unit[0] = '\0';
	if (!known || !cgroups_container(path, container))
		container[0] = '\0';
	r = strtab_add(strings, unit, strlen(unit), &m->unit);
	return r < 0 ? r : strtab_add(strings, container, strlen(container), &m->container);
}

static bool was_asked_for(const struct writing *w, uint32_t pid)
{
	for (uint32_t i = 0; i < w->about.pids_cnt; i++) {
		if (w->about.pids[i] == (int32_t)pid)
			return true;
	}
	return false;
}

static int member_of(const struct writing *w, uint32_t process, struct strtab *strings,
		     struct member *ret)
{
	const struct window_process *p = &w->interval->window->processes.v[process];

	*ret = (struct member){ .kind = SESSION_PROFILE_PROCESS, .process = process };
	if (w->about.flags & REPLAY_MERGED || p->pid == 0) {
		ret->kind = SESSION_PROFILE_MERGED;
	} else if (p->brief && !was_asked_for(w, p->pid)) {
		ret->kind = SESSION_PROFILE_ENDED;
		ret->exe = p->exe;
		ret->uid = p->uid;
		return intern_place(w->interval->sampler, p, strings, ret);
	} else {
		ret->alone = process;
	}
	return 0;
}

static int compare_files(const struct member *a, const struct member *b)
{
	if (a->kind != b->kind)
		return CMP(a->kind, b->kind);
	if (a->exe != b->exe)
		return CMP(a->exe, b->exe);
	if (a->uid != b->uid)
		return CMP(a->uid, b->uid);
	if (a->unit != b->unit)
		return CMP(a->unit, b->unit);
	return a->container != b->container ? CMP(a->container, b->container)
					    : CMP(a->alone, b->alone);
}

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = compare_files(x, y);

	return r ? r : CMP(x->process, y->process);
}

static int list_members(const struct writing *w, struct member *members, size_t *ret_cnt)
{
	const struct window *window = w->interval->window;
	struct strtab strings;
	int r = strtab_init(&strings, window->seed);

	*ret_cnt = 0;
	for (uint32_t i = 0; r == 0 && i < window->processes.cnt; i++) {
		if (window->processes.v[i].samples > 0)
			r = member_of(w, i, &strings, &members[(*ret_cnt)++]);
	}
	strtab_done(&strings);
	return r;
}

static int add_parcels(struct writing *w, const struct member *members, size_t cnt)
{
	const struct sampler *s = w->interval->sampler;
	int r = vec_reserve(&w->processes, cnt);

	for (size_t i = 0; r == 0 && i < cnt; i++) {
		const struct member *m = &members[i];
		const struct parcel parcel = {
			.kind = m->kind,
			.exe_id = m->kind == SESSION_PROFILE_ENDED ? exe_id(s, m->exe) : 0,
			.at = (uint32_t)w->processes.cnt,
		};

		if (i == 0 || compare_files(&members[i - 1], m) != 0)
			r = vec_push(&w->parcels, parcel);
		if (r < 0)
			break;
		w->processes.v[w->processes.cnt++] = m->process;
		w->parcels.v[w->parcels.cnt - 1].cnt++;
	}
	return r;
}

int parcels_make(struct writing *w)
{
	size_t cnt = MAX(w->interval->window->processes.cnt, (size_t)1);
	_cleanup_free_ struct member *members = calloc(cnt, sizeof(*members));
	int r;

	if (!members)
		return -ENOMEM;
	r = list_members(w, members, &cnt);
	if (r < 0)
		return r;
	if (cnt > 0)
		qsort(members, cnt, sizeof(*members), compare_members);
	return add_parcels(w, members, cnt);
}
