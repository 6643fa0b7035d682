/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What files have: each source against what nm says of programs that are built here, whole, stripped, and with their
 * symbols beside; what is no file of ours; answers that lie; and what profiles say.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <errno.h>

#include "check.h"
#include "cprof/elf_sources.h"
#include "cprof/explain_profile.h"

static char work_dir[] = "/tmp/test-explain-XXXXXX";

static const char source[] = "#include <stdio.h>\n"
			     "static __attribute__((noinline)) int one(int n) { return n * 3; }\n"
			     "static inline __attribute__((always_inline)) int two(int n)\n"
			     "{ puts(\"x\"); return one(n) + 1; }\n"
			     "int three(int n) { return two(n) + two(n + 1); }\n"
			     "int main(int argc, char **argv) { return three(argc); }\n";

static int run(const char *command)
{
	char whole[1024];

	snprintf(whole, sizeof(whole), "cd %s && %s", work_dir, command);
	return system(whole);
}

static void remove_work_dir(void)
{
	(void)run("rm -r $PWD");
}

static int open_file(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", work_dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void build(void)
{
	static bool built;
	FILE *f;
	char path[64];

	if (built)
		return;
	built = true;
	CHECK(mkdtemp(work_dir));
	atexit(remove_work_dir);
	snprintf(path, sizeof(path), "%s/p.c", work_dir);
	f = fopen(path, "we");
	CHECK(f && fputs(source, f) >= 0 && fclose(f) == 0);
	if (run("gcc -gdwarf-4 -O1 -rdynamic -Wl,--build-id=sha1 -o whole p.c && "
		"objcopy --only-keep-debug whole debug && strip -o bare whole && "
		"objcopy --add-gnu-debuglink=debug bare && "
		"gcc -s -O1 -Wl,--build-id=none -o none p.c && "
		"objcopy --compress-debug-sections whole packed") != 0)
		check_skip("gcc or objcopy is missing");
}

static struct explain_elf ask(const char *name, const char *debug)
{
	struct explain_files files = { .fd = open_file(name) };
	struct explain_elf e;

	if (debug)
		files.debugs[files.debugs_cnt++] = open_file(debug);
	explain_elf(&files, 1, &e);
	CHECK(explain_elf_check(&e, sizeof(e)));
	close(files.fd);
	for (uint32_t i = 0; i < files.debugs_cnt; i++)
		close(files.debugs[i]);
	return e;
}

TEST(a_whole_program)
{
	struct explain_elf e;

	build();
	e = ask("whole", NULL);
	CHECK_EQ(e.outcome, SYMTAB_OK);
	CHECK_EQ(e.names[SYMTAB_SOURCE_SYMTAB].state, EXPLAIN_THERE);
	CHECK(e.names[SYMTAB_SOURCE_SYMTAB].functions >= 3);
	CHECK_EQ(e.names[SYMTAB_SOURCE_DYNSYM].state, EXPLAIN_THERE);
	/* one() is for nobody else. */
	CHECK(e.names[SYMTAB_SOURCE_DYNSYM].functions < e.names[SYMTAB_SOURCE_SYMTAB].functions);
	CHECK(e.names[SYMTAB_SOURCE_PLT].functions >= 1);
	CHECK_EQ(e.names[SYMTAB_SOURCE_DEBUG].state, EXPLAIN_ABSENT);
	CHECK_EQ(e.names[SYMTAB_SOURCE_GO].state, EXPLAIN_ABSENT);
	CHECK_EQ(e.own.state, EXPLAIN_THERE);
	CHECK_EQ(e.own.version, 4);
	CHECK_EQ(e.own.packed, 0);
	CHECK(e.own.lined > 0 && e.own.inlined > 0 && e.own.lined < e.own.places);
	CHECK(e.rows > 0 && e.rows <= e.code);
	CHECK_EQ(e.eh_frame, 1);
	CHECK_EQ(e.build_id_sz, 20);
	CHECK_EQ(e.link[0], 0);
	CHECK_EQ(ask("packed", NULL).own.packed, 1);
	CHECK(ask("packed", NULL).own.lined > 0);
}

TEST(a_stripped_program)
{
	struct explain_elf whole, bare, both;

	build();
	whole = ask("whole", NULL);
	bare = ask("bare", NULL);
	CHECK_EQ(bare.names[SYMTAB_SOURCE_SYMTAB].state, EXPLAIN_ABSENT);
	CHECK_EQ(bare.own.state, EXPLAIN_ABSENT);
	CHECK_STR(bare.link, "debug");
	CHECK(bare.all.bytes < whole.all.bytes);
	both = ask("bare", "debug");
	CHECK_EQ(both.debug_of, 1);
	CHECK_EQ(both.names[SYMTAB_SOURCE_DEBUG].functions,
		 whole.names[SYMTAB_SOURCE_SYMTAB].functions);
	CHECK_EQ(both.all.bytes, whole.all.bytes);
	CHECK_EQ(both.debug.state, EXPLAIN_THERE);
	CHECK_EQ(both.debug.lined, whole.own.lined);
	/* Another program's. */
	both = ask("none", "debug");
	CHECK_EQ(both.debug_of, 0);
	CHECK_EQ(both.build_id_sz, 0);
}

TEST(what_is_none)
{
	build();
	CHECK_EQ(ask("p.c", NULL).outcome, SYMTAB_BAD);
	CHECK_EQ(run("head -c 3000 whole > cut && head -c 64 whole > head"), 0);
	CHECK_EQ(ask("head", NULL).outcome, SYMTAB_BAD);
	(void)ask("cut", "cut");
}

TEST(only_the_head)
{
	struct explain_files files = { .head = true };
	struct explain_elf e;

	build();
	files.fd = open_file("bare");
	explain_elf(&files, 1, &e);
	close(files.fd);
	CHECK_STR(e.link, "debug");
	CHECK_EQ(e.build_id_sz, 20);
	CHECK_EQ(e.all.functions, 0);
}

TEST(answers_that_lie)
{
	const struct explain_elf good = { .code = 100, .link = "x.debug" };
	struct explain_elf e = good;

	CHECK(explain_elf_check(&e, sizeof(e)));
	CHECK(!explain_elf_check(&e, sizeof(e) - 1));
	memset(e.link, 'x', sizeof(e.link));
	CHECK(!explain_elf_check(&e, sizeof(e)));
	e = good;
	strcpy(e.link, "../../etc/shadow");
	CHECK(!explain_elf_check(&e, sizeof(e)));
	strcpy(e.link, "..");
	CHECK(!explain_elf_check(&e, sizeof(e)));
	e = good;
	e.build_id_sz = OBJECT_BUILD_ID_MAX + 1;
	CHECK(!explain_elf_check(&e, sizeof(e)));
	e = good;
	e.all.bytes = 101;
	CHECK(!explain_elf_check(&e, sizeof(e)));
	e = good;
	e.names[SYMTAB_SOURCE_MAX - 1].state = EXPLAIN_BAD + 1;
	CHECK(!explain_elf_check(&e, sizeof(e)));
	e = good;
	e.debug.places = EXPLAIN_PLACES + 1;
	CHECK(!explain_elf_check(&e, sizeof(e)));
	e = good;
	e.own.lined = 1;
	CHECK(!explain_elf_check(&e, sizeof(e)));
	e = good;
	e.debug_of = EXPLAIN_DEBUGS_MAX + 1;
	CHECK(!explain_elf_check(&e, sizeof(e)));
}

TEST(no_profiles)
{
	_cleanup_(explain_profile_freep) struct explain_profile *p = NULL;
	const struct explain_object *v;
	struct explain_totals all;
	size_t cnt;

	CHECK_EQ(explain_profile_new(1, &p), 0);
	CHECK_EQ(explain_profile_add(p, "\x1f\x8b no gzip", 10), -EBADMSG);
	CHECK_EQ(explain_profile_add(p, "\xff\xff\xff", 3), -EBADMSG);
	CHECK_EQ(explain_profile_objects(p, &v, &cnt), 0);
	CHECK_EQ(cnt, 0);
	explain_profile_totals(p, &all);
	CHECK_EQ(all.files, 0);
	CHECK_EQ(all.frames, 0);
}

/* Two regions of one file, a frame without a name, one of them twice in its stack; what is said of them. */
TEST(a_profile)
{
	_cleanup_(explain_profile_freep) struct explain_profile *p = NULL;
	static const char *const strings[] = {
		"",
		"n",
		"count",
		"/usr/lib/libx.so",
		"f",
		"[libx.so]",
		"#cprofd object=names:dynsym,plt lines:- why:late /usr/lib/libx.so",
		"#cprofd object=names:debug_file,plt lines:debug_file why:- /usr/lib/libx.so",
		"#cprofd object=names:dynsym /usr/lib/libx.so",
		"[vdso]",
	};
	/* types; samples (values 5 and 2): locations 1 2 1, and 3; mappings 1 to 3; locations; functions */
	static const uint8_t body[] = {
		0x0a, 4,  0x08, 1, 0x10, 2, 0x12, 8,	0x0a, 3, 1,    2, 1,	0x12,
		1,    5,  0x12, 6, 0x0a, 1, 3,	  0x12, 1,    2, 0x1a, 4, 0x08, 1,
		0x28, 3,  0x1a, 4, 0x08, 2, 0x28, 3,	0x1a, 4, 0x08, 3, 0x28, 9,
		0x22, 10, 0x08, 1, 0x10, 1, 0x22, 4,	0x08, 1, 0x10, 7, 0x22, 8,
		0x08, 2,  0x10, 2, 0x22, 2, 0x08, 2,	0x22, 8, 0x08, 3, 0x10, 3,
		0x22, 2,  0x08, 3, 0x2a, 4, 0x08, 1,	0x10, 4, 0x2a, 4, 0x08, 2,
		0x10, 5,  0x2a, 4, 0x08, 3, 0x10, 9,	0x68, 6, 0x68, 7, 0x68, 8,
	};
	const struct explain_object *v;
	struct explain_totals all;
	uint8_t bytes[2048];
	size_t sz = sizeof(body), cnt;

	memcpy(bytes, body, sizeof(body));
	for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
		size_t len = strlen(strings[i]);

		bytes[sz++] = 0x32;
		bytes[sz++] = (uint8_t)len;
		memcpy(bytes + sz, strings[i], len);
		sz += len;
	}
	CHECK_EQ(explain_profile_new(1, &p), 0);
	CHECK_EQ(explain_profile_add(p, bytes, sz), 0);
	CHECK_EQ(explain_profile_add(p, bytes, sz), 0);
	CHECK_EQ(explain_profile_objects(p, &v, &cnt), 0);
	CHECK_EQ(cnt, 2);
	CHECK_STR(v[0].file, "/usr/lib/libx.so");
	CHECK_EQ(v[0].samples, 10);
	CHECK_EQ(v[0].frames, 20);
	CHECK_EQ(v[0].frames_named, 10);
	CHECK_EQ(v[0].frames_lined, 10);
	CHECK_EQ(v[0].places_named, 2);
	CHECK_STR(v[0].names, "dynsym,plt,debug_file");
	CHECK_STR(v[0].lines, "debug_file");
	CHECK_STR(v[0].why, "late");
	CHECK_STR(v[1].file, "[vdso]");
	CHECK_EQ(v[1].samples, 4);
	CHECK_EQ(v[1].frames_named, 0);
	explain_profile_totals(p, &all);
	CHECK_EQ(all.frames, 24);
	CHECK_EQ(all.files, 2);
	/* One that breaks off leaves nothing behind. */
	CHECK_EQ(explain_profile_add(p, bytes, sz - 1), -EBADMSG);
	explain_profile_totals(p, &all);
	CHECK_EQ(all.frames, 24);
}

CHECK_MAIN
