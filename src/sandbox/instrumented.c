/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AddressSanitizer maps its shadow as it grows, says what it found with the files and lines of it, and
 * at the end a process beside the one that is checked looks for what leaked, by ptrace(2). All of that
 * is what a filter is against, so such a build is for tests alone.
 */

#include "instrumented.h"

#ifdef __SANITIZE_ADDRESS__
const struct sandbox_call sandbox_instrumented[] = {
	SANDBOX_CALL(mmap),
	SANDBOX_CALL(munmap),
	SANDBOX_CALL(mprotect),
	SANDBOX_CALL(mremap),
	SANDBOX_CALL(madvise),
	SANDBOX_CALL(sigaltstack),
	SANDBOX_CALL(rt_sigaction),
	SANDBOX_CALL(rt_sigprocmask),
	SANDBOX_CALL(getpid),
	SANDBOX_CALL(gettid),
	SANDBOX_CALL(open),
	SANDBOX_CALL(openat),
	SANDBOX_CALL(close),
	SANDBOX_CALL(read),
	SANDBOX_CALL(write),
	SANDBOX_CALL(readlink),
	SANDBOX_CALL(stat),
	SANDBOX_CALL(fstat),
	SANDBOX_CALL(newfstatat),
	SANDBOX_CALL(access),
	SANDBOX_CALL(getdents),
	SANDBOX_CALL(getdents64),
	SANDBOX_CALL(sched_yield),
	SANDBOX_CALL(sched_getaffinity),
	SANDBOX_CALL(clone),
	SANDBOX_CALL(getppid),
	SANDBOX_CALL(ptrace),
	SANDBOX_CALL(wait4),
	SANDBOX_CALL(prctl),
	SANDBOX_CALL(futex),
	SANDBOX_CALL(getrlimit),
	SANDBOX_CALL(setrlimit),
	SANDBOX_CALL(prlimit64),
	SANDBOX_CALL(getrusage),
	SANDBOX_CALL(process_vm_readv),
	SANDBOX_CALL(exit),
	SANDBOX_CALL(exit_group),
	SANDBOX_CALL(tgkill),
};
const size_t sandbox_instrumented_cnt =
	sizeof(sandbox_instrumented) / sizeof(sandbox_instrumented[0]);
#else
const struct sandbox_call sandbox_instrumented[1];
const size_t sandbox_instrumented_cnt;
#endif

bool sandbox_is_instrumented(void)
{
	return sandbox_instrumented_cnt > 0;
}
