/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sandbox: the filter as the kernel runs it, one forbidden thing for each process; the same filter read
 * instruction by instruction, for what no process can do; paths, limits, and kernels without them.
 */

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/sandbox.h"
#include "scratch.h"

#define UNCONFINED 99 /* the kernel has no such thing */
#define KILLED (-SIGSYS)

/* What is asked for in vain here is in no sanitizer's table. */
static const struct sandbox_call few[] = {
	SANDBOX_CALL(exit_group),
	SANDBOX_CALL(getppid),
	SANDBOX_CALL_IF(socket, 0, EQUAL, AF_UNIX),
	SANDBOX_CALL_IF(socket, 0, EQUAL, AF_NETLINK),
	SANDBOX_CALL_IF(umask, 0, WITHOUT, 0022),
	SANDBOX_CALL_IF(getpgid, 0, SELF, 0),
	SANDBOX_CALL_IFS(getpriority, SANDBOX_ARG(0, WITHOUT, 2), SANDBOX_ARG(1, EQUAL, 1)),
	SANDBOX_FAIL(times, EPERM),
};

/* The status of the child, or minus the signal that ended it. */
static int outcome(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int call_in_child(const struct sandbox_call *calls, size_t cnt, long nr, long arg)
{
	pid_t pid = fork();
	long r;
	int error;

	CHECK(pid >= 0);
	if (pid > 0)
		return outcome(pid);
	if (nr == SYS_getpgid && arg == 0)
		arg = getpid();
	if (sandbox_only_calls(calls, cnt) != 1)
		_exit(UNCONFINED);
	r = syscall(nr, arg, 1, 0, 0, 0, 0); /* SOCK_STREAM */
	error = errno;
	_exit(r >= 0 ? 0 : error);
}

static int attempt(long nr, long arg)
{
	int r = call_in_child(few, ELEMENTSOF(few), nr, arg);

	if (r == UNCONFINED)
		check_skip("no seccomp in this kernel");
	return r;
}

TEST(what_is_in_the_table)
{
	CHECK_EQ(attempt(SYS_getppid, 0), 0);
	CHECK_EQ(attempt(SYS_uname, 0), KILLED);
	CHECK_EQ(attempt(SYS_getuid, 0), KILLED);
	CHECK_EQ(attempt(SYS_times, 0), EPERM);
}

TEST(arguments)
{
	CHECK_EQ(attempt(SYS_socket, AF_UNIX), 0);
	CHECK_EQ(attempt(SYS_socket, AF_INET), KILLED);
	CHECK_EQ(attempt(SYS_socket, AF_NETLINK) == KILLED, 0);
	CHECK_EQ(attempt(SYS_umask, 0700), 0);
	CHECK_EQ(attempt(SYS_umask, 0722), KILLED);
	CHECK_EQ(attempt(SYS_umask, 0702), KILLED);
	CHECK_EQ(attempt(SYS_getpgid, 0), 0);
	CHECK_EQ(attempt(SYS_getpgid, 1), KILLED);
}

/* Both must fit: the second one is 1 in all of these. */
TEST(two_arguments)
{
	struct sandbox_call other[] = {
		SANDBOX_CALL(exit_group),
		SANDBOX_CALL_IFS(getpriority, SANDBOX_ARG(0, EQUAL, 0), SANDBOX_ARG(1, EQUAL, 2)),
	};

	CHECK_EQ(attempt(SYS_getpriority, 0), 0);
	CHECK_EQ(attempt(SYS_getpriority, 2), KILLED);
	CHECK_EQ(call_in_child(other, ELEMENTSOF(other), SYS_getpriority, 0), KILLED);
	other[1].args[1].value = 1;
	CHECK_EQ(call_in_child(other, ELEMENTSOF(other), SYS_getpriority, 0), 0);
}

/* The upper half is nothing that the kernel looks at, so it must not make another argument. */
TEST(upper_halves)
{
	CHECK_EQ(attempt(SYS_socket, AF_UNIX | 1L << 32), 0);
	CHECK_EQ(attempt(SYS_socket, AF_INET | 1L << 32), KILLED);
	CHECK_EQ(attempt(SYS_umask, 0022 | 1L << 32), KILLED);
}

TEST(other_numbers)
{
	pid_t pid;

	CHECK_EQ(attempt(__X32_SYSCALL_BIT | SYS_getppid, 0), KILLED);
	CHECK_EQ(attempt(-1, 0), KILLED);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		long r = 64; /* getppid of i386 */

		if (sandbox_only_calls(few, ELEMENTSOF(few)) != 1)
			_exit(UNCONFINED);
		__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	/* Without 32-bit programs in the kernel the instruction itself is the fault. */
	CHECK(outcome(pid) < 0);
}

/* What the program returns for a call, run here. */
static uint32_t run(const struct sock_filter *code, int cnt, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (int at = 0; at < cnt; at++) {
		const struct sock_filter *i = &code[at];
		bool yes = false;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			CHECK(i->k + sizeof(a) <= sizeof(*data));
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			yes = a == i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			yes = a >= i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			yes = a & i->k;
			break;
		default:
			CHECK_FAIL("instruction 0x%x", i->code);
		}
		at += yes ? i->jt : i->jf;
	}
	CHECK_FAIL("the program runs over its end");
}

TEST(every_number_and_machine)
{
	struct sock_filter code[SANDBOX_FILTER_MAX];
	struct seccomp_data data = { .arch = AUDIT_ARCH_X86_64, .args = { AF_INET } };
	int allowed = 0, cnt = sandbox_compile(few, ELEMENTSOF(few), code);

	CHECK(cnt > 0);
	for (data.nr = 0; data.nr < 1024; data.nr++)
		allowed += run(code, cnt, &data) == SECCOMP_RET_ALLOW;
	/* AF_INET is 2 and no socket of ours, but its bits are in 0022. */
	if (!sandbox_is_instrumented())
		CHECK_EQ(allowed, 2);
	for (data.nr = 0; data.nr < 1024; data.nr++) {
		data.arch = AUDIT_ARCH_I386;
		CHECK_EQ(run(code, cnt, &data), SECCOMP_RET_KILL_PROCESS);
		data.arch = AUDIT_ARCH_X86_64;
		data.nr |= __X32_SYSCALL_BIT;
		CHECK_EQ(run(code, cnt, &data), SECCOMP_RET_KILL_PROCESS);
		data.nr &= ~__X32_SYSCALL_BIT;
	}
}

TEST(tables_without_sense)
{
	static struct sandbox_call many[SANDBOX_FILTER_MAX / 3];
	struct sock_filter code[SANDBOX_FILTER_MAX];
	struct sandbox_call bad = { .nr = SYS_read, .args[1].arg = 6 };

	CHECK_EQ(sandbox_compile(&bad, 1, code), -EINVAL);
	bad = (struct sandbox_call){ .nr = SYS_read, .args[0].test = SANDBOX_SELF + 1 };
	CHECK_EQ(sandbox_compile(&bad, 1, code), -EINVAL);
	CHECK_EQ(sandbox_compile(many, ELEMENTSOF(many), code), -E2BIG);
}

/* A filter around us that forbids to have one of our own is a kernel without: told, not died of. */
TEST(no_seccomp)
{
	static const struct sandbox_call around[] = {
		SANDBOX_FAIL(seccomp, EPERM), SANDBOX_FAIL(landlock_create_ruleset, ENOSYS),
		SANDBOX_CALL(prctl),	      SANDBOX_CALL(getpid),
		SANDBOX_CALL(exit_group),
	};
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		if (sandbox_only_calls(around, ELEMENTSOF(around)) != 1)
			_exit(UNCONFINED);
		if (sandbox_only_calls(few, ELEMENTSOF(few)) != 0)
			_exit(1);
		_exit(sandbox_only_paths(NULL, 0) == 0 ? 0 : 2);
	}
	CHECK_EQ(outcome(pid) % UNCONFINED, 0);
}

/* Cannot be read; a sanitizer's run time may read everything. */
static bool is_closed(const char *path)
{
	return (open(path, O_RDONLY) < 0 && errno == EACCES) || sandbox_is_instrumented();
}

static int try_paths(void)
{
	const struct sandbox_path paths[] = {
		{ .fd = open("read", O_PATH | O_DIRECTORY), .access = SANDBOX_READ },
		{ .fd = open("write", O_PATH | O_DIRECTORY), .access = SANDBOX_WRITE },
		{ .fd = open("list", O_PATH | O_DIRECTORY), .access = SANDBOX_LIST },
		{ .fd = -EBADF, .access = SANDBOX_WRITE },
	};
	int r = sandbox_only_paths(paths, ELEMENTSOF(paths));

	if (r != 1)
		return r == 0 ? UNCONFINED : 1;
	if (open("read/file", O_RDONLY) < 0 || openat(paths[0].fd, "file", O_RDONLY) < 0)
		return 2;
	if (open("list", O_RDONLY) < 0 || !is_closed("list/file"))
		return 9;
	if (open("read/file", O_WRONLY) >= 0 || errno != EACCES)
		return 3;
	if (open("read/new", O_WRONLY | O_CREAT, 0600) >= 0 || errno != EACCES)
		return 4;
	if (!is_closed("file") || !is_closed("/etc/passwd"))
		return 5;
	if (open("write/new", O_WRONLY | O_CREAT, 0600) < 0 || mkdir("write/dir", 0700) < 0 ||
	    rename("write/new", "write/dir/new") < 0 || link("write/dir/new", "write/other") < 0 ||
	    truncate("write/other", 1) < 0 || unlink("write/dir/new") < 0 || rmdir("write/dir") < 0)
		return 6;
	if (symlink("x", "write/link") >= 0 || mkfifo("write/fifo", 0600) >= 0)
		return 7;
	return ptrace(PTRACE_ATTACH, getppid(), 0, 0) < 0 && errno == EPERM ? 0 : 8;
}

TEST(paths)
{
	pid_t pid;
	int r;

	enter_scratch();
	CHECK_EQ(mkdir("read", 0700), 0);
	CHECK_EQ(mkdir("write", 0700), 0);
	CHECK_EQ(mkdir("list", 0700), 0);
	CHECK_EQ(fd_close(open("list/file", O_WRONLY | O_CREAT, 0600)), -EBADF);
	CHECK_EQ(fd_close(open("read/file", O_WRONLY | O_CREAT, 0600)), -EBADF);
	CHECK_EQ(fd_close(open("file", O_WRONLY | O_CREAT, 0600)), -EBADF);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(try_paths());
	r = outcome(pid);
	if (r == UNCONFINED)
		check_skip("no Landlock in this kernel");
	CHECK_EQ(r, 0);
}

static int try_limits(void)
{
	const struct sandbox_limit limits[] = { { RLIMIT_NOFILE, 64 }, { RLIMIT_STACK, 1 << 20 } };
	struct rlimit before, after;

	if (getrlimit(RLIMIT_NOFILE, &before) < 0 || sandbox_limit(limits, 2) < 0)
		return 1;
	before.rlim_cur = before.rlim_max = 32;
	if (setrlimit(RLIMIT_NOFILE, &before) < 0 || sandbox_limit(limits, 2) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &after) < 0)
		return 2;
	if (!sandbox_is_instrumented() && (after.rlim_cur != 32 || after.rlim_max != 32))
		return 3; /* a lower one stays */
	if (sandbox_close() < 0 || prctl(PR_GET_DUMPABLE) != 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || getrlimit(RLIMIT_CORE, &after) < 0)
		return 4;
	return after.rlim_max == 0 ? 0 : 5;
}

TEST(limits)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(try_limits());
	CHECK_EQ(outcome(pid), 0);
}

CHECK_MAIN
