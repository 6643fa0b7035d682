/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * key — the identity of an inode as the kernel has it (struct cprof_key).
 *
 * On overlayfs this is the real inode below, whatever stat(2) tells: the key is an opaque token.
 */

#include "ktypes.h"

#define KEY_NSEC_MASK 0x7fffffffu /* bit 31 of ctime: "was stat'ed", multigrain timestamps, 6.13 */
#define KEY_S_IFMT 0170000
#define KEY_S_IFREG 0100000

static __always_inline void key_times(struct cprof_key *k, const struct inode *inode)
{
	if (bpf_core_field_exists(inode->i_ctime_sec)) {
		k->ctime_s = BPF_CORE_READ(inode, i_ctime_sec);
		k->mtime_s = BPF_CORE_READ(inode, i_mtime_sec);
		k->ctime_ns = BPF_CORE_READ(inode, i_ctime_nsec);
		k->mtime_ns = BPF_CORE_READ(inode, i_mtime_nsec);
	} else {
		const struct inode___v1 *v1 = (const void *)inode;
		const struct inode___v2 *v2 = (const void *)inode;
		struct timespec64 t = { 0 };

		if (bpf_core_field_exists(v1->i_ctime))
			BPF_CORE_READ_INTO(&t, v1, i_ctime);
		else
			BPF_CORE_READ_INTO(&t, v2, __i_ctime);
		k->ctime_s = t.tv_sec;
		k->ctime_ns = t.tv_nsec;
		if (bpf_core_field_exists(v1->i_mtime))
			BPF_CORE_READ_INTO(&t, v1, i_mtime);
		else
			BPF_CORE_READ_INTO(&t, v2, __i_mtime);
		k->mtime_s = t.tv_sec;
		k->mtime_ns = t.tv_nsec;
	}
	k->ctime_ns &= KEY_NSEC_MASK;
}

static __always_inline void key_read(struct cprof_key *k, const struct inode *inode)
{
	const struct super_block *sb = BPF_CORE_READ(inode, i_sb);

	k->sb = (__u64)sb;
	k->ino = BPF_CORE_READ(inode, i_ino);
	k->size = BPF_CORE_READ(inode, i_size);
	k->dev = BPF_CORE_READ(sb, s_dev);
	k->generation = BPF_CORE_READ(inode, i_generation);
	key_times(k, inode);
}

/* What the announcement tells of the file beyond its key. */
static __always_inline void key_describe(struct cprof_announce *a, const struct inode *inode)
{
	const struct super_block *sb = BPF_CORE_READ(inode, i_sb);

	a->fs_magic = BPF_CORE_READ(sb, s_magic);
	a->foreign_userns = BPF_CORE_READ(sb, s_user_ns, level) != 0;
	a->owner = BPF_CORE_READ(inode, i_uid.val);
	a->mode = BPF_CORE_READ(inode, i_mode);
}

/* Spreads keys over the per-CPU table of recent announcements. */
static __always_inline __u64 key_hash(const struct cprof_key *k)
{
	__u64 h = k->sb ^ (k->ino * 0x9e3779b97f4a7c15ull) ^ k->size ^ (k->ctime_ns << 20);

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	return h ^ (h >> 32);
}
