/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Tables whose names stay in the file: at the borders of every function of real files, of every shape that this
 * machine has, they answer as those that have read all names. And what becomes of them when the file does
 * something meanwhile, or is made to mislead.
 */

#include "check.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cprof/elf_file.h"
#include "cprof/symtab_lean.h"
#include "table.h"

#define ALL ((struct symtab_limits){ .symbols = 2000000, .bytes = 64 << 20, .plain = 256 << 10 })

/* Of this program: three names for one place, and more than whoever asks may read. */
__asm__(".text\n.p2align 4\n"
	".irp n, cc, b, dd\n.type three_\\n,@function\nthree_\\n:\n.endr\nret\n"
	".irp n, cc, b, dd\n.size three_\\n,.-three_\\n\n.endr\n.p2align 4\n"
	".irp n, 01,02,03,04,05,06,07,08,09,10,11,12,13,14,15,16,17,4,18,19,20\n"
	".type crowd_\\n,@function\ncrowd_\\n:\n.endr\nret\n"
	".irp n, 01,02,03,04,05,06,07,08,09,10,11,12,13,14,15,16,17,4,18,19,20\n"
	".size crowd_\\n,.-crowd_\\n\n.endr\n.p2align 4\n");

struct pair {
	struct symtab *full, *lean;
};

static bool pair_open(struct pair *p, const char *path)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	const struct symtab_limits limits = ALL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	*p = (struct pair){ 0 };
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (elf_file_open(fd, (uint64_t)st.st_size, &f) != SYMTAB_OK)
		return false;
	r = symtab_read(f, NULL, &limits, &p->full);
	CHECK_EQ(symtab_read_lean(f, &limits, &p->lean), r);
	CHECK_EQ(p->full != NULL, p->lean != NULL);
	return p->full;
}

static void pair_done(struct pair *p)
{
	symtab_free(p->full);
	symtab_free(p->lean);
}

/* Both tables' word on a place. */
static bool ask(const struct pair *p, uint64_t place, const char *path)
{
	struct symtab_symbol a = { 0 }, b = { 0 };
	bool found = symtab_find(p->full, place, &a);

	if (symtab_find(p->lean, place, &b) != found || (found && a.start != b.start) ||
	    (found && strcmp(a.name, b.name) != 0) || a.naming != b.naming)
		CHECK_FAIL("%s: %#" PRIx64 ": %s, and lean %s", path, place,
			   found ? a.name : "nothing", b.name ? b.name : "nothing");
	return found;
}

struct sweep {
	size_t files, lean, places;
	time_t end;
};

static void compare(struct sweep *sw, const char *path, bool must)
{
	struct pair p;
	struct range_walk walk = { 0 };
	struct range range;

	if (!pair_open(&p, path)) {
		CHECK(!must);
		return;
	}
	sw->files++;
	sw->lean += symtab_is_lean(p.lean);
	CHECK(!must || symtab_is_lean(p.lean));
	CHECK_EQ(symtab_info(p.lean)->sources, symtab_info(p.full)->sources);
	while (symtab_is_lean(p.lean) && range_list_next(&p.full->ranges.list, &walk, &range)) {
		const struct range *r = &range;
		uint64_t base = p.full->ranges.base;

		CHECK(ask(&p, base + r->from, path));
		ask(&p, base + r->to - 1, path);
		ask(&p, base + r->to, path);
		sw->places += 3;
	}
	CHECK(!symtab_is_misled(p.lean));
	pair_done(&p);
}

static void compare_dir(struct sweep *sw, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char file[PATH_MAX];

	while (d && (e = readdir(d)) && time(NULL) < sw->end) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		compare(sw, file, false);
	}
	if (d)
		closedir(d);
}

TEST(as_with_all_names)
{
	static const char *const dirs[] = {
		"/usr/local/go/bin",
		"/usr/local/bin",
		"/usr/lib/jvm/default-java/lib/server",
		"/usr/bin",
		"/usr/lib/x86_64-linux-gnu",
	};
	struct sweep sw = { .end = time(NULL) + 8 };

	compare(&sw, "/proc/self/exe", true);
	compare(&sw, "/usr/bin/node", false);
	compare(&sw, "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so", false);
	compare(&sw, "/usr/lib/go-1.19/bin/go", false);
	for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
		compare_dir(&sw, dirs[i]);
	fprintf(stderr, "  %zu files, %zu lean, %zu places\n", sw.files, sw.lean, sw.places);
	CHECK(sw.places > 100);
}

TEST(filled_it_is_as_any)
{
	const struct symtab_limits limits = ALL;
	struct pair p;
	struct range_walk walk = { 0 };
	struct range range;

	CHECK(pair_open(&p, "/proc/self/exe"));
	CHECK(symtab_is_lean(p.lean));
	CHECK_EQ(symtab_fill(p.lean, &limits), SYMTAB_OK);
	CHECK(!symtab_is_lean(p.lean));
	CHECK_EQ(symtab_bytes(p.lean), symtab_bytes(p.full));
	while (range_list_next(&p.full->ranges.list, &walk, &range))
		CHECK(ask(&p, p.full->ranges.base + range.from, "self"));
	CHECK_EQ(symtab_fill(p.lean, &limits), SYMTAB_OK);
	pair_done(&p);
}

TEST(small_ones_are_not_lean)
{
	struct symtab_limits limits = ALL;
	_cleanup_(symtab_freep) struct symtab *t = NULL;
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	struct stat st;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_EQ(elf_file_open(fd, (uint64_t)st.st_size, &f), SYMTAB_OK);
	limits.lean = UINT32_MAX;
	CHECK_EQ(symtab_read_lean(f, &limits, &t), SYMTAB_OK);
	CHECK(!symtab_is_lean(t));
	t = symtab_free(t);
	/* Nor those whose names may be too much when they are read. */
	limits.lean = 0;
	limits.bytes = 4096;
	CHECK(symtab_read_lean(f, &limits, &t) == SYMTAB_LIMIT);
	CHECK(!symtab_is_lean(t));
}

/* A file of our own to do something to. */
struct copy {
	int fd;
	uint64_t sz;
	Elf64_Shdr symtab, strtab;
};

static void copy_open(struct copy *c)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char piece[4096];
	Elf64_Ehdr h;
	ssize_t n;

	*c = (struct copy){ .fd = memfd_create("copy", MFD_CLOEXEC) };
	CHECK(from >= 0 && c->fd >= 0);
	while ((n = read(from, piece, sizeof(piece))) > 0)
		CHECK_EQ(write(c->fd, piece, (size_t)n), n);
	close(from);
	c->sz = (uint64_t)lseek(c->fd, 0, SEEK_END);
	CHECK(pread(c->fd, &h, sizeof(h), 0) == sizeof(h));
	for (unsigned int i = 0; i < h.e_shnum && c->symtab.sh_type != SHT_SYMTAB; i++)
		CHECK(pread(c->fd, &c->symtab, sizeof(c->symtab),
			    (off_t)(h.e_shoff + i * sizeof(c->symtab))) == sizeof(c->symtab));
	CHECK_EQ(c->symtab.sh_type, SHT_SYMTAB);
	CHECK(pread(c->fd, &c->strtab, sizeof(c->strtab),
		    (off_t)(h.e_shoff + c->symtab.sh_link * sizeof(c->strtab))) ==
	      sizeof(c->strtab));
}

static struct symtab *copy_read(const struct copy *c)
{
	_cleanup_(elf_file_closep) struct elf_file *f = NULL;
	const struct symtab_limits limits = ALL;
	struct symtab *t = NULL;

	CHECK_EQ(elf_file_open(fcntl(c->fd, F_DUPFD_CLOEXEC, 0), c->sz, &f), SYMTAB_OK);
	CHECK_EQ(symtab_read_lean(f, &limits, &t), SYMTAB_OK);
	CHECK(symtab_is_lean(t));
	return t;
}

static uint64_t place_of(const struct symtab *t, const char *name)
{
	struct symtab_symbol s;
	struct range_walk walk = { 0 };
	struct range range;

	while (range_list_next(&t->ranges.list, &walk, &range)) {
		uint64_t place = t->ranges.base + range.from;

		if (symtab_find(t, place, &s) && strcmp(s.name, name) == 0)
			return place;
	}
	CHECK_FAIL("no %s", name);
}

TEST(many_names_for_one_place)
{
	struct copy c;
	struct symtab *t;

	copy_open(&c);
	t = copy_read(&c);
	(void)place_of(t, "three_b");
	(void)place_of(t, "crowd_4");
	symtab_free(t);
	close(c.fd);
}

/* The symbol of this name is called otherwise from now on. */
static void rename_symbol(const struct copy *c, const char *name, const char *to)
{
	_cleanup_free_ char *strings = malloc(c->strtab.sh_size);
	const size_t len = strlen(name);

	CHECK(pread(c->fd, strings, c->strtab.sh_size, (off_t)c->strtab.sh_offset) ==
	      (ssize_t)c->strtab.sh_size);
	for (size_t i = 1; i + len < c->strtab.sh_size; i++) {
		if (strings[i - 1] != '\0' || strcmp(strings + i, name) != 0)
			continue;
		CHECK(pwrite(c->fd, to, strlen(to) + 1, (off_t)(c->strtab.sh_offset + i)) > 0);
		return;
	}
	CHECK_FAIL("no %s", name);
}

__attribute__((noinline, used)) void lean_test_function(void);
void lean_test_function(void)
{
	__asm__ volatile("");
}

TEST(a_name_that_is_none)
{
	const struct symtab_limits limits = ALL;
	struct symtab_symbol s;
	struct copy c;
	struct symtab *t;
	uint64_t place;

	copy_open(&c);
	t = copy_read(&c);
	place = place_of(t, "lean_test_function");
	symtab_free(t);
	rename_symbol(&c, "lean_test_function", ".Lean");
	t = copy_read(&c);
	CHECK(!symtab_is_misled(t));
	CHECK(!symtab_find(t, place, &s));
	CHECK(symtab_is_misled(t));
	CHECK_EQ(symtab_fill(t, &limits), SYMTAB_OK);
	CHECK(!symtab_is_misled(t));
	CHECK(!symtab_find(t, place, &s) || s.start < place);
	symtab_free(t);
	close(c.fd);
}

TEST(a_file_that_is_cut)
{
	const struct symtab_limits limits = ALL;
	struct symtab_symbol s;
	struct copy c;
	struct symtab *t;
	uint64_t place;

	copy_open(&c);
	t = copy_read(&c);
	place = place_of(t, "lean_test_function");
	CHECK(ftruncate(c.fd, 4096) == 0);
	CHECK(!symtab_find(t, place, &s));
	CHECK(symtab_fill(t, &limits) != SYMTAB_OK);
	CHECK(symtab_is_lean(t));
	symtab_free(t);
	close(c.fd);
}

CHECK_MAIN
