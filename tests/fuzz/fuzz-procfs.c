/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as /proc/PID/maps, stat and mountinfo. Whatever maps says, a mapping that is told for an
 * address holds that address, and each line alone tells what the whole told.
 */

#include <sys/mman.h>
#include <unistd.h>

#include "cprof/procfs.h"
#include "fuzz.h"

#define ADDRESSES 8

static void look_at_maps(int fd)
{
	uint64_t addresses[ADDRESSES] = { 0x1000,	  0x1001,	  0x2000,
					  0x55d0c0a00000, 0x7f0000000000, 0x7ffff7fc1000,
					  1ull << 63,	  UINT64_MAX };
	struct procfs_range r[ADDRESSES];

	if (procfs_maps_read(fd, addresses, ADDRESSES, r) < 0)
		return;
	for (int i = 0; i < ADDRESSES; i++) {
		if (r[i].end == 0) {
			FUZZ_CHECK(r[i].kind == PROCFS_NONE && r[i].start == 0);
			continue;
		}
		FUZZ_CHECK(r[i].start <= addresses[i] && addresses[i] < r[i].end);
		FUZZ_CHECK((r[i].kind == PROCFS_FILE) <= (r[i].ino != 0));
	}
}

static void look_for_name(int fd)
{
	struct procfs_range r;

	if (procfs_maps_named(fd, "jit-7.dump", &r) == 1)
		FUZZ_CHECK(r.start < r.end && r.kind == PROCFS_FILE && r.ino != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t sz)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char *text = malloc(sz + 1);
	struct procfs_range range;
	struct procfs_mount mount;
	struct procfs_stat stat;

	FUZZ_CHECK(fd >= 0 && text);
	FUZZ_CHECK(write(fd, bytes, sz) == (ssize_t)sz && lseek(fd, 0, SEEK_SET) == 0);
	look_at_maps(fd);
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	look_for_name(fd);
	close(fd);
	if (procfs_maps_parse((const char *)bytes, sz, &range))
		FUZZ_CHECK(range.start < range.end);
	if (sz > 0)
		memcpy(text, bytes, sz);
	text[sz] = '\0';
	(void)procfs_stat_parse(text, &stat);
	if (procfs_mount_parse(text, &mount))
		FUZZ_CHECK(strlen(mount.type) < sizeof(mount.type));
	free(text);
	return 0;
}
