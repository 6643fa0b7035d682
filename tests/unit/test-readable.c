/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What people call a function, of what compilers of this machine make of it: programs that g++ splits and
 * copies functions of, and that rustc mangles in either way.
 */

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cprof/symtab.h"

static const char cplus[] = "#include <stdexcept>\n"
			    "#include <cstdio>\n"
			    "#include <string>\n"
			    "volatile int sink;\n"
			    "extern int ask(int);\n"
			    "namespace shop {\n"
			    "struct Box { int valid, a, b, c; };\n"
			    "struct Stock {\n"
			    " int count(int n);\n"
			    " template <class T> T sum(T n);\n"
			    "};\n"
			    "[[gnu::noinline]] static int small(const Box *b, int k)\n"
			    "{\n"
			    " for (int i = 0; i < b->a; i++)\n"
			    "  sink = sink * k + i;\n"
			    " return sink;\n"
			    "}\n"
			    "static int late(Box *b)\n"
			    "{\n"
			    " if (!b->valid)\n"
			    "  return 0;\n"
			    " for (int i = 0; i < b->b; i++) {\n"
			    "  sink = sink * 7 + ask(i);\n"
			    "  for (int j = 0; j < i; j++)\n"
			    "   sink = sink + ask(j) * ask(i - j);\n"
			    "  sink = sink / 3 + ask(sink);\n"
			    " }\n"
			    " std::printf(\"%d %d\\n\", sink, ask(3));\n"
			    " return sink;\n"
			    "}\n"
			    "[[gnu::noinline]] int Stock::count(int n)\n"
			    "{\n"
			    " Box b = { n, n, n + 1, 3 };\n"
			    " if (ask(n) == 4711)\n"
			    "  throw std::runtime_error(\"too many \" + std::to_string(n));\n"
			    " return small(&b, 17) + late(&b) + ask(n);\n"
			    "}\n"
			    "template <class T> [[gnu::noinline]] T Stock::sum(T n)\n"
			    "{\n"
			    " Box b = { int(n), 2, 3, 4 };\n"
			    " std::string s = std::to_string(n);\n"
			    " if (s.size() > 100)\n"
			    "  throw std::runtime_error(s);\n"
			    " return T(small(&b, 17) + late(&b) + ask(int(s.size())));\n"
			    "}\n"
			    "}\n"
			    "int main(int argc, char **)\n"
			    "{\n"
			    " shop::Stock s;\n"
			    " shop::Box b = { argc, argc, argc, argc };\n"
			    " return s.count(argc) + int(s.sum<long>(argc)) + shop::late(&b);\n"
			    "}\n";

static const char rust[] =
	"pub mod shop {\n"
	"pub struct Stock<T> { pub v: Vec<T> }\n"
	"impl<T: std::fmt::Debug + Copy> Stock<T> {\n"
	" #[inline(never)] pub fn tally(&self) -> usize { self.v.iter().map(|x| format!(\"{:?}\", "
	"x).len()).sum() }\n"
	"}\n"
	"pub trait Count { fn count(&self) -> usize; }\n"
	"impl<T: std::fmt::Debug + Copy> Count for Stock<T> {\n"
	" #[inline(never)] fn count(&self) -> usize { self.tally() * 2 }\n"
	"}\n"
	"#[inline(never)] pub fn plain(n: usize) -> usize { std::hint::black_box(n) + 1 }\n"
	"}\n"
	"use shop::Count;\n"
	"fn main() {\n"
	" let s = shop::Stock { v: vec![1u32, 2, 3] };\n"
	" println!(\"{} {} {}\", s.tally(), s.count(), shop::plain(1));\n"
	"}\n";

static char work_dir[] = "/tmp/test-readable-XXXXXX";

static void remove_work_dir(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", work_dir);
	if (system(command) != 0)
		fprintf(stderr, "%s stays behind\n", work_dir);
}

/* In the directory of the test; 0: it went well. */
static int run(const char *command)
{
	static bool made;
	char text[512];

	if (!made) {
		CHECK(mkdtemp(work_dir));
		made = true;
		atexit(remove_work_dir);
	}
	snprintf(text, sizeof(text), "cd %s && { %s; }", work_dir, command);
	return system(text);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	CHECK_EQ(run("true"), 0);
	snprintf(path, sizeof(path), "%s/%s", work_dir, name);
	f = fopen(path, "we");
	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char *readable(const char *name, enum symtab_naming naming)
{
	static char out[SYMTAB_NAME_MAX + 1];
	size_t len = symtab_readable(name, naming, out, sizeof(out));

	if (len == 0)
		return name;
	CHECK_EQ(len, strlen(out));
	return out;
}

static void is_called(const char *name, const char *want)
{
	CHECK_STR(readable(name, SYMTAB_NAMING_C), want);
}

TEST(suffixes_of_parts_and_copies_go)
{
	is_called("foo.cold", "foo");
	is_called("foo.cold.1", "foo");
	is_called("foo.part.12", "foo");
	is_called("foo.isra.0", "foo");
	is_called("foo.constprop.0", "foo");
	is_called("foo.lto_priv.3", "foo");
	is_called("foo.llvm.11306371225462131397", "foo");
	is_called("foo.__uniq.123456.llvm.7", "foo");
	is_called("foo.localalias", "foo");
	is_called("foo.localalias.2", "foo");
	is_called("foo.constprop.0.isra.0.part.1.cold", "foo");
	is_called("__do_sys_bpf.isra.0", "__do_sys_bpf");
	is_called("_ZN3foo3barEv.cold", "foo::bar");
	is_called("_Z3maxIiET_S0_S0_.isra.0.cold", "max<int>");
	is_called("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE.llvm.42",
		  "core::fmt::Write::write_fmt");
	is_called("_RNvCs15kBYyAo9fc_7mycrate7example.llvm.42", "mycrate::example");
}

/* Bodies of their own, which the function calls, or starts. */
TEST(other_suffixes_stay)
{
	is_called("foo._omp_fn.0", "foo._omp_fn.0");
	is_called("foo.resume", "foo.resume");
	is_called("foo.avx2", "foo.avx2");
	is_called("_Z3foov._omp_fn.0", "foo._omp_fn.0");
	is_called("_ZN3foo3barEv.actor", "foo::bar.actor");
	is_called("_Z3foov._omp_fn.0.cold", "foo._omp_fn.0");
}

TEST(what_only_looks_like_one_stays)
{
	is_called("", "");
	is_called(".", ".");
	is_called(".cold", ".cold");
	is_called(".part.0", ".part.0");
	is_called("foo.part", "foo.part");
	is_called("foo.isra.", "foo.isra.");
	is_called("foo.isra.x", "foo.isra.x");
	is_called("foo.colder", "foo.colder");
	is_called("foocold", "foocold");
	is_called("foo.5", "foo.5");
	is_called("5", "5");
	is_called("_Zbad.cold", "_Zbad");
	is_called("main", "main");
	is_called("_start", "_start");
}

TEST(names_of_go_and_of_run_time_compilers_have_dots)
{
	CHECK_STR(readable("main.cold", SYMTAB_NAMING_GO), "main.cold");
	CHECK_STR(readable("main.(*Tap).cold", SYMTAB_NAMING_GO), "main.(*Tap).cold");
	CHECK_STR(readable("main.part.func1", SYMTAB_NAMING_GO), "main.part.func1");
	CHECK_STR(readable("crunch.isra.0", SYMTAB_NAMING_GO), "crunch"); /* it is C's */
	CHECK_STR(readable("_ZN3foo3barEv.part.0", SYMTAB_NAMING_GO), "foo::bar");
	CHECK_STR(readable("Tap.cold", SYMTAB_NAMING_ANY), "Tap.cold");
	CHECK_STR(readable("x.isra.0", SYMTAB_NAMING_ANY), "x.isra.0");
	CHECK_STR(readable("_ZN3foo3barEv", SYMTAB_NAMING_ANY), "foo::bar");
}

/* As long as there is room for, and no byte more. */
TEST(room_is_kept_to)
{
	char out[16], longest[SYMTAB_NAME_MAX + 64];

	CHECK_EQ(symtab_readable("foo.cold", SYMTAB_NAMING_C, out, 3), 0);
	CHECK_EQ(symtab_readable("foo.cold", SYMTAB_NAMING_C, out, 4), 3);
	CHECK_EQ(symtab_readable("foo.cold", SYMTAB_NAMING_C, out, 0), 0);
	CHECK_EQ(symtab_readable("_ZN3foo3barEv.cold", SYMTAB_NAMING_C, out, 8), 0);
	CHECK_EQ(symtab_readable("_ZN3foo3barEv.cold", SYMTAB_NAMING_C, out, 9), 8);
	CHECK_EQ(symtab_readable("_Z3foov.actor", SYMTAB_NAMING_C, out, 9), 0);
	CHECK_EQ(symtab_readable("_Z3foov.actor", SYMTAB_NAMING_C, out, 10), 9);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest + sizeof(longest) - 6, ".cold", 6);
	CHECK_EQ(symtab_readable(longest, SYMTAB_NAMING_C, out, sizeof(out)), 0);
}

/* Each is called as c++filt says of the name without what follows a dot. */
TEST(what_gxx_makes)
{
	static const char *const kinds[] = { ".cold", ".part.", ".isra.", ".constprop." };
	unsigned int found[ELEMENTSOF(kinds)] = { 0 }, kinds_cnt = 0, cnt = 0;
	char line[2048], whole[1024], want[1024];
	FILE *f;

	write_file("p.cc", cplus);
	if (run("command -v g++ c++filt > /dev/null") != 0)
		check_skip("g++ or c++filt is missing");
	CHECK_EQ(run("g++ -O2 -c p.cc"), 0);
	CHECK_EQ(run("nm p.o | awk '$2 ~ /^[TtWw]$/ {print $3}' > names"), 0);
	CHECK_EQ(run("sed 's/[.].*//' names | c++filt -p | paste -d' ' names - > pairs"), 0);
	snprintf(line, sizeof(line), "%s/pairs", work_dir);
	f = fopen(line, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%1023s %1023[^\n]", whole, want), 2);
		is_called(whole, want);
		for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
			found[i] += strstr(whole, kinds[i]) != NULL;
		cnt++;
	}
	CHECK_EQ(fclose(f), 0);
	for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
		kinds_cnt += found[i] > 0;
	CHECK(cnt > 4);
	CHECK(found[0] > 0 && kinds_cnt >= 3);
}

/* One of the program's functions is called this. */
static void expect_one(const char *want)
{
	char line[SYMTAB_NAME_MAX];
	FILE *f;

	snprintf(line, sizeof(line), "%s/names", work_dir);
	f = fopen(line, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(readable(line, SYMTAB_NAMING_C), want) == 0) {
			CHECK(strcmp(line, want) != 0); /* it was mangled */
			CHECK_EQ(fclose(f), 0);
			return;
		}
	}
	CHECK_FAIL("no function is called %s", want);
}

static void build_rust(const char *mangling)
{
	char command[256];

	write_file("r.rs", rust);
	if (run("command -v rustc > /dev/null") != 0)
		check_skip("rustc is missing");
	snprintf(
		command, sizeof(command),
		"rustc -O -C symbol-mangling-version=%s r.rs 2> /dev/null || "
		"RUSTC_BOOTSTRAP=1 rustc -O -Z unstable-options -C symbol-mangling-version=%s r.rs",
		mangling, mangling);
	CHECK_EQ(run(command), 0);
	CHECK_EQ(run("nm r | awk '$2 ~ /^[Tt]$/ {print $3}' > names"), 0);
}

TEST(what_rustc_makes)
{
	build_rust("v0");
	expect_one("r::main");
	expect_one("r::shop::plain");
	expect_one("<r::shop::Stock<u32>>::tally");
	expect_one("<r::shop::Stock<u32> as r::shop::Count>::count");
}

TEST(what_rustc_made_before)
{
	build_rust("legacy");
	expect_one("r::main");
	expect_one("r::shop::plain");
	expect_one("r::shop::Stock<T>::tally");
	expect_one("<r::shop::Stock<T> as r::shop::Count>::count");
}

CHECK_MAIN
