/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * ktypes — the few fields of kernel structures that we read, relocated by CO-RE at load time.
 *
 * No vmlinux.h: what is declared here is the whole list of what we depend on. Where a field moved
 * between kernels, flavours (struct x___suffix) name both places.
 */

#include "kenv.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct maple_tree {
	void *ma_root;
};

/* Only for their layouts, which the walk in maple.h is written for. */
struct maple_range_64 {
	unsigned long pivot[15];
	void *slot[16];
};

struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
};

typedef struct {
	unsigned long __mm_flags[1];
} mm_flags_t;

typedef struct {
	void *vdso;
} mm_context_t;

typedef struct {
	unsigned int val;
} kuid_t;

struct user_namespace {
	struct user_namespace *parent;
	int level; /* 0: the initial one */
	kuid_t owner;
};

struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
	struct user_namespace *s_user_ns;
};

struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	struct super_block *i_sb;
	unsigned long i_ino;
	long long i_size;
	unsigned int i_generation;
	/* 6.11 and later */
	long long i_mtime_sec;
	long long i_ctime_sec;
	unsigned int i_mtime_nsec;
	unsigned int i_ctime_nsec;
};

/* before 6.6 */
struct inode___v1 {
	struct timespec64 i_mtime;
	struct timespec64 i_ctime;
};

/* 6.6 to 6.10; the mtime was renamed in 6.7 */
struct inode___v2 {
	struct timespec64 __i_mtime;
	struct timespec64 __i_ctime;
};

struct file {
	struct inode *f_inode;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
};

struct mm_struct {
	struct maple_tree mm_mt;
	unsigned long flags;
	mm_context_t context;
	struct file *exe_file;
};

/* 6.18: the flags became a bitmap */
struct mm_struct___bitmap {
	mm_flags_t flags;
};

typedef struct {
	unsigned int sequence;
} seqcount_t;

/* Since Linux 6.13; a plain number before, or nothing. */
struct mm_struct___seqcount {
	seqcount_t mm_lock_seq;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

typedef struct {
	unsigned int val;
} kgid_t;

/* Two words of 32 bits before Linux 6.3: as many bytes. */
typedef struct {
	unsigned long long val;
} kernel_cap_t;

struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t suid;
	kgid_t sgid;
	kuid_t euid;
	kgid_t egid;
	kernel_cap_t cap_permitted;
	struct user_namespace *user_ns;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	unsigned long long sum_sched_runtime;
};

/* A CPU's queue. Its clock is the scheduler's: read when something happens, and not each time. */
struct rq {
	unsigned long long clock;
	unsigned int nr_running;
};

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	unsigned long long sum_exec_runtime;
	struct cfs_rq *cfs_rq;
};

struct kernfs_node {
	const char *name;
	unsigned long long id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup_root {
	unsigned int subsys_mask;
	int hierarchy_id; /* 0: the default hierarchy */
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level; /* 0: the root of its hierarchy */
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

/* Only for the values of this kernel: they depend on its configuration. */
enum cgroup_subsys_id {
	cpu_cgrp_id,
	memory_cgrp_id,
	pids_cgrp_id,
};

/* x86-64 */
struct thread_struct {
	unsigned long fsbase;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct sched_entity se;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct pid *thread_pid;
	int exit_state; /* not 0: it has ended */
	unsigned long long start_boottime;
	const struct cred *real_cred;
	struct signal_struct *signal;
	struct css_set *cgroups;
	char comm[CPROF_COMM_SZ];
	unsigned long long self_exec_id;
	unsigned int in_execve : 1;
	struct thread_struct thread;
};

/* before 5.7, and some backports */
struct task_struct___v1 {
	unsigned int self_exec_id;
};

struct linux_binprm {
	struct file *file;
};

/* A BPF program, and what is known of its source. */
struct btf_header {
	unsigned int str_len;
};

struct btf {
	const char *strings;
	struct btf_header hdr;
};

struct bpf_prog_aux {
	unsigned int func_cnt;
	struct bpf_prog **func;
	struct btf *btf;
	struct bpf_line_info *linfo;
	void **jited_linfo;
	unsigned int nr_linfo;
	unsigned int linfo_idx;
};

struct bpf_prog {
	unsigned int jited_len;
	void *bpf_func;
	struct bpf_prog_aux *aux;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__bpf_prog {
	struct bpf_iter_meta *meta;
	struct bpf_prog *prog;
};

#pragma clang attribute pop

#define KTYPES_PF_EXITING 0x00000004u
#define KTYPES_PF_KTHREAD 0x00200000u
/* PF_IO_WORKER, PF_USER_WORKER (6.4; unused bit before), PF_KTHREAD: include/linux/sched.h */
#define KTYPES_PF_KERNEL_ONLY (0x00000010u | 0x00004000u | KTYPES_PF_KTHREAD)
#define KTYPES_VM_EXEC 0x4ul
