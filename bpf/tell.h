/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * tell — control groups that come and go, by the event ring: a unit may live for 10 ms, and still its
 * samples are to be named when the window ends.
 *
 * Half of the ring is kept for announcements of files: whoever makes groups in a loop loses names of
 * groups, nothing else. Nor does he keep the reader awake: beyond a burst, and then so many a second on
 * each CPU, groups are read with the next tick, or many at once when a quarter of the ring is theirs.
 */

#include "cgroup.h"
#include "maps.h"

static __always_inline __u64 tell_wake(void)
{
	__u32 zero = 0;
	struct buckets *b = bpf_map_lookup_elem(&cprof_buckets, &zero);

	if (b && bucket_charge(&b->told, BUCKET_TOLD, bpf_ktime_get_ns()))
		return BPF_RB_FORCE_WAKEUP;
	return bpf_ringbuf_query(&cprof_events, BPF_RB_AVAIL_DATA) < EVENTS_BYTES / 4
		       ? BPF_RB_NO_WAKEUP
		       : BPF_RB_FORCE_WAKEUP;
}

static __always_inline void tell_cgroup(struct cgroup *cgroup, __u8 removed)
{
	const struct cgroup *parent = cgroup_parent(cgroup);
	__u8 hierarchy = cgroup_hierarchy(cgroup);
	struct cprof_cgroup *c = NULL;
	long len;

	if (hierarchy == CGROUP_NONE)
		return;
	if (bpf_ringbuf_query(&cprof_events, BPF_RB_AVAIL_DATA) < EVENTS_BYTES / 2)
		c = bpf_ringbuf_reserve(&cprof_events, sizeof(*c), 0);
	if (!c) {
		count(COUNTER_cgroup_full, 1);
		return;
	}
	__builtin_memset(c, 0, sizeof(*c));
	c->head.size = sizeof(*c);
	c->head.version = CPROF_ABI_VERSION;
	c->head.type = CPROF_RECORD_CGROUP;
	c->id = cgroup_id(cgroup);
	c->parent = cgroup_id(parent);
	c->hierarchy = hierarchy;
	c->removed = removed;
	len = bpf_probe_read_kernel_str(c->name, sizeof(c->name), BPF_CORE_READ(cgroup, kn, name));
	c->name_len = len > 0 ? len - 1 : 0;
	bpf_ringbuf_submit(c, tell_wake());
}
