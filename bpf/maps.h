/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* maps — all maps and load-time settings of cpu.bpf.c, and small accessors. */

#include "ktypes.h"
#include "cprof/counters.h"
#include "bucket.h"
#include "grid.h"
#include "hits.h"
#include "identity.h"
#include "maple.h"
#include "rows.h"
#include "tally.h"
#include "walk.h"

#define RECENT_MAX 256
#define EVENTS_BYTES (1u << 18)
#define FILTER_DEPTH_MAX 32		 /* of groups below a wanted one */
#define FILTER_NSEC_PER_TICK 10000000ull /* USER_HZ is 100 on x86 */

/* Load-time settings. */
const volatile __u32 frames_max = CPROF_USER_FRAMES_MAX;
const volatile bool filter_all = true;
const volatile bool filter_tree = false;
const volatile bool filter_groups = false;
const volatile bool keep_all = false;	   /* every user stack, not only those that lack rows */
const volatile __u32 rest_first = 0;	   /* rest.h; 0: this kernel cannot wait for pages */
const volatile bool event_counted = false; /* of an event that is no clock: one in so many */

const volatile __u64 ring_urgent =
	~0ull; /* bytes in the sample ring with which its reader is woken */

/* The reader looks seldom, for there were no samples: the next one wakes it. Set by user space. */
__u32 reader_sleeps;

/* One sample in so many is compared with the kernel's own search for a mapping; 0: none. */
const volatile __u32 check_every = 0;

/* The mapping tree is not to be walked: set by user space, from the start or when it was found wrong. */
__u32 walk_off;

/* How many files user space has forgotten whose ids it had told. */
__u32 objects_forgotten;

/* Of a tree: user space still looks for those who were there before; processes tagged, and gone since. */
__u32 tree_growing;
__u64 tree_born;
__u64 tree_gone;

/* Our pid namespace: set after loading, when cprof_self has told the level. */
__u32 our_level;
__u32 our_inum;

struct place {
	__u64 offset;
	__u32 object;
	__u32 exec; /* the mapping is executable */
	__u32 slot; /* struct cprof_known; 0: none */
	__u32 pad;
};

/* The user's registers at the tick; all are known, and the pc is exact. */
struct first_regs {
	__u64 regs[16];
	__u64 pc;
	__u32 syscall;
	__u32 pad;
};

struct scratch {
	__u32 taken; /* of a walk in task context */
	__u32 pad;
	__u64 mm_root; /* 0: no address space */
	__u64 vma;     /* found last */
	__u64 check_addr;
	__u32 check_differs;
	__u32 index; /* its own */
	__u64 seq;
	__u64 now;
	struct walk walk;
	struct first_regs first;
	struct place at; /* of the frame that the walk is in */
	__u64 saved[21]; /* struct pt_regs */
	__u32 pid;
	__u32 pos; /* in bytes */
	__u32 cred;
	__u32 exe;
	__u32 walks;   /* of the mapping tree */
	__u32 hits_of; /* the place of its address space in hits */
	__u16 flags;   /* CPROF_SAMPLE_* */
	__u16 kernel_cnt, user_cnt, keys_cnt;
	__u8 kernel_end, user_end;
	__u8 late; /* the walk met code whose rows are not there yet */
	__u8 keep; /* a record KEPT follows the sample */
	struct maple_scratch maple;
	struct hits hits[HITS_SPACES];		 /* also by samples before */
	struct rows_found found[ROWS_FOUND_CNT]; /* also by samples before */
	__u64 key_inodes[CPROF_KEYS_MAX];
	struct cprof_key keys[CPROF_KEYS_MAX];
	__u8 bytes[sizeof(struct cprof_sample) + CPROF_KERNEL_FRAMES_MAX * 8 +
		   CPROF_USER_FRAMES_MAX * sizeof(struct cprof_frame) +
		   CPROF_KEYS_MAX * sizeof(struct cprof_key)] __attribute__((aligned(8)));
};

/* Who ended the idleness of a CPU; never followed but by a checked read. */
struct runner {
	__u64 task;
	__u64 ran_ns; /* its CPU time when it began */
	__u32 pid;
	__u32 pad;
};

struct cpu_state {
	struct grid grid;
	struct runner runner;
	struct tally tally;		   /* of an event that is no clock */
	struct bpf_perf_event_value value; /* of it, read last: the stack has no room for it */
	__u64 seq;
	__u32 missed; /* to be told with the next record */
	__u32 pad;
};

/* Of a task that exits. */
struct exiting {
	struct cprof_key key;
	__u64 ended_ns; /* of a process's first thread: when its last one ended; 0: not to be told */
	__u32 whole;	/* a tick may come while the key is being written */
	__u32 pad;
};

/* A task of a tree. */
struct tree_tag {
	__u32 born;  /* its process is counted as born */
	__u32 ended; /* of a process's first thread: the process is counted as gone */
};

struct recent {
	__u64 hash;
	__u64 at_ns;
};

struct recents {
	struct recent slots[RECENT_MAX];
};

struct cprof_self {
	__u32 level;
	__u32 layouts_ok;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} cprof_samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_BYTES);
} cprof_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} cprof_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* one per possible CPU, set before loading */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct cprof_rate);
} cprof_rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_state);
} cprof_states SEC(".maps");

/* Of each CPU its own, by its number; from rest_first on of walks in task context, which ticks interrupt. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before loading */
	__type(key, __u32);
	__type(value, struct scratch);
} cprof_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct recents);
} cprof_recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct buckets);
} cprof_buckets SEC(".maps");

/* Files known to user space. Filled by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct cprof_key);
	__type(value, struct cprof_known);
} cprof_objects SEC(".maps");

/* Processes asked for: pid in our namespace to start in clock ticks (0: any). Filled by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} cprof_pids SEC(".maps");

struct group_key {
	__u64 id;
	__u64 hierarchy; /* enum cprof_hierarchy */
};

/* Control groups asked for, with all below them. Filled by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct group_key);
	__type(value, __u32);
} cprof_groups SEC(".maps");

/* Tasks recorded with their descendants: inherited at fork. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tree_tag);
} cprof_tags SEC(".maps");

/* What program a task ran that is exiting: its mappings are gone before its time is. And when. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct exiting);
} cprof_exiting SEC(".maps");

/*
 * Samples are fetched on time, without a wake-up. When too many come between, the reader is woken, and
 * by the first one after it went to sleep.
 */
static __always_inline __u64 ring_flags(void)
{
	if (reader_sleeps) {
		reader_sleeps = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	return bpf_ringbuf_query(&cprof_samples, BPF_RB_AVAIL_DATA) < ring_urgent
		       ? BPF_RB_NO_WAKEUP
		       : BPF_RB_FORCE_WAKEUP;
}

static __always_inline struct identity_ns our_ns(void)
{
	return (struct identity_ns){ .level = our_level, .inum = our_inum };
}

static __always_inline void count(__u32 counter, __u64 n)
{
	__u64 *v = bpf_map_lookup_elem(&cprof_counters, &counter);

	if (v)
		*v += n; /* this CPU's own */
}

/* A program that began at @began_ns ends. */
static __always_inline void count_time(__u64 began_ns)
{
	count(COUNTER_bpf_ns, kenv_now() - began_ns);
}

static __always_inline struct cpu_state *state_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cprof_states, &zero);
}

static __always_inline void runner_set(struct runner *r, struct task_struct *task)
{
	r->task = (__u64)task;
	r->pid = task->pid;
	r->ran_ns = task->se.sum_exec_runtime;
}

/* For how long it ran since; 0 when it is gone. */
static __always_inline __u64 runner_ran_ns(const struct runner *r)
{
	struct task_struct *task = (void *)r->task;

	if (!task || (__u32)BPF_CORE_READ(task, pid) != r->pid)
		return 0;
	return BPF_CORE_READ(task, se.sum_exec_runtime) - r->ran_ns;
}

/* The root changes with the tree: of a walk that is tried again, it is read again. */
static __always_inline __u64 mm_root(struct task_struct *task)
{
	return (__u64)BPF_CORE_READ(task, mm, mm_mt.ma_root);
}

static __always_inline struct scratch *scratch_at(__u32 index)
{
	return bpf_map_lookup_elem(&cprof_scratch, &index);
}

/* The tick's. */
static __always_inline struct scratch *scratch_get(void)
{
	return scratch_at(bpf_get_smp_processor_id());
}

static __always_inline struct hits *scratch_hits(struct scratch *s)
{
	return &s->hits[s->hits_of & (HITS_SPACES - 1)];
}

static __always_inline void scratch_reset(struct scratch *s, struct task_struct *task, __u32 pid,
					  __u64 now)
{
	struct mm_struct *mm = task->mm;

	/* Kernel threads and workers of io_uring and vhost run no user code: their registers are stale. */
	if (task->flags & KTYPES_PF_KERNEL_ONLY)
		mm = NULL;
	s->index = bpf_get_smp_processor_id();
	s->mm_root = mm ? (__u64)mm->mm_mt.ma_root : 0;
	s->now = now;
	s->pid = pid;
	s->pos = sizeof(struct cprof_sample);
	s->cred = 0;
	s->exe = CPROF_OBJECT_NONE;
	s->walks = 0;
	s->flags = walk_off ? CPROF_SAMPLE_RAW : 0; /* one answer for the whole stack */
	s->kernel_cnt = 0;
	s->user_cnt = 0;
	s->keys_cnt = 0;
	s->kernel_end = CPROF_END_NONE;
	s->user_end = CPROF_END_NONE;
	s->late = 0;
	s->keep = 0;
	s->hits_of = hits_nth((__u64)BPF_CORE_READ(task, mm));
	if (mm)
		hits_begin(scratch_hits(s), task, mm, now, objects_forgotten);
}

/* The pid alone names nobody: it may have been taken by another process since. */
static __always_inline bool filter_has_pid(struct task_struct *task, __u32 pid)
{
	const __u64 *start = bpf_map_lookup_elem(&cprof_pids, &pid);

	if (!start)
		return false;
	return *start == 0 || task->group_leader->start_boottime / FILTER_NSEC_PER_TICK == *start;
}

/* Of the group that the process is told to be in, or one above it. */
static __always_inline bool filter_has_group(struct task_struct *task)
{
	struct cgroup_ref ref = { 0 };

	cgroup_of(task->group_leader, &ref);
	for (int i = 0; i < FILTER_DEPTH_MAX && ref.cgroup; i++) {
		struct group_key key = { .id = cgroup_id(ref.cgroup), .hierarchy = ref.hierarchy };

		if (bpf_map_lookup_elem(&cprof_groups, &key))
			return true;
		ref.cgroup = cgroup_parent(ref.cgroup);
	}
	return false;
}

/* By its process too: workers of io_uring and vhost are threads that no fork tells of. */
static __always_inline bool filter_has_tag(struct task_struct *task)
{
	return bpf_task_storage_get(&cprof_tags, task, NULL, 0) ||
	       bpf_task_storage_get(&cprof_tags, task->group_leader, NULL, 0);
}

/* Did the session ask for this task? */
static __always_inline bool filter_passes(struct task_struct *task, __u32 pid)
{
	if (filter_all)
		return true;
	if (pid && filter_has_pid(task, pid))
		return true;
	if (filter_groups)
		return filter_has_group(task);
	return filter_tree && filter_has_tag(task);
}

/* Is the maple tree laid out as maple.h believes? */
static __always_inline bool layouts_ok(void)
{
	struct maple_range_64 *range = NULL;
	struct maple_arange_64 *arange = NULL;

	return bpf_core_field_offset(range->pivot) == 8 &&
	       bpf_core_field_size(range->pivot) == 8 * MAPLE_RANGE_PIVOTS &&
	       bpf_core_field_offset(range->slot) == 8 + 8 * MAPLE_RANGE_PIVOTS &&
	       bpf_core_field_offset(arange->pivot) == 8 &&
	       bpf_core_field_size(arange->pivot) == 8 * MAPLE_ARANGE_PIVOTS &&
	       bpf_core_field_offset(arange->slot) == 8 + 8 * MAPLE_ARANGE_PIVOTS;
}
