/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * announce — tells user space of a file it does not know, so that it is opened while a process still
 * maps it.
 *
 * A per-CPU table of plain stores remembers what was announced lately; while the file stays unknown
 * it is announced again, as long as its user's bucket has something in it. The ring wakes its reader:
 * the process may live a millisecond.
 */

#include "key.h"
#include "maps.h"

#define ANNOUNCE_AGAIN_NS 50000000ull

static __always_inline bool announced_lately(const struct cprof_key *key, __u64 now)
{
	__u32 zero = 0;
	struct recents *r = bpf_map_lookup_elem(&cprof_recent, &zero);
	__u64 hash = key_hash(key);
	struct recent *slot;

	if (!r)
		return true;
	slot = &r->slots[hash & (RECENT_MAX - 1)];
	if (slot->hash == hash && now - slot->at_ns < ANNOUNCE_AGAIN_NS)
		return true;
	slot->hash = hash;
	slot->at_ns = now;
	return false;
}

static __always_inline bool announce_allowed(__u32 uid, __u64 now)
{
	__u32 zero = 0;
	struct buckets *b = bpf_map_lookup_elem(&cprof_buckets, &zero);

	return b && bucket_take(b, uid, now);
}

/* The mapping to open it by; NULL: the executable. */
struct announce_vma {
	__u64 start, end, pgoff;
};

static __always_inline void announce(__u8 type, struct task_struct *task, __u32 pid,
				     const struct inode *inode, const struct cprof_key *key,
				     const struct announce_vma *vma)
{
	struct task_struct *leader;
	__u32 uid = BPF_CORE_READ(task, real_cred, uid.val);
	struct cprof_announce *a;
	__u64 now = kenv_now();

	if (announced_lately(key, now))
		return;
	if (!announce_allowed(uid, now)) {
		count(COUNTER_announce_limited, 1);
		return;
	}
	a = bpf_ringbuf_reserve(&cprof_events, sizeof(*a), 0);
	if (!a) {
		count(COUNTER_announce_full, 1);
		return;
	}
	leader = task->group_leader;
	a->head.size = sizeof(*a);
	a->head.version = CPROF_ABI_VERSION;
	a->head.type = type;
	a->head.session = 0;
	a->key = *key;
	a->start_ns = leader->start_boottime;
	a->vm_start = vma ? vma->start : 0;
	a->vm_end = vma ? vma->end : 0;
	a->vm_pgoff = vma ? vma->pgoff : 0;
	key_describe(a, inode);
	a->pid = pid;
	a->uid = uid;
	a->exec = identity_exec(leader);
	/* Before it there may be groups that did not wake the reader: then it would not be either. */
	bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
	count(COUNTER_announce_sent, 1);
}
