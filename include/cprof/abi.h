/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * abi — what the BPF side and the sampler say to each other: records in two rings, and the layout
 * of shared maps. Compiled by both; every size is asserted on both sides.
 *
 * Words: pid is the process (the kernel's tgid), tid the thread, both in *our* pid namespace. An
 * "object" is a mapped file, the vDSO or the kernel. Times are nanoseconds. Everything is
 * little-endian and 8-byte aligned; padding is explicit and zero.
 */

#ifdef __bpf__
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
#else
#include <linux/types.h>
#endif

#define CPROF_ABI_VERSION 2

enum cprof_record_type {
	CPROF_RECORD_SAMPLE = 1, /* sample ring */
	CPROF_RECORD_OBJECT = 2, /* event ring: struct cprof_announce, a file not known yet */
	CPROF_RECORD_EXEC =
		3, /* event ring: struct cprof_announce, the new executable not known yet */
	CPROF_RECORD_EXIT = 4,	 /* sample ring: struct cprof_exit, a process is gone */
	CPROF_RECORD_CGROUP = 5, /* event ring: struct cprof_cgroup, a control group came or went */
	CPROF_RECORD_KEPT =
		6, /* sample ring: struct cprof_kept, what a later walk of a stack needs */
	CPROF_RECORD_REST =
		7, /* sample ring: struct cprof_rest, a user stack that was walked again */
};

/* The first 8 bytes of every record. */
struct cprof_head {
	__u32 size; /* of the whole record, a multiple of 8 */
	__u8 version;
	__u8 type; /* enum cprof_record_type */
	__u16 session;
};

/*
 * The kernel's own identity of a mapped inode: an opaque token for equality, good for as long as
 * the file is not changed. Never stored on disk. The ctime nanoseconds are masked: since multigrain
 * timestamps bit 31 tells only that somebody called stat.
 */
struct cprof_key {
	__u64 sb; /* superblock, an address: only ever compared */
	__u64 ino;
	__u64 size;
	__s64 ctime_s;
	__s64 mtime_s;
	__u32 ctime_ns;
	__u32 mtime_ns;
	__u32 dev; /* (major << 20) | minor, the superblock's */
	__u32 generation;
};

/* Object references: below CPROF_OBJECT_KEY an id; above it, an index into the record's keys. */
#define CPROF_OBJECT_KEY 0x80000000u
enum cprof_object_id {
	CPROF_OBJECT_NONE = 0,	 /* no mapping there, or the walk failed: offset is the address */
	CPROF_OBJECT_KERNEL = 1, /* offset is the address */
	CPROF_OBJECT_VDSO = 2,	 /* offset from the vDSO's start */
	CPROF_OBJECT_ANON = 3,	 /* executable memory without a file (JIT): offset is the address */
	CPROF_OBJECT_FIRST = 16, /* mapped files */
};

/* What BPF is told of a file by its key. */
struct cprof_known {
	__u32 id; /* the reference in records */
	__u32 slot; /* a small number that is this object's alone while it is known, for arrays beside */
};

struct cprof_frame {
	__u64 offset; /* file offset for files; else see the object */
	__u32 object;
	__u32 flags; /* CPROF_FRAME_* */
};

/* The pc is exact (leaf, or interrupted by a signal), not a return address. */
#define CPROF_FRAME_EXACT 1u

/* Why a stack ends where it does. Shared with status, the documentation and files' comments. */
enum cprof_stack_end {
	CPROF_END_NONE = 0, /* no such stack: a kernel thread has no user stack */
#define CPROF_END(name, value, complete, prose) CPROF_END_##name = value,
#include "cprof/stack_ends.def"
	CPROF_END_MAX = 32,
};

#define CPROF_COMM_SZ 16
#define CPROF_KERNEL_FRAMES_MAX 127
#define CPROF_USER_FRAMES_MAX 1024
#define CPROF_KEYS_MAX 64

#define CPROF_CRED_DUMPABLE 3u /* mask: the mm's dumpable mode, 0 to 2 */
#define CPROF_CRED_CHANGED 4u  /* uid differs from euid or suid, or gid from egid or sgid */
#define CPROF_CRED_KTHREAD 8u  /* a kernel thread */
#define CPROF_CRED_COMPAT 16u  /* a 32-bit process */
#define CPROF_CRED_GUARDED \
	32u /* by capabilities, or another's user namespace, against its own user */

/* Which hierarchy a control group's id belongs to. */
enum cprof_hierarchy {
	CPROF_HIERARCHY_DEFAULT = 0, /* cgroup v2 */
	CPROF_HIERARCHY_PIDS = 1,    /* v1, by the controller mounted there */
	CPROF_HIERARCHY_MEMORY = 2,
	CPROF_HIERARCHY_CPU = 3,
	CPROF_HIERARCHY_MAX,
};

/* The user stack holds addresses that mean something in this process only: anonymous executable
 * memory, or frames that were not located. Equal bytes of another process are another stack. */
#define CPROF_SAMPLE_OWN 1u
/* The walk is switched off: every user frame is CPROF_OBJECT_NONE with its address. */
#define CPROF_SAMPLE_RAW 2u
/* The user stack may still get better: a record KEPT or REST of the same cpu and seq may follow. */
#define CPROF_SAMPLE_LATE 4u
#define CPROF_SAMPLE_FLAGS (CPROF_SAMPLE_OWN | CPROF_SAMPLE_RAW | CPROF_SAMPLE_LATE)

/*
 * A sample. Followed by kernel_cnt addresses (__u64, leaf first), user_cnt frames (struct
 * cprof_frame, leaf first), interp_cnt frames of an interpreter's own stack (0 for now), keys_cnt
 * keys (struct cprof_key).
 */
struct cprof_sample {
	struct cprof_head head;
	__u64 time_ns; /* CLOCK_BOOTTIME */
	/* Busy time of this CPU since its previous run; of an event that is no clock: how many of it. */
	__u64 weight_ns;
	__u64 seq;	/* of runs on this CPU, from 1, dense */
	__u64 start_ns; /* the process's start, CLOCK_BOOTTIME; with pid and exec its identity */
	__u64 cgroup;	/* id in the hierarchy below; 0: in no group but the roots */
	__u32 pid;	/* 0: not in our pid namespace */
	__u32 tid;
	__u32 inner_pid; /* in the process's own pid namespace */
	__u32 exec;	 /* self_exec_id: changes with exec, inherited over fork */
	__u32 uid;
	__u32 euid;
	__u32 cred;   /* CPROF_CRED_* */
	__u32 exe;    /* object reference of the executable; CPROF_OBJECT_NONE for kernel threads */
	__u32 missed; /* ticks due on this CPU since the previous run that never reached us */
	__u16 cpu;
	__u16 keys_cnt;
	__u16 kernel_cnt;
	__u16 user_cnt;
	__u16 interp_cnt;
	__u8 kernel_end; /* enum cprof_stack_end */
	__u8 user_end;
	__u8 interp_end;
	__u8 cgroup_hierarchy; /* enum cprof_hierarchy */
	__u16 flags;	       /* CPROF_SAMPLE_* */
	__u32 pad2;
	char comm[CPROF_COMM_SZ];	  /* the thread's */
	char process_comm[CPROF_COMM_SZ]; /* the group leader's */
};

/* A mapping of the sample's process: offset = address - start + base. */
struct cprof_kept_map {
	__u64 start;
	__u64 end;
	__u64 base;
	__u32 object; /* a reference, as in frames */
	__u32 exec;   /* it is executable */
};

#define CPROF_KEPT_MAPS_MAX 64
#define CPROF_KEPT_STACK_MAX 24576

/* Not all mappings that code addresses of the stack lie in are told. */
#define CPROF_KEPT_MAPS_CUT 1u
#define CPROF_KEPT_FLAGS CPROF_KEPT_MAPS_CUT

/*
 * What it takes to walk the user stack of the sample (cpu, seq) again, when more rows are there. Followed by
 * maps_cnt mappings (struct cprof_kept_map), keys_cnt keys (struct cprof_key), and the stack: stack_sz bytes,
 * a multiple of 8, that stood from stack_addr up.
 */
struct cprof_kept {
	struct cprof_head head;
	__u64 seq;
	__u64 pc;	/* exact */
	__u64 regs[16]; /* by DWARF's numbers, of the frame that was interrupted */
	__u64 stack_addr;
	__u32 stack_sz;
	__u32 syscall; /* 1 + the number of the system call that the frame is in; 0: in none */
	__u16 cpu;
	__u16 maps_cnt;
	__u16 keys_cnt;
	__u16 flags; /* CPROF_KEPT_* */
};

#define CPROF_REST_WALKS 8 /* at once */

/* The whole user stack of the sample (cpu, seq), walked again: user_cnt frames, then keys_cnt keys. */
struct cprof_rest {
	struct cprof_head head;
	__u64 seq;
	__u16 cpu;
	__u16 user_cnt;
	__u16 keys_cnt;
	__u8 user_end; /* enum cprof_stack_end */
	__u8 pad;
};

/* A file that user space does not know yet, to be opened while a process still maps it. */
struct cprof_announce {
	struct cprof_head head;
	struct cprof_key key;
	__u64 start_ns;
	__u64 vm_start; /* of the mapping; 0: the executable, by /proc/PID/exe */
	__u64 vm_end;
	__u64 vm_pgoff; /* in bytes */
	__u64 fs_magic; /* s_magic of the file system */
	__u32 pid;
	__u32 uid;	      /* of the process */
	__u32 owner;	      /* of the inode */
	__u32 mode;	      /* of the inode */
	__u32 foreign_userns; /* the superblock belongs to another than the initial user namespace */
	__u32 exec;
};

/* Told when the process is freed, which may be long after it ended. */
struct cprof_exit {
	struct cprof_head head;
	__u64 time_ns; /* when its last thread ended, CLOCK_BOOTTIME */
	__u64 start_ns;
	__u64 cpu_ns; /* all CPU time the process ever used, by the kernel's account */
	__u32 pid;
	__u32 exec;
};

/* A process as it stands: in no ring, but what reading the iterator over tasks gives (bpf/tasks.h). */
struct cprof_task {
	__u64 start_ns; /* CLOCK_BOOTTIME */
	__u32 pid;
	__u32 ppid;  /* of the process that it descends from; 0: none in our pid namespace */
	__u32 ended; /* its first thread is gone */
	__u32 pad;
};

/*
 * A control group by id, its parent's id and its own name: user space makes paths of them. Ids are
 * inode numbers of the hierarchy's directories.
 */
#define CPROF_CGROUP_NAME_SZ 256
struct cprof_cgroup {
	struct cprof_head head;
	__u64 id;
	__u64 parent; /* 0: the root of its hierarchy */
	__u16 name_len;
	__u8 hierarchy; /* enum cprof_hierarchy */
	__u8 removed;
	__u32 pad;
	char name[CPROF_CGROUP_NAME_SZ]; /* name_len bytes, then zeros */
};

/* An address of the asking process, and what the walk of its mapping tree says of it. */
struct cprof_walk_probe {
	__u64 addr;
	__u64 start;
	__u64 end;
	__u64 pgoff; /* in bytes */
	__u64 ino;
	__s32 error; /* 0, or -ENOENT: no mapping there */
	__u32 pad;
};

/*
 * What user space tells BPF about one CPU's event, in an array map indexed by CPU. `epoch` is odd
 * while the period is being changed; period and since belong to even epochs.
 */
struct cprof_rate {
	__u64 epoch;
	__u64 period_ns;
	__u64 since_ns;	  /* CLOCK_MONOTONIC when this period began */
	__u64 enabled_ns; /* CLOCK_MONOTONIC when the event was switched on; 0: not yet */
	__u64 opened;	  /* how often: each time its counter begins at 0 */
};

#define CPROF_ASSERT(cond) _Static_assert(cond, #cond)
CPROF_ASSERT(sizeof(struct cprof_head) == 8);
CPROF_ASSERT(sizeof(struct cprof_key) == 56);
CPROF_ASSERT(sizeof(struct cprof_known) == 8);
CPROF_ASSERT(sizeof(struct cprof_frame) == 16);
CPROF_ASSERT(sizeof(struct cprof_sample) == 136);
CPROF_ASSERT(sizeof(struct cprof_kept_map) == 32);
CPROF_ASSERT(sizeof(struct cprof_kept) == 176);
CPROF_ASSERT(sizeof(struct cprof_rest) == 24);
CPROF_ASSERT(sizeof(struct cprof_announce) == 128);
CPROF_ASSERT(sizeof(struct cprof_exit) == 40);
CPROF_ASSERT(sizeof(struct cprof_task) == 24);
CPROF_ASSERT(sizeof(struct cprof_cgroup) == 288);
CPROF_ASSERT(sizeof(struct cprof_walk_probe) == 48);
CPROF_ASSERT(sizeof(struct cprof_rate) == 40);
