/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * check — is the walk of the mapping tree right? Compared with the kernel's own search.
 *
 * In operation one sample in check_every is compared with bpf_find_vma(), which works once per
 * interrupt and holds the mmap lock for its callback: the walk is done again in there, where mappings
 * do not change but for a stack that grows, so what differs twice is wrong. So is a mapping that is remembered
 * from a sample before (hits.h) and is another one there. A walk that is wrong is
 * switched off at once, before this sample's own frames are located.
 */

#include "locate.h"

/* What a walk found, beside what the kernel says of the same address. */
static __always_inline bool check_same(struct scratch *s, struct task_struct *task,
				       struct vm_area_struct *vma, __u64 addr)
{
	const struct vm_area_struct *found;
	struct file *file = vma->vm_file;

	s->mm_root = mm_root(task);
	if (locate_vma(s, addr))
		return false;
	found = (const void *)s->vma;
	return BPF_CORE_READ(found, vm_start) == vma->vm_start &&
	       BPF_CORE_READ(found, vm_end) == vma->vm_end &&
	       BPF_CORE_READ(found, vm_pgoff) == vma->vm_pgoff &&
	       BPF_CORE_READ(found, vm_file, f_inode) == (file ? file->f_inode : NULL);
}

/* What was remembered of it, if the kernel still counts no change since. */
static __always_inline bool check_hit(struct scratch *s, struct task_struct *task,
				      struct vm_area_struct *vma, __u64 addr)
{
	struct mm_struct *mm = task->mm;
	const struct hits *hits = scratch_hits(s);

	if (!mm || hits_changes(mm) != hits->changes)
		return true;
	for (int i = 0; i < HITS_MAX; i++) {
		const struct vma_hit *h = &hits->v[i];

		if (addr >= h->start && addr < h->end)
			return h->start == vma->vm_start && h->end == vma->vm_end;
	}
	return true;
}

static long check_vma(struct task_struct *task, struct vm_area_struct *vma, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;
	__u64 addr = s->check_addr;

	/* A stack may grow without the lock that we hold, so once again. */
	s->check_differs = (!check_same(s, task, vma, addr) && !check_same(s, task, vma, addr)) ||
			   !check_hit(s, task, vma, addr);
	return 0;
}

/* Compares at @addr, and switches the walk off if it is wrong. */
static __always_inline void check_walk(struct scratch *s, struct task_struct *task, __u64 addr)
{
	long r;

	/* In the scratch, for the stack is nearly all used: four functions deep. */
	s->check_addr = addr;
	s->check_differs = 0;
	r = bpf_find_vma(task, addr, check_vma, &s, 0);
	if (r == -KENV_ENOENT && locate_vma(s, addr) == -KENV_ENOENT)
		r = 0; /* both say: nothing there */
	if (r) {
		count(COUNTER_walk_unchecked, 1);
		return;
	}
	count(COUNTER_walk_checked, 1);
	if (!s->check_differs)
		return;
	count(COUNTER_walk_differs, 1);
	walk_off = 1;
	s->flags |= CPROF_SAMPLE_RAW;
}

/* One sample in check_every: by turns where the code is, and the stack. */
static __always_inline void check_sample(struct scratch *s, struct task_struct *task, __u64 ip,
					 __u64 sp)
{
	if (check_every == 0 || (s->flags & CPROF_SAMPLE_RAW) || s->seq % check_every)
		return;
	check_walk(s, task, s->seq / check_every & 1 ? ip : sp);
}

/* What the walk says of an address of the current process, for the comparison at the start. */
static __always_inline void check_probe(struct cprof_walk_probe *p, struct task_struct *task)
{
	struct maple_scratch m;
	const struct vm_area_struct *vma;
	__u64 at = 0;

	p->error = maple_find(&m, mm_root(task), p->addr, &at);
	if (p->error)
		return;
	vma = (const void *)at;
	p->start = BPF_CORE_READ(vma, vm_start);
	p->end = BPF_CORE_READ(vma, vm_end);
	p->pgoff = BPF_CORE_READ(vma, vm_pgoff) << 12;
	p->ino = BPF_CORE_READ(vma, vm_file, f_inode, i_ino);
}
