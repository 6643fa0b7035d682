/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * procfs — texts and questions of /proc, taken apart: when a process began, which mappings hold its
 * addresses, what a mount is.
 *
 * Formats: proc_pid_stat(5), proc_pid_maps(5), proc_pid_mountinfo(5); Documentation/scheduler/sched-stats.rst; PROCMAP_QUERY of
 * include/uapi/linux/fs.h (Linux 6.11). The text is the kernel's, but its lengths, names and numbers
 * are a process's choice.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "cprof/base/root.h"

enum procfs_kind {
	PROCFS_NONE, /* no mapping, or none with code */
	PROCFS_FILE,
	PROCFS_ANON,
	PROCFS_VDSO,
};

struct procfs_range {
	uint64_t start;
	uint64_t end; /* 0: there is no mapping at all */
	uint64_t pgoff;
	uint64_t ino;
	enum procfs_kind kind;
};

/* A line of maps, or its beginning: the end may be missing from the name on. False: it is none. */
bool procfs_maps_parse(const char *line, size_t len, struct procfs_range *ret);

/*
 * The mappings of @cnt addresses, ascending, in ret[0] to ret[cnt - 1]; @fd is /proc/PID/maps, newly
 * opened. By PROCMAP_QUERY where the kernel has it, else by reading the text. 0 or -errno; -ESRCH: the
 * process has no memory any more.
 */
int procfs_maps_find(int fd, const uint64_t *addresses, size_t cnt, struct procfs_range *ret);
/* Each way alone; the first is -ENOTTY where the kernel does not know it. */
int procfs_maps_query(int fd, const uint64_t *addresses, size_t cnt, struct procfs_range *ret);
int procfs_maps_read(int fd, const uint64_t *addresses, size_t cnt, struct procfs_range *ret);
/* The question of the first, for a filter of system calls. */
#define PROCFS_MAPS_QUERY _IOWR('f', 17, char[104])

/*
 * The first mapping with code of a file whose inode number ends in these 32 bits (an overlay's may have more),
 * by the text; kind NONE: there is none. As procfs_maps_find().
 */
int procfs_maps_file(int fd, uint64_t ino, struct procfs_range *ret);

#define PROCFS_NAMED_MAX 64
/*
 * The first mapping with code of a file whose path ends with this name; @fd is /proc/PID/maps, newly opened.
 * 1 and *ret, 0 (none, or too far down), or -errno; -ESRCH: the process has no memory any more.
 */
int procfs_maps_named(int fd, const char *name, struct procfs_range *ret);

/* When the process began, in clock ticks since boot: 0 and *ret, or -errno. */
int procfs_start_ticks(const struct root *root, uint32_t pid, uint64_t *ret);

struct procfs_stat {
	char state; /* 'Z', 'X': it has ended */
	uint32_t ppid;
	uint64_t start_ticks;
};

/* The text of /proc/PID/stat, terminated; false: it is none. */
bool procfs_stat_parse(const char *text, struct procfs_stat *ret);

/*
 * How long the process's first thread was ready to run and waited for a CPU, in all; what it waits for now
 * is told when it runs. 0 and *ret, or -errno: a kernel without CONFIG_SCHED_INFO does not tell.
 */
int procfs_waited_ns(const struct root *root, uint32_t pid, uint64_t *ret);

/* Negative ends the walk with it. */
typedef int (*procfs_pid_fn)(uint32_t pid, void *ctx);
/* All processes as things stand, in no order; one may end meanwhile. 0 or -errno. */
int procfs_each_pid(const struct root *root, procfs_pid_fn fn, void *ctx);

struct procfs_process {
	uint64_t start_ns; /* CLOCK_BOOTTIME */
	uint32_t pid, ppid;
	bool ended;
	bool in; /* procfs_descendants(): one of them, or of those that were asked for */
};

/* All processes; the array is the caller's. */
struct procfs_table {
	struct procfs_process *v;
	size_t cnt;
};

/* Before all else. */
void procfs_sort(struct procfs_table *t);
/* NULL: there is none. */
struct procfs_process *procfs_find(const struct procfs_table *t, uint32_t pid);

/* Negative ends the search with it. */
typedef int (*procfs_process_fn)(const struct procfs_process *p, void *ctx);
/*
 * All that descend from @pids, without these, parents before their children. A process whose parent is gone
 * descends from whoever took it in. 0, or what @fn said.
 */
int procfs_descendants(struct procfs_table *t, const int32_t *pids, size_t cnt,
		       procfs_process_fn fn, void *ctx);

#define PROCFS_MOUNT_TYPE_SZ 32

struct procfs_mount {
	uint32_t id;
	uint32_t major; /* of the superblock: s_dev, not the st_dev that its files show */
	uint32_t minor;
	char type[PROCFS_MOUNT_TYPE_SZ]; /* cut; without a subtype ("fuse.sshfs" is "fuse") */
};

/* A line of mountinfo, terminated. False: it is none. */
bool procfs_mount_parse(const char *line, struct procfs_mount *ret);
