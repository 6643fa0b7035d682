/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* scratch — directories that are gone when the test program ends. */

#include <ftw.h>
#include <unistd.h>

#include "check.h"

#ifndef SCRATCH_ROOT
#define SCRATCH_ROOT "/tmp"
#endif

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static char *scratch(void)
{
	static char dir[] = SCRATCH_ROOT "/test-cprof-XXXXXX";

	return dir;
}

static void leave_scratch(void)
{
	(void)nftw(scratch(), remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* An empty directory of its own for each test, which becomes the current one. */
__attribute__((unused)) static void enter_scratch(void)
{
	char dir[] = "XXXXXX";

	if (strstr(scratch(), "XXXXXX")) {
		CHECK(mkdtemp(scratch()));
		CHECK_EQ(atexit(leave_scratch), 0);
	}
	CHECK_EQ(chdir(scratch()), 0);
	CHECK(mkdtemp(dir));
	CHECK_EQ(chdir(dir), 0);
}
