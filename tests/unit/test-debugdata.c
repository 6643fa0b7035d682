/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names from .gnu_debugdata: files are stripped and given one by the steps of Fedora's packages (nm, objcopy,
 * xz), and what each function is called afterwards is held against what it was called before. Sections
 * that lie are made by liblzma or by hand.
 */

#include <lzma.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <time.h>

#include "cprof/base/rng.h"
#include "cprof/elf_file.h"
#include "cprof/symtab.h"
#include "elf-oracle.h"

static const char program[] =
	"volatile int sink;\n"
	"__attribute__((noinline)) void plain(void) { sink++; }\n"
	"__attribute__((noinline, used)) static void hidden(void) { sink += 2; }\n"
	"__attribute__((noinline, used)) static void deeper(void) { sink += 3; }\n"
	"__attribute__((noinline)) void __work(void) { sink += 4; }\n"
	"extern __typeof(__work) work __attribute__((weak, alias(\"__work\")));\n"
	"extern __typeof(__work) inside __attribute__((alias(\"__work\"), "
	"visibility(\"hidden\")));\n"
	"__attribute__((noinline)) void caller(void) { plain(); hidden(); deeper(); work(); }\n";

/* As find-debuginfo does: all functions, but for those that .dynsym has, without anything else. */
static const char strip_like_fedora[] =
	"nm -D %1$s --format=posix --defined-only | awk '{print $1}' | sort > dynsyms && "
	"nm %1$s --format=posix --defined-only | awk '$2 ~ /[TtD]/ {print $1}' | sort > funcsyms "
	"&& "
	"comm -13 dynsyms funcsyms > keep && "
	"objcopy --only-keep-debug %1$s %1$s.debug && "
	"objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep "
	"%1$s.debug mini && "
	"strip --strip-all --remove-section .comment -o bare %1$s && "
	"xz -c mini > mini.xz && "
	"objcopy --add-section .gnu_debugdata=mini.xz bare packed";

static char work_dir[] = "/tmp/test-debugdata-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", work_dir, name);
	return path;
}

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *fmt, ...)
{
	char command[2048];
	int len = snprintf(command, sizeof(command), "cd %s && ", work_dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command + len, sizeof(command) - (size_t)len, fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		CHECK_FAIL("command failed: %s", command);
}

static void remove_work_dir(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", work_dir);
	if (system(command) != 0)
		fprintf(stderr, "%s stays behind\n", work_dir);
}

/* The library as built ("whole"), and "bare" and "packed" of it. */
static void build_files(void)
{
	static bool built;
	FILE *f;

	if (built)
		return;
	if (system("command -v objcopy xz awk comm > /dev/null") != 0)
		check_skip("objcopy, xz, awk or comm is missing");
	CHECK(mkdtemp(work_dir));
	built = true;
	atexit(remove_work_dir);
	f = fopen(path_of("p.c"), "we");
	CHECK(f && fputs(program, f) >= 0 && fclose(f) == 0);
	run("cc -O1 -g0 -fPIC -shared -o whole p.c");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	run(strip_like_fedora, "whole");
#pragma GCC diagnostic pop
}

static struct symtab *load(const char *name, int expect)
{
	const struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;
	struct symtab *t = NULL;
	struct stat st;
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_EQ(symtab_load(fd, (uint64_t)st.st_size, &limits, &t), expect);
	close(fd);
	return t;
}

static const char *name_at(const struct symtab *t, uint64_t place)
{
	struct symtab_symbol s;

	return symtab_find(t, place, &s) ? s.name : "";
}

/* Every byte of code is called in @b as it is in @a; how many are called anything. */
static unsigned int compare(const struct symtab *a, const struct symtab *b)
{
	const struct object_segment *s = &symtab_info(a)->segments[0];
	unsigned int named = 0;

	CHECK_EQ(symtab_info(a)->segments_cnt, 1);
	for (uint64_t at = s->offset; at < s->offset + s->filesz; at++) {
		char name[256];

		snprintf(name, sizeof(name), "%s", name_at(a, at));
		CHECK_STR(name_at(b, at), name);
		named += name[0] != '\0';
	}
	return named;
}

static uint64_t offset_of(const struct symtab *t, const char *name)
{
	const struct object_segment *s = &symtab_info(t)->segments[0];

	for (uint64_t at = s->offset; at < s->offset + s->filesz; at++) {
		if (strcmp(name_at(t, at), name) == 0)
			return at;
	}
	CHECK_FAIL("no function is called %s", name);
}

#define BIT(source) (1u << SYMTAB_SOURCE_##source)
#define SOURCES(t) (symtab_info(t)->sources & ~BIT(PLT)) /* stubs: test-plt.c */

TEST(names_come_back)
{
	struct symtab *whole, *bare, *packed;

	build_files();
	whole = load("whole", SYMTAB_OK);
	bare = load("bare", SYMTAB_OK);
	packed = load("packed", SYMTAB_OK);
	CHECK_EQ(SOURCES(whole), BIT(SYMTAB) | BIT(DYNSYM));
	CHECK_EQ(SOURCES(bare), BIT(DYNSYM));
	CHECK_EQ(SOURCES(packed), BIT(DEBUGDATA) | BIT(DYNSYM));
	CHECK_STR(name_at(bare, offset_of(whole, "hidden")), "");
	CHECK_STR(name_at(packed, offset_of(whole, "hidden")), "hidden");
	CHECK_STR(name_at(packed, offset_of(whole, "plain")), "plain");
	CHECK(compare(whole, packed) > 20);
	symtab_free(whole);
	symtab_free(bare);
	symtab_free(packed);
}

/* What others may call is what a function is called, also where the better source has a name of its own for it. */
TEST(exported_names_stay)
{
	struct symtab *whole, *packed;

	build_files();
	run("grep -q inside keep"); /* it is another name of work */
	whole = load("whole", SYMTAB_OK);
	packed = load("packed", SYMTAB_OK);
	CHECK_STR(name_at(packed, offset_of(whole, "work")), "work");
	symtab_free(whole);
	symtab_free(packed);
}

/* Where nothing else tells two names of one place apart, the better source does, though its name is longer. */
TEST(the_better_source_counts)
{
	struct symtab *whole, *other;

	build_files();
	run("objcopy -S --keep-symbol=plain whole.debug globals && "
	    "objcopy --redefine-sym plain=plain_of_debugdata globals && "
	    "rm -f globals.xz && xz globals && objcopy --add-section .gnu_debugdata=globals.xz "
	    "bare other");
	whole = load("whole", SYMTAB_OK);
	other = load("other", SYMTAB_OK);
	CHECK_EQ(SOURCES(other), BIT(DEBUGDATA) | BIT(DYNSYM));
	CHECK_STR(name_at(other, offset_of(whole, "plain")), "plain_of_debugdata");
	CHECK_STR(name_at(other, offset_of(whole, "work")), "work"); /* .dynsym alone has it */
	symtab_free(whole);
	symtab_free(other);
}

/* A file of this machine, as a package would have it. */
TEST(a_large_file_has_its_names_back)
{
	struct symtab *whole, *packed;

	build_files();
	run("cp $(readlink -f /proc/%d/exe) large", (int)getpid());
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	run(strip_like_fedora, "large");
#pragma GCC diagnostic pop
	whole = load("large", SYMTAB_OK);
	packed = load("packed", SYMTAB_OK);
	CHECK(symtab_info(packed)->sources & BIT(DEBUGDATA));
	CHECK(compare(whole, packed) > 10000);
	symtab_free(whole);
	symtab_free(packed);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	run(strip_like_fedora, "whole");
#pragma GCC diagnostic pop
}

/* "packed" with these bytes as its section. */
static void pack(const void *bytes, size_t sz)
{
	FILE *f;

	build_files();
	f = fopen(path_of("section"), "we");
	CHECK(f && fwrite(bytes, 1, sz, f) == sz && fclose(f) == 0);
	run("objcopy --add-section .gnu_debugdata=section bare other");
}

static uint8_t *read_all(const char *name, size_t *ret_sz)
{
	struct stat st;
	int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
	uint8_t *bytes;

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	bytes = malloc((size_t)st.st_size);
	CHECK(bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size);
	close(fd);
	*ret_sz = (size_t)st.st_size;
	return bytes;
}

/* @packed is what @sz times this byte compress to. */
static size_t make_bomb(size_t sz, uint8_t *packed, size_t room)
{
	static uint8_t zeros[1 << 20];
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret status = LZMA_OK;

	CHECK_EQ(lzma_easy_encoder(&z, 0, LZMA_CHECK_CRC32), LZMA_OK);
	z.next_out = packed;
	z.avail_out = room;
	while (status == LZMA_OK) {
		if (z.avail_in == 0 && sz > 0) {
			z.next_in = zeros;
			z.avail_in = MIN(sz, sizeof(zeros));
			sz -= z.avail_in;
		}
		status = lzma_code(&z, sz > 0 ? LZMA_RUN : LZMA_FINISH);
	}
	CHECK_EQ(status, LZMA_STREAM_END);
	lzma_end(&z);
	return room - z.avail_out;
}

/* Too much: the names of .dynsym are there, and that others are not is said. */
static void check_cut(void)
{
	struct symtab *t = load("other", SYMTAB_OK), *bare = load("bare", SYMTAB_OK);
	const struct object_segment *text = &symtab_info(bare)->segments[0];
	int named = 0;

	CHECK(symtab_info(t)->cut && !symtab_info(bare)->cut);
	CHECK_EQ(SOURCES(t), BIT(DYNSYM));
	for (uint64_t at = text->offset; at < text->offset + text->filesz; at += 16) {
		char name[SYMTAB_NAME_MAX + 1];

		snprintf(name, sizeof(name), "%s", name_at(bare, at));
		CHECK_STR(name_at(t, at), name);
		named += name[0] != '\0';
	}
	CHECK(named > 0);
	symtab_free(t);
	symtab_free(bare);
}

static double cpu_seconds(void)
{
	struct timespec now;

	CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 512 MiB in 80 KB. The limit of memory is what a load may take, and a little for the process. */
TEST(bombs_are_beyond_the_limit)
{
	static uint8_t packed[1 << 20];
	size_t sz = make_bomb(512u << 20, packed, sizeof(packed));
	struct rlimit was, limit;
	struct symtab *t;
	double begin;

	pack(packed, sz);
	CHECK_EQ(getrlimit(RLIMIT_DATA, &was), 0);
	limit = was;
	limit.rlim_cur = 60u << 20;
#ifdef __SANITIZE_ADDRESS__
	limit = was;
#endif
	CHECK_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
	begin = cpu_seconds();
	t = load("other", SYMTAB_OK);
	CHECK(cpu_seconds() - begin < 2);
	CHECK_EQ(setrlimit(RLIMIT_DATA, &was), 0);
	CHECK_EQ(symtab_info(t)->segments_cnt, 1);
	symtab_free(t);
	check_cut();
}

/* What ends at the limit is no ELF file, and as none; one byte more is too much. */
TEST(the_limit_is_where_it_is_said)
{
	static uint8_t packed[1 << 20];

	pack(packed, make_bomb(SYMTAB_DEBUGDATA_MAX, packed, sizeof(packed)));
	symtab_free(load("other", SYMTAB_OK));
	pack(packed, make_bomb(SYMTAB_DEBUGDATA_MAX + 1, packed, sizeof(packed)));
	check_cut();
	memset(packed, 0, sizeof(packed));
	pack(packed, sizeof(packed));
	run("truncate -s %llu section && objcopy --add-section .gnu_debugdata=section bare other",
	    SYMTAB_DEBUGDATA_PACKED_MAX + 1);
	check_cut();
}

/* The dictionary's size is a byte of the first block's header, which has a sum of its own. */
static void claim_dictionary(uint8_t *xz, uint8_t byte)
{
	const size_t at = 12; /* behind the stream's header */
	size_t sz = 4 * ((size_t)xz[at] + 1);
	uint32_t crc;

	CHECK_EQ(xz[at + 2], 0x21); /* LZMA2, without sizes before it */
	xz[at + 4] = byte;
	crc = lzma_crc32(xz + at, sz - 4, 0);
	memcpy(xz + at + sz - 4, &crc, sizeof(crc));
}

TEST(dictionaries_are_not_believed)
{
	size_t sz;
	uint8_t *xz;

	build_files();
	xz = read_all("mini.xz", &sz);
	claim_dictionary(xz, 28); /* 64 MiB: of the best that xz has by name */
	pack(xz, sz);
	symtab_free(load("other", SYMTAB_OK));
	claim_dictionary(xz, 29); /* 96 MiB */
	pack(xz, sz);
	check_cut();
	claim_dictionary(xz, 40); /* 4 GiB */
	pack(xz, sz);
	check_cut();
	free(xz);
}

/* Names of .dynsym are there whatever the section holds. */
static void check_as_none(const void *bytes, size_t sz)
{
	struct symtab *bare, *other;

	pack(bytes, sz);
	bare = load("bare", SYMTAB_OK);
	other = load("other", SYMTAB_OK);
	CHECK_EQ(SOURCES(other), BIT(DYNSYM));
	CHECK(compare(bare, other) > 10);
	symtab_free(bare);
	symtab_free(other);
}

TEST(damaged_ones_are_as_none)
{
	size_t sz, elf_sz;
	uint8_t *xz, *elf;

	check_as_none("", 1);
	check_as_none("no xz at all", 12);
	xz = read_all("mini.xz", &sz);
	check_as_none(xz, sz / 2); /* cut */
	check_as_none(xz, sz - 1);
	xz[sz / 2] ^= 1;
	check_as_none(xz, sz); /* its sum is wrong */
	free(xz);

	elf = read_all("mini", &elf_sz);
	((Elf64_Ehdr *)(void *)elf)->e_machine = EM_AARCH64;
	pack(elf, elf_sz);
	run("xz -c section > lie.xz");
	xz = read_all("lie.xz", &sz);
	check_as_none(xz, sz); /* not of our machine */
	free(xz);
	free(elf);
}

/* Whatever the file inside says of itself, it is read within its bytes. */
TEST(flipped_bits_inside_do_no_harm)
{
	const struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;
	struct rng rng = { .state = 11 };
	size_t sz, host_sz, packed_sz;
	uint8_t *elf, *host, *packed;
	unsigned int ok = 0, minis = 0;
	uint64_t at;

	build_files();
	elf = read_all("mini", &sz);
	run("head -c 65536 /dev/zero | tr '\\0' x > section && "
	    "objcopy --add-section .gnu_debugdata=section bare other");
	host = read_all("other", &host_sz);
	packed = memmem(host, host_sz, "xxxxxxxxxxxxxxxx", 16);
	CHECK(packed);
	at = (uint64_t)(packed - host);
	for (unsigned int i = 0; i < 3000; i++) {
		size_t place = rng_next(&rng) % (i % 2 ? sz : 64);
		struct symtab *t = NULL;
		int fd = memfd_create("flipped", MFD_CLOEXEC), r;

		if (i % 4 == 1)
			place = sz - 1 - rng_next(&rng) % 1800;
		elf[place] ^= (uint8_t)(1u << i % 8);
		packed_sz = 0;
		CHECK_EQ(lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, NULL, elf, sz, host + at,
						 &packed_sz, 65536),
			 LZMA_OK);
		CHECK(fd >= 0 && write(fd, host, host_sz) == (ssize_t)host_sz);
		r = symtab_load(fd, host_sz, &limits, &t);
		CHECK(r == SYMTAB_OK || r == SYMTAB_LIMIT);
		for (uint64_t p = 0; p < host_sz; p += 61)
			(void)name_at(t, p);
		ok += r == SYMTAB_OK;
		minis += (symtab_info(t)->sources & BIT(DEBUGDATA)) != 0;
		symtab_free(t);
		close(fd);
		elf[place] ^= (uint8_t)(1u << i % 8);
	}
	fprintf(stderr, "%u of 3000 could be read, %u with the names inside\n", ok, minis);
	CHECK(minis > 1000 && minis < 2999);
	free(elf);
	free(host);
}

/* The same names by a debug file, which comes before what is compressed. */
TEST(debug_files_have_names)
{
	const struct symtab_limits limits = SYMTAB_LIMITS_DEFAULT;
	_cleanup_(elf_file_closep) struct elf_file *packed = NULL, *debug = NULL, *bare = NULL;
	struct symtab *whole, *t = NULL;
	struct stat st;
	int fd;

	build_files();
	whole = load("whole", SYMTAB_OK);
	fd = open(path_of("bare"), O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_EQ(elf_file_open(fd, (uint64_t)st.st_size, &bare), SYMTAB_OK);
	fd = open(path_of("packed"), O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_EQ(elf_file_open(fd, (uint64_t)st.st_size, &packed), SYMTAB_OK);
	fd = open(path_of("whole.debug"), O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_EQ(elf_file_open_debug(fd, (uint64_t)st.st_size, &debug), SYMTAB_OK);

	CHECK_EQ(symtab_read(bare, debug, &limits, &t), SYMTAB_OK);
	CHECK_EQ(SOURCES(t), BIT(DEBUG) | BIT(DYNSYM));
	CHECK(compare(whole, t) > 20);
	t = symtab_free(t);
	CHECK_EQ(symtab_read(packed, debug, &limits, &t), SYMTAB_OK);
	CHECK_EQ(SOURCES(t), BIT(DEBUG) | BIT(DYNSYM));
	CHECK(compare(whole, t) > 20);
	symtab_free(t);
	symtab_free(whole);
}

CHECK_MAIN
