/* SPDX-License-Identifier: Apache-2.0 */

/*
 * collect — the object itself: its life, the rings, filters and counters.
 *
 * Samples are fetched on time (a wake-up per sample costs more than the sample), and a reader is woken
 * when the ring fills meanwhile; events wake theirs through collect_event_fd(). libbpf is silent: what matters is said by load.c and cpus.c.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "collect-internal.h"

static void note_cpu(struct collect *c, const void *data, size_t sz)
{
	const struct cprof_sample *s = data;

	if (sz >= sizeof(*s) && s->head.type == CPROF_RECORD_SAMPLE && s->cpu < c->cpus_cnt)
		c->cpus[s->cpu].sampled = true;
}

static int on_sample(void *ctx, void *data, size_t sz)
{
	struct collect *c = ctx;

	note_cpu(c, data, sz);
	return c->opts.on_sample(data, sz, c->opts.ctx);
}

static int on_event(void *ctx, void *data, size_t sz)
{
	struct collect *c = ctx;

	return c->opts.on_event(data, sz, c->opts.ctx);
}

static int open_rings(struct collect *c, struct collect_failure *failure)
{
	c->samples = ring_buffer__new(bpf_map__fd(c->bpf->maps.cprof_samples), on_sample, c, NULL);
	if (!c->samples)
		return collect_fail(failure, -errno, "cannot map the sample ring: %m");
	c->events = ring_buffer__new(bpf_map__fd(c->bpf->maps.cprof_events), on_event, c, NULL);
	if (!c->events)
		return collect_fail(failure, -errno, "cannot map the event ring: %m");
	return 0;
}

int collect_new(const struct collect_opts *opts, struct collect **ret,
		struct collect_failure *failure)
{
	_cleanup_(collect_freep) struct collect *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return collect_fail(failure, -ENOMEM, "out of memory");
	(void)libbpf_set_print(NULL);
	c->opts = *opts;
	c->rng = opts->rng;
	c->online_fd = -EBADF;
	r = libbpf_num_possible_cpus();
	if (r <= 0)
		return collect_fail(failure, r < 0 ? r : -ENODEV,
				    "cannot count the CPUs: is /sys mounted?");
	c->cpus = calloc((size_t)r, sizeof(*c->cpus));
	if (!c->cpus)
		return collect_fail(failure, -ENOMEM, "out of memory");
	c->cpus_cnt = (unsigned int)r;
	r = perf_event_check_rate(c, failure);
	if (r == 0)
		r = collect_load(c, failure);
	if (r < 0)
		return r;
	r = open_rings(c, failure);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

struct collect *collect_free(struct collect *c)
{
	if (!c)
		return NULL;
	if (c->cpus)
		cpus_close(c);
	ring_buffer__free(c->samples);
	ring_buffer__free(c->events);
	if (c->rates)
		(void)munmap(c->rates, c->rates_sz);
	cprof_bpf__destroy(c->bpf);
	fd_close(c->online_fd);
	free(c->cpus);
	free(c);
	return NULL;
}

int collect_add_pid(struct collect *c, pid_t pid, uint64_t start_ticks)
{
	__u32 key = (__u32)pid;
	__u64 start = start_ticks;

	return bpf_map_update_elem(bpf_map__fd(c->bpf->maps.cprof_pids), &key, &start, BPF_ANY);
}

void collect_tree_grown(struct collect *c)
{
	__atomic_store_n(&c->bpf->bss->tree_growing, 0, __ATOMIC_RELEASE);
}

/* In this order: one that is born between the two looks is then seen to be alive. */
bool collect_tree_is_gone(const struct collect *c)
{
	uint64_t gone = __atomic_load_n(&c->bpf->bss->tree_gone, __ATOMIC_ACQUIRE);

	return gone == __atomic_load_n(&c->bpf->bss->tree_born, __ATOMIC_ACQUIRE);
}

/* As in bpf/maps.h. */
struct group_key {
	__u64 id;
	__u64 hierarchy;
};

int collect_add_group(struct collect *c, uint8_t hierarchy, uint64_t id)
{
	const struct group_key key = { .id = id, .hierarchy = hierarchy };
	__u32 one = 1;

	return bpf_map_update_elem(bpf_map__fd(c->bpf->maps.cprof_groups), &key, &one, BPF_ANY);
}

void collect_remove_group(struct collect *c, uint8_t hierarchy, uint64_t id)
{
	const struct group_key key = { .id = id, .hierarchy = hierarchy };

	(void)bpf_map_delete_elem(bpf_map__fd(c->bpf->maps.cprof_groups), &key);
}

int collect_arm(struct collect *c, struct collect_failure *failure)
{
	return cpus_open(c, &c->armed, failure);
}

int collect_start(struct collect *c, uint32_t *ret_cpus, struct collect_failure *failure)
{
	int r = c->armed > 0 ? 0 : collect_arm(c, failure);

	if (r < 0)
		return r;
	cpus_enable(c);
	*ret_cpus = c->armed;
	return 0;
}

void collect_stop(struct collect *c)
{
	cpus_disable(c);
}

int collect_consume(struct collect *c)
{
	return ring_buffer__consume(c->samples);
}

int collect_sleep(struct collect *c)
{
	int r;

	__atomic_store_n(&c->bpf->bss->reader_sleeps, 1, __ATOMIC_SEQ_CST);
	r = collect_consume(c); /* what came before that wakes nobody */
	if (r != 0)
		__atomic_store_n(&c->bpf->bss->reader_sleeps, 0, __ATOMIC_RELAXED);
	return r;
}

int collect_consume_events(struct collect *c)
{
	return ring_buffer__consume(c->events);
}

int collect_sample_fd(const struct collect *c)
{
	return ring_buffer__epoll_fd(c->samples);
}

int collect_event_fd(const struct collect *c)
{
	return ring_buffer__epoll_fd(c->events);
}

int collect_learn_object(struct collect *c, const struct cprof_key *key, struct cprof_known known)
{
	return bpf_map_update_elem(bpf_map__fd(c->bpf->maps.cprof_objects), key, &known, BPF_ANY);
}

void collect_forget_object(struct collect *c, const struct cprof_key *key)
{
	(void)bpf_map_delete_elem(bpf_map__fd(c->bpf->maps.cprof_objects), key);
	/* After it: what the programs remember of it from then on is found anew. */
	__atomic_add_fetch(&c->bpf->bss->objects_forgotten, 1, __ATOMIC_RELEASE);
}

/* The programs read it anew at each sample: the map of globals is our memory too. */
void collect_switch_walk_off(struct collect *c)
{
	__atomic_store_n(&c->bpf->bss->walk_off, 1, __ATOMIC_RELAXED);
}

bool collect_walk_is_off(const struct collect *c)
{
	return __atomic_load_n(&c->bpf->bss->walk_off, __ATOMIC_RELAXED) != 0;
}

const char *collect_walk_why(const struct collect *c)
{
	if (!collect_walk_is_off(c))
		return NULL;
	return c->walk_why ? c->walk_why : "it differed from the kernel's own search for a mapping";
}

int collect_find_rule(const struct collect *c, struct cprof_rows_probe *probe)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = probe, .ctx_size_in = sizeof(*probe));

	return bpf_prog_test_run_opts(bpf_program__fd(c->bpf->progs.cprof_rows), &opts);
}

/* All in one call: they are asked for every second. */
int collect_counters(const struct collect *c, struct counters *counters)
{
	_cleanup_free_ __u64 *values = calloc((size_t)COUNTER_MAX * c->cpus_cnt, sizeof(*values));
	__u32 keys[COUNTER_MAX], next, cnt = COUNTER_MAX;
	int r;

	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_batch(bpf_map__fd(c->bpf->maps.cprof_counters), NULL, &next, keys,
				 values, &cnt, NULL);
	if (r < 0 && r != -ENOENT) /* that is the end of the map */
		return r;
	for (__u32 i = 0; i < cnt; i++) {
		if (counter_descs[keys[i]].side != COUNTER_SIDE_BPF)
			continue;
		for (unsigned int cpu = 0; cpu < c->cpus_cnt; cpu++)
			counters->v[keys[i]] += values[i * c->cpus_cnt + cpu];
	}
	return 0;
}

uint64_t collect_fd_bytes(const struct root *root, int fd)
{
	char path[64], text[1024];
	const char *at;

	(void)snprintf(path, sizeof(path), "proc/self/fdinfo/%d", fd);
	if (root_read(root, path, text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "memlock:");
	return at ? strtoull(at + strlen("memlock:"), NULL, 10) : 0;
}

uint64_t collect_map_bytes(const struct collect *c)
{
	const struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, c->bpf->obj)
	{
		bool shared = c->opts.pool && strncmp(bpf_map__name(map), "cprof_unwind_",
						      strlen("cprof_unwind_")) == 0;

		if (!shared)
			sum += collect_fd_bytes(c->opts.root, bpf_map__fd(map));
	}
	return sum;
}
