/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The clock of a process counts all its threads, to the nanosecond, and asking it takes no right.
 * The sum in smaps_rollup takes the right to trace; the kernel walks page tables for it, which for
 * processes as small as ours is less than a millisecond, and all of ours together a millisecond and
 * a half. What a process has of its own it knows at once, and that is what comes and goes.
 */

#include "cost.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/clock.h"
#include "cprof/base/fd.h"

#define KIB 1024u
#define MEMORY_PAUSE_NS (4 * NSEC_PER_SEC) /* at first, then it doubles */
#define MEMORY_PAUSE_MAX_NS (60 * NSEC_PER_SEC)
#define MEMORY_MOVED ((uint64_t)512 << 10)

uint64_t cost_cpu_ns(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return 0;
	return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

/* The text of a small file of the process, terminated; false: it cannot be read. */
static bool read_text(pid_t pid, const char *name, char *text, size_t sz)
{
	_cleanup_close_ int fd = -EBADF;
	char path[48];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sz - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/* The sum of smaps_rollup less what it has of BPF maps, line by line of smaps. */
static uint64_t pss_without_maps(pid_t pid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char line[PATH_MAX + 128];
	uint64_t sum = 0;
	bool counts = true;

	(void)snprintf(line, sizeof(line), "/proc/%d/smaps", pid);
	f = fopen(line, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] < 'A' ||
		    line[0] > 'Z') /* a mapping begins by its address, in small letters */
			counts = !strstr(line, "anon_inode:bpf-map");
		else if (counts && strncmp(line, "Pss:", 4) == 0)
			sum += strtoull(line + 4, NULL, 10) * KIB;
	}
	return sum;
}

uint64_t cost_pss_bytes(pid_t pid, bool has_maps)
{
	char text[1024];
	const char *at;

	if (has_maps)
		return pss_without_maps(pid);

	if (!read_text(pid, "smaps_rollup", text, sizeof(text)))
		return 0;
	at = strstr(text, "\nPss:");
	return at ? strtoull(at + strlen("\nPss:"), NULL, 10) * KIB : 0;
}

/* Of no file, and in memory; UINT64_MAX: it cannot be told. */
static uint64_t own_bytes(pid_t pid)
{
	uint64_t resident, of_files;
	char text[128];

	if (!read_text(pid, "statm", text, sizeof(text)) ||
	    sscanf(text, "%*u %20" SCNu64 " %20" SCNu64, &resident, &of_files) != 2)
		return UINT64_MAX;
	return (resident - MIN(of_files, resident)) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t remember(struct cost_memory *m, pid_t pid, uint64_t own, uint64_t pss_bytes,
			 uint64_t now_ns)
{
	const uint64_t pause_ns = pid == m->pid ? 2 * m->pause_ns : MEMORY_PAUSE_NS;

	*m = (struct cost_memory){
		.pid = pid,
		.pause_ns = MIN(pause_ns, MEMORY_PAUSE_MAX_NS),
		.own_bytes = own,
		.pss_bytes = pss_bytes,
	};
	m->again_ns = now_ns + m->pause_ns;
	return pss_bytes;
}

uint64_t cost_memory_bytes(struct cost_memory *m, pid_t pid, bool has_maps, uint64_t now_ns)
{
	const uint64_t own = own_bytes(pid);
	const uint64_t moved = own > m->own_bytes ? own - m->own_bytes : m->own_bytes - own;

	if (own == UINT64_MAX || pid != m->pid || now_ns >= m->again_ns ||
	    moved > MEMORY_MOVED + m->own_bytes / 4)
		return remember(m, pid, own, cost_pss_bytes(pid, has_maps), now_ns);
	return own > m->own_bytes ? m->pss_bytes + moved : m->pss_bytes - MIN(moved, m->pss_bytes);
}

size_t cost_children(pid_t pid, pid_t *ret, size_t max)
{
	char name[48], text[1024], *at = text, *end;
	size_t cnt = 0;

	(void)snprintf(name, sizeof(name), "task/%d/children", pid);
	if (!read_text(pid, name, text, sizeof(text)))
		return 0;
	for (; cnt < max; at = end) {
		long child = strtol(at, &end, 10);

		if (end == at)
			break;
		ret[cnt++] = (pid_t)child;
	}
	return cnt;
}

uint64_t cost_reaped_ns(pid_t pid)
{
	uint64_t user, system;
	char text[1024];
	const char *at;

	at = read_text(pid, "stat", text, sizeof(text)) ? strrchr(text, ')') : NULL;
	/* From the state on: cutime and cstime are the fourteenth and fifteenth (proc_pid_stat(5)). */
	if (!at ||
	    sscanf(at + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		   &user, &system) != 2)
		return 0;
	return (user + system) * NSEC_PER_TICK;
}

uint64_t cost_waited_ns(pid_t pid)
{
	char text[128];
	const char *at;

	if (!read_text(pid, "schedstat", text, sizeof(text)))
		return 0;
	at = strchr(text, ' '); /* the time that it ran comes first */
	return at ? strtoull(at, NULL, 10) : 0;
}
