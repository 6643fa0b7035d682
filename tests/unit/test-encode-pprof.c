/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unmodified `go tool pprof` over files of encode's: no complaint on stderr, the right functions,
 * and for real binaries the right code under -disasm and -weblist, which proves the arithmetic of
 * addresses. Programs are compiled here in the layouts that exist: PIE, ET_EXEC, shared library, one
 * page for all segments (-z noseparate-code), and lld's, whose addresses run ahead of the offsets.
 */

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cprof/base/cleanup.h"
#include "encode-fixture.h"

#define OUT_SZ (4 << 20)

static char dir[] = "/tmp/test-encode-XXXXXX";

/* Runs @cmd in the scratch directory; its wait status, stdout, and stderr. */
static int run_any(const char *cmd, const char **ret_out, const char **ret_err)
{
	static char out[OUT_SZ], err[65536];
	char line[8192];
	FILE *p;
	int r;

	(void)snprintf(line, sizeof(line), "cd %s && { %s; } 2>err", dir, cmd);
	p = popen(line, "r");
	CHECK(p);
	out[fread(out, 1, sizeof(out) - 1, p)] = '\0';
	r = pclose(p);
	(void)snprintf(line, sizeof(line), "%s/err", dir);
	p = fopen(line, "r");
	CHECK(p);
	err[fread(err, 1, sizeof(err) - 1, p)] = '\0';
	(void)fclose(p);
	*ret_out = out;
	*ret_err = err;
	return r;
}

/* Its stdout, and its stderr in *ret_err. Fails if it fails. */
static const char *run(const char *cmd, const char **ret_err)
{
	const char *out, *err;
	int r = run_any(cmd, &out, &err);

	if (r != 0)
		CHECK_FAIL("%s: status %d: %s%s", cmd, r, out, err);
	if (ret_err)
		*ret_err = err;
	return out;
}

#define PPROF "HOME=. PPROF_TMPDIR=. PPROF_BINARY_PATH= $PPROF "

/* pprof's stdout, when it had nothing to say on stderr. */
static const char *pprof(const char *options)
{
	char cmd[4096];
	const char *out, *err;

	(void)snprintf(cmd, sizeof(cmd), PPROF "%s", options);
	out = run(cmd, &err);
	if (err[0])
		CHECK_FAIL("pprof %s said: %s", options, err);
	return out;
}

/*
 * The executable behind `go tool pprof`, which builds it first: started directly it is faster.
 * PPROF=... in the environment is another one: github.com/google/pprof finds code by other
 * arithmetic (binutils, internal/elfexec) than Go's own (cmd/internal/objfile).
 */
static void find_pprof(void)
{
	char path[4096] = "";
	FILE *p;

	if (getenv("PPROF"))
		return;
	p = popen("go tool -n pprof 2>/dev/null && { go tool pprof -h >/dev/null 2>&1; :; }", "r");
	if (!p || !fgets(path, sizeof(path), p) || pclose(p) != 0)
		check_skip("no go: pprof's own view of our files is not tested");
	path[strcspn(path, "\n")] = '\0';
	CHECK_EQ(setenv("PPROF", path, 1), 0);
}

__attribute__((constructor(1000))) static void setup(void)
{
	CHECK(mkdtemp(dir));
	find_pprof();
	if (system("cc --version >/dev/null 2>&1 && objdump --version >/dev/null 2>&1") != 0)
		check_skip("no compiler or objdump: pprof's own view of our files is not tested");
}

__attribute__((destructor)) static void teardown(void)
{
	char cmd[128];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (getenv("KEEP"))
		fprintf(stderr, "%s\n", dir);
	else
		(void)!system(cmd);
}

static void save(const struct fixture *f, const char *name)
{
	char path[256];
	FILE *p;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	p = fopen(path, "w");
	CHECK(p);
	CHECK_EQ(fwrite(f->file.v, 1, f->file.cnt, p), f->file.cnt);
	CHECK_EQ(fclose(p), 0);
}

static void contains(const char *where, const char *what)
{
	if (!strstr(where, what))
		CHECK_FAIL("\"%s\" is not in:\n%s", what, where);
}

static void contains_not(const char *where, const char *what)
{
	if (strstr(where, what))
		CHECK_FAIL("\"%s\" is in:\n%s", what, where);
}

/* Older pprofs write 80.0ms under -tags where newer ones write 80ms. */
static const char *tags(const char *file)
{
	static char out[OUT_SZ];
	char options[256], *to = out;

	(void)snprintf(options, sizeof(options), "-tags %s", file);
	for (const char *from = pprof(options); *from; from++) {
		if (strncmp(from, ".0ms", 4) == 0)
			from += 2;
		*to++ = *from;
	}
	*to = '\0';
	return out;
}

/* A mapped ELF file. */
struct elf {
	const uint8_t *bytes;
	size_t sz;
};

static struct elf elf_map(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf e;
	struct stat st;

	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &st), 0);
	e.sz = (size_t)st.st_size;
	e.bytes = mmap(NULL, e.sz, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(e.bytes != MAP_FAILED);
	return e;
}

/* The facts that the symbolizer would report. */
static void elf_facts(const struct elf *e, struct objects *t, uint32_t object)
{
	const Elf64_Ehdr *eh = (const void *)e->bytes;
	const Elf64_Phdr *ph = (const void *)(e->bytes + eh->e_phoff);
	struct object_segment segments[OBJECT_SEGMENTS_MAX];
	struct object *o = objects_get(t, object);
	uint32_t cnt = 0;

	o->elf = eh->e_type == ET_EXEC ? OBJECT_ELF_EXEC : OBJECT_ELF_DYN;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && ph[i].p_flags & PF_X)
			segments[cnt++] = (struct object_segment){
				.offset = ph[i].p_offset,
				.vaddr = ph[i].p_vaddr,
				.filesz = ph[i].p_filesz,
			};
		if (ph[i].p_type == PT_NOTE) {
			const Elf64_Nhdr *nh = (const void *)(e->bytes + ph[i].p_offset);

			if (nh->n_type != NT_GNU_BUILD_ID || nh->n_namesz != 4)
				continue;
			CHECK_EQ(objects_set_build_id(t, object, (const uint8_t *)(nh + 1) + 4,
						      nh->n_descsz),
				 0);
		}
	}
	CHECK(cnt > 0);
	CHECK_EQ(objects_set_segments(t, object, segments, cnt), 0);
}

/* The file offset of a function, by the symbol table and the program headers. */
static uint64_t elf_offset(const struct elf *e, const char *name)
{
	const Elf64_Ehdr *eh = (const void *)e->bytes;
	const Elf64_Phdr *ph = (const void *)(e->bytes + eh->e_phoff);
	const Elf64_Shdr *sh = (const void *)(e->bytes + eh->e_shoff);

	for (int i = 0; i < eh->e_shnum; i++) {
		const Elf64_Sym *sym = (const void *)(e->bytes + sh[i].sh_offset);
		const char *strings = (const void *)(e->bytes + sh[sh[i].sh_link].sh_offset);

		for (size_t j = 0; sh[i].sh_type == SHT_SYMTAB && j < sh[i].sh_size / sizeof(*sym);
		     j++) {
			if (strcmp(strings + sym[j].st_name, name) != 0)
				continue;
			for (int k = 0; k < eh->e_phnum; k++) {
				if (ph[k].p_type == PT_LOAD && sym[j].st_value >= ph[k].p_vaddr &&
				    sym[j].st_value < ph[k].p_vaddr + ph[k].p_filesz)
					return sym[j].st_value - ph[k].p_vaddr + ph[k].p_offset;
			}
		}
	}
	CHECK_FAIL("no function %s", name);
}

/* hot() lies beyond pprof's 500 bytes of context from the segment's start: see the documentation. */
static const char source[] =
	"volatile unsigned int sink;\n"
	"#define FILL(n) void fill##n(void) { sink++; sink *= 3; sink ^= 5; sink += 7; sink *= 11; "
	"\\\n"
	"	sink++; sink *= 3; sink ^= 5; sink += 7; sink *= 11; sink ^= 13; sink *= 17; }\n"
	"FILL(1) FILL(2) FILL(3) FILL(4) FILL(5) FILL(6) FILL(7) FILL(8)\n"
	"__attribute__((noinline)) void hot_NAME(void)\n"
	"{\n"
	"	sink = 12345;\n"
	"	sink += 4242; /* the line that burns */\n"
	"}\n"
	"void _start(void) { hot_NAME(); }\n";

static void compile(const char *name, const char *flags)
{
	char cmd[2048], path[256];
	FILE *p;

	(void)snprintf(path, sizeof(path), "%s/%s.c", dir, name);
	p = fopen(path, "w");
	CHECK(p);
	for (const char *s = source; *s;) {
		if (strncmp(s, "NAME", 4) == 0) {
			(void)fputs(name, p);
			s += 4;
		} else {
			(void)fputc(*s++, p);
		}
	}
	CHECK_EQ(fclose(p), 0);
	(void)snprintf(cmd, sizeof(cmd), "cc -O1 -g -nostdlib -Wl,--build-id=sha1 %s -o %s %s.c",
		       flags, name, name);
	(void)run(cmd, NULL);
}

/* A profile with one sample in the middle of hot_NAME() of a real file. */
static uint32_t add_binary(struct fixture *f, const char *name, uint64_t cnt)
{
	char path[256], function[64];
	uint32_t object, process;
	uint64_t offset;
	struct elf e;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)snprintf(function, sizeof(function), "hot_%s", name);
	e = elf_map(path);
	object = fixture_object(f, path, OBJECT_ELF_NONE, NULL);
	elf_facts(&e, f->objects, object);
	offset = elf_offset(&e, function);
	fixture_name(f, object, offset + 4, function, NULL);
	process = fixture_process(f, 42, name, object);
	fixture_sample(
		f, process,
		fixture_stack(
			f, (struct window_frame[]){ { offset + 4, object, CPROF_FRAME_EXACT } }, 1),
		cnt);
	CHECK_EQ(munmap((void *)(uintptr_t)e.bytes, e.sz), 0);
	return process;
}

/* A Go program, built as PIE, that records itself as Go does. */
static const char self_source[] =
	"package main\n"
	"import (\"os\"; \"runtime/pprof\"; \"time\")\n"
	"//go:noinline\n"
	"func tally(x uint64) uint64 {\n"
	"	for i := uint64(0); i < 100000; i++ { x = x*6364136223846793005 + i }\n"
	"	return x\n"
	"}\n"
	"func main() {\n"
	"	f, err := os.Create(os.Args[1])\n"
	"	if err != nil || pprof.StartCPUProfile(f) != nil { os.Exit(1) }\n"
	"	x := uint64(1)\n"
	"	for t := time.Now(); time.Since(t) < 500*time.Millisecond; { x = tally(x) }\n"
	"	pprof.StopCPUProfile()\n"
	"	os.Exit(int(x & 0))\n"
	"}\n";

/*
 * Whether this pprof finds code in position-independent files at all: that of Go 1.19 does not. It
 * is asked for Go's own profile of Go's own program, so that no fault of ours can pass as its own;
 * and where -top does not know that profile's function either, nothing is excused.
 */
static bool pprof_shows_pie(void)
{
	const char *out, *err;
	char path[256];
	FILE *p;

	(void)snprintf(path, sizeof(path), "%s/self.go", dir);
	p = fopen(path, "w");
	CHECK(p);
	CHECK(fputs(self_source, p) >= 0);
	CHECK_EQ(fclose(p), 0);
	(void)run("GOFLAGS=-buildvcs=false GO111MODULE=off GOTOOLCHAIN=local GOPROXY=off "
		  "GOCACHE=${GOCACHE:-$PWD/cache} go build -buildmode=pie -o self self.go && "
		  "./self self.pb.gz",
		  NULL);
	contains(pprof("-top self.pb.gz"), "main.tally");
	if (run_any(PPROF "-disasm=main.tally self.pb.gz", &out, &err) != 0 &&
	    strstr(err, "no matches found"))
		return false;
	return strstr(out, "ROUTINE =") != NULL;
}

/*
 * Whether this pprof has something to show under -disasm=@function of a file that does not lie at
 * its link address; says so where it has not, and not for Go's own files either.
 */
static bool shows_moved(const char *function, const char *file, const char *what)
{
	const char *out, *err;
	char cmd[256];

	(void)snprintf(cmd, sizeof(cmd), PPROF "-focus=%s -disasm=%s %s", function, function, file);
	if (run_any(cmd, &out, &err) == 0 || pprof_shows_pie())
		return true;
	fprintf(stderr,
		"SKIP: %s of %s: this go tool pprof finds no code in files that do not lie at "
		"their link address, not in Go's own profile of a PIE either\n",
		what, function);
	return false;
}

/* Two numbers lead from a location to the file: its mapping's start and offset. */
static void check_raw(uint64_t offset)
{
	const char *out = pprof("-raw one.pb.gz");
	const char *location = strstr(out, "\nLocations\n"), *mapping = strstr(out, "\nMappings\n");
	unsigned long long address, start, limit, from;

	CHECK(location && mapping);
	CHECK_EQ(sscanf(location, " Locations 1: %llx M=1", &address), 1);
	CHECK_EQ(sscanf(mapping, " Mappings 1: %llx/%llx/%llx", &start, &limit, &from), 3);
	CHECK(address >= start && address < limit);
	CHECK_EQ(address - start + from, offset);
}

static uint64_t sampled_offset(const char *name, const char *function)
{
	char path[256];
	struct elf e;
	uint64_t offset;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	e = elf_map(path);
	offset = elf_offset(&e, function) + 4;
	CHECK_EQ(munmap((void *)(uintptr_t)e.bytes, e.sz), 0);
	return offset;
}

/* What pprof finds in the file itself: the code, and its source. */
static void check_code(const char *function)
{
	char options[256];
	const char *out, *err;

	(void)snprintf(options, sizeof(options), "-disasm=%s one.pb.gz", function);
	out = pprof(options);
	contains(out, "ROUTINE =");
	contains(out, function);
	contains(out, "70ms       70ms (flat, cum)   100% of Total");
	contains(out, "0x3039"); /* 12345 in hot() */

	/* The one thing that pprof says by itself is where it writes. */
	(void)snprintf(options, sizeof(options), PPROF "-weblist=%s -output=web.html one.pb.gz",
		       function);
	(void)run(options, &err);
	CHECK_STR(err, "Generating report in web.html\n");
	out = run("cat web.html", NULL);
	contains(out, "the line that burns");
	contains(out, "0x3039");
}

static void check_binary(const char *name, const char *flags)
{
	struct fixture f;
	char function[64];

	compile(name, flags);
	fixture_init(&f);
	fixture_encode(&f, add_binary(&f, name, 7));
	save(&f, "one.pb.gz");
	fixture_done(&f);

	(void)snprintf(function, sizeof(function), "hot_%s", name);
	contains(pprof("-top one.pb.gz"), function);
	check_raw(sampled_offset(name, function));
	if (strstr(flags, "-no-pie") || shows_moved(function, "one.pb.gz", "-disasm and -weblist"))
		check_code(function);
}

TEST(pie)
{
	check_binary("pie", "-pie -fPIE");
}

TEST(exec)
{
	check_binary("exec", "-no-pie -fno-pie -static");
}

TEST(library)
{
	check_binary("library", "-shared -fPIC");
}

TEST(one_page)
{
	check_binary("onepage", "-no-pie -fno-pie -static -Wl,-z,noseparate-code");
}

TEST(lld)
{
	if (system("ld.lld --version >/dev/null 2>&1") != 0) {
		fprintf(stderr, "SKIP: no ld.lld: its layout is not tested\n");
		return;
	}
	check_binary("lld", "-pie -fPIE -fuse-ld=lld");
}

/* Two files at one link address in one profile, beside everything that is no file. */
TEST(merged)
{
	struct fixture f;
	uint32_t process, stack;
	const char *out;

	compile("a", "-no-pie -fno-pie -static");
	compile("b", "-no-pie -fno-pie -static");
	fixture_init(&f);
	objects_get(f.objects, CPROF_OBJECT_KERNEL)->kernel_text = 0xffffffff81000000;
	(void)add_binary(&f, "a", 2);
	process = add_binary(&f, "b", 3);
	stack = fixture_stack(
		&f,
		(struct window_frame[]){
			{ 0xffffffff81000123, CPROF_OBJECT_KERNEL, CPROF_FRAME_EXACT },
			{ 0xffffffffc0000123, CPROF_OBJECT_KERNEL, 0 },
			{ 0x123, CPROF_OBJECT_VDSO, 0 },
			{ 0x7f0000000123, CPROF_OBJECT_ANON, 0 },
			{ 0x123, CPROF_OBJECT_NONE, 0 },
			{ 0x123, fixture_object(&f, NULL, OBJECT_ELF_NONE, NULL), 0 },
			{ 0x123, fixture_object(&f, "/no/such/lib.so", OBJECT_ELF_NONE, NULL), 0 },
		},
		7);
	fixture_name(&f, CPROF_OBJECT_KERNEL, 0xffffffff81000123, "do_work", NULL);
	fixture_sample(&f, process, stack, 4);
	fixture_sample(&f, process, fixture_stack(&f, NULL, 0), 1);
	fixture_encode(&f, FIXTURE_ALL);
	save(&f, "merged.pb.gz");
	fixture_done(&f);

	out = pprof("-top merged.pb.gz");
	contains(out, "File: b\n");
	contains(out, "Showing nodes accounting for 100ms, 100% of 100ms total");
	contains(out, "      40ms 40.00% 40.00%       40ms 40.00%  do_work\n");
	contains(out, "[kernel]\n");
	contains(out, "[vdso]\n");
	contains(out, "[anon]\n");
	contains(out, "[unknown]\n");
	contains(out, "[unknown file]\n");
	contains(out, "[lib.so]\n");
	contains(out, "[no stack]\n");
	contains_not(out, "[[");

	out = tags("merged.pb.gz");
	contains(out, " comm: Total 100ms");
	contains(out, "20ms (20.00%): a\n");
	contains(out, "80ms (80.00%): b\n");
	contains(out, " pid: Total 100ms");
	contains(out, "100ms (  100%): 42\n");
	/* Numeric, so that it can be selected (and pprof tells us that it noticed). */
	contains(run(PPROF "-top -tagfocus=pid=42 merged.pb.gz", NULL), "100% of 100ms total");
	if (shows_moved("hot_a", "merged.pb.gz", "-disasm"))
		contains(pprof("-focus=hot_a -disasm=hot_a merged.pb.gz"),
			 "20ms       20ms (flat, cum)");
	contains(pprof("-focus=hot_b -disasm=hot_b merged.pb.gz"), "30ms       30ms (flat, cum)");

	out = pprof("-raw merged.pb.gz");
	contains(out, "samples/count cpu/nanoseconds[dflt]");
	contains_not(out, "0x7f0000000123");
	contains_not(out, "0xffffffff");
	out = pprof("-comments merged.pb.gz");
	contains(out, "#cprofd samples=10\n");
	contains(out, "#cprofd truncated=0\n");
}

/* Names as they are: pprof must neither demangle nor shorten them further. */
TEST(names_survive)
{
	static const char *const names[][2] = {
		{ "core::fmt::Formatter<T>::pad", "_RNvMNtNtCs_4core3fmt9Formatter3pad" },
		{ "<module>", NULL },
		{ "std::vector<int, std::allocator<int> >::push_back(int&&)",
		  "_ZNSt6vectorIiSaIiEE9push_backEOi" },
		{ "main.(*T[...]).f", NULL },
		{ "operator new(unsigned long)", "_Znwm" },
		{ "\xc3\xa4\xf0\x9f\x98\x80", NULL },
	};
	struct fixture f;
	uint32_t exe, process;
	const char *out;

	fixture_init(&f);
	exe = fixture_object(&f, "/no/such/prog", OBJECT_ELF_DYN,
			     &(struct object_segment){ .offset = 0x1000, .filesz = 0x1000 });
	process = fixture_process(&f, 42, "prog", exe);
	for (uint64_t i = 0; i < ELEMENTSOF(names); i++) {
		fixture_name(&f, exe, 0x1000 + i, names[i][0], names[i][1]);
		fixture_sample(&f, process,
			       fixture_stack(&f,
					     (struct window_frame[]){
						     { 0x1000 + i, exe, CPROF_FRAME_EXACT } },
					     1),
			       1);
	}
	fixture_encode(&f, process);
	save(&f, "names.pb.gz");
	fixture_done(&f);
	out = pprof("-top names.pb.gz");
	for (size_t i = 0; i < ELEMENTSOF(names); i++)
		contains(out, names[i][0]);
}

CHECK_MAIN
