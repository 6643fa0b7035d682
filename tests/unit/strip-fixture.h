/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* strip-fixture — the running test as a program whose symbols were taken out, and what was. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define STRIP_DIR "/tmp/test-role-XXXXXX"

static char strip_dir[] = STRIP_DIR;

/* This program without its symbols, what was taken out, and that without symbols. */
static inline void strip_self(void)
{
	char command[512];

	memcpy(strip_dir, STRIP_DIR, sizeof(strip_dir));
	CHECK(mkdtemp(strip_dir));
	snprintf(command, sizeof(command),
		 "cd %s && cp /proc/%d/exe whole && objcopy --only-keep-debug whole debug && "
		 "objcopy --strip-all whole stripped && objcopy --strip-all debug empty",
		 strip_dir, (int)getpid());
	if (system(command) != 0)
		check_skip("objcopy is missing");
}

static inline int open_stripped(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", strip_dir, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static inline void strip_done(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", strip_dir);
	CHECK_EQ(system(command), 0);
}
