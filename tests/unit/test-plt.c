/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stubs of calls into other files, against objdump: of programs built in each way that there is here, stripped
 * or not, and of this machine's own files.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cprof/elf_file.h"
#include "cprof/symtab.h"

static char work_dir[] = "/tmp/test-plt-XXXXXX";

/* Calls, and functions whose address is taken, which has a stub in .plt.got; and one of its own. */
static const char source[] =
	"#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
	"static int one(void) { return 1; }\n"
	"static int (*choose(void))(void) { return one; }\n"
	"int chosen(void) __attribute__((ifunc(\"choose\")));\n"
	"int main(int argc, char **argv) { int (*volatile f)(const char *) = puts;\n"
	"f(argv[0]); printf(\"%f\", pow(argc, argc)); puts(strstr(argv[0], \"/\"));\n"
	"free(malloc((size_t)argc)); return chosen() - argc; }\n";

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static bool run(const char *fmt, const char *arg)
{
	char command[1024];
	int len = snprintf(command, sizeof(command), "cd %s && ", work_dir);

	snprintf(command + len, sizeof(command) - (size_t)len, fmt, arg);
	return system(command) == 0;
}
#pragma GCC diagnostic pop

static struct symtab *load(const char *path, struct elf_file **ret_elf)
{
	struct symtab *t = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_EQ(elf_file_open(fd, (uint64_t)st.st_size, ret_elf), SYMTAB_OK);
	r = symtab_read(*ret_elf, NULL, &SYMTAB_LIMITS_DEFAULT, &t);
	CHECK(r == SYMTAB_OK || r == SYMTAB_UNNAMED);
	return t;
}

struct counts {
	unsigned int named;    /* as objdump does */
	unsigned int indirect; /* whose function objdump has no name for */
	unsigned int unnamed;  /* of those, which have none here either */
};

/* "0000000000001030 <puts@plt>:" */
static void check_line(char *line, const struct symtab *t, const struct elf_file *elf,
		       const char *path, struct counts *c)
{
	char *end, *name = strstr(line, " <"), *tail = strstr(line, "@plt>:");
	uint64_t addr = strtoull(line, &end, 16), place;
	struct symtab_symbol s = { 0 };
	bool known;

	if (end == line || end != name || !tail)
		return;
	name += 2;
	tail[4] = '\0';
	CHECK(elf_file_offset(elf, addr, &place));
	known = symtab_find(t, place, &s);
	if (name[0] == '*') { /* *ABS*+0x... */
		c->indirect++;
		c->unnamed += !known;
		if (known)
			CHECK(strlen(s.name) > 4 &&
			      strcmp(s.name + strlen(s.name) - 4, "@plt") == 0);
		return;
	}
	if (!known || strcmp(s.name, name) != 0)
		CHECK_FAIL("%s: %llx is %s, not %s", path, (unsigned long long)addr, name,
			   known ? s.name : "unnamed");
	CHECK_EQ(s.start, place);
	/* The byte before the next one is still its. */
	CHECK(symtab_find(t, place + 7, &s) && strcmp(s.name, name) == 0);
	c->named++;
}

static struct counts check_file(const char *path)
{
	_cleanup_(elf_file_closep) struct elf_file *elf = NULL;
	_cleanup_(symtab_freep) struct symtab *t = load(path, &elf);
	struct counts c = { 0 };
	char command[512], line[8192];
	FILE *f;

	snprintf(command, sizeof(command),
		 "objdump -d --no-show-raw-insn -j .plt -j .plt.sec -j .plt.got -j .iplt %s "
		 "2>/dev/null | "
		 "grep '@plt>:$'",
		 path);
	f = popen(command, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		check_line(line, t, elf, path, &c);
	pclose(f);
	CHECK(c.named == 0 || symtab_info(t)->sources & 1u << SYMTAB_SOURCE_PLT);
	return c;
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", work_dir, name);
	return path;
}

static void remove_work_dir(void)
{
	(void)run("rm -r %s", work_dir);
}

static void prepare(void)
{
	FILE *f;

	if (work_dir[strlen(work_dir) - 1] != 'X')
		return;
	CHECK(mkdtemp(work_dir));
	atexit(remove_work_dir);
	f = fopen(path_of("p.c"), "we");
	CHECK(f && fputs(source, f) >= 0 && fclose(f) == 0);
	if (system("objdump --version >/dev/null 2>&1") != 0 || !run("cc %s p.c -o p -lm", ""))
		check_skip("objdump or cc is missing");
}

TEST(built)
{
	static const char *const builds[] = {
		"-O1 -Wl,-z,lazy -fcf-protection=none",
		"-O1 -Wl,-z,now -fcf-protection=none",
		"-O1 -Wl,-z,lazy -fcf-protection=full -Wl,-z,ibtplt",
		"-O1 -Wl,-z,now -fcf-protection=full -Wl,-z,ibtplt",
		"-O1 -no-pie -Wl,-z,lazy",
		"-O1 -no-pie -Wl,-z,now -fcf-protection=full -Wl,-z,ibtplt",
		"-O1 -fuse-ld=lld -Wl,-z,now",
		"-O1 -fuse-ld=lld -Wl,-z,lazy",
		"-O1 -fuse-ld=gold",
	};
	unsigned int built = 0;

	prepare();
	for (size_t i = 0; i < ELEMENTSOF(builds); i++) {
		struct counts whole, bare;

		if (!run("cc %s -o p p.c -lm 2>/dev/null && strip -o bare p", builds[i])) {
			printf("# no build: %s\n", builds[i]);
			continue;
		}
		whole = check_file(path_of("p"));
		bare = check_file(path_of("bare"));
		CHECK(whole.named >= 4);
		CHECK_EQ(bare.named, whole.named);
		CHECK_EQ(whole.unnamed, 0);
		built++;
	}
	CHECK(built >= 6);
}

/* The stub of a first call, where each has two, pushes a number. */
TEST(first_call)
{
	_cleanup_(elf_file_closep) struct elf_file *elf = NULL;
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	struct symtab_symbol s;
	struct elf_section plt;
	unsigned int named = 0;

	prepare();
	CHECK(run("cc %s -o first p.c -lm", "-Wl,-z,lazy -fcf-protection=full -Wl,-z,ibtplt"));
	t = load(path_of("first"), &elf);
	CHECK(elf_file_section(elf, ".plt", &plt));
	for (uint64_t at = 16; at < plt.sz; at += 16) {
		if (!symtab_find(t, plt.offset + at, &s))
			CHECK_FAIL("the stub at %llx has no name", (unsigned long long)at);
		CHECK(strstr(s.name, "@plt"));
		named++;
	}
	CHECK(named >= 4);
	CHECK(!symtab_find(t, plt.offset, &s)); /* where all of them go on is nobody's */
}

TEST(machine)
{
	static const char *const paths[] = {
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/x86_64-linux-gnu/libm.so.6",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
		"/usr/bin/openssl",
		"/usr/bin/bash",
		"/usr/bin/python3",
	};
	struct counts all = { 0 };

	for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
		struct counts c;

		if (access(paths[i], R_OK) < 0)
			continue;
		c = check_file(paths[i]);
		printf("# %s: %u stubs, %u of its own, %u of these without a name\n", paths[i],
		       c.named, c.indirect, c.unnamed);
		all.named += c.named;
	}
	CHECK(all.named > 100);
}

TEST(readable)
{
	char text[SYMTAB_NAME_MAX + 1];

	CHECK(symtab_readable("_Znwm@plt", SYMTAB_NAMING_C, text, sizeof(text)) > 0);
	CHECK_STR(text, "operator new@plt");
	CHECK_EQ(symtab_readable("puts@plt", SYMTAB_NAMING_C, text, sizeof(text)), 0);
	CHECK_EQ(symtab_readable("@plt", SYMTAB_NAMING_C, text, sizeof(text)), 0);
	CHECK_EQ(symtab_readable("_Znwm@plt", SYMTAB_NAMING_C, text, 8), 0);
	CHECK_EQ(symtab_readable("_Znwm@plt", SYMTAB_NAMING_ANY, text, 4), 0);
}

CHECK_MAIN
