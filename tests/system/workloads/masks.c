/* SPDX-License-Identifier: Apache-2.0 */
/*
 * masks UID — works in turns in `shown`, where the user UID may see it, and in `hidden`, where he may not.
 *
 * Started as that user it is dumpable and not dumpable in turns. Started as root it is root, acting as
 * that user now and then (in `hidden` all the time, for root's it stays), and looks at the files given
 * behind UID: in an overlay file system the kernel lets it act under the credentials of who mounted it.
 */

#include <sys/prctl.h>
#include <sys/stat.h>

#include "load.h"

#define WORK_NS (1 * 1000000ULL)
#define LOOKS 200

LOAD_HOT static uint64_t shown(uint64_t x)
{
	return churn_until(x, CLOCK_MONOTONIC, load_now(CLOCK_MONOTONIC) + WORK_NS);
}

LOAD_HOT static uint64_t hidden(uint64_t x)
{
	return churn_until(x, CLOCK_MONOTONIC, load_now(CLOCK_MONOTONIC) + WORK_NS);
}

LOAD_HOT static uint64_t hidden_looks(const char *path, uint64_t x)
{
	struct stat st;

	for (int i = 0; i < LOOKS; i++)
		x += (uint64_t)stat(path, &st);
	return x;
}

/* The mode is that of the whole turn: it is set back where the user may see it again. */
static uint64_t turn_of_user(uint64_t x)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		exit(1);
	x = hidden(x);
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		exit(1);
	return shown(x);
}

static uint64_t turn_of_root(uid_t uid, char *paths[], uint64_t x)
{
	if (seteuid(uid) < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		exit(1);
	x = hidden(x);
	if (seteuid(0) < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		exit(1);
	x = hidden(x);
	for (; *paths; paths++)
		x = hidden_looks(*paths, x);
	return x;
}

int main(int argc, char *argv[])
{
	uid_t uid = (uid_t)load_arg(argc, argv, 1, 0);
	uint64_t x = 1;

	if (argc < 2)
		return 2;
	puts("ready");
	(void)fflush(stdout);
	for (;;) {
		x = getuid() == 0 ? turn_of_root(uid, argv + 2, x) : turn_of_user(x);
		(void)usleep(1000);
	}
}
