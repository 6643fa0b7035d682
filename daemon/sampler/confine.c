/* SPDX-License-Identifier: Apache-2.0 */

/*
 * confine — what the sampler gives up for good before a neighbour or a client has a word.
 *
 * It keeps the two rights that it has, to BPF and to perf events, and may use them at any time: a
 * recording starts a collection. Of files it may read what the kernel tells (/proc, /sys, control groups)
 * and write below one directory, the spool's, if it is the daemon's. It makes no connection, starts no
 * process, and has no memory that can be written and run.
 *
 * libbpf asks the kernel what it can by trying: bpf(2)'s commands are those of version 1.1 to 1.5 for
 * what src/collect uses. Not among them: programs, maps and links of others by their ids, pins, and what
 * attaches to sockets, devices and control groups.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "cprof/base/cleanup.h"
#include "cprof/base/fd.h"
#include "cprof/base/log.h"
#include "cprof/base/seqpacket.h"
#include "cprof/sandbox.h"
#include "sampler.h"

#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define BPF_TOKEN_CREATE 36 /* Linux 6.9 */
#define BPF(command) SANDBOX_CALL_IF(bpf, 0, EQUAL, BPF_##command)

static const struct sandbox_call confine_calls[] = {
	SANDBOX_HEAP,
	SANDBOX_END,
	/* The loop; libbpf's rings have one of their own each. */
	SANDBOX_CALL(epoll_create1),
	SANDBOX_CALL(epoll_pwait2),
	SANDBOX_CALL(epoll_wait),
	SANDBOX_CALL(epoll_pwait),
	SANDBOX_CALL(epoll_ctl),
	/* Messages of neighbours and clients. */
	SANDBOX_CALL(recvmsg),
	SANDBOX_CALL(sendmsg),
	SANDBOX_CALL_IF(getsockopt, 1, EQUAL, SOL_SOCKET),
	SANDBOX_CALL_IFS(setsockopt, SANDBOX_ARG(1, EQUAL, SOL_SOCKET),
			 SANDBOX_ARG(2, EQUAL, SO_SNDBUF)),
	SANDBOX_CALL_IFS(setsockopt, SANDBOX_ARG(1, EQUAL, SOL_SOCKET),
			 SANDBOX_ARG(2, EQUAL, SO_SNDBUFFORCE)),
	/* BPF: objects are made, filled, tried, attached. */
	BPF(MAP_CREATE),
	BPF(MAP_LOOKUP_ELEM),
	BPF(MAP_UPDATE_ELEM),
	BPF(MAP_DELETE_ELEM),
	BPF(MAP_GET_NEXT_KEY),
	BPF(MAP_LOOKUP_BATCH),
	BPF(MAP_FREEZE),
	BPF(PROG_LOAD),
	BPF(PROG_TEST_RUN),
	BPF(PROG_BIND_MAP),
	BPF(BTF_LOAD),
	BPF(OBJ_GET_INFO_BY_FD),
	BPF(RAW_TRACEPOINT_OPEN),
	BPF(LINK_CREATE),
	BPF(ITER_CREATE),
	/* Newer versions of the library ask for a token, and do without. */
	{ .nr = SYS_bpf, .error = EPERM, .args = { SANDBOX_ARG(0, EQUAL, BPF_TOKEN_CREATE) } },
	SANDBOX_CALL(perf_event_open),
	SANDBOX_CALL_IF(ioctl, 1, EQUAL, PERF_EVENT_IOC_ENABLE),
	SANDBOX_CALL_IF(ioctl, 1, EQUAL, PERF_EVENT_IOC_DISABLE),
	SANDBOX_CALL_IF(ioctl, 1, EQUAL, PERF_EVENT_IOC_PERIOD),
	SANDBOX_CALL_IF(ioctl, 1, EQUAL, PERF_EVENT_IOC_SET_BPF),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GETFD),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_SETFD),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GETFL),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_DUPFD_CLOEXEC),
	SANDBOX_CALL(dup3),
	/* Its advice when it is refused, and what old kernels count as locked memory. */
	SANDBOX_CALL_IFS(prlimit64, SANDBOX_ARG(0, EQUAL, 0),
			 SANDBOX_ARG(1, EQUAL, RLIMIT_MEMLOCK)),
	SANDBOX_CALL(uname),
	SANDBOX_CALL(faccessat2),
	SANDBOX_CALL(faccessat),
	SANDBOX_CALL(access),
	SANDBOX_CALL(fstatfs),
	SANDBOX_CALL(statfs),
	/* Memory that is shared with BPF, with a file of memory, or laid out to check the walk against. */
	SANDBOX_CALL_IF(mmap, 2, WITHOUT, PROT_EXEC),
	SANDBOX_CALL_IF(mprotect, 2, WITHOUT, PROT_EXEC),
	SANDBOX_CALL(msync),
	SANDBOX_CALL(mincore),
	/* Files: what the kernel tells, and those of the spool, which Landlock tells apart. */
	SANDBOX_CALL(openat),
	SANDBOX_CALL(close),
	SANDBOX_CALL(read),
	SANDBOX_CALL(pread64),
	SANDBOX_CALL(write),
	SANDBOX_CALL(pwrite64),
	SANDBOX_CALL(writev),
	SANDBOX_CALL(lseek),
	SANDBOX_CALL(fstat),
	SANDBOX_CALL(newfstatat),
	SANDBOX_CALL(statx),
	SANDBOX_CALL(getdents64),
	SANDBOX_CALL(readlinkat),
	SANDBOX_CALL(mkdirat),
	SANDBOX_CALL(renameat),
	SANDBOX_CALL(renameat2),
	SANDBOX_CALL(linkat),
	SANDBOX_CALL(unlinkat),
	SANDBOX_CALL(ftruncate),
	SANDBOX_CALL(fallocate),
	SANDBOX_CALL(fchmod),
	SANDBOX_CALL(umask),
	SANDBOX_CALL(flock),
	SANDBOX_CALL(fsync),
	SANDBOX_CALL(fdatasync),
	SANDBOX_CALL(syncfs),
	SANDBOX_CALL(sync_file_range),
	SANDBOX_CALL(fadvise64),
	/* Profiles, as sealed memory files. */
	SANDBOX_CALL(memfd_create),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_ADD_SEALS),
	SANDBOX_CALL_IF(fcntl, 1, EQUAL, F_GET_SEALS),
	/* Whether a target lives; no signal but 0. */
	SANDBOX_CALL(pidfd_open),
	SANDBOX_CALL_IF(pidfd_send_signal, 1, EQUAL, 0),
	/* Clocks of processes, and waits of the thread that writes. */
	SANDBOX_CALL(clock_getres),
	SANDBOX_CALL(clock_nanosleep),
	SANDBOX_CALL(sched_getaffinity),
	/* That thread. libc asks by clone3(2), whose flags lie in memory, and takes no for an answer. */
	SANDBOX_FAIL(clone3, ENOSYS),
	SANDBOX_CALL_IF(clone, 0, EQUAL, THREAD_FLAGS),
	SANDBOX_CALL(eventfd2),
	SANDBOX_CALL(futex),
	SANDBOX_CALL(set_robust_list),
	SANDBOX_CALL(rseq),
	SANDBOX_CALL(rt_sigaction),
	SANDBOX_CALL(rt_sigreturn),
	SANDBOX_CALL_IF(prctl, 0, EQUAL, PR_SET_NAME),
	SANDBOX_CALL(sched_yield),
	SANDBOX_CALL(exit),
};

/* Address space is what it maps of BPF, which is bounded by Memory= and UnwindMemory=. */
static const struct sandbox_limit confine_processes = { RLIMIT_NPROC, 512 };

/* Hierarchies of control groups that are mounted outside of /sys. */
static size_t find_hierarchies(struct sandbox_path *paths, size_t max)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[PATH_MAX + 512], point[PATH_MAX];
	size_t cnt = 0;

	while (f && cnt < max && fgets(line, sizeof(line), f)) {
		if (!strstr(line, " - cgroup") ||
		    sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 ||
		    strncmp(point, "/sys/", strlen("/sys/")) == 0)
			continue;
		paths[cnt++] =
			(struct sandbox_path){ .fd = open(point, O_PATH | O_DIRECTORY | O_CLOEXEC),
					       .access = SANDBOX_READ };
	}
	return cnt;
}

#define PATHS_OWN 4
#define PATHS_MAX (PATHS_OWN + 16)

static int confine_paths(int spool)
{
	struct sandbox_path paths[PATHS_MAX] = {
		{ .fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), .access = SANDBOX_READ },
		{ .fd = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC), .access = SANDBOX_READ },
		{ .fd = spool, .access = SANDBOX_WRITE },
		/* libbpf opens "/" to have the number of a descriptor (bpf_map__reuse_fd()). */
		{ .fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), .access = SANDBOX_LIST },
	};
	size_t cnt = PATHS_OWN + find_hierarchies(paths + PATHS_OWN, PATHS_MAX - PATHS_OWN);
	int r = sandbox_only_paths(paths, cnt);

	for (size_t i = 0; i < cnt; i++)
		if (paths[i].fd != spool)
			(void)fd_close(paths[i].fd);
	return r;
}

int confine(struct sampler *s, int spool)
{
	struct wire_sandbox m = { .head = { .size = sizeof(m), .type = WIRE_SANDBOX } };
	int paths, calls, r;

	if (s->is_confined)
		return 0;
	r = sandbox_close();
	if (r == 0 && getuid() != 0)
		r = sandbox_limit(&confine_processes, 1);
	if (r < 0)
		return log_error(r, "cannot confine itself: %m");
	paths = confine_paths(spool);
	if (paths < 0)
		return log_error(paths, "cannot confine itself to its files: %m");
	calls = sandbox_only_calls(confine_calls, ELEMENTSOF(confine_calls));
	if (calls < 0)
		return log_error(calls, "cannot confine itself to its calls: %m");
	s->is_confined = true;
	*(paths ? &m.layers : &m.missing) |= WIRE_LAYER_PATHS;
	*(calls ? &m.layers : &m.missing) |= WIRE_LAYER_CALLS;
	/* A launcher that does not hear it is gone, as the loop will see. */
	(void)seqpacket_send(WIRE_CONTROL_FD, &m, sizeof(m), -EBADF);
	return 0;
}
