/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A table becomes a program that goes through its rows one by one. That is slower than a search, and
 * it does not matter: what a kernel allows whatever the arguments are, it finds out once by running
 * the program on each number, and from then on does not run it at all (Linux 5.11 and later,
 * seccomp_cache_prepare()). A search tree would save time for the few calls whose arguments count, and
 * would need a compiler with labels; this needs none, for no jump leaves its row.
 *
 * Sources: seccomp(2), Documentation/userspace-api/seccomp_filter.rst, and for the numbers of x32
 * the kernel's asm/unistd.h.
 */

#include <asm/unistd.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/sandbox.h"
#include "instrumented.h"

#define ARGS_MAX 6

struct filter {
	struct sock_filter *code;
	size_t cnt;
};

static void put(struct filter *f, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	if (f->cnt < SANDBOX_FILTER_MAX)
		f->code[f->cnt] = (struct sock_filter){ .code = code, .jt = yes, .jf = no, .k = k };
	f->cnt++;
}

static void put_load(struct filter *f, size_t offset)
{
	put(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_return(struct filter *f, uint32_t action)
{
	put(f, BPF_RET | BPF_K, action, 0, 0);
}

/* The low half of an argument comes first: x86-64 is little-endian. */
static size_t offset_of_arg(uint8_t arg)
{
	return offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t);
}

static size_t length_of_test(const struct sandbox_arg *a)
{
	return a->test == SANDBOX_ALWAYS ? 0 : 2;
}

/* What does not fit jumps over @rest more instructions. */
static void put_test(struct filter *f, const struct sandbox_arg *a, size_t rest)
{
	const uint32_t value = a->test == SANDBOX_SELF ? (uint32_t)getpid() : a->value;
	const bool without = a->test == SANDBOX_WITHOUT;

	if (a->test == SANDBOX_ALWAYS)
		return;
	put_load(f, offset_of_arg(a->arg));
	put(f, BPF_JMP | BPF_K | (without ? BPF_JSET : BPF_JEQ), value, without ? (uint8_t)rest : 0,
	    without ? 0 : (uint8_t)rest);
}

/* Each row loads the number anew, for a row before it may have loaded an argument. */
static int put_row(struct filter *f, const struct sandbox_call *c)
{
	const struct sandbox_arg *a = &c->args[0], *b = &c->args[1];
	const size_t length_b = length_of_test(b);

	if (a->test > SANDBOX_SELF || b->test > SANDBOX_SELF || a->arg >= ARGS_MAX ||
	    b->arg >= ARGS_MAX)
		return -EINVAL;
	put_load(f, offsetof(struct seccomp_data, nr));
	put(f, BPF_JMP | BPF_JEQ | BPF_K, c->nr, 0, (uint8_t)(length_of_test(a) + length_b + 1));
	put_test(f, a, length_b + 1);
	put_test(f, b, 1);
	put_return(f, c->error ? SECCOMP_RET_ERRNO | (c->error & SECCOMP_RET_DATA)
			       : SECCOMP_RET_ALLOW);
	return 0;
}

static int put_rows(struct filter *f, const struct sandbox_call *calls, size_t cnt)
{
	int r = 0;

	for (size_t i = 0; i < cnt && r == 0; i++)
		r = put_row(f, &calls[i]);
	return r;
}

int sandbox_compile(const struct sandbox_call *calls, size_t cnt, struct sock_filter *ret)
{
	struct filter f = { .code = ret };
	int r;

	put_load(&f, offsetof(struct seccomp_data, arch));
	put(&f, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	put_return(&f, SECCOMP_RET_KILL_PROCESS);
	put_load(&f, offsetof(struct seccomp_data, nr));
	put(&f, BPF_JMP | BPF_JGE | BPF_K, __X32_SYSCALL_BIT, 0, 1);
	put_return(&f, SECCOMP_RET_KILL_PROCESS);

	r = put_rows(&f, calls, cnt);
	if (r == 0)
		r = put_rows(&f, sandbox_instrumented, sandbox_instrumented_cnt);
	put_return(&f, SECCOMP_RET_KILL_PROCESS);
	if (r < 0)
		return r;
	return f.cnt > SANDBOX_FILTER_MAX ? -E2BIG : (int)f.cnt;
}

/* Not there (EINVAL, ENOSYS), or forbidden by whoever put us into a container (EPERM). */
static bool is_missing(int error)
{
	return error == EINVAL || error == ENOSYS || error == EPERM;
}

int sandbox_only_calls(const struct sandbox_call *calls, size_t cnt)
{
	struct sock_filter code[SANDBOX_FILTER_MAX];
	struct sock_fprog program = { .filter = code };
	int r = sandbox_compile(calls, cnt, code);

	if (r < 0)
		return r;
	program.len = (unsigned short)r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		return is_missing(errno) ? 0 : -errno;
	return 1;
}
