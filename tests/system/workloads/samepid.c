/* SPDX-License-Identifier: Apache-2.0 */
/*
 * samepid UID OTHER TURNS — process after process with one pid, of the user and of another in turns.
 *
 * The user's says `mine` in its command line and works in `shown`, the other's says `theirs` and works
 * in `hidden`: whoever asks for the pid as the user may hear of the first alone. The pid is printed
 * when it is known, and at the end how many processes there were. clone3(2) gives them the pid.
 */

#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "load.h"

#define WORK_NS 150000ULL

LOAD_HOT static uint64_t shown(uint64_t x)
{
	return churn_until(x, CLOCK_MONOTONIC, load_now(CLOCK_MONOTONIC) + WORK_NS);
}

LOAD_HOT static uint64_t hidden(uint64_t x)
{
	return churn_until(x, CLOCK_MONOTONIC, load_now(CLOCK_MONOTONIC) + WORK_NS);
}

static void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		_exit(1);
}

/* What is told of it changes before it is the other's, and after it is the user's: never too early. */
static _Noreturn void live(char *words, uid_t uid, int is_other)
{
	if (is_other)
		memcpy(words, "theirs", 6);
	become(uid);
	if (!is_other)
		memcpy(words, "mine__", 6);
	(void)(is_other ? hidden(1) : shown(1));
	_exit(0);
}

static pid_t clone_as(pid_t pid)
{
	pid_t wanted[] = { pid };
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = pid > 0 ? (uint64_t)(uintptr_t)wanted : 0,
		.set_tid_size = pid > 0 ? 1 : 0,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int main(int argc, char *argv[])
{
	long turns = (long)load_arg(argc, argv, 3, 100), done = 0;
	pid_t pid = 0;

	if (argc < 4 || strlen(argv[0]) < 6)
		return 2;
	for (long i = 0; i < turns; i++) {
		int is_other = i % 2 == 1;
		pid_t child = clone_as(pid);

		if (child == 0)
			live(argv[0], (uid_t)load_arg(argc, argv, is_other ? 2 : 1, 0), is_other);
		/* Somebody else has the number for now. */
		if (child < 0)
			continue;
		if (pid == 0) {
			pid = child;
			printf("%d\n", pid);
			(void)fflush(stdout);
		}
		if (waitpid(child, NULL, 0) != child)
			return 1;
		done++;
	}
	printf("{\"turns\": %ld}\n", done);
	return 0;
}
