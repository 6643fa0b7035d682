/* SPDX-License-Identifier: Apache-2.0 */

/* maps: what the opener says of mappings, over a /proc that the test made. */

#include <inttypes.h>
#include <sys/stat.h>

#include "check.h"
#include "cprof/base/cleanup.h"
#include "maps.h"
#include "scratch.h"

#define CODE 0x10000ull
#define GONE 0x20000ull
#define OTHER 0x30000ull
#define ANON 0x40000ull
#define DATA 0x50000ull
#define HOLE 0x90000ull
#define PAGE 0x1000ull

static const char file[] = "proc/42/map_files/10000-11000";
static const char other[] = "proc/42/map_files/30000-31000";

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static uint64_t ino_of(const char *path)
{
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	return st.st_ino;
}

static void make_process(void)
{
	char text[1024];

	enter_scratch();
	CHECK_EQ(mkdir("proc", 0755), 0);
	CHECK_EQ(mkdir("proc/42", 0755), 0);
	CHECK_EQ(mkdir("proc/42/map_files", 0755), 0);
	put("proc/42/stat", "42 (x) R 1 42 42 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 500 1 1 1\n");
	put(file, "code");
	put(other, "not the mapped one");
	(void)snprintf(text, sizeof(text),
		       "10000-11000 r-xp 00003000 08:01 %" PRIu64 " /a\n"
		       "20000-21000 r-xp 00000000 08:01 77 /b\n"
		       "30000-31000 r-xp 00000000 08:01 %" PRIu64 " /c\n"
		       "40000-41000 rwxp 00000000 00:00 0 \n"
		       "50000-51000 rw-p 00000000 00:00 0 \n",
		       ino_of(file), ino_of(other) + 1);
	put("proc/42/maps", text);
}

TEST(what_could_not_be_looked_at_is_no_hole)
{
	struct {
		struct wire_maps head;
		uint64_t addresses[6];
	} req = { .head = { .head = { sizeof(req), WIRE_MAPS, 0, 9 },
			    .start_ns = 5000000000,
			    .pid = 42,
			    .cnt = 6 },
		  .addresses = { CODE, GONE, OTHER, ANON, DATA, HOLE } };
	struct maps_answer a;
	struct root root;

	make_process();
	CHECK_EQ(root_open(&root, "."), 0);
	CHECK_EQ(wire_check(&req, sizeof(req)), WIRE_MAPS);
	maps_answer(&root, &req.head, &a);
	CHECK_EQ(wire_check(&a, a.head.head.size), WIRE_MAPPED);
	CHECK_EQ(a.head.status, WIRE_OPENED_OK);
	CHECK_EQ(a.head.head.id, 9);
	CHECK_EQ(a.head.cnt, 6);
	CHECK_EQ(a.ranges[0].kind, WIRE_RANGE_FILE);
	CHECK_EQ(a.ranges[0].start, CODE);
	CHECK_EQ(a.ranges[0].end, CODE + PAGE);
	CHECK_EQ(a.ranges[0].pgoff, 0x3000);
	CHECK_EQ(a.ranges[0].key.size, 4);
	CHECK_EQ(a.ranges[1].kind, WIRE_RANGE_UNKNOWN); /* refused */
	CHECK_EQ(a.ranges[2].kind, WIRE_RANGE_UNKNOWN); /* replaced meanwhile */
	CHECK_EQ(a.ranges[3].kind, WIRE_RANGE_ANON);
	CHECK_EQ(a.ranges[4].kind, WIRE_RANGE_NONE);
	CHECK_EQ(a.ranges[5].kind, WIRE_RANGE_NONE);
	/* Another process by now. */
	req.head.start_ns += 1000000000;
	maps_answer(&root, &req.head, &a);
	CHECK_EQ(a.head.status, WIRE_OPENED_GONE);
	CHECK_EQ(a.head.cnt, 0);
	root_done(&root);
}

CHECK_MAIN
