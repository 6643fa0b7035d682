/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * locate — an address of the current process to (object, offset), by the maple-tree walk.
 *
 * A mapping that was met before is found again in a small list (hits.h). What was read of a VMA is checked by reading its start and file once more at the end; a
 * VMA that changed under the walk is looked up twice again, then given up as "no object".
 *
 * With the walk switched off there is no object: user space asks /proc for the address.
 */

#include "announce.h"
#include "maps.h"
#include "plausible.h"

#define WALK_AGAIN_MAX 2

static __always_inline void place_at(struct place *p, const struct vma_hit *h, __u64 addr)
{
	p->object = h->object;
	p->exec = h->exec;
	p->slot = h->slot;
	p->offset = addr - h->start + h->base;
	if (h->object == CPROF_OBJECT_ANON || h->object == CPROF_OBJECT_NONE)
		p->offset = addr;
}

/* The reference of a file: its id, or the index of its key in this record, and then no slot. */
static __always_inline __u32 object_ref(struct scratch *s, const struct inode *inode,
					const struct announce_vma *vma, __u32 *ret_slot)
{
	const struct cprof_known *known;
	__u64 at = (__u64)inode, end;

	*ret_slot = 0;

	for (__u32 i = 0; i < CPROF_KEYS_MAX && i < s->keys_cnt; i++) {
		if (s->key_inodes[i] == at)
			return CPROF_OBJECT_KEY | i;
	}
	/*
	 * Read again: the verifier knows how far the loop came, and would look at all that follows once
	 * for each such number. Loading took twice as long. Compared as 64 bits: of half a register Linux 6.1
	 * does not take the bound for the whole.
	 */
	end = *(volatile __u16 *)&s->keys_cnt;
	barrier_var(end);
	if (end >= CPROF_KEYS_MAX) {
		count(COUNTER_keys_full, 1);
		return CPROF_OBJECT_NONE;
	}
	key_read(&s->keys[end], inode);
	known = bpf_map_lookup_elem(&cprof_objects, &s->keys[end]);
	if (known) {
		*ret_slot = known->slot;
		return known->id;
	}
	s->key_inodes[end] = at;
	s->keys_cnt = end + 1;
	if (s->pid)
		announce(CPROF_RECORD_OBJECT, bpf_get_current_task_btf(), s->pid, inode,
			 &s->keys[end], vma);
	return CPROF_OBJECT_KEY | end;
}

/* Reads the VMA at @at and what it maps. 0, -EAGAIN when it changed meanwhile. */
static __always_inline int vma_read(struct scratch *s, __u64 at, __u64 addr, struct hits *hits)
{
	struct vma_hit *h = hits_newest(hits);
	const struct vm_area_struct *vma = (const void *)at;
	struct announce_vma range;
	const struct inode *inode;
	const struct file *file;

	range.start = BPF_CORE_READ(vma, vm_start);
	range.end = BPF_CORE_READ(vma, vm_end);
	if (addr < range.start || addr >= range.end)
		return -KENV_EAGAIN;
	range.pgoff = BPF_CORE_READ(vma, vm_pgoff) << 12;
	h->start = range.start;
	h->end = range.end;
	h->exec = !!(BPF_CORE_READ(vma, vm_flags) & KTYPES_VM_EXEC);
	file = BPF_CORE_READ(vma, vm_file);
	if (!file) {
		h->base = 0;
		h->object = range.start == hits->vdso ? CPROF_OBJECT_VDSO : CPROF_OBJECT_ANON;
		h->slot = h->object == CPROF_OBJECT_VDSO ? CPROF_OBJECT_VDSO : 0;
	} else {
		h->base = range.pgoff;
		inode = BPF_CORE_READ(file, f_inode);
		h->object = CPROF_OBJECT_NONE;
		h->slot = 0;
		if (inode && h->exec)
			h->object = object_ref(s, inode, &range, &h->slot);
		hits->brief |= h->exec && !h->slot;
	}
	if (BPF_CORE_READ(vma, vm_file) != file || BPF_CORE_READ(vma, vm_start) != range.start)
		return -KENV_EAGAIN;
	return 0;
}

/* Sets s->vma. A function of its own: the verifier then looks at the loops once, not at each call. */
__noinline int locate_vma(struct scratch *s, __u64 addr)
{
	__u64 vma = 0;
	int r;

	if (!s)
		return -KENV_EFAULT;
	r = maple_find(&s->maple, s->mm_root, addr, &vma);
	s->vma = vma;
	return r;
}

/*
 * The mapping at s->vma becomes the newest hit. A function of its own: its stack is given back before the
 * next walk. The scratch is no argument: before 6.2 memory that was handed over is refused as a map's key.
 */
__noinline int locate_read(__u32 index, __u64 addr)
{
	struct scratch *s = scratch_at(index);

	if (!s)
		return -KENV_EFAULT;
	return vma_read(s, s->vma, addr, scratch_hits(s));
}

static __always_inline int locate_walk(struct scratch *s, __u32 index, __u64 addr)
{
	int r = locate_vma(s, addr);

	return r ? r : locate_read(index, addr);
}

/* Only of a frame is it told that there was nothing. */
__noinline int locate_new(__u32 index, __u64 addr, bool frame)
{
	struct scratch *s = scratch_at(index);
	struct hits *hits;
	struct vma_hit *h;
	int r;

	if (!s)
		return 0;
	hits = scratch_hits(s);
	hits->next++;
	h = hits_newest(hits);
	s->walks++;
	r = locate_walk(s, index, addr);
	for (int again = 0; r == -KENV_EAGAIN && again < WALK_AGAIN_MAX; again++) {
		count(COUNTER_walk_retry, 1);
		s->mm_root = mm_root(bpf_get_current_task_btf());
		r = locate_walk(s, index, addr);
	}
	if (r == 0)
		return 0;
	if (frame)
		count(r == -KENV_ENOENT ? COUNTER_walk_none : COUNTER_walk_failed, 1);
	h->start = addr;
	h->end = 0; /* never found again */
	h->base = 0;
	h->object = CPROF_OBJECT_NONE;
	h->slot = 0;
	h->exec = r != -KENV_ENOENT; /* a hole is no code; a failed walk proves nothing */
	return 0;
}

/* The mapping, as it is known or is found now; @frame: code runs there. */
static __always_inline struct vma_hit *locate_hit(struct scratch *s, __u64 addr, bool frame)
{
	struct hits *hits = scratch_hits(s);

	for (int i = 0; i < HITS_MAX; i++) {
		struct vma_hit *h = &hits->v[i];

		if (addr >= h->start && addr < h->end)
			return h;
	}
	locate_new(s->index, addr, frame);
	return hits_newest(hits);
}

static __always_inline void locate(struct scratch *s, __u64 addr, struct place *p)
{
	if (s->flags & CPROF_SAMPLE_RAW) {
		p->offset = addr;
		p->object = CPROF_OBJECT_NONE;
		p->slot = 0;
		p->exec = plausible_code(addr);
		return;
	}
	place_at(p, locate_hit(s, addr, true), addr);
}

/* The program of a task that gave up its address space already. Before any other key of the record. */
static __always_inline void locate_exe_exiting(struct scratch *s, struct task_struct *task)
{
	struct cprof_key key;
	const struct cprof_known *known;
	struct exiting *e;

	if (!(task->flags & KTYPES_PF_EXITING) || s->keys_cnt != 0)
		return;
	e = bpf_task_storage_get(&cprof_exiting, task, NULL, 0);
	if (!e || !e->whole)
		return;
	key = e->key;
	known = bpf_map_lookup_elem(&cprof_objects, &key);
	if (known) {
		s->exe = known->id;
		return;
	}
	s->keys[0] = key;
	s->key_inodes[0] = 0;
	s->keys_cnt = 1;
	s->exe = CPROF_OBJECT_KEY;
}

static __always_inline void locate_exe(struct scratch *s, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct hits *hits = scratch_hits(s);
	const struct inode *inode;
	__u32 slot = 0;

	if (!mm) {
		locate_exe_exiting(s, task);
		return;
	}
	if (s->mm_root && hits->exe != CPROF_OBJECT_NONE) {
		s->exe = hits->exe;
		return;
	}
	inode = BPF_CORE_READ(mm, exe_file, f_inode);
	if (inode)
		s->exe = object_ref(s, inode, NULL, &slot);
	if (s->mm_root && slot)
		hits->exe = s->exe;
}
