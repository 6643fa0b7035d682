/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * hits — mappings that stacks of an address space met before, so that they are not looked for again: neither
 * for the next frame nor, where the kernel tells that no mapping changed since, for the next sample.
 *
 * A walk of the mapping tree, and what it takes to tell a file, reads some twenty lines of memory that nobody
 * had in a cache: on a CPU that many processes share that was most of what a sample cost.
 *
 * The kernel counts changes of an address space's mappings (mm_lock_seq, a seqcount since Linux 6.13: odd
 * while a change is made, include/linux/mmap_lock.h). On older kernels each sample begins with nothing. What a
 * file's inode says of its content may change without that, and so may a process's executable: after
 * HITS_OLD_NS all is looked for again. Nothing is kept of files that user space does not know yet.
 */

#include "ktypes.h"
#include "identity.h"

#define HITS_MAX 8
#define HITS_SPACES_SHIFT 5
#define HITS_SPACES (1u << HITS_SPACES_SHIFT) /* address spaces for each CPU */
#define HITS_OLD_NS 1000000000ull

struct vma_hit {
	__u64 start, end;
	__u64 base; /* offset = address - start + base */
	__u32 object;
	__u32 exec;
	__u32 slot; /* struct cprof_known; 0: none */
	__u32 pad;
};

/* An address space, as it was when its hits were found. */
struct hits {
	__u64 mm;
	__u64 start_ns; /* of its process, and its exec: another one may get the same memory */
	__u64 since_ns;
	__u64 vdso;
	__u32 exec;
	__u32 changes;	 /* mm_lock_seq */
	__u32 forgotten; /* how many files were when it began */
	__u32 next;	 /* the place of the next hit, ever growing */
	__u32 exe;	 /* its executable's object; CPROF_OBJECT_NONE: to be looked for */
	__u32 brief; /* only for this sample: the kernel does not count, or a file is not known */
	struct vma_hit v[HITS_MAX];
};

/* Odd: mappings are being changed, or the kernel does not count. */
static __always_inline __u32 hits_changes(struct mm_struct *mm)
{
	struct mm_struct___seqcount *counted = (void *)mm;

	if (!bpf_core_field_exists(counted->mm_lock_seq.sequence))
		return 1;
	return counted->mm_lock_seq.sequence;
}

static __always_inline __u32 hits_nth(__u64 mm)
{
	return (__u32)(mm >> 6) * 0x9e3779b1u >> (32 - HITS_SPACES_SHIFT);
}

/* Before a sample's first look: what is there no more is dropped. @forgotten: how many files were so far. */
static __always_inline void hits_begin(struct hits *h, struct task_struct *task,
				       struct mm_struct *mm, __u64 now, __u32 forgotten)
{
	struct task_struct *leader = task->group_leader;
	__u64 start_ns = leader->start_boottime;
	__u32 exec = identity_exec(leader), changes = hits_changes(mm);
	__u64 at =
		(__u64)BPF_CORE_READ(task, mm); /* the verifier does not compare with a pointer */

	if (h->mm == at && h->changes == changes && !(changes & 1) && !h->brief &&
	    h->start_ns == start_ns && h->exec == exec && h->forgotten == forgotten &&
	    now - h->since_ns < HITS_OLD_NS)
		return;
	h->mm = at;
	h->start_ns = start_ns;
	h->since_ns = now;
	h->vdso = (__u64)mm->context.vdso;
	h->exec = exec;
	h->changes = changes;
	h->forgotten = forgotten;
	h->exe = CPROF_OBJECT_NONE;
	h->brief = changes & 1;
	for (int i = 0; i < HITS_MAX; i++)
		h->v[i].end = 0;
}

static __always_inline struct vma_hit *hits_newest(struct hits *h)
{
	return &h->v[(h->next - 1) & (HITS_MAX - 1)];
}
