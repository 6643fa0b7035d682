/* SPDX-License-Identifier: Apache-2.0 */

/* symtab: the kernel's functions, from texts of every form and from this machine's kernel; demangling. */

#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "cprof/symtab.h"

static const struct symtab_limits limits = { .symbols = 2000000, .bytes = 64 << 20 };

static void check_function(const struct symtab *t, uint64_t offset, const char *name,
			   uint64_t start)
{
	struct symtab_symbol s;

	CHECK(symtab_find(t, offset, &s));
	CHECK_STR(s.name, name);
	CHECK_EQ(s.start, start);
}

static int text_file(const char *text)
{
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

TEST(kernel_lines)
{
	static const char text[] = "ffffffff81000000 T _stext\n"
				   "ffffffff81000000 T __sched_text_start\n"
				   "ffffffff81000000 t first\n"
				   "ffffffff81000000 W weak_first\n"
				   "0000000000000000 A percpu_start\n"
				   "ffffffff81000100 T __one\n"
				   "ffffffff81000100 W one\n"
				   "ffffffff81000180 d jump_table\n"
				   "ffffffff81000200 T _etext\n"
				   "ffffffff81000300 D data\n"
				   "ffffffffc0001000 t helper\t[ext4]\n"
				   "junk\n"
				   "ffffffffc0001010 t later\t[ext4]\n";
	struct symtab *t = NULL;
	struct symtab_symbol s;
	int fd = text_file(text);

	for (int again = 0; again < 2; again++) {
		CHECK_EQ(symtab_load_kernel(fd, &limits, &t), SYMTAB_OK);
		CHECK_EQ(symtab_info(t)->text_start, (long long)0xffffffff81000000);
		CHECK_EQ(symtab_info(t)->text_end, (long long)0xffffffff81000200);
		check_function(t, 0xffffffff810000ff, "weak_first", 0xffffffff81000000);
		check_function(t, 0xffffffff81000110, "one", 0xffffffff81000100);
		CHECK(!symtab_find(t, 0xffffffff81000180, &s));
		CHECK(!symtab_find(t, 0xffffffff81000210, &s));
		CHECK(!symtab_find(t, 0x1000, &s));
		CHECK(symtab_find(t, 0xffffffffc000100f, &s));
		CHECK_STR(s.name, "helper [ext4]");
		CHECK_EQ(s.module_len, 7);
		CHECK_EQ(s.start, (long long)0xffffffffc0001000);
		t = symtab_free(t);
	}
	close(fd);
}

/* Between modules lies what nobody names: code that is freed, trampolines, nothing. */
TEST(kernel_ends_of_modules)
{
	static const char text[] = "ffffffff81000000 T first\n"
				   "ffffffff81000100 T last\n"
				   "ffffffffc0001000 t one\t[ext4]\n"
				   "ffffffffc0001ff0 t at_the_end\t[ext4]\n"
				   "ffffffffc0010010 t two\t[nf]\n"
				   "ffffffffc0014000 t three\t[nf]\n"
				   "ffffffffc0014800 t prog\t[bpf]\n"
				   "ffffffffc0020000 t fixed\t[bpf]\n"
				   "fffffffffffffff0 t topmost\t[x]\n";
	static const struct {
		uint64_t address;
		const char *name; /* NULL: there is none */
	} cases[] = {
		{ 0xffffffff81000100, "last" },
		{ 0xffffffff81001fff, "last" },
		{ 0xffffffff81002000, NULL },
		{ 0xffffffffc0000fff, NULL },
		{ 0xffffffffc0001fef, "one [ext4]" },
		{ 0xffffffffc0001ff0, "at_the_end [ext4]" },
		{ 0xffffffffc0002fff, "at_the_end [ext4]" },
		{ 0xffffffffc0003000, NULL },
		{ 0xffffffffc0013fff, "two [nf]" }, /* nothing of another module between */
		{ 0xffffffffc00147ff, "three [nf]" },
		{ 0xffffffffc0014800, "prog [bpf]" },
		{ 0xffffffffc001ffff, "prog [bpf]" },
		{ 0xffffffffc0020fff, "fixed [bpf]" },
		{ 0xffffffffc0021000, NULL },
		{ 0xfffffffffffffff8, "topmost [x]" },
	};
	struct symtab *t = NULL;
	int fd = text_file(text);

	CHECK_EQ(symtab_load_kernel(fd, &limits, &t), SYMTAB_OK);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		struct symtab_symbol s;
		bool found = symtab_find(t, cases[i].address, &s);

		if (found != (cases[i].name != NULL))
			CHECK_FAIL("%" PRIx64 ": %s", cases[i].address, found ? s.name : "no name");
		if (found)
			CHECK_STR(s.name, cases[i].name);
	}
	symtab_free(t);
	close(fd);
}

/* In no order, near each other or as far as addresses can be. */
TEST(kernel_in_no_order)
{
	static const char text[] = "ffffffff81000200 T second\n"
				   "ffffffffc0001000 t helper\t[ext4]\n"
				   "ffffffff81000000 T _stext\n"
				   "ffffffff81000000 T first\n"
				   "ffffffff81000300 d data\n"
				   "%s"
				   "ffffffff81000100 T between\n";
	static const char *const more[] = { "", "8000000000001000 T far\n" };
	char lines[512];
	struct symtab *t;
	struct symtab_symbol s;

	for (size_t i = 0; i < ELEMENTSOF(more); i++) {
		int fd;

		snprintf(lines, sizeof(lines), text, more[i]);
		fd = text_file(lines);
		CHECK_EQ(symtab_load_kernel(fd, &limits, &t), SYMTAB_OK);
		check_function(t, 0xffffffff810000ff, "first", 0xffffffff81000000);
		check_function(t, 0xffffffff810001ff, "between", 0xffffffff81000100);
		check_function(t, 0xffffffff81000200, "second", 0xffffffff81000200);
		CHECK(!symtab_find(t, 0xffffffff81000300, &s));
		CHECK(symtab_find(t, 0xffffffffc0001000, &s));
		t = symtab_free(t);
		close(fd);
	}
}

TEST(kernel_outcomes)
{
	struct symtab_limits few = { .symbols = 1, .bytes = 1 << 20 };
	struct symtab *t = NULL;
	int fd = text_file("0000000000000000 T _stext\n0000000000000000 t first\n");

	CHECK_EQ(symtab_load_kernel(fd, &limits, &t), SYMTAB_RESTRICTED);
	CHECK_EQ(symtab_info(t)->text_start, 0);
	t = symtab_free(t);
	close(fd);
	fd = text_file("nothing of the kind\n");
	CHECK_EQ(symtab_load_kernel(fd, &limits, &t), SYMTAB_BAD);
	CHECK(!t);
	close(fd);
	fd = text_file("ffffffff81000000 T a\nffffffff81000010 T b\n");
	CHECK_EQ(symtab_load_kernel(fd, &few, &t), SYMTAB_LIMIT);
	symtab_free(t);
	close(fd);
}

TEST(kernel_of_this_machine)
{
	struct symtab *t = NULL;
	struct symtab_symbol s;
	unsigned long long address;
	char line[1024], type, name[512];
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC), asked = 0, same = 0, r;
	FILE *f;

	if (fd < 0)
		check_skip("no /proc/kallsyms");
	r = symtab_load_kernel(fd, &limits, &t);
	if (r == SYMTAB_RESTRICTED)
		check_skip("the kernel hides its addresses from us");
	CHECK_EQ(r, SYMTAB_OK);
	CHECK(symtab_bytes(t) < 6u << 20);
	f = fdopen(fd, "re");
	CHECK(f && fseek(f, 0, SEEK_SET) == 0);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %511s", &address, &type, name) != 3 || type != 'T' ||
		    address < symtab_info(t)->text_start || address >= symtab_info(t)->text_end)
			continue;
		asked++;
		if (!symtab_find(t, address, &s))
			continue;
		same += strcmp(s.name, name) == 0;
	}
	fprintf(stderr, "  %d addresses, %d with this name, %zu bytes\n", asked, same,
		symtab_bytes(t));
	CHECK(same > asked * 9 / 10);
	symtab_free(t);
	fclose(f);
}

static void check_demangled(const char *name, const char *want)
{
	char out[SYMTAB_NAME_MAX + 1] = "";
	size_t len = symtab_demangle(name, out, sizeof(out));

	CHECK_EQ(len, strlen(want));
	if (len > 0)
		CHECK_STR(out, want);
}

TEST(demangle)
{
	check_demangled("main", "");
	check_demangled("_start", "");
	check_demangled("_Zbad", "");
	check_demangled("", "");
	check_demangled("_Z3addii", "add");
	check_demangled("_ZN3foo3barEv", "foo::bar");
	check_demangled("_ZNSt6vectorIiSaIiEE9push_backERKi",
			"std::vector<int, std::allocator<int> >::push_back");
	check_demangled("_Z3maxIiET_S0_S0_", "max<int>");
	check_demangled("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
			"core::fmt::Write::write_fmt");
	check_demangled("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example");
}

static size_t demangle_bomb(int levels, char out[static SYMTAB_NAME_MAX + 1])
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char name[1024] = "_Z1fI";

	/* f<p<int, int>, p<A, A>, p<B, B>...>: each is the pair of the one before, the text doubles. */
	strcat(name, "1pIiiE");
	for (int i = 0; i < levels; i++) {
		char level[32];

		snprintf(level, sizeof(level), "S0_IS%c_S%c_E", digits[i + 1], digits[i + 1]);
		strcat(name, level);
	}
	strcat(name, "EvT_");
	return symtab_demangle(name, out, SYMTAB_NAME_MAX + 1);
}

TEST(demangle_bombs)
{
	char out[SYMTAB_NAME_MAX + 1];
	time_t begin = time(NULL);

	CHECK(demangle_bomb(3, out) > 200);
	CHECK_EQ(demangle_bomb(12, out), 0);
	CHECK_EQ(demangle_bomb(30, out), 0);
	CHECK(time(NULL) - begin <= 1);

	/* Longer than the room is not shown at all. */
	CHECK_EQ(symtab_demangle("_ZN3foo3barEv", out, 8), 0);
	CHECK_EQ(symtab_demangle("_ZN3foo3barEv", out, 9), 8);
	CHECK_STR(out, "foo::bar");
}

CHECK_MAIN
