/* SPDX-License-Identifier: Apache-2.0 */

/*
 * processes — the generations of processes in a window: (pid, start, exec). Each is found by its key;
 * those of one process lie together in the index, for an exit is told for all of them.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/str.h"
#include "cprof/fold.h"

struct process_key {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t exec;
};

/* Without the pid, which an exit may not know; start times hardly ever collide. */
static uint64_t process_hash(const struct process_key *k, uint64_t seed)
{
	return hash_bytes(&k->start_ns, sizeof(k->start_ns), seed);
}

static bool process_eq(uint32_t value, const void *key, const void *ctx)
{
	const struct window *w = ctx;
	const struct window_process *p = &w->processes.v[value];
	const struct process_key *k = key;

	return p->pid == k->pid && p->start_ns == k->start_ns && p->exec == k->exec;
}

static struct window_process process_of(const struct cprof_sample *s, uint32_t exe)
{
	return (struct window_process){
		.start_ns = s->start_ns,
		.cgroup = s->cgroup,
		.pid = s->pid,
		.inner_pid = s->inner_pid,
		.exec = s->exec,
		.uid = s->uid,
		.euid = s->euid,
		.cred = s->cred,
		.exe = exe,
		.cgroup_hierarchy = s->cgroup_hierarchy,
		.cpu_true_ns = UINT64_MAX,
		.first_sample = WINDOW_NONE,
		.last_sample = WINDOW_NONE,
	};
}

static uint32_t process_join_cred(const struct window_process *p, const struct cprof_sample *s)
{
	const struct record_owner sofar = { .uid = p->uid, .euid = p->euid, .cred = p->cred };
	struct record_owner more = { .uid = s->uid, .euid = s->euid, .cred = s->cred };

	/* At its very end it has no memory any more, which could be dumpable or not. */
	if (s->user_end == CPROF_END_NONE)
		more.cred = (more.cred & ~CPROF_CRED_DUMPABLE) | (p->cred & CPROF_CRED_DUMPABLE);
	return record_join_cred(&sofar, &more);
}

/* A name given by prctl(2) or to /proc/PID/comm comes without an exec: the latest one counts. */
static void process_set_comm(struct window_process *p, const struct cprof_sample *s)
{
	char comm[sizeof(p->comm)];
	size_t len;

	/* In an exec the name is the next program's already, and the exec still counts as this one's. */
	if (s->user_end == CPROF_END_EXEC && p->comm[0])
		return;
	len = str_clean(comm, sizeof(comm), s->process_comm, sizeof(s->process_comm), NULL);
	if (len > 0)
		memcpy(p->comm, comm, len + 1);
}

int fold_process(struct window *w, const struct record *rec, uint32_t exe, uint32_t *ret_process)
{
	const struct cprof_sample *s = rec->sample.head;
	const struct process_key key = { .start_ns = s->start_ns, .pid = s->pid, .exec = s->exec };
	const uint64_t hash = process_hash(&key, w->seed);
	struct window_process *p;
	uint32_t id;
	int r;

	assert(rec->type == CPROF_RECORD_SAMPLE);

	if (!map_find(&w->process_map, hash, &key, process_eq, w, &id)) {
		id = (uint32_t)w->processes.cnt;
		r = vec_reserve(&w->processes, 1);
		if (r < 0)
			return r;
		r = map_add(&w->process_map, hash, id);
		if (r < 0)
			return r;
		w->processes.v[w->processes.cnt++] = process_of(s, exe);
	}
	p = &w->processes.v[id];
	/* This guards who may see it: the strictest of its samples counts. */
	p->cred = process_join_cred(p, s);
	if (p->exe == CPROF_OBJECT_NONE)
		p->exe = exe; /* the first sample may be of its very end or beginning */
	/* A new process is moved into its group by whoever made it: the latest one counts. */
	p->cgroup = s->cgroup;
	p->cgroup_hierarchy = s->cgroup_hierarchy;
	process_set_comm(p, s);
	*ret_process = id;
	return 0;
}

/* The generations of one process have the same hash: a visit is a search that is never content. */
struct visit {
	struct process_key key;
	struct window *window;
	uint64_t cpu_ns;
};

static bool visit_exit(uint32_t value, const void *key, const void *ctx)
{
	const struct visit *v = key;
	struct window_process *p = &v->window->processes.v[value];

	/* pid 0 is not known: the start alone has to do, which hardly ever two have in common. */
	if (p->start_ns != v->key.start_ns || (v->key.pid != 0 && v->key.pid != p->pid))
		return false;
	p->ended = true;
	if (p->exec == v->key.exec)
		p->cpu_true_ns = v->cpu_ns;
	return false;
}

void fold_exit(struct window *w, const struct cprof_exit *e)
{
	const struct visit v = {
		.key = { .start_ns = e->start_ns, .pid = e->pid, .exec = e->exec },
		.window = w,
		.cpu_ns = e->cpu_ns,
	};
	uint32_t none;

	(void)map_find(&w->process_map, process_hash(&v.key, w->seed), &v, visit_exit, w, &none);
}

struct generation {
	struct process_key key;
	uint32_t process;
};

static int compare_generations(const void *a, const void *b)
{
	const struct process_key *x = &((const struct generation *)a)->key;
	const struct process_key *y = &((const struct generation *)b)->key;

	if (x->start_ns != y->start_ns)
		return CMP(x->start_ns, y->start_ns);
	return x->pid != y->pid ? CMP(x->pid, y->pid) : CMP(x->exec, y->exec);
}

static bool is_same_process(const struct generation *a, const struct generation *b)
{
	return a->key.start_ns == b->key.start_ns && a->key.pid == b->key.pid;
}

/* Without memory nobody is brief: more files, nothing lost. */
void fold_settle(struct window *w)
{
	size_t cnt = w->processes.cnt;
	_cleanup_free_ struct generation *g = calloc(MAX(cnt, (size_t)1), sizeof(*g));

	if (!g)
		return;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct window_process *p = &w->processes.v[i];

		g[i].key = (struct process_key){ p->start_ns, p->pid, p->exec };
		g[i].process = i;
	}
	qsort(g, cnt, sizeof(*g), compare_generations);
	for (size_t i = 0; i < cnt; i++) {
		struct window_process *p = &w->processes.v[g[i].process];
		bool began = p->start_ns >= w->from_boot_ns;

		began = began || (i > 0 && is_same_process(&g[i - 1], &g[i]));
		if (i + 1 < cnt && is_same_process(&g[i], &g[i + 1]))
			p->ended = true;
		p->brief = began && p->ended;
	}
}
